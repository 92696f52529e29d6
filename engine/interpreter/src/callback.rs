//! Helpers that call functions of the program: the runtime's loops, around frames of this machine.

use bpfreplay_isa::Reg;
use bpfreplay_runtime::helpers::callback;
use bpfreplay_runtime::{Fault, FaultKind};
use bpfreplay_uapi::HelperId;
use bpfreplay_uapi::limits::{DYNPTR_SIZE, MAX_CALL_FRAMES};

use crate::machine::Machine;
use crate::program::InterpretedProgram;

/// Who calls which function.
struct Call<'a> {
    program: &'a InterpretedProgram,
    at: u32,
    /// What r2 held. A function that is never called may be gone, and its address nothing.
    function: u64,
    depth: usize,
}

impl Machine<'_> {
    /// r0 of a helper that [calls back](HelperId::calls_back).
    pub(crate) fn helper_with_callback(
        &mut self,
        program: &InterpretedProgram,
        helper: HelperId,
        at: u32,
        depth: usize,
    ) -> Result<u64, Fault> {
        let fault = |kind| program.fault(at, kind);
        let args = Reg::ARGS.map(|reg| self.get(reg));
        self.memory.check_arguments(program.maps(), helper, args).map_err(fault)?;
        let [r1, r2, data, flags, _] = args;
        let call = Call { program, at, function: r2, depth };
        if helper == HelperId::Loop {
            return callback::run_loop(r1, flags, |round| self.call_back(&call, [round, data, 0, 0]));
        }
        let map =
            self.memory.shared_map(program.maps(), r1).ok_or_else(|| fault(FaultKind::BadArgument(1)))?;
        if helper == HelperId::UserRingbufDrain {
            return callback::drain_user_ringbuf(&map, flags, |dynptr, sample| {
                self.memory.lend(dynptr, DYNPTR_SIZE.into());
                self.memory.lend_to_write(sample.addr, sample.len.into());
                let r0 = self.call_back(&call, [dynptr, data, 0, 0]);
                self.memory.take_back();
                self.memory.take_back();
                r0
            });
        }
        let cpu = self.exec.cpu;
        callback::for_each(&map, flags, cpu, |element| {
            self.memory.lend(element.key, map.spec().key_size.into());
            let r0 = self.call_back(&call, [r1, element.key, element.value, data]);
            self.memory.take_back();
            r0
        })
    }

    /// r0 of `bpf_rbtree_add`, which asks a function of the program which of two nodes comes first.
    pub(crate) fn rbtree_add(
        &mut self,
        program: &InterpretedProgram,
        at: u32,
        depth: usize,
    ) -> Result<u64, Fault> {
        let args = Reg::ARGS.map(|reg| self.get(reg));
        let add = self.memory.tree_add(program.maps(), args, self.exec.cpu);
        let add = add.map_err(|kind| program.fault(at, kind))?;
        let call = Call { program, at, function: args[2], depth };
        add.run(|a, b| self.call_back(&call, [a, b, 0, 0]))
    }

    /// Calls a function; r6 to r10 are afterwards as they were.
    fn call_back(&mut self, call: &Call<'_>, args: [u64; 4]) -> Result<u64, Fault> {
        let Call { program, at, function, depth } = *call;
        let function = program.code().callback(function);
        let function = function.ok_or_else(|| program.fault(at, FaultKind::BadArgument(2)))?;
        if depth + 1 >= MAX_CALL_FRAMES {
            return Err(program.fault(at, FaultKind::CallDepth));
        }
        let saved = Reg::CALLEE_SAVED.map(|reg| self.get(reg));
        for (reg, arg) in Reg::ARGS.into_iter().zip(args) {
            self.set(reg, arg);
        }
        let r0 = self.function(program, function, depth + 1)?.returned(program, at)?;
        for (reg, value) in Reg::CALLEE_SAVED.into_iter().zip(saved) {
            self.set(reg, value);
        }
        Ok(r0)
    }
}
