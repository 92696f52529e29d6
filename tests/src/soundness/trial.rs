//! One mutant before everybody.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bpfreplay_program::Program;
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_verifier::{ErrorKind, LogLevel, Options, VerifiedProgram, verify};

use super::finding::{Finding, What};
use super::laxer::{self, Laxer};
use super::mutate::listing;
use super::random::Random;
use super::runs::Runner;
use crate::Kernel;
use crate::kernel::{KernelInstance, LoadError};

/// Runs of an accepted program: packets of several kinds, maps with other contents each time.
const RUNS: usize = 6;
/// Runs of a program that the kernel refuses for a reason that is explained.
const RUNS_OF_DOUBTFUL: usize = 200;
/// Instructions of a run.
const STEPS_MAX: u64 = 200_000;
/// Instructions our verifier processes of a program the kernel is asked about.
const KERNEL_INSNS_MAX: u32 = 20_000;

/// What became of a mutant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// We refuse it; the kernel was not asked, or refuses it as well.
    Refused,
    /// We refuse it and the kernel accepts it; with our message.
    Stricter(String),
    /// Accepted, and none of its runs did what it must not.
    Sound,
    /// Accepted, and refused by the kernel for a reason that `tests/soundness/laxer.toml` explains; many more runs
    /// than usual showed nothing.
    Laxer {
        /// The row's key.
        class: &'static str,
        /// The program.
        program: String,
        /// The kernel's words.
        kernel: String,
    },
    /// Accepted, but not run: its maps are too large, or its type is not one that packets are shown to.
    NotRun,
}

/// Whether the kernel is asked about programs that we refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AskAboutRefused {
    /// It takes longer, and shows where we are stricter.
    Yes,
    /// Soundness alone.
    No,
}

/// Who is asked, and with what.
#[derive(Debug)]
pub struct Trial {
    kernel: Option<Kernel>,
    refused: AskAboutRefused,
    runner: Runner,
    laxer: &'static [Laxer],
    /// Runs on the interpreter.
    pub runs: u64,
    /// Programs the kernel was asked about.
    pub kernel_asked: u64,
}

impl Trial {
    /// With the kernel, or without.
    #[must_use]
    pub fn new(kernel: Option<Kernel>, refused: AskAboutRefused) -> Trial {
        let runner = Runner::new(STEPS_MAX);
        Trial { kernel, refused, runner, laxer: laxer::rows(), runs: 0, kernel_asked: 0 }
    }

    /// Verifies, runs, asks the kernel.
    ///
    /// # Errors
    ///
    /// What must not happen.
    pub fn judge(&mut self, program: &Arc<Program>, random: &mut Random) -> Result<Verdict, Finding> {
        let finding = |what| Finding { what, program: listing(program) };
        let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
        let verdict = catch_unwind(AssertUnwindSafe(|| verify(Arc::clone(program), &options)))
            .map_err(|panic| finding(What::panic(&*panic)))?;
        // The kernel takes its time over what takes many steps, and what we refuse is only asked for who wants to know.
        let asked = verdict
            .as_ref()
            .map_or(self.refused == AskAboutRefused::Yes, |ok| ok.facts().insns_processed < KERNEL_INSNS_MAX);
        let kernel = self.kernel.filter(|_| asked);
        let kernel = kernel.map(|kernel| KernelInstance::load(kernel, &[Arc::clone(program)]));
        self.kernel_asked += u64::from(kernel.is_some());
        match (verdict, kernel) {
            (Ok(verified), None | Some(Ok(_))) => self.run_all(&verified, RUNS, random),
            (Ok(verified), Some(Err(error))) => {
                // The worse of the two findings first.
                self.run_all(&verified, RUNS_OF_DOUBTFUL, random)?;
                let kernel = match error {
                    LoadError::Program(refused) => format!("{}\n{}", refused.log, refused.error),
                    error @ LoadError::Map { .. } => error.to_string(),
                };
                match self.laxer.iter().find(|row| kernel.contains(&row.kernel)) {
                    Some(row) => Ok(Verdict::Laxer { class: &row.kernel, program: listing(program), kernel }),
                    None => Err(finding(What::Unsound { kernel })),
                }
            }
            (Err(error), Some(Ok(_))) if error.kind != ErrorKind::Unsupported => {
                Ok(Verdict::Stricter(error.message))
            }
            (Err(_), _) => Ok(Verdict::Refused),
        }
    }

    fn run_all(
        &mut self,
        verified: &VerifiedProgram,
        runs: usize,
        random: &mut Random,
    ) -> Result<Verdict, Finding> {
        match self.runner.run(verified, runs, random) {
            Ok(0) => Ok(Verdict::NotRun),
            Ok(runs) => {
                self.runs += runs as u64;
                Ok(Verdict::Sound)
            }
            Err(what) => Err(Finding { what, program: listing(verified.program()) }),
        }
    }
}
