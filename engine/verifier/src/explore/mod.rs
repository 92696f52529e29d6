//! How paths are explored: depth first, one instruction at a time, comparing with earlier states where paths join.
//!
//! ```text
//!   pending ──pop──▶ State ──▶ join point? ──equal to a finished state──▶ pruned
//!      ▲                          │ no
//!      │                          ▼
//!      └──other branch── transfer (+ check) ──▶ next instruction ... exit, refusal
//! ```
//!
//! Soundness of pruning: a finished join state stands for all states it *includes* (`compare`), because nothing that
//! happened after it depended on more than what was compared: registers and slots that were read later (`read`,
//! [`crate::cfg::RegSet`]), scalars by value only where a later check or branch decision depended on the value
//! (`precision`). A state of a loop that is not finished needs what is not known yet: it is compared in full, and what
//! turns out to be needed is passed along the way back (`loops`).

mod compare;
mod env;
mod history;
mod joins;
mod loops;
mod notes;
mod origin;
mod precision;
mod types;

pub use env::STATE_BYTES_MAX;
pub(crate) use env::{Env, Next, last_line};
pub(crate) use notes::{Access, Fact, Note, ObjectCall};
pub(crate) use types::type_name;
