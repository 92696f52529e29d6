//! Cases as files: programs in BPF assembly, what to do with them, and what must come of it.
//!
//! A case never names an engine. The runner loads it into each of them ([`Engine`]) and compares; a case that the
//! kernel cannot judge says why in `kernel_skip`, one that only the kernel can in `ours_skip`.
//!
//! ```text
//!   tests/cases/*.toml ──▶ Case ──┬─▶ interpreter ─┐
//!                                 ├─▶ jit ─────────┼─▶ the same outcome, and the one the case states
//!                                 └─▶ kernel ──────┘
//! ```

mod assemble;
pub(crate) mod btf;
mod engine;
mod file;
mod fixture_maps;
mod kernel;
mod ours;
mod run;
mod verifier;

pub use assemble::{assemble_program, map_spec};
pub use engine::{Engine, Loaded, Outcome, RefusedLoad};
pub use file::{Case, MapDef, ProgramDef, Returns, Step, ValueDef, cases};
pub(crate) use fixture_maps::fixture_maps;
pub use kernel::KernelEngine;
pub use run::{check, check_all};
pub use verifier::{VerifierCase, verifier_cases, verifier_program};
