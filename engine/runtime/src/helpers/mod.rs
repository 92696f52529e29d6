//! Helper functions: one function each, called by both engines.
//!
//! ```text
//!   r1..r5 ──▶ abi.rs (addresses become slices, by prototype) ──▶ the body: safe Rust ──▶ r0
//! ```
//!
//! [`function`] gives the address jitted code calls; [`Memory::call`](crate::memory::Memory::call) is the checked way.
//! Errors are negative numbers in r0, as the kernel's.

mod abi;
pub mod callback;
mod callback_abi;
mod csum;
mod device;
mod dynptr;
mod dynptr_abi;
mod env;
mod format;
mod iter_num;
mod kfunc_abi;
mod map;
mod map_abi;
mod object_abi;
mod offload;
mod packet_abi;
mod probe;
mod process;
mod record;
mod room;
mod skb;
mod socket;
mod strings;
mod syncookie;
mod timer;
mod trace;
mod vlan;
mod xdp;

pub use abi::{HelperFn, function, record_tail_call_failure};
pub use callback_abi::CallBack;
pub(crate) use dynptr::{Dynptr, Kind as DynptrKind};
pub use kfunc_abi::kfunc;
pub(crate) use map_abi::{end_record, lookup_hash_4, lookup_hash_8, lookup_hash_16, map_lookup_elem};
pub use object_abi::TreeAdd;
pub use trace::{Trace, TraceLine};

use bpfreplay_uapi::Errno;

/// r0 of a helper that returns 0 or an error.
fn ret(result: Result<(), Errno>) -> u64 {
    result.map_or_else(Errno::as_ret, |()| 0)
}
