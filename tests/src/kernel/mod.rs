//! The running kernel as the judge: the same linked instructions through bpf(2), by `libc` alone.
//!
//! ```text
//!   Program, MapSpec ──▶ KernelInstance ──test_run──▶ r0, bytes, context, maps
//!                              └──tc──▶ LiveLink ──send──▶ drops, maps
//! ```

mod attr;
mod instance;
mod kfunc;
mod link;
mod net;
mod sys;
mod user_ring;

pub use instance::{KernelInstance, LoadError, RefusedProgram, make_map, possible_cpus};
pub use link::{LiveHook, LiveLink, NoLink};
pub use sys::{Fd, Kernel, TestRun, Unavailable, stay_on_this_cpu};
pub use user_ring::produce;
