//! Which registers and slots an instruction touches, and so which the log shows behind it
//! (linux: mark_reg_scratched(), mark_stack_slot_scratched()).

use bpfreplay_isa::{AtomicOp, CallTarget, Instruction, Operand, PacketIndex, Reg};
use bpfreplay_program::{ArgKind, FuncInfo, Linkage};
use bpfreplay_uapi::limits::DYNPTR_SIZE;
use bpfreplay_uapi::{ArgType, HelperId, Kfunc, KfuncArg};

use crate::state::{ByteKind, RegType, SlotSet, State, locate};

/// Registers and slots, of whichever frame is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Touched {
    regs: u16,
    slots: SlotSet,
}

impl Touched {
    pub(super) const ALL: Touched = Touched { regs: u16::MAX, slots: SlotSet::MAX };

    pub(super) fn is_empty(self) -> bool {
        self == Touched::default()
    }

    pub(super) fn has_reg(self, reg: Reg) -> bool {
        self.regs & (1 << reg.number()) != 0
    }

    pub(super) fn has_slot(self, slot: usize) -> bool {
        self.slots & (1 << slot) != 0
    }

    pub(super) fn add(&mut self, other: Touched) {
        self.regs |= other.regs;
        self.slots |= other.slots;
    }

    /// What an instruction will touch in this state, but for slots that helpers fill.
    pub(super) fn by(instruction: Instruction, state: &State) -> Touched {
        let mut touched = Touched::default();
        let mut regs = |list: &[Reg]| list.iter().for_each(|reg| touched.regs |= 1 << reg.number());
        match instruction {
            Instruction::Alu { dst, src: Operand::Reg(src), .. }
            | Instruction::JumpIf { dst, src: Operand::Reg(src), .. }
            | Instruction::MovSx { dst, src, .. } => regs(&[dst, src]),
            Instruction::Alu { dst, src: Operand::Imm(_), .. }
            | Instruction::JumpIf { dst, src: Operand::Imm(_), .. }
            | Instruction::Neg { dst, .. }
            | Instruction::Endian { dst, .. }
            | Instruction::LoadImm64 { dst, .. } => regs(&[dst]),
            Instruction::Load { dst, base, .. } => regs(&[dst, base]),
            Instruction::Store { base, src: Operand::Reg(src), .. } => regs(&[base, src]),
            Instruction::Store { base, src: Operand::Imm(_), .. } => regs(&[base]),
            Instruction::Atomic { op: AtomicOp::Cmpxchg, base, src, .. } => regs(&[base, src, Reg::R0]),
            Instruction::Atomic { base, src, .. } => regs(&[base, src]),
            Instruction::LoadPacket { index: PacketIndex::Abs, .. } => {
                regs(&Reg::ARGS);
                regs(&[Reg::R0, Reg::R6]);
            }
            Instruction::LoadPacket { index: PacketIndex::Ind(src), .. } => {
                regs(&Reg::ARGS);
                regs(&[Reg::R0, Reg::R6, src]);
            }
            Instruction::Call(CallTarget::Helper(_) | CallTarget::Kfunc(_) | CallTarget::Local(_))
            | Instruction::TailCall => {
                regs(&Reg::ARGS);
                regs(&[Reg::R0]);
            }
            Instruction::Exit | Instruction::Jump { .. } | Instruction::MayGoto { .. } => {}
        }
        touched.slots = match instruction {
            Instruction::Load { size, base, off, .. } => read(state, base, off, size.bytes()),
            Instruction::Store { size, base, off, .. } | Instruction::Atomic { size, base, off, .. } => {
                stack_range(state, base, off, size.bytes()).map_or(0, slots)
            }
            Instruction::Call(CallTarget::Helper(id)) => dynptrs(state, HelperId::from_id(id).map(is_dynptr)),
            Instruction::Call(CallTarget::Kfunc(id)) => {
                dynptrs(state, Kfunc::from_id(id as u32).map(is_dynptr_of_kfunc))
            }
            Instruction::Alu { .. }
            | Instruction::Neg { .. }
            | Instruction::MovSx { .. }
            | Instruction::Endian { .. }
            | Instruction::LoadImm64 { .. }
            | Instruction::LoadPacket { .. }
            | Instruction::Jump { .. }
            | Instruction::JumpIf { .. }
            | Instruction::MayGoto { .. }
            | Instruction::Call(CallTarget::Local(_))
            | Instruction::TailCall
            | Instruction::Exit => 0,
        };
        touched
    }

