//! A verified program to machine code: one arm per instruction, in order, and behind the program what seldom runs.

use bpfreplay_isa::{CallTarget, DecodeError, Imm64, Instruction, Operand, Reg, Size, decode_program};
use bpfreplay_runtime::{ContextKind, ProgramId, helpers};
use bpfreplay_uapi::{HelperId, Kfunc, helper_name};
use bpfreplay_verifier::VerifiedProgram;
use dynasmrt::DynamicLabel;

use crate::emit::{alu, atomic, call, jump, ld_abs, lookup, mem, tail_call, throw};
use crate::error::JitError;
use crate::fuse::{Fused, fuse};
use crate::link::Link;
use crate::liveness::Liveness;
use crate::plan::{HelperCall, KnownTailCall, Plan};
use crate::x64::{Assembler, Code, Gpr, Source};

/// Machine code, and where in it each xlated slot begins.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) code: Code,
    /// By slot; the second slot of a wide instruction is where the next instruction is. One more entry than slots:
    /// the last is where the program ends and what seldom runs begins.
    pub(crate) offsets: Vec<u32>,
}

/// Translates a program whose id will be `id`.
pub(crate) fn compile(
    program: &VerifiedProgram,
    id: ProgramId,
    link: Link<'_>,
    mut asm: Assembler,
) -> Result<Compiled, JitError> {
    let instructions = decode_program(program.xlated()).map_err(|error| undecodable(program, &error))?;
    let slots = program.xlated().len();
    let labels = (0..slots).map(|_| asm.label()).collect();
    let tail_calls = instructions.iter().any(|&(_, instruction)| instruction == Instruction::TailCall);
    let context = ContextKind::of(program.program().prog_type);
    let plan = Plan { facts: program.facts(), link, context };
    let live = Liveness::of(&instructions, slots, &plan);
    let mut compiler = Compiler { asm, program, id, plan, live, labels, tail_calls, seldom: Vec::new() };
    let mut offsets = Vec::with_capacity(slots + 1);

    tail_call::record_program(&mut compiler.asm, id);
    if program.facts().throws {
        throw::enter(&mut compiler.asm);
    }
    let targets = targets(&instructions, slots);
    let mut rest = &instructions[..];
    while let [(pc, instruction), ..] = *rest {
        compiler.asm.place(compiler.labels[pc]);
        offsets.push(compiler.offset());
        let mut count = 1;
        if compiler.live.is_dead(pc, instruction) {
            // Nothing to do.
        } else if let Some((fused, instructions)) = fuse(rest, &compiler.live, |pc| targets[pc]) {
            compiler.fused(fused);
            count = instructions;
        } else {
            compiler.instruction(pc, instruction)?;
        }
        rest = &rest[count..];
        offsets.resize(rest.first().map_or(slots, |&(next, _)| next), compiler.offset());
    }
    offsets.push(compiler.offset());
    compiler.seldom();
    compiler.finish(offsets)
}

struct Compiler<'a> {
    asm: Assembler,
    program: &'a VerifiedProgram,
    id: ProgramId,
    plan: Plan<'a>,
    live: Liveness,
    /// By slot.
    labels: Vec<DynamicLabel>,
    /// Whether there are any, and r11 must be the count.
    tail_calls: bool,
    seldom: Vec<Seldom>,
}

/// Code out of the way of the program: entered from it by a jump that is seldom taken.
#[derive(Debug)]
enum Seldom {
    TailCall(tail_call::FallThrough),
    LoadPacket(ld_abs::SlowLoad),
}

