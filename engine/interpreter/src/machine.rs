//! One run: registers, memory, and the loop that takes one instruction after the other.

use std::sync::Arc;

use bpfreplay_isa::{AtomicOp, CallTarget, Imm64, Instruction, Operand, PacketIndex, Reg, Size, sem};
use bpfreplay_runtime::maps::{Element, Map};
use bpfreplay_runtime::memory::{Memory, find_map};
use bpfreplay_runtime::skb::load_packet;
use bpfreplay_runtime::{
    Batch, Context, ContextKind, Executable, ExecutionContext, Fault, FaultKind, PathEntry,
};
use bpfreplay_uapi::limits::MAX_CALL_FRAMES;
use bpfreplay_uapi::{HelperId, Kfunc};

use crate::program::{InterpretedProgram, interpreted};

/// Iterations a `may_goto` grants a function before it jumps (`BPF_MAX_LOOPS`).
const MAX_LOOPS: u32 = 8 << 20;

/// What r1 to r5 hold after a call: nothing a program may read, and easy to know again in a register dump.
const CLOBBERED: u64 = 0xdead_beef_dead_beef;

/// A run in progress.
pub(crate) struct Machine<'a> {
    regs: [u64; 11],
    pub(crate) memory: Memory<'a>,
    pub(crate) exec: &'a mut ExecutionContext,
    steps_left: u64,
}

/// How a function ends.
enum Exit {
    /// With r0.
    Return(u64),
    /// In another program, which takes over its frame.
    TailCall(Arc<dyn Executable>),
    /// With all functions of its program, by this cookie.
    Throw(u64),
}

/// How a function is left by its frame.
pub(crate) enum Left {
    /// With r0.
    Returned(u64),
    /// Its program is thrown out of, by this cookie.
    Thrown(u64),
}

impl Left {
    /// r0, where nothing can be thrown.
    pub(crate) fn returned(self, program: &InterpretedProgram, at: u32) -> Result<u64, Fault> {
        match self {
            Left::Returned(r0) => Ok(r0),
            Left::Thrown(_) => Err(program.fault(at, FaultKind::BadInstruction)),
        }
    }
}

