//! What a running program touches: its context, its maps, its helpers, and the rule of tail calls.
//!
//! ```text
//!   frame ──▶ SkBuff ─┐
//!                     ├─▶ Executable::run ──▶ r0, and what it left in packet, context, maps, path
//!   ExecutionContext ─┘        │
//!        (one a worker)        ├─ helpers/   one function each, called by both engines
//!                              ├─ maps/      values that stay where they are
//!                              └─ tail_call  bounds ▸ limit ▸ slot ▸ count, then jump
//! ```
//!
//! The three types to know: [`SkBuff`], what `struct __sk_buff` is a view of; [`ExecutionContext`], what belongs to a
//! worker; [`Map`].
//!
//! Deliberately not here: how instructions run (the engines), what a verdict means (`tc`), where frames come from
//! (`replay`).
#![deny(unsafe_code)]

mod exec;
mod executable;
mod gate;
mod grace;
pub mod helpers;
pub mod maps;
pub mod memory;
pub mod skb;
mod sync;
pub mod tail_call;

pub use exec::{Batch, ExecutionContext, Fault, FaultKind, MAX_PATH, PathEntry, Redirect};
pub use executable::{Context, Executable, ProgramId, ProgramInfo};
pub use helpers::HelperFn;
pub use maps::{Map, MapError, ProgArray};
pub use memory::Memory;
pub use skb::{Packet, SKB_LAYOUT, SkBuff};
