use std::sync::Arc;

use bpfreplay_isa::DecodeError;
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::{Executable, Map, MapError, register};
use bpfreplay_uapi::helper_name;
use bpfreplay_verifier::VerifiedProgram;

use crate::program::InterpretedProgram;

/// Instructions one run may take, over all its tail calls and functions.
///
/// 34 program executions, each with a loop of the most iterations the kernel grants an unbounded one
/// (`BPF_MAX_LOOPS`). A program without such loops stays below a million steps (the verifier's complexity limit).
pub const DEFAULT_STEP_LIMIT: u64 = 34 * (8 << 20);

/// The engine: makes programs that run with every access checked.
#[derive(Clone, Debug)]
pub struct Interpreter {
    step_limit: u64,
}

impl Default for Interpreter {
    fn default() -> Interpreter {
        Interpreter::new()
    }
}

impl Interpreter {
    /// An interpreter with [`DEFAULT_STEP_LIMIT`].
    #[must_use]
    pub fn new() -> Interpreter {
        Interpreter::with_step_limit(DEFAULT_STEP_LIMIT)
    }

    /// An interpreter that ends a run with [`bpfreplay_runtime::FaultKind::StepLimit`] after so many instructions.
    #[must_use]
    pub fn with_step_limit(step_limit: u64) -> Interpreter {
        Interpreter { step_limit }
    }

    /// Makes a program ready to run. `maps[i]` is the map of `program.program().maps[i]`. There is no memory for objects.
    ///
    /// # Errors
    ///
    /// If the program has an instruction, helper or map reference that this engine has not.
    pub fn prepare(
        &self,
        program: &VerifiedProgram,
        maps: &[Arc<Map>],
    ) -> Result<Arc<dyn Executable>, PrepareError> {
        self.prepare_for(program, maps, &Objects::none())
    }

    /// [`Interpreter::prepare`] of a program that allocates objects: its maps are made for the same.
    ///
    /// # Errors
    ///
    /// As [`Interpreter::prepare`].
    pub fn prepare_for(
        &self,
        program: &VerifiedProgram,
        maps: &[Arc<Map>],
        objects: &Arc<Objects>,
    ) -> Result<Arc<dyn Executable>, PrepareError> {
        Ok(register(Arc::new(InterpretedProgram::new(program, maps, objects, self.step_limit)?)))
    }
}

/// Why a program cannot run here.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PrepareError {
    /// A slot is no instruction.
    #[error("{0}")]
    Decode(DecodeError),
    /// A jump or call leaves the program, or goes into the middle of a wide instruction.
    #[error("insn {pc} goes to slot {target}, where no instruction begins")]
    BadTarget {
        /// The xlated slot.
        pc: usize,
        /// Where it goes.
        target: i64,
    },
    /// A map that the program does not have.
    #[error("insn {pc} uses map {map}, which the program does not have")]
    NoSuchMap {
        /// The xlated slot.
        pc: usize,
        /// Index into the program's maps.
        map: u32,
    },
    /// The address of a value that has none.
    #[error("insn {pc}: {source}")]
    NoValueAddress {
        /// The xlated slot.
        pc: usize,
        /// Why.
        source: MapError,
    },
    /// A helper this engine has not.
    #[error("insn {pc} calls {}#{id}, which this engine has not", helper_name(*id).unwrap_or("helper"))]
    UnknownHelper {
        /// The xlated slot.
        pc: usize,
        /// The helper's static id.
        id: u32,
    },
    /// An instruction that writes r10.
    #[error("frame pointer is read only: insn {pc} writes r10")]
    FramePointer {
        /// The xlated slot.
        pc: usize,
    },
    /// An instruction this engine has not.
    #[error("insn {pc} is {what}, which is not supported")]
    Unsupported {
        /// The xlated slot.
        pc: usize,
        /// What it is.
        what: &'static str,
    },
}
