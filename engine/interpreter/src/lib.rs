//! The checking engine: runs verified programs one instruction at a time and trusts nobody.
//!
//! ```text
//!   VerifiedProgram ──prepare──▶ InterpretedProgram ──run──▶ r0
//!                   decoded once,      │                     or a Fault in the ExecutionContext
//!                   jumps resolved     ├─ isa::sem           what an operation computes
//!                                      ├─ runtime::memory     every access looked up in what is live now
//!                                      ├─                     and every argument of a helper, by prototype
//!                                      └─ runtime::tail_call the rule
//! ```
//!
//! The three types to know: [`Interpreter`], [`InterpretedProgram`], [`PrepareError`].
//!
//! The verifier's word counts for nothing here: a load, a store, a pointer handed to a helper, a jump, the depth of
//! calls and the number of steps are all checked when they happen. On a program the verifier accepted a fault is
//! therefore a bug in the verifier, and the run ends at it with r0 = 0. That costs speed; the JIT is the fast path,
//! this is the truth it is compared with.
//!
//! Deliberately not here: what an instruction means (`isa::sem`), what a helper does and which memory there is
//! (`runtime`).
//!
//! Read first: `machine.rs`.
#![forbid(unsafe_code)]
// A new instruction or operation must break every match that does not handle it.
#![deny(clippy::wildcard_enum_match_arm)]

mod callback;
mod code;
mod machine;
mod prepare;
mod program;
mod tail_call;
#[cfg(test)]
mod tests;

pub use prepare::{DEFAULT_STEP_LIMIT, Interpreter, PrepareError};
pub use program::InterpretedProgram;