impl Machine<'_> {
    /// Runs a program through its tail calls to the end: its r0; 0 after a fault, which is then in the batch's context.
    pub(crate) fn run(
        program: &InterpretedProgram,
        context: Context<'_>,
        batch: &mut Batch<'_>,
        step_limit: u64,
    ) -> u64 {
        Machine::within(program, Some(context), batch, step_limit, |machine| {
            machine.set(Reg::R1, machine.memory.context_address());
            machine.function(program, 0, 0)?.returned(program, 0)
        })
    }

    /// Runs a function of a program as the callback of a timer.
    pub(crate) fn run_callback(
        program: &InterpretedProgram,
        function: u64,
        (map, element): (&Arc<Map>, Element),
        batch: &mut Batch<'_>,
        step_limit: u64,
    ) {
        Machine::within(program, None, batch, step_limit, |machine| {
            let start = program.code().callback(function);
            let start = start.ok_or_else(|| program.fault(0, FaultKind::BadJump))?;
            if find_map(program.maps(), map.address()).is_none() {
                machine.memory.hold(map);
            }
            machine.memory.lend(element.key, map.spec().key_size.into());
            let args = [map.address(), element.key, element.value];
            for (reg, arg) in Reg::ARGS.into_iter().zip(args) {
                machine.set(reg, arg);
            }
            machine.function(program, start, 0)?.returned(program, start)
        });
    }

    /// A run: what it leaves in the batch's context, and its r0 or 0.
    fn within(
        program: &InterpretedProgram,
        context: Option<Context<'_>>,
        batch: &mut Batch<'_>,
        step_limit: u64,
        body: impl FnOnce(&mut Machine<'_>) -> Result<u64, Fault>,
    ) -> u64 {
        let exec: &mut ExecutionContext = batch;
        exec.tail_call_cnt = 0;
        exec.path[0] = PathEntry { prog: program.id(), index: 0 };
        exec.fault = None;
        // Out of the context while it is borrowed: helpers are handed the context, too.
        let mut frames = std::mem::take(&mut exec.frames);
        let memory = match context {
            Some(context) => Memory::new(&mut frames, context),
            None => Memory::without_context(&mut frames, ContextKind::of(program.info().prog_type)),
        };
        let mut machine = Machine { regs: [CLOBBERED; 11], memory, exec, steps_left: step_limit };
        machine.memory.replace_objects(Some(Arc::clone(program.objects())));
        let outcome = body(&mut machine);
        // What the run still had in hand goes with its memory.
        drop(machine);
        exec.frames = frames;
        match outcome {
            Ok(r0) => r0,
            Err(fault) => {
                exec.fault = Some(fault);
                0
            }
        }
    }

    /// Runs a function in a new frame. A tail call in it goes on in the same frame and returns to the same caller
    /// (spec: it replaces only that subprogram's frame).
    pub(crate) fn function(
        &mut self,
        program: &InterpretedProgram,
        start: u32,
        depth: usize,
    ) -> Result<Left, Fault> {
        let caller_fp = self.get(Reg::FP);
        let fp = self.memory.push_frame().map_err(|kind| program.fault(start, kind))?;
        self.set(Reg::FP, fp);
        let mut exit = self.execute(program, start, depth)?;
        if start == 0 {
            exit = self.catch(program, exit)?;
        }
        let left = loop {
            match exit {
                Exit::Return(r0) => break Left::Returned(r0),
                Exit::Throw(cookie) => break Left::Thrown(cookie),
                Exit::TailCall(target) => {
                    // The frames of a program are counted from its own entry, and only those it may touch.
                    let floor = self.memory.raise_floor();
                    exit = match interpreted(&*target) {
                        Some(next) => {
                            let objects = self.memory.replace_objects(Some(Arc::clone(next.objects())));
                            let exit = self.execute(next, 0, 0)?;
                            let exit = self.catch(next, exit)?;
                            self.memory.replace_objects(objects);
                            exit
                        }
                        None => return Err(program.fault(start, FaultKind::BadArgument(2))),
                    };
                    self.memory.restore_floor(floor);
                }
            }
        };
        self.memory.pop_frame();
        self.set(Reg::FP, caller_fp);
        Ok(left)
    }

    /// What leaves a program by its entry function's frame: a cookie that was thrown goes to the exception callback,
    /// or is r0 (linux: bpf_throw()).
    fn catch(&mut self, program: &InterpretedProgram, exit: Exit) -> Result<Exit, Fault> {
        let Exit::Throw(cookie) = exit else { return Ok(exit) };
        let Some(callback) = program.exception_callback() else { return Ok(Exit::Return(cookie)) };
        self.set(Reg::R1, cookie);
        self.function(program, callback, 1)?.returned(program, callback).map(Exit::Return)
    }

    /// Takes instructions from `start` until the function is left.
    fn execute(&mut self, program: &InterpretedProgram, start: u32, depth: usize) -> Result<Exit, Fault> {
        let mut loops_left = MAX_LOOPS;
        let mut at = start;
        loop {
            let fault = |kind| program.fault(at, kind);
            let step = program.code().step(at).ok_or_else(|| fault(FaultKind::BadJump))?;
            self.steps_left = self.steps_left.checked_sub(1).ok_or_else(|| fault(FaultKind::StepLimit))?;
            let mut next = at + 1;
            match step.instruction {
                Instruction::Alu { width, op, dst, src } => {
                    self.set(dst, sem::alu(width, op, self.get(dst), self.operand(src)));
                }
                Instruction::Neg { width, dst } => self.set(dst, sem::neg(width, self.get(dst))),
                Instruction::MovSx { width, size, dst, src } => {
                    self.set(dst, sem::mov_sx(width, size, self.get(src)));
                }
                Instruction::Endian { op, size, dst } => self.set(dst, sem::endian(op, size, self.get(dst))),
                Instruction::LoadImm64 { dst, value: Imm64::Const(value) } => self.set(dst, value),
                Instruction::LoadImm64 {
                    value:
                        Imm64::Map(_)
                        | Imm64::MapValue { .. }
                        | Imm64::BtfId(_)
                        | Imm64::Func(_)
                        | Imm64::MapIndex(_)
                        | Imm64::MapIndexValue { .. },
                    ..
                } => return Err(fault(FaultKind::BadInstruction)),
                Instruction::Load { size, signed, dst, base, off } => {
                    let addr = self.address(base, off);
                    let value = self.memory.load(program.maps(), addr, size).map_err(fault)?;
                    self.set(dst, if signed { sem::sign_extend(size, value) } else { value });
                }
                Instruction::Store { size, base, off, src } => {
                    let (addr, value) = (self.address(base, off), self.operand(src));
                    self.memory.store(program.maps(), addr, size, value).map_err(fault)?;
                }
                Instruction::Atomic { size, op, base, off, src } => {
                    let (addr, r0) = (self.address(base, off), self.get(Reg::R0));
                    let old = self
                        .memory
                        .atomic(program.maps(), addr, (size, op), self.get(src), r0)
                        .map_err(fault)?;
                    if op.fetches() {
                        self.set(if op == AtomicOp::Cmpxchg { Reg::R0 } else { src }, old);
                    }
                }
                Instruction::LoadPacket { size, index, imm } => {
                    match self.load_packet(size, index, imm).map_err(fault)? {
                        Some(value) => self.set(Reg::R0, value),
                        None => return Ok(Exit::Return(0)),
                    }
                    self.clobber();
                }
                Instruction::Jump { .. } => next = step.target,
                Instruction::JumpIf { width, op, dst, src, .. } => {
                    if sem::jmp(width, op, self.get(dst), self.operand(src)) {
                        next = step.target;
                    }
                }
                Instruction::MayGoto { .. } => match loops_left {
                    0 => next = step.target,
                    _ => loops_left -= 1,
                },
                Instruction::Call(CallTarget::Helper(id)) => {
                    let helper = HelperId::from_id(id).ok_or_else(|| fault(FaultKind::BadInstruction))?;
                    let r0 = if helper.calls_back() {
                        self.helper_with_callback(program, helper, at, depth)?
                    } else {
                        let mut args = Reg::ARGS.map(|reg| self.get(reg));
                        if helper == HelperId::TimerSetCallback {
                            // The program that calls is an argument nobody sees (linux: do_misc_fixups()).
                            program
                                .code()
                                .callback(args[1])
                                .ok_or_else(|| fault(FaultKind::BadArgument(2)))?;
                            args[2] = program.id().into();
                        }
                        self.memory.call(program.maps(), helper, args, self.exec).map_err(fault)?
                    };
                    self.set(Reg::R0, r0);
                    // `bpf_fastcall`: spills around the call may have been removed.
                    if !helper.proto().fastcall {
                        self.clobber();
                    }
                }
                Instruction::Call(CallTarget::Kfunc(id)) => {
                    let kfunc = Kfunc::from_id(id as u32).ok_or_else(|| fault(FaultKind::BadInstruction))?;
                    if kfunc == Kfunc::Throw {
                        return Ok(Exit::Throw(self.get(Reg::R1)));
                    }
                    let r0 = if kfunc == Kfunc::RbtreeAdd {
                        self.rbtree_add(program, at, depth)?
                    } else {
                        let args = Reg::ARGS.map(|reg| self.get(reg));
                        self.memory.call_kfunc(program.maps(), kfunc, args, self.exec).map_err(fault)?
                    };
                    self.set(Reg::R0, r0);
                    self.clobber();
                }
                Instruction::Call(CallTarget::Local(_)) => {
                    if depth + 1 >= MAX_CALL_FRAMES {
                        return Err(fault(FaultKind::CallDepth));
                    }
                    let saved = Reg::CALLEE_SAVED.map(|reg| self.get(reg));
                    let r0 = match self.function(program, step.target, depth + 1)? {
                        Left::Returned(r0) => r0,
                        Left::Thrown(cookie) => return Ok(Exit::Throw(cookie)),
                    };
                    for (reg, value) in Reg::CALLEE_SAVED.into_iter().zip(saved) {
                        self.set(reg, value);
                    }
                    self.set(Reg::R0, r0);
                    self.clobber();
                }
                Instruction::TailCall => {
                    if let Some(target) = self.tail_call(program, at).map_err(fault)? {
                        return Ok(Exit::TailCall(target));
                    }
                    self.set(Reg::R0, CLOBBERED);
                    self.clobber();
                }
                Instruction::Exit => return Ok(Exit::Return(self.get(Reg::R0))),
            }
            at = next;
        }
    }

    /// `LD_ABS`, `LD_IND`. The register of `LD_IND` counts with its low 32 bits only (`bpf_skb_load_helper_32`).
    fn load_packet(&self, size: Size, index: PacketIndex, imm: i32) -> Result<Option<u64>, FaultKind> {
        let offset = match index {
            PacketIndex::Abs => imm,
            PacketIndex::Ind(reg) => (self.get(reg) as i32).wrapping_add(imm),
        };
        match self.memory.skb() {
            Some(skb) if self.get(Reg::R6) == self.memory.context_address() => {
                Ok(load_packet(skb, size, offset))
            }
            Some(_) | None => Err(FaultKind::BadInstruction),
        }
    }

    #[inline]
    pub(crate) fn get(&self, reg: Reg) -> u64 {
        self.regs[reg.index()]
    }

    #[inline]
    pub(crate) fn set(&mut self, reg: Reg, value: u64) {
        self.regs[reg.index()] = value;
    }

    #[inline]
    fn operand(&self, operand: Operand) -> u64 {
        match operand {
            Operand::Imm(imm) => i64::from(imm) as u64,
            Operand::Reg(reg) => self.get(reg),
        }
    }

    #[inline]
    fn address(&self, base: Reg, off: i16) -> u64 {
        self.get(base).wrapping_add_signed(i64::from(off))
    }

    fn clobber(&mut self) {
        for reg in Reg::ARGS {
            self.set(reg, CLOBBERED);
        }
    }
}
