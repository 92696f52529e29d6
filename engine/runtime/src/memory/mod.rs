//! Memory that programs and the engine share: addresses, and two ways to reach what lies at them.
//!
//! ```text
//!   Memory (checked)  the interpreter's: an access is looked up in the regions live now, or it is a fault
//!   raw               jitted code's and the helpers': the verifier has proved the access
//!   Words             what map values lie in: never moves, 8-byte aligned, shared by all workers
//! ```
//!
//! Two threads may write one map value at once: that is the program's affair, as in the kernel. Rust code therefore
//! reaches map values as relaxed atomics and never holds a reference to their bytes.

mod arguments;
mod checked;
mod dynptr;
mod held;
mod lock;
mod object;
mod raw;
mod region;
mod words;

pub use checked::{Floor, MAX_FRAMES, Memory, Stack};
pub(crate) use lock::with_lock;
pub(crate) use raw::{atomic32, atomic64, bytes, bytes_mut, copy_live, fill_bytes, move_bytes};
pub use raw::{load, store};
pub use region::find_map;
pub(crate) use words::{Words, padded, read_words, write_words};
