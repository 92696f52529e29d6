//! What the fuzz targets do with their bytes. `tests/fuzz` calls these from libFuzzer, `tests/tests/fuzz_findings.rs`
//! from a stable toolchain with everything that was ever found.
//!
//! ```text
//!   bytes ─┬─▶ decode    instructions: encode and text give the same back
//!          ├─▶ object    an error or programs; what the verifier accepts of them never faults
//!          ├─▶ capture   an error or frames, each through the parsers on both engines
//!          ├─▶ verify    a program: a verdict, the same with any log; what is accepted never faults
//!          └─▶ engines   programs, maps and frames: what the verifier accepts runs alike on both engines
//! ```
//!
//! A function here panics on a finding and returns otherwise.

mod capture;
mod decode;
pub mod engines;
mod object;
mod verify;

pub use capture::capture;
pub use decode::decode;
pub use engines::engines;
pub use object::object;
pub use verify::{verify, verify_input};
