//! Program in, [`VerifiedProgram`] out: the only way to get one, and the only thing that runs natively.
//!
//! ```text
//!   Program ─cfg─▶ Code ─explore─▶ every path ─rewrite─▶ VerifiedProgram
//!                           │
//!                           ├─ check     what an instruction requires
//!                           ├─ transfer  what it does to the state
//!                           └─ scalar    numbers: known bits and intervals
//! ```
//!
//! The contract is the Linux kernel's (6.18): what it accepts runs, what is unsafe never does, and a refusal begins
//! with the kernel's own words. The three types to know: [`VerifiedProgram`], [`Facts`], [`VerifierError`].
//!
//! `log` writes down what was explored, in the kernel's form.
//!
//! Deliberately not here: running anything, maps with values.
//! Programs count as privileged: pointers may be stored, compared and returned.
//!
//! Read first: the module docs of `explore` (why pruning is sound), then `state`, then any file of `transfer`.
#![forbid(unsafe_code)]

mod cfg;
mod check;
mod diagnose;
mod error;
mod explore;
mod facts;
mod log;
mod rewrite;
mod scalar;
mod state;
#[cfg(feature = "unverified")]
#[doc(hidden)]
pub mod testing;
mod transfer;
mod verified;
mod verify;

pub use error::{ErrorKind, Evidence, VerifierError};
pub use explore::STATE_BYTES_MAX;
pub use log::{LOG_BYTES_MAX, LogKeep, LogLevel, LogWindow};
pub use verified::{Facts, MapAccess, Subprog, TailCallSite, VerifiedProgram};
pub use verify::{Options, verify, verify_within};