impl Compiler<'_> {
    fn fused(&mut self, fused: Fused) {
        match fused {
            Fused::Sum { dst, left, right } => {
                alu::sum(&mut self.asm, Gpr::of(dst), Gpr::of(left), source(right));
            }
            Fused::Half { dst, base, off } => {
                mem::load(&mut self.asm, Size::H, false, Gpr::of(dst), Gpr::of(base), off);
            }
        }
    }

    fn instruction(&mut self, pc: usize, instruction: Instruction) -> Result<(), JitError> {
        let asm = &mut self.asm;
        match instruction {
            Instruction::Alu { width, op, dst, src } => {
                alu::binary(asm, width, op, Gpr::of(dst), source(src));
            }
            Instruction::Neg { width, dst } => alu::negate(asm, width, Gpr::of(dst)),
            Instruction::MovSx { width, size, dst, src } => {
                alu::move_sign_extended(asm, width, size, Gpr::of(dst), Gpr::of(src));
            }
            Instruction::Endian { op, size, dst } => alu::endian(asm, op, size, Gpr::of(dst)),
            Instruction::LoadImm64 { dst, value } => self.load_imm64(pc, instruction, dst, value)?,
            Instruction::Load { size, signed, dst, base, off } => {
                mem::load(asm, size, signed, Gpr::of(dst), Gpr::of(base), off);
            }
            Instruction::Store { size, base, off, src } => {
                mem::store(asm, size, Gpr::of(base), off, source(src));
            }
            Instruction::Atomic { size, op, base, off, src } => {
                atomic::atomic(asm, size, op, Gpr::of(base), off, Gpr::of(src));
            }
            Instruction::LoadPacket { size, index, imm } => {
                let slow = ld_abs::load_packet(asm, size, index, imm);
                self.seldom.push(Seldom::LoadPacket(slow));
            }
            Instruction::Jump { width: _, off } => {
                let target = self.target(pc, instruction, off)?;
                jump::always(&mut self.asm, target);
            }
            Instruction::JumpIf { width, op, dst, src, off } => {
                let target = self.target(pc, instruction, i32::from(off))?;
                jump::conditional(&mut self.asm, width, op, Gpr::of(dst), source(src), target);
            }
            Instruction::MayGoto { off } => {
                let target = self.target(pc, instruction, i32::from(off))?;
                let Some(budget) = self.budget(pc) else {
                    return Err(self.unsupported(pc, instruction, "it is in no function"));
                };
                jump::may_goto(&mut self.asm, budget, target);
            }
            Instruction::Call(target) => self.call(pc, instruction, target)?,
            Instruction::TailCall => self.tail_call(pc, instruction)?,
            Instruction::Exit => call::exit(asm),
        }
        Ok(())
    }

    fn load_imm64(
        &mut self,
        pc: usize,
        instruction: Instruction,
        dst: Reg,
        value: Imm64,
    ) -> Result<(), JitError> {
        let value = match value {
            Imm64::Const(value) => value,
            Imm64::Map(map) => match self.plan.link.address(map) {
                Some(address) => address,
                None => return Err(self.unsupported(pc, instruction, "no such map was given")),
            },
            Imm64::MapValue { map, off } => match self.plan.link.value_address(map, off) {
                Some(Ok(address)) => address,
                Some(Err(error)) => return Err(self.unsupported(pc, instruction, &error.to_string())),
                None => return Err(self.unsupported(pc, instruction, "no such map was given")),
            },
            Imm64::BtfId(_) => {
                return Err(self.unsupported(pc, instruction, "there are no kernel variables here"));
            }
            Imm64::Func(off) => {
                let function = self.target(pc, instruction, off)?;
                mem::load_address(&mut self.asm, Gpr::of(dst), function);
                return Ok(());
            }
            Imm64::MapIndex(_) | Imm64::MapIndexValue { .. } => {
                return Err(self.unsupported(
                    pc,
                    instruction,
                    "an index into fd_array, which only a loader resolves",
                ));
            }
        };
        mem::load_imm64(&mut self.asm, Gpr::of(dst), value);
        Ok(())
    }

    fn call(&mut self, pc: usize, instruction: Instruction, target: CallTarget) -> Result<(), JitError> {
        match target {
            CallTarget::Helper(id) => match HelperId::from_id(id) {
                Some(helper) => self.helper(pc, instruction, helper)?,
                None => return Err(self.unsupported(pc, instruction, "this engine has no such helper")),
            },
            CallTarget::Local(off) => {
                let subprog = self.target(pc, instruction, off)?;
                call::local(&mut self.asm, subprog, self.live.after(pc));
                self.restore_count();
            }
            CallTarget::Kfunc(id) if Kfunc::from_id(id as u32) == Some(Kfunc::Throw) => {
                let callback = self.plan.facts.exception_callback;
                throw::throw(&mut self.asm, callback.map(|slot| self.labels[slot as usize]));
            }
            CallTarget::Kfunc(id) => {
                let known = Kfunc::from_id(id as u32);
                let Some((kfunc, function)) = known.and_then(|kfunc| Some((kfunc, helpers::kfunc(kfunc)?)))
                else {
                    return Err(self.unsupported(pc, instruction, "this engine has no such kernel function"));
                };
                if kfunc.is_of_objects() {
                    call::name_objects(&mut self.asm, self.plan.link.objects.address());
                }
                call::helper(&mut self.asm, function);
                self.restore_count();
            }
        }
        Ok(())
    }

    fn helper(&mut self, pc: usize, instruction: Instruction, helper: HelperId) -> Result<(), JitError> {
        let Some(call) = self.plan.helper(pc, helper) else {
            return Err(self.unsupported(pc, instruction, "this engine has no such helper"));
        };
        let asm = &mut self.asm;
        match call {
            HelperCall::Array(array, Some(key)) => lookup::by_constant(asm, array, key),
            HelperCall::Array(array, None) => lookup::by_key(asm, array),
            HelperCall::Cpu => call::smp_processor_id(asm),
            HelperCall::Clock => call::ktime(asm),
            HelperCall::Function(function) => {
                if matches!(helper, HelperId::PerCpuPtr | HelperId::ThisCpuPtr) {
                    call::name_objects(asm, self.plan.link.objects.address());
                }
                if helper == HelperId::TimerSetCallback {
                    call::name_caller(asm, self.id);
                }
                call::helper(asm, function);
                self.restore_count();
            }
        }
        Ok(())
    }

    /// After what may have lost r11.
    fn restore_count(&mut self) {
        if self.tail_calls {
            tail_call::load_count(&mut self.asm);
        }
    }

    fn tail_call(&mut self, pc: usize, instruction: Instruction) -> Result<(), JitError> {
        let next = self.target(pc, instruction, 0)?;
        match self.plan.tail_call(pc) {
            Some(KnownTailCall { slots, index }) => {
                let site = tail_call::known(&mut self.asm, slots, index, pc as u32, next);
                self.seldom.push(Seldom::TailCall(site));
            }
            None => tail_call::unknown(&mut self.asm, pc as u32, self.id, next),
        }
        Ok(())
    }

    fn seldom(&mut self) {
        for seldom in &self.seldom {
            match seldom {
                Seldom::TailCall(site) => tail_call::fall_through(&mut self.asm, site, self.id),
                Seldom::LoadPacket(load) => ld_abs::slow(&mut self.asm, load),
            }
        }
        self.asm.stop();
    }

    fn finish(self, offsets: Vec<u32>) -> Result<Compiled, JitError> {
        let program = self.program;
        match self.asm.finish() {
            Ok(code) => Ok(Compiled { code, offsets }),
            Err(error) => Err(JitError::Assemble {
                program: program.program().name.clone(),
                message: error.to_string(),
            }),
        }
    }

    /// The label `off` slots after the slot behind `pc`.
    fn target(&self, pc: usize, instruction: Instruction, off: i32) -> Result<DynamicLabel, JitError> {
        let target = (pc as i64) + 1 + i64::from(off);
        match usize::try_from(target).ok().and_then(|target| self.labels.get(target)) {
            Some(&label) => Ok(label),
            None => Err(self.unsupported(pc, instruction, "it goes outside the program")),
        }
    }

    /// Where from r10 the budget of `may_goto` lies in the function that `pc` is in: at the bottom of its stack.
    fn budget(&self, pc: usize) -> Option<i32> {
        let mut functions = self.program.subprogs().iter();
        let function = functions.find(|function| (function.start..function.end).contains(&(pc as u32)))?;
        Some(-i32::from(function.stack_depth))
    }

    fn unsupported(&self, pc: usize, instruction: Instruction, reason: &str) -> JitError {
        JitError::Unsupported {
            program: self.name().to_owned(),
            pc: pc as u32,
            instruction: text(instruction),
            reason: reason.to_owned(),
        }
    }

    fn name(&self) -> &str {
        &self.program.program().name
    }

    fn offset(&self) -> u32 {
        // An arena is smaller than 4 GiB, and a larger image is refused before it gets there.
        self.asm.offset() as u32
    }
}

