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
mod load;
mod plain;
mod report;
mod tables;
mod trial;

pub(crate) use annotations::keep_used_maps;
pub use annotations::object_trials;
pub use explained::Explained;
pub use judge::{Judge, Ran, Said, Verdicts};
pub use load::{KernelLoad, load_once, verify_once};
pub use plain::{large_objects, plain_trials};
pub use report::Report;
pub use tables::table_trials;
pub use trial::{Expect, Run, Trial};

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Every trial of the suites that were built in this folder, and how many tests were left out.
///
/// # Errors
///
/// If an object or a table cannot be read.
pub fn trials(built: &Path) -> anyhow::Result<(Vec<Trial>, usize)> {
    let mut objects: Vec<PathBuf> = std::fs::read_dir(built.join("progs"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()?;
    objects.retain(|path| path.extension().is_some_and(|extension| extension == "o"));
    objects.sort();
    let (mut trials, mut left_out) = (Vec::new(), 0);
    for object in objects {
        let (more, out) = object_trials(&object).with_context(|| object.display().to_string())?;
        trials.extend(more);
        left_out += out;
    }
    trials.extend(table_trials(&built.join("tables/tests.jsonl"))?);
    let before = trials.len();
    trials.retain(Trial::can_be_judged);
    left_out += before - trials.len();
    Ok((trials, left_out))
}
