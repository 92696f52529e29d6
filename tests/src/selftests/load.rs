//! One load at a time, for those who take its time.

use std::sync::Arc;

use anyhow::anyhow;
use bpfreplay_instance::{Instance, Options};
use bpfreplay_isa::Insn;
use bpfreplay_program::Program;
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_verifier::{LogLevel, verify};

use super::trial::Trial;
use crate::Kernel;
use crate::kernel::{Fd, KernelInstance};

/// Verifies a program once; gives the instructions processed.
///
/// # Errors
///
/// The verifier's refusal.
pub fn verify_once(program: &Arc<Program>) -> anyhow::Result<u32> {
    let options = bpfreplay_verifier::Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
    let verified = verify(Arc::clone(program), &options).map_err(|error| anyhow!("{error}"))?;
    Ok(verified.facts().insns_processed)
}

/// Makes programs and their maps ready on the JIT, and drops them.
///
/// # Errors
///
/// What is missing.
pub fn load_once(programs: &[Arc<Program>]) -> anyhow::Result<()> {
    drop(Instance::from_programs(programs, &Options::default())?);
    Ok(())
}

/// A program ready to be loaded into the kernel again and again: maps and types are there.
#[derive(Debug)]
pub struct KernelLoad {
    instance: KernelInstance,
    program: Arc<Program>,
    insns: Vec<Insn>,
    types: Option<Fd>,
}

impl KernelLoad {
    /// Loads everything once.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn new(kernel: Kernel, trial: &Trial) -> anyhow::Result<KernelLoad> {
        let programs = trial.programs.as_ref().map_err(|error| anyhow!("{error}"))?;
        let instance = KernelInstance::load_with_flags(kernel, programs, trial.flags)?;
        let program = Arc::clone(&programs[0]);
        let types = program.btf.as_ref().filter(|_| !program.funcs.is_empty());
        let types = types.and_then(|btf| kernel.load_btf(btf).ok());
        let insns = instance.with_map_fds(&program);
        Ok(KernelLoad { instance, program, insns, types })
    }

    /// `BPF_PROG_LOAD`, once.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn once(&self) -> anyhow::Result<Fd> {
        let kernel = self.instance.kernel();
        let loaded = kernel.load_program(&self.program, &self.insns, self.types.as_ref(), 0);
        loaded.map_err(|(error, log)| anyhow!("{error}: {log}"))
    }
}