    /// The dynptrs that a global function is handed.
    pub(super) fn by_global(callee: Option<&FuncInfo>, state: &State) -> Touched {
        let callee = callee.filter(|callee| callee.linkage == Linkage::Global);
        let is_dynptr = callee.map(|callee| callee.args.iter().map(|arg| *arg == ArgKind::Dynptr).collect());
        Touched { regs: 0, slots: dynptrs(state, is_dynptr) }
    }

    /// Slots by the offsets of their bytes, first and last.
    pub(super) fn stack(first: i64, last: i64) -> Touched {
        Touched { regs: 0, slots: slots((first, last)) }
    }

    pub(super) fn slot(slot: usize) -> Touched {
        Touched { regs: 0, slots: 1 << slot }
    }
}

fn is_dynptr(helper: HelperId) -> Vec<bool> {
    helper.proto().args.iter().map(|arg| matches!(arg, ArgType::Dynptr(_))).collect()
}

fn is_dynptr_of_kfunc(kfunc: Kfunc) -> Vec<bool> {
    kfunc.args().iter().map(|arg| matches!(arg, KfuncArg::Dynptr | KfuncArg::NewDynptr)).collect()
}

/// The slots of the dynptrs among the arguments.
fn dynptrs(state: &State, is_dynptr: Option<Vec<bool>>) -> SlotSet {
    let given = is_dynptr.unwrap_or_default().into_iter().zip(Reg::ARGS).filter(|(is_dynptr, _)| *is_dynptr);
    given.fold(0, |set, (_, reg)| set | stack_range(state, reg, 0, DYNPTR_SIZE).map_or(0, slots))
}

/// The bytes of the stack that an access may touch, first and last, if it is one to the stack.
fn stack_range(state: &State, base: Reg, off: i16, size: u32) -> Option<(i64, i64)> {
    let pointer = state.reg(base);
    if !matches!(pointer.kind, RegType::Stack { .. }) {
        return None;
    }
    let at = i64::from(off) + i64::from(pointer.off);
    let (min, max) = match pointer.value.as_const() {
        Some(var) => (at.wrapping_add(var as i64), at.wrapping_add(var as i64)),
        None => (at.saturating_add(pointer.value.b64.smin), at.saturating_add(pointer.value.b64.smax)),
    };
    let last = max.saturating_add(i64::from(size) - 1);
    let frame = -(SlotSet::BITS as i64 * 8)..0;
    (frame.contains(&min) && frame.contains(&last)).then_some((min, last))
}

fn slots((first, last): (i64, i64)) -> SlotSet {
    let ((deepest, _), (highest, _)) = (locate(first), locate(last));
    (highest..=deepest).fold(0, |set, slot| set | 1 << slot)
}

/// Of a range that varies as much as is looked at: up to the first byte that is not zero
/// (linux: mark_reg_stack_read()).
fn read(state: &State, base: Reg, off: i16, size: u32) -> SlotSet {
    let Some((first, last)) = stack_range(state, base, off, size) else { return 0 };
    let (RegType::Stack { frame }, None) = (state.reg(base).kind, state.reg(base).value.as_const()) else {
        return slots((first, last));
    };
    let stack = &state.frames[usize::from(frame)].stack;
    let not_zero = (first..last).find(|&at| stack.byte(at) != ByteKind::Zero);
    slots((first, not_zero.unwrap_or(last)))
}
