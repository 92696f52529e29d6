//! The running kernel as the judge: the same linked instructions through bpf(2), by `libc` alone.
//!
//! ```text
//!   Program, MapSpec ──▶ KernelInstance ──test_run──▶ r0, bytes, context, maps
//! ```

mod attr;
mod instance;
mod sys;

pub use instance::{KernelInstance, LoadError, RefusedProgram, possible_cpus};
pub use sys::{Fd, Kernel, TestRun, Unavailable};
