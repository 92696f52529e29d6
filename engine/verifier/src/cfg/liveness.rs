use bpfreplay_isa::{AtomicOp, CallTarget, DecodeErrorKind, Instruction, Operand, Reg};
use bpfreplay_uapi::{HelperId, Kfunc, ProgType};

/// Registers by number, bit 0 for r0.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct RegSet(pub(crate) u16);

impl RegSet {
    const CALLER_SAVED: RegSet = RegSet(0b11_1111);
    const ALL: RegSet = RegSet(0x7ff);

    pub(crate) fn of(regs: &[Reg]) -> RegSet {
        RegSet(regs.iter().fold(0, |set, reg| set | 1 << reg.number()))
    }

    pub(crate) const fn contains(self, reg: Reg) -> bool {
        self.0 & (1 << reg.number()) != 0
    }

    const fn with(self, other: RegSet) -> RegSet {
        RegSet(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: RegSet) -> RegSet {
        RegSet(self.0 & !other.0)
    }
}

/// Rounds over the program until the sets stand still. One round carries facts up to the next back edge, so that
/// loops in loops take a few; programs made to take more only lose pruning.
const ROUNDS_MAX: u32 = 64;

/// The registers each slot's function may still read before writing them (linux: compute_live_registers()).
///
/// A backward data flow to its fixed point, function by function: a call to a local function reads its arguments and
/// writes r0; the callee's own registers are its own. What is not in the set cannot influence what happens from the
/// slot on, so states need not agree on it.
pub(crate) fn live_registers(
    decoded: &[Result<Instruction, DecodeErrorKind>],
    prog_type: ProgType,
) -> Vec<RegSet> {
    let mut live = vec![RegSet::default(); decoded.len()];
    for _ in 0..ROUNDS_MAX {
        let mut changed = false;
        for (pc, instruction) in decoded.iter().enumerate().rev() {
            // Not an instruction: execution stops here with an error.
            let Ok(instruction) = instruction else { continue };
            let (reads, writes) = effects(*instruction, prog_type);
            let after = successors(*instruction, pc)
                .into_iter()
                .flatten()
                .filter_map(|next| live.get(next))
                .fold(RegSet::default(), |set, &next| set.with(next));
            let before = after.without(writes).with(reads);
            if before != live[pc] {
                live[pc] = before;
                changed = true;
            }
        }
        if !changed {
            return live;
        }
    }
    // Everything is live: states then have to agree on more than they need to, which is sound.
    vec![RegSet::ALL; decoded.len()]
}

/// Where execution goes on; behind an instruction first.
pub(crate) fn successors(instruction: Instruction, pc: usize) -> [Option<usize>; 2] {
    let next = pc + instruction.slots();
    let target = |off: i64| usize::try_from(pc as i64 + 1 + off).ok();
    match instruction {
        Instruction::Exit => [None, None],
        Instruction::Jump { off, .. } => [target(off.into()), None],
        Instruction::JumpIf { off, .. } | Instruction::MayGoto { off } => [Some(next), target(off.into())],
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
        | Instruction::TailCall => [Some(next), None],
    }
}

/// What an instruction reads and what it writes.
fn effects(instruction: Instruction, prog_type: ProgType) -> (RegSet, RegSet) {
    let none = RegSet::default();
    let set = RegSet::of;
    let with = |reg: Reg, operand: Operand| match operand {
        Operand::Imm(_) => set(&[reg]),
        Operand::Reg(src) => set(&[reg, src]),
    };
    match instruction {
        Instruction::Alu { op: bpfreplay_isa::AluOp::Mov, dst, src, .. } => match src {
            Operand::Imm(_) => (none, set(&[dst])),
            Operand::Reg(src) => (set(&[src]), set(&[dst])),
        },
        Instruction::Alu { dst, src, .. } => (with(dst, src), set(&[dst])),
        Instruction::Neg { dst, .. } | Instruction::Endian { dst, .. } => (set(&[dst]), set(&[dst])),
        Instruction::MovSx { dst, src, .. } => (set(&[src]), set(&[dst])),
        Instruction::LoadImm64 { dst, .. } => (none, set(&[dst])),
        Instruction::Load { dst, base, .. } => (set(&[base]), set(&[dst])),
        Instruction::Store { base, src, .. } => (with(base, src), none),
        Instruction::Atomic { op, base, src, .. } => match op {
            AtomicOp::Cmpxchg => (set(&[base, src, Reg::R0]), set(&[Reg::R0])),
            AtomicOp::FetchAdd
            | AtomicOp::FetchOr
            | AtomicOp::FetchAnd
            | AtomicOp::FetchXor
            | AtomicOp::Xchg => (set(&[base, src]), set(&[src])),
            AtomicOp::Add | AtomicOp::Or | AtomicOp::And | AtomicOp::Xor => (set(&[base, src]), none),
        },
        // The kernel looks no closer.
        Instruction::LoadPacket { .. } => (RegSet::ALL, none),
        Instruction::Jump { .. } | Instruction::MayGoto { .. } => (none, none),
        Instruction::JumpIf { dst, src, .. } => (with(dst, src), none),
        Instruction::Call(CallTarget::Helper(id)) => match HelperId::from_id(id) {
            Some(helper) if (helper.proto().allowed)(prog_type) => {
                (set(&Reg::ARGS[..helper.proto().args.len()]), RegSet::CALLER_SAVED)
            }
            Some(_) | None => (set(&Reg::ARGS), RegSet::CALLER_SAVED),
        },
        Instruction::Call(CallTarget::Kfunc(id)) => match Kfunc::from_id(id as u32) {
            Some(kfunc) if kfunc.allowed(prog_type) => {
                (set(&Reg::ARGS[..kfunc.args().len()]), RegSet::CALLER_SAVED)
            }
            Some(_) | None => (set(&Reg::ARGS), RegSet::CALLER_SAVED),
        },
        Instruction::Call(CallTarget::Local(_)) => (set(&Reg::ARGS), RegSet::CALLER_SAVED),
        Instruction::TailCall => (RegSet::ALL, none),
        Instruction::Exit => (set(&[Reg::R0]), none),
    }
}
