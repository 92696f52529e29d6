//! Program in, [`VerifiedProgram`] out: the only way to get one, and the only thing that runs natively.
//!
//! The three types to know: [`VerifiedProgram`], [`Facts`], [`VerifierError`].
#![forbid(unsafe_code)]

mod verified;

pub use verified::{Facts, MapAccess, Subprog, TailCallSite, VerifiedProgram};
