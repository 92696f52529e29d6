//! How a register came to be what it is: the path walked back, keeping only the instructions that made it.
//!
//! As `precision` walks back for ranges, but for people: pointers are followed, too, the comparisons that bounded the
//! register are kept, and the walk ends where a value comes from outside (a load, a call, a constant).

use bpfreplay_isa::{AluOp, CallTarget, Instruction, Operand, Reg};

use super::Env;
use super::history::Steps;
use crate::state::{HistoryEntry, SlotSet, State, locate};

/// Instructions kept: what a person reads.
const KEPT_MAX: usize = 12;
/// Instructions walked back over: some paths are a million long.
const WALKED_MAX: usize = 100_000;

/// What is looked for, by frame.
struct Wanted {
    regs: Vec<u16>,
    slots: Vec<SlotSet>,
    /// The function that runs at the point the walk is at.
    frame: usize,
}

/// Whether an instruction had to do with what is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Kept,
    Passed,
    /// The walk cannot see further.
    Lost,
}

impl Env<'_> {
    /// The slots of the instructions that made `reg` what it is in `state`, in the order of execution, without the
    /// instruction under way.
    pub(super) fn origin(&self, state: &State, reg: Reg) -> Vec<u32> {
        let mut wanted = Wanted {
            regs: vec![0; state.frames.len()],
            slots: vec![0; state.frames.len()],
            frame: state.depth(),
        };
        wanted.add(reg);
        let mut kept = Vec::new();
        let mut after = self.pc;
        let mut walked = 0;
        let mut steps = Steps::back_from(state, self.pc);
        steps.next();
        let mut parent = state.parent;
        loop {
            for (pc, entry) in steps {
                walked += 1;
                let part = self.code.decoded[pc].map_or(Part::Passed, |i| wanted.undo(pc, i, entry, after));
                let at = pc as u32;
                if part == Part::Kept && !kept.contains(&at) {
                    kept.push(at);
                }
                if part == Part::Lost || wanted.is_empty() || kept.len() == KEPT_MAX || walked > WALKED_MAX {
                    kept.reverse();
                    return kept;
                }
                after = pc;
            }
            let Some(join) = parent.and_then(|id| self.joins.get(id)) else {
                kept.reverse();
                return kept;
            };
            steps = Steps::back_from(&join.state, join.last_pc);
            parent = join.state.parent;
        }
    }
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.regs.iter().all(|&set| set == 0) && self.slots.iter().all(|&set| set == 0)
    }

    fn has(&self, reg: Reg) -> bool {
        self.regs.get(self.frame).is_some_and(|set| set & (1 << reg.number()) != 0)
    }

    fn add(&mut self, reg: Reg) {
        // The frame pointer comes from nowhere.
        if reg != Reg::FP
            && let Some(set) = self.regs.get_mut(self.frame)
        {
            *set |= 1 << reg.number();
        }
    }

    /// Stops looking for a register; whether it was looked for.
    fn take(&mut self, reg: Reg) -> bool {
        let had = self.has(reg);
        if let Some(set) = self.regs.get_mut(self.frame) {
            *set &= !(1 << reg.number());
        }
        had
    }

    fn take_slot(&mut self, (frame, slot): (usize, usize)) -> bool {
        let Some(set) = self.slots.get_mut(frame) else { return false };
        let had = *set & (1 << slot) != 0;
        *set &= !(1 << slot);
        had
    }

    /// What is looked for before an instruction, from what is looked for behind it.
    fn undo(
        &mut self,
        pc: usize,
        instruction: Instruction,
        entry: Option<&HistoryEntry>,
        after: usize,
    ) -> Part {
        let kept = |kept: bool| if kept { Part::Kept } else { Part::Passed };
        match instruction {
            Instruction::Alu { op: AluOp::Mov, dst, src, .. } => {
                let had = self.take(dst);
                if had && let Operand::Reg(src) = src {
                    self.add(src);
                }
                kept(had)
            }
            Instruction::MovSx { dst, src, .. } => {
                let had = self.take(dst);
                if had {
                    self.add(src);
                }
                kept(had)
            }
            Instruction::Alu { dst, src, .. } => {
                if self.has(dst)
                    && let Operand::Reg(src) = src
                {
                    self.add(src);
                }
                kept(self.has(dst))
            }
            Instruction::Neg { dst, .. } | Instruction::Endian { dst, .. } => kept(self.has(dst)),
            Instruction::LoadImm64 { dst, .. } => kept(self.take(dst)),
            Instruction::Load { dst, base, off, .. } => {
                let had = self.take(dst);
                if had
                    && let Some((frame, slot)) = self.slot(base, off, entry)
                    && let Some(set) = self.slots.get_mut(frame)
                {
                    *set |= 1 << slot;
                }
                kept(had)
            }
            Instruction::Store { base, off, src, .. } => {
                let had = self.slot(base, off, entry).is_some_and(|place| self.take_slot(place));
                if had && let Operand::Reg(src) = src {
                    self.add(src);
                }
                kept(had)
            }
            Instruction::Atomic { op, base, off, src, .. } => {
                let fetched = op.fetches() && (self.take(src) | self.take(Reg::R0));
                kept(fetched | self.slot(base, off, entry).is_some_and(|place| self.take_slot(place)))
            }
            Instruction::JumpIf { dst, src, .. } => {
                kept(self.has(dst) || matches!(src, Operand::Reg(src) if self.has(src)))
            }
            Instruction::LoadPacket { .. }
            | Instruction::TailCall
            | Instruction::Call(CallTarget::Helper(_) | CallTarget::Kfunc(_)) => kept(self.clobbered()),
            Instruction::Call(CallTarget::Local(off)) => {
                let target = pc as i64 + 1 + i64::from(off);
                if after as i64 != target || self.frame == 0 {
                    return kept(self.clobbered());
                }
                // Into the function: its arguments were the caller's.
                let args = self.regs[self.frame];
                (self.regs[self.frame], self.slots[self.frame]) = (0, 0);
                self.frame -= 1;
                Reg::ARGS
                    .into_iter()
                    .filter(|reg| args & (1 << reg.number()) != 0)
                    .for_each(|reg| self.add(reg));
                Part::Kept
            }
            Instruction::Exit => {
                let result = self.take(Reg::R0);
                if Reg::ARGS.into_iter().fold(false, |any, reg| any | self.take(reg)) {
                    // Gone with the call; the callee has nothing to do with it.
                    return Part::Lost;
                }
                self.frame += 1;
                self.regs.resize(self.regs.len().max(self.frame + 1), 0);
                self.slots.resize(self.slots.len().max(self.frame + 1), 0);
                if result {
                    self.add(Reg::R0);
                }
                Part::Passed
            }
            Instruction::Jump { .. } | Instruction::MayGoto { .. } => Part::Passed,
        }
    }

    /// A call sets r0 and takes r1 to r5.
    fn clobbered(&mut self) -> bool {
        let args = Reg::ARGS.into_iter().fold(false, |any, reg| any | self.take(reg));
        self.take(Reg::R0) | args
    }

    /// The slot an access reaches, as far as that is written down or plain to see.
    fn slot(&self, base: Reg, off: i16, entry: Option<&HistoryEntry>) -> Option<(usize, usize)> {
        if let Some(stack) = entry.and_then(|entry| entry.stack) {
            return Some((stack.frame.into(), stack.slot.into()));
        }
        (base == Reg::FP && (-512..0).contains(&off)).then(|| (self.frame, locate(off.into()).0))
    }
}
