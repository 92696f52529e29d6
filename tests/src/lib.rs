//! What the cross-crate suites share: the kernel as an oracle, and where captures lie.
//!
//! The suites themselves are in `tests/tests`. Most of their cases are files that every engine runs.
//!
//! The three types to know: [`Kernel`], bpf(2) of the running kernel; [`kernel::KernelInstance`], linked programs and
//! their maps loaded into it; [`captures`], the files suites replay.
#![deny(unsafe_code)]

pub mod bpftool;
pub mod captures;
pub mod case;
pub mod fuzz;
pub mod kernel;
pub mod oracle;
pub mod selftests;
pub mod skip;
pub mod soundness;

pub use kernel::Kernel;
