use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use bpfreplay_isa::{Insn, Instruction, Width, encode};
use bpfreplay_runtime::maps::Element;
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::{
    Batch, Context, ContextKind, Executable, Fault, FaultKind, Map, ProgramId, ProgramInfo,
};
use bpfreplay_verifier::VerifiedProgram;

use crate::code::Code;
use crate::machine::Machine;
use crate::prepare::PrepareError;

/// A program this engine can run.
#[derive(Debug)]
pub struct InterpretedProgram {
    info: ProgramInfo,
    code: Code,
    maps: Box<[Arc<Map>]>,
    objects: Arc<Objects>,
    /// The step at which the function begins that is handed what is thrown.
    exception_callback: Option<u32>,
    step_limit: u64,
}

impl InterpretedProgram {
    /// Of a verified program: the only kind there is outside this crate's tests.
    pub(crate) fn new(
        program: &VerifiedProgram,
        maps: &[Arc<Map>],
        objects: &Arc<Objects>,
        step_limit: u64,
    ) -> Result<InterpretedProgram, PrepareError> {
        let source = program.program();
        let info = ProgramInfo {
            id: ProgramInfo::next_id(),
            name: source.name.clone(),
            prog_type: source.prog_type,
            expected_attach_type: source.expected_attach_type,
            xdp_has_frags: source.xdp_has_frags,
            jited: false,
            writes_packet: program.facts().writes_packet || program.facts().changes_packet_data,
        };
        let prepared = InterpretedProgram::of_xlated(info, &without_budgets(program), maps, step_limit)?;
        let mut prepared = prepared.with_objects(objects);
        let callback = program.facts().exception_callback;
        prepared.exception_callback = callback.and_then(|slot| prepared.code.step_at(slot));
        Ok(prepared)
    }

    /// Of instructions that nobody verified.
    pub(crate) fn of_xlated(
        info: ProgramInfo,
        xlated: &[Insn],
        maps: &[Arc<Map>],
        step_limit: u64,
    ) -> Result<InterpretedProgram, PrepareError> {
        Ok(InterpretedProgram {
            code: Code::new(xlated, maps, ContextKind::of(info.prog_type))?,
            maps: maps.into(),
            objects: Objects::none(),
            info,
            exception_callback: None,
            step_limit,
        })
    }

    /// The same, whose objects are these.
    pub(crate) fn with_objects(self, objects: &Arc<Objects>) -> InterpretedProgram {
        InterpretedProgram { objects: Arc::clone(objects), ..self }
    }

    #[inline]
    pub(crate) fn code(&self) -> &Code {
        &self.code
    }

    /// The step at which its exception callback begins.
    pub(crate) fn exception_callback(&self) -> Option<u32> {
        self.exception_callback
    }

    #[inline]
    pub(crate) fn maps(&self) -> &[Arc<Map>] {
        &self.maps
    }

    #[inline]
    pub(crate) fn objects(&self) -> &Arc<Objects> {
        &self.objects
    }

    #[inline]
    pub(crate) fn id(&self) -> ProgramId {
        self.info.id
    }

    /// A fault at a step of this program.
    #[cold]
    pub(crate) fn fault(&self, step: u32, kind: FaultKind) -> Fault {
        Fault { prog: self.info.id, pc: self.code.slot(step), kind }
    }
}

/// The instructions, but for those that set the budget of `may_goto`: it is counted in [`Machine`], and lies below the
/// 512 bytes of a frame that a program may touch.
fn without_budgets(program: &VerifiedProgram) -> Cow<'_, [Insn]> {
    let mut insns = Cow::Borrowed(program.xlated());
    for function in program.subprogs().iter().filter(|function| function.has_budget) {
        insns.to_mut()[function.start as usize] = encode(Instruction::Jump { width: Width::W64, off: 0 }).0;
    }
    insns
}

impl Executable for InterpretedProgram {
    fn info(&self) -> &ProgramInfo {
        &self.info
    }

    fn run(&self, context: Context<'_>, batch: &mut Batch<'_>) -> u64 {
        Machine::run(self, context, batch, self.step_limit)
    }

    fn run_callback(&self, function: u64, map: &Arc<Map>, element: Element, batch: &mut Batch<'_>) {
        Machine::run_callback(self, function, (map, element), batch, self.step_limit);
    }

    fn tail_entry(&self) -> usize {
        self.info.id as usize
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The program behind a slot, if it is this engine's.
pub(crate) fn interpreted(program: &dyn Executable) -> Option<&InterpretedProgram> {
    program.as_any().downcast_ref()
}
