//! The kernel's own verifier suites as judges: programs with an expected verdict and return values.
//!
//! ```text
//!   progs/verifier_*.o + declaration tags ──annotations──┐
//!                                                        ├──▶ Trial ──judge──▶ Verdicts ──report──▶ table, differences
//!   verifier/*.c, printed by table_tests ──tables────────┘                        ▲
//!                                                               explained.toml ───┘
//! ```
//!
//! The suites are built by `tests/selftests/judge` outside the repository. The three types to know: [`Trial`], one
//! program and what is expected of it; [`Verdicts`], what our verifier, our engines and the kernel say; [`Report`].

mod annotations;
mod explained;
mod judge;
mod report;
mod tables;
mod trial;

pub use annotations::object_trials;
pub use explained::Explained;
pub use judge::{Judge, Ran, Said, Verdicts};
pub use report::Report;
pub use tables::table_trials;
pub use trial::{Expect, Run, Trial};
