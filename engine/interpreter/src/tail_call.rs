//! Tail calls: the runtime's rule, on arguments that are checked here.

use std::sync::Arc;

use bpfreplay_isa::Reg;
use bpfreplay_runtime::memory::find_map;
use bpfreplay_runtime::tail_call::{self, TailCallFailure};
use bpfreplay_runtime::{Executable, FaultKind, PathEntry};

use crate::machine::Machine;
use crate::program::{InterpretedProgram, interpreted};

impl Machine<'_> {
    /// `tail_call`: the program to go on in, or none where it falls through.
    pub(crate) fn tail_call(
        &mut self,
        program: &InterpretedProgram,
        step: u32,
    ) -> Result<Option<Arc<dyn Executable>>, FaultKind> {
        if !self.memory.is_context(self.get(Reg::R1)) {
            return Err(FaultKind::BadArgument(1));
        }
        let map = find_map(program.maps(), self.get(Reg::R2)).ok_or(FaultKind::BadArgument(2))?;
        let array = map.prog_array().ok_or(FaultKind::BadArgument(2))?;
        let r3 = self.get(Reg::R3);
        let index = r3 as u32;
        let mut target = None;
        let decision = tail_call::decide(r3, array.max_entries(), self.exec.tail_call_cnt, |index| {
            target = array.get(index);
            target.as_ref().map_or(0, |target| target.tail_entry())
        });
        match (decision, target) {
            (Ok((_, count)), Some(target)) => {
                let next = interpreted(&*target).ok_or(FaultKind::BadArgument(2))?;
                self.exec.tail_call_cnt = count;
                self.exec.path[count as usize] = PathEntry { prog: next.id(), index };
                Ok(Some(target))
            }
            (Err(reason), _) => {
                let insn = program.code().slot(step);
                let failure = TailCallFailure { prog: program.id(), insn, index, reason };
                self.exec.tail_call_failures.record(failure);
                Ok(None)
            }
            (Ok(_), None) => Err(FaultKind::BadArgument(2)),
        }
    }
}
