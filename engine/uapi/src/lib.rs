//! What Linux promises to BPF programs, as data: numbers, names, prototypes, field tables. No behaviour.
//!
//! The three types to know: [`HelperId`] with its [`HelperProto`], [`SkbField`] with its [`ContextLayout`], and
//! [`ProgType`].
//!
//! Everything here comes from the kernel's UAPI headers or from behaviour observable by any program; nothing of
//! ours is in it, which is why every crate may depend on it and it depends on none.
#![forbid(unsafe_code)]

pub mod errno;
pub mod format;
pub mod helper;
mod helper_names;
mod helper_table;
pub mod kfunc;
pub mod limits;
pub mod map;
pub mod prog;
pub mod skb;
pub mod skb_access;
pub mod sock;
pub mod tc;
pub mod xdp;

pub use errno::Errno;
pub use helper::{ArgType, DynptrArg, HelperId, HelperProto, MemAccess, RetType};
pub use helper_names::helper_name;
pub use kfunc::{Kfunc, KfuncArg};
pub use map::MapType;
pub use prog::{ContextKind, ProgType};
pub use skb::{ContextLayout, NativeField, SkbField};
pub use skb_access::{SkbValue, skb_load, skb_store};
pub use xdp::{XdpField, xdp_load};