/// The instruction; a call with the name of what it calls.
fn text(instruction: Instruction) -> String {
    if let Instruction::Call(CallTarget::Helper(id)) = instruction
        && let Some(name) = helper_name(id)
    {
        return format!("call {name}#{id}");
    }
    instruction.to_string()
}

/// By slot, whether a jump leads there.
fn targets(instructions: &[(usize, Instruction)], slots: usize) -> Vec<bool> {
    let mut targets = vec![false; slots];
    for &(pc, instruction) in instructions {
        let off = match instruction {
            Instruction::Jump { off, .. }
            | Instruction::Call(CallTarget::Local(off))
            | Instruction::LoadImm64 { value: Imm64::Func(off), .. } => off,
            Instruction::JumpIf { off, .. } | Instruction::MayGoto { off } => i32::from(off),
            Instruction::Alu { .. }
            | Instruction::Neg { .. }
            | Instruction::MovSx { .. }
            | Instruction::Endian { .. }
            | Instruction::LoadImm64 { .. }
            | Instruction::Load { .. }
            | Instruction::Store { .. }
            | Instruction::Atomic { .. }
            | Instruction::LoadPacket { .. }
            | Instruction::Call(CallTarget::Helper(_) | CallTarget::Kfunc(_))
            | Instruction::TailCall
            | Instruction::Exit => continue,
        };
        // One that leads outside the program is refused when its turn comes.
        if let Some(target) =
            usize::try_from(pc as i64 + 1 + i64::from(off)).ok().and_then(|at| targets.get_mut(at))
        {
            *target = true;
        }
    }
    targets
}

fn undecodable(program: &VerifiedProgram, error: &DecodeError) -> JitError {
    JitError::Unsupported {
        program: program.program().name.clone(),
        pc: error.pc as u32,
        instruction: format!("{:?}", error.insn),
        reason: error.to_string(),
    }
}

fn source(operand: Operand) -> Source {
    match operand {
        Operand::Imm(imm) => Source::Imm(imm),
        Operand::Reg(reg) => Source::Reg(Gpr::of(reg)),
    }
}
