//! Which registers are still needed after each instruction: what is computed for nobody is not emitted, and a call
//! site saves only what its function needs afterwards.
//!
//! Backward data flow over the instructions themselves; functions are separate, because a call is not an edge.

use bpfreplay_isa::{AtomicOp, CallTarget, Instruction, Operand, PacketIndex, Reg};

use crate::plan::Plan;

/// Sweeps over a program before giving up. A sweep settles everything but one more level of loops; the parsers take
/// three.
const SWEEPS_MAX: usize = 16;

/// A set of BPF registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RegSet(u16);

impl RegSet {
    pub(crate) const NONE: RegSet = RegSet(0);
    const ALL: RegSet = RegSet((1 << Reg::ALL.len()) - 1);
    /// What a call leaves undefined, r0 included.
    pub(crate) const CLOBBERED: RegSet = RegSet(0b11_1111);

    /// The first `count` of r1 to r5.
    pub(crate) fn args(count: usize) -> RegSet {
        Reg::ARGS.into_iter().take(count).fold(RegSet::NONE, RegSet::with)
    }

    pub(crate) const fn contains(self, reg: Reg) -> bool {
        self.0 & 1 << reg.number() != 0
    }

    pub(crate) const fn with(self, reg: Reg) -> RegSet {
        RegSet(self.0 | 1 << reg.number())
    }

    const fn union(self, other: RegSet) -> RegSet {
        RegSet(self.0 | other.0)
    }

    const fn without(self, other: RegSet) -> RegSet {
        RegSet(self.0 & !other.0)
    }
}

/// What is needed after each instruction, by slot.
pub(crate) struct Liveness {
    after: Vec<RegSet>,
}

impl Liveness {
    /// Analyses a program whose calls read what `plan` says.
    pub(crate) fn of(instructions: &[(usize, Instruction)], slots: usize, plan: &Plan<'_>) -> Liveness {
        let mut before = vec![RegSet::NONE; slots + 1];
        let mut after = vec![RegSet::NONE; slots];
        for _ in 0..SWEEPS_MAX {
            let mut changed = false;
            for &(pc, instruction) in instructions.iter().rev() {
                let needed = needed_after(&before, pc, instruction);
                let needed_before = if is_dead(instruction, needed) {
                    needed
                } else {
                    let Effect { reads, writes } = effect(plan, pc, instruction);
                    needed.without(writes).union(reads)
                };
                changed |= needed_before != before[pc];
                (after[pc], before[pc]) = (needed, needed_before);
            }
            if !changed {
                return Liveness { after };
            }
        }
        Liveness { after: vec![RegSet::ALL; slots] }
    }

    /// What is needed after the instruction at `pc`.
    pub(crate) fn after(&self, pc: usize) -> RegSet {
        self.after[pc]
    }

    /// Whether the instruction at `pc` computes what nobody needs, and does nothing else.
    pub(crate) fn is_dead(&self, pc: usize, instruction: Instruction) -> bool {
        is_dead(instruction, self.after[pc])
    }
}

fn is_dead(instruction: Instruction, needed: RegSet) -> bool {
    match instruction {
        Instruction::Alu { dst, .. }
        | Instruction::Neg { dst, .. }
        | Instruction::MovSx { dst, .. }
        | Instruction::Endian { dst, .. }
        | Instruction::LoadImm64 { dst, .. }
        | Instruction::Load { dst, .. } => !needed.contains(dst),
        Instruction::Store { .. }
        | Instruction::Atomic { .. }
        | Instruction::LoadPacket { .. }
        | Instruction::Jump { .. }
        | Instruction::JumpIf { .. }
        | Instruction::MayGoto { .. }
        | Instruction::Call(_)
        | Instruction::TailCall
        | Instruction::Exit => false,
    }
}

/// The union of what the successors need.
fn needed_after(before: &[RegSet], pc: usize, instruction: Instruction) -> RegSet {
    let next = before[pc + instruction.slots()];
    let at = |off: i32| {
        let target = (pc as i64 + 1 + i64::from(off)) as usize;
        before.get(target).copied().unwrap_or(RegSet::ALL) // compile refuses such a jump
    };
    match instruction {
        Instruction::Jump { off, .. } => at(off),
        Instruction::JumpIf { off, .. } | Instruction::MayGoto { off } => next.union(at(off.into())),
        Instruction::Exit => RegSet::NONE,
        Instruction::Alu { .. }
        | Instruction::Neg { .. }
        | Instruction::MovSx { .. }
        | Instruction::Endian { .. }
        | Instruction::LoadImm64 { .. }
        | Instruction::Load { .. }
        | Instruction::Store { .. }
        | Instruction::Atomic { .. }
        | Instruction::LoadPacket { .. }
        | Instruction::Call(_)
        | Instruction::TailCall => next,
    }
}

/// Registers an instruction reads, and registers whose old value is gone after it.
struct Effect {
    reads: RegSet,
    writes: RegSet,
}

fn effect(plan: &Plan<'_>, pc: usize, instruction: Instruction) -> Effect {
    let none = RegSet::NONE;
    let source = |src| match src {
        Operand::Reg(reg) => none.with(reg),
        Operand::Imm(_) => none,
    };
    let (reads, writes) = match instruction {
        Instruction::Alu { op: bpfreplay_isa::AluOp::Mov, dst, src, .. } => (source(src), none.with(dst)),
        Instruction::Alu { dst, src, .. } => (source(src).with(dst), none),
        Instruction::Neg { dst, .. } | Instruction::Endian { dst, .. } => (none.with(dst), none),
        Instruction::MovSx { dst, src, .. } => (none.with(src), none.with(dst)),
        Instruction::LoadImm64 { dst, .. } => (none, none.with(dst)),
        Instruction::Load { dst, base, .. } => (none.with(base), none.with(dst)),
        Instruction::Store { base, src, .. } => (source(src).with(base), none),
        Instruction::Atomic { op: AtomicOp::Cmpxchg, base, src, .. } => {
            (none.with(base).with(src).with(Reg::R0), none)
        }
        Instruction::Atomic { base, src, .. } => (none.with(base).with(src), none),
        Instruction::LoadPacket { index: PacketIndex::Abs, .. } => (none.with(Reg::R6), RegSet::CLOBBERED),
        Instruction::LoadPacket { index: PacketIndex::Ind(src), .. } => {
            (none.with(Reg::R6).with(src), RegSet::CLOBBERED)
        }
        Instruction::JumpIf { dst, src, .. } => (source(src).with(dst), none),
        Instruction::Jump { .. } | Instruction::MayGoto { .. } => (none, none),
        Instruction::Call(CallTarget::Helper(id)) => {
            (plan.helper_reads(pc, id), plan.helper_clobbers(pc, id))
        }
        Instruction::Call(CallTarget::Local(_) | CallTarget::Kfunc(_)) => {
            (RegSet::args(Reg::ARGS.len()), RegSet::CLOBBERED)
        }
        Instruction::TailCall => (plan.tail_call_reads(pc), RegSet::CLOBBERED),
        Instruction::Exit => (none.with(Reg::R0), none),
    };
    Effect { reads, writes }
}
