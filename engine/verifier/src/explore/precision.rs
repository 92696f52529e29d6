//! Which scalars' exact ranges matter (linux: mark_chain_precision(), backtrack_insn()).
//!
//! When a check or a branch decision depends on a scalar's range, the path is walked back from there: through moves,
//! arithmetic and spills to the registers the scalar was made of, up to the points it came from (a constant, a load,
//! a helper's result). At every join point passed on the way, the registers that carry it are marked *precise*:
//! a later state must have them within the same range to be pruned. All other scalars may differ freely, which is
//! what lets loops with counters and parsers with many cases converge.
//!
//! Soundness: for each instruction walked back, the set of needed registers before it determines (with what is
//! compared anyway: types, pointers, zero bytes) the needed ones after it. Where the walk cannot tell, everything is
//! marked.

use bpfreplay_isa::{AluOp, AtomicOp, CallTarget, Instruction, Operand, Reg};
use bpfreplay_program::Program;
use bpfreplay_uapi::HelperId;
use bpfreplay_uapi::limits::MAX_CALL_FRAMES;

use super::Env;
use super::history::Steps;
use super::joins::Join;
use crate::cfg::Code;
use crate::log::{Log, Marks};
use crate::state::{HistoryEntry, SlotSet, State};

/// Scalars whose ranges are needed, by frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    regs: Vec<u16>,
    slots: Vec<SlotSet>,
    /// The function that runs at the point the walk is at.
    frame: usize,
}

/// The walk met something it cannot see through.
struct Lost;

const ARGS: u16 = 0b11_1110;
const CALLER_SAVED: u16 = 0b11_1111;

impl Needs {
    fn new(frames: usize) -> Needs {
        Needs { regs: vec![0; frames], slots: vec![0; frames], frame: frames - 1 }
    }

    /// What a kept state needs: what the kernel says it does, and what it does not.
    pub(super) fn of_join(join: &Join) -> (Needs, Needs) {
        let frame = join.state.frames.len() - 1;
        let mut said = Needs { frame, ..Needs::default() };
        (said.regs, said.slots) = join.said();
        said.keep_scalars(&join.state);
        let mut unsaid = Needs::new(frame + 1);
        for (at, (regs, slots)) in join.unsaid.iter().flatten().enumerate() {
            (unsaid.regs[at], unsaid.slots[at]) = (*regs, *slots);
        }
        unsaid.keep_scalars(&join.state);
        (said, unsaid)
    }

    pub(super) fn marks(&self) -> Marks<'_> {
        Marks { regs: &self.regs, slots: &self.slots }
    }

    fn is_empty(&self) -> bool {
        self.regs.iter().all(|&set| set == 0) && self.slots.iter().all(|&set| set == 0)
    }

    fn has(&self, reg: Reg) -> bool {
        self.regs[self.frame] & (1 << reg.number()) != 0
    }

    /// The frame pointer is no scalar.
    fn add(&mut self, reg: Reg) {
        if reg != Reg::FP {
            self.regs[self.frame] |= 1 << reg.number();
        }
    }

    fn remove(&mut self, reg: Reg) {
        self.regs[self.frame] &= !(1 << reg.number());
    }
}

impl Env<'_> {
    /// The range of this scalar matters to what is being checked or decided at the instruction under way.
    pub(crate) fn mark_precise(&mut self, state: &State, reg: Reg) {
        if !state.reg(reg).is_scalar() {
            return;
        }
        let mut needs = Needs::new(state.frames.len());
        needs.add(reg);
        self.walk_back(state, needs);
    }

    /// As [`Env::mark_precise`], where the kernel does not: nothing is said of it.
    pub(crate) fn mark_precise_unsaid(&mut self, state: &State, reg: Reg) {
        let before = self.log.unsaid(true);
        self.mark_precise(state, reg);
        self.log.unsaid(before);
    }

    /// As [`Env::mark_precise`], of the scalar spilled in a slot.
    pub(crate) fn mark_slot_precise(&mut self, state: &State, frame: usize, slot: usize) {
        let mut needs = Needs::new(state.frames.len());
        needs.slots[frame] |= 1 << slot;
        self.walk_back(state, needs);
    }

    pub(super) fn walk_back(&mut self, state: &State, needs: Needs) {
        let as_the_kernel = self.log.is_on() && !self.log.is_unsaid();
        if as_the_kernel && self.code.edges.calls_back.contains(&true) {
            let before = self.log.unsaid(true);
            self.walk(state, needs.clone(), false);
            self.log.unsaid(before);
        }
        self.walk(state, needs, as_the_kernel);
    }

    fn walk(&mut self, state: &State, mut needs: Needs, as_the_kernel: bool) {
        if needs.is_empty() {
            return;
        }
        let depth = needs.frame;
        let Env { program, code, pc, .. } = *self;
        self.log.walk_begins(depth, Some(pc), state.first_pc, None);
        // The instruction under way is where the need arose: its own effect is not undone.
        let mut after = Some(pc);
        let mut walk = Walk { program, code, log: self.log, needs: &mut needs, as_the_kernel };
        let mut lost = walk.undo_steps(Steps::back_from(state, pc).skip(1), &mut after).is_err();
        let mut at = state.parent;
        while !lost
            && !needs.is_empty()
            && let Some(id) = at
            && let Some(join) = self.joins.get_mut(id)
        {
            needs.keep_new(join, self.log.is_unsaid());
            if self.log.has_all() {
                let (regs, slots) = join.said();
                let marks = Marks { regs: &regs, slots: &slots };
                self.log.walk_marks(program, needs.frame, needs.marks(), (&join.state, marks));
            }
            if needs.is_empty() {
                return;
            }
            self.joins.marks += 1;
            let Some(join) = self.joins.get(id) else { return };
            needs.frame = join.state.frames.len() - 1;
            at = join.state.parent;
            if join.is_start() {
                // A global function's arguments, as they are handed over.
                self.log.walk_begins(needs.frame, None, join.state.first_pc, after);
                return;
            }
            self.log.walk_begins(needs.frame, Some(join.last_pc), join.state.first_pc, after);
            let steps = Steps::back_from(&join.state, join.last_pc);
            lost = Walk { program, code, log: self.log, needs: &mut needs, as_the_kernel }
                .undo_steps(steps, &mut after)
                .is_err();
        }
        if lost || !needs.is_empty() {
            self.log.walk_is_lost(depth);
            self.mark_everything(state.parent);
        }
    }

    /// Gives up: all scalars of all join points from here back matter.
    pub(super) fn mark_everything(&mut self, mut at: Option<crate::state::JoinId>) {
        while let Some(id) = at
            && let Some(join) = self.joins.get_mut(id)
        {
            if self.log.has_all() {
                let (regs, slots) = join.said();
                self.log.walk_forces(&join.state, Marks { regs: &regs, slots: &slots });
                join.unsaid = None;
            }
            join.precise_regs.fill(u16::MAX);
            join.precise_slots.fill(SlotSet::MAX);
            at = join.state.parent;
        }
    }
}

impl Needs {
    /// Marks what is needed at a join point; goes on only with what was not marked before (that was passed on then).
    /// What was marked unsaid is marked once more when the kernel marks it.
    fn keep_new(&mut self, join: &mut Join, unsaid: bool) {
        self.keep_scalars(&join.state);
        let frames = join.state.frames.len();
        for (frame, (regs, slots)) in self.regs.iter_mut().zip(&mut self.slots).enumerate().take(frames) {
            let before = join.unsaid.as_deref().map_or((0, 0), |unsaid| unsaid[frame]);
            *regs &= !join.precise_regs[frame] | if unsaid { 0 } else { before.0 };
            *slots &= !join.precise_slots[frame] | if unsaid { 0 } else { before.1 };
            join.precise_regs[frame] |= *regs;
            join.precise_slots[frame] |= *slots;
            if unsaid && (*regs, *slots) != (0, 0) {
                let all = join.unsaid.get_or_insert_with(|| vec![(0, 0); frames].into());
                all[frame] = (before.0 | *regs, before.1 | *slots);
            } else if let Some(all) = &mut join.unsaid {
                all[frame] = (before.0 & !*regs, before.1 & !*slots);
            }
        }
    }

    /// What is a scalar in this state.
    fn keep_scalars(&mut self, state: &State) {
        for ((regs, slots), frame) in self.regs.iter_mut().zip(&mut self.slots).zip(&state.frames) {
            for reg in Reg::ALL {
                if *regs & (1 << reg.number()) != 0 && !frame.regs[reg.index()].is_scalar() {
                    *regs &= !(1 << reg.number());
                }
            }
            let mut left = *slots;
            while left != 0 {
                let at = left.trailing_zeros() as usize;
                left &= left - 1;
                let slot = frame.stack.slot(at);
                if !(slot.is_spill() && slot.spilled.is_scalar()) {
                    *slots &= !(1 << at);
                }
            }
        }
    }

    /// Links known at a jump: the range of one was learned from another, so if one is needed all are.
    fn spread_links(&mut self, entry: &HistoryEntry) {
        let is_needed = |needs: &Needs, &(frame, at): &(u8, u8)| match at {
            0..16 => needs.regs[usize::from(frame)] & (1 << at) != 0,
            _ => needs.slots[usize::from(frame)] & (1 << (at - 16)) != 0,
        };
        if !entry.linked.iter().any(|place| is_needed(self, place)) {
            return;
        }
        for &(frame, at) in &entry.linked {
            match at {
                0..16 => self.regs[usize::from(frame)] |= 1 << at,
                _ => self.slots[usize::from(frame)] |= 1 << (at - 16),
            }
        }
    }

    /// Going back over a return: the caller's r0 was the callee's.
    fn enter_callee(&mut self) {
        let needs_r0 = self.has(Reg::R0);
        self.remove(Reg::R0);
        self.regs[self.frame] &= !CALLER_SAVED;
        self.frame += 1;
        if self.regs.len() <= self.frame {
            self.regs.resize(self.frame + 1, 0);
            self.slots.resize(self.frame + 1, 0);
        }
        self.regs[self.frame] = 0;
        self.slots[self.frame] = 0;
        if needs_r0 {
            self.add(Reg::R0);
        }
    }

    /// Going back over the end of a callback: its result decided whether it is called again, which both ways are
    /// explored; what the helper itself was given stays needed: how many rounds there are decided whether this one was
    /// followed by another. The kernel lets it go there, which is what is written down.
    fn enter_callback(&mut self, as_the_kernel: bool) {
        if as_the_kernel {
            self.regs[self.frame] &= !CALLER_SAVED;
        }
        self.frame += 1;
        if self.regs.len() <= self.frame {
            self.regs.resize(self.frame + 1, 0);
            self.slots.resize(self.frame + 1, 0);
        }
        self.regs[self.frame] = 0;
        self.slots[self.frame] = 0;
    }

    /// Going back over the entry to a callback: its arguments were made by the helper. The one handed through was
    /// checked as what it is at the call.
    fn leave_callback(&mut self) {
        self.regs[self.frame] = 0;
        self.slots[self.frame] = 0;
        self.frame -= 1;
    }

    /// Going back over the entry to a function: its arguments were the caller's.
    fn leave_callee(&mut self) {
        let args = self.regs[self.frame] & ARGS;
        self.regs[self.frame] = 0;
        self.slots[self.frame] = 0;
        self.frame -= 1;
        self.regs[self.frame] |= args;
    }
}

/// A walk under way, and what is told of it.
struct Walk<'a> {
    program: &'a Program,
    code: &'a Code,
    log: &'a mut Log,
    needs: &'a mut Needs,
    /// Lets go of what the kernel lets go of, see [`Needs::enter_callback`].
    as_the_kernel: bool,
}

impl Walk<'_> {
    fn undo_steps<'s>(
        &mut self,
        steps: impl Iterator<Item = (usize, Option<&'s HistoryEntry>)>,
        after: &mut Option<usize>,
    ) -> Result<(), Lost> {
        let needs = &mut *self.needs;
        for (pc, entry) in steps {
            if let Ok(instruction) = self.code.decoded[pc] {
                self.log.walks_over(self.program, needs.frame, needs.marks(), pc);
                if let Some(entry) = entry {
                    needs.spread_links(entry);
                }
                undo(self.code, pc, instruction, entry, *after, needs, self.as_the_kernel)?;
                if let Some(entry) = entry {
                    needs.spread_links(entry);
                }
            }
            if needs.is_empty() {
                return Ok(());
            }
            *after = Some(pc);
        }
        Ok(())
    }
}

/// What is needed before an instruction, from what is needed after it.
fn undo(
    code: &Code,
    pc: usize,
    instruction: Instruction,
    entry: Option<&HistoryEntry>,
    after: Option<usize>,
    needs: &mut Needs,
    as_the_kernel: bool,
) -> Result<(), Lost> {
    // A function that ended here without `exit` (a tail call that was taken, a failed LD_ABS).
    let returned = |needs: &Needs| after != Some(pc + 1) && needs.frame + 1 < MAX_CALL_FRAMES;
    match instruction {
        Instruction::Alu { op: AluOp::Mov, dst, src, .. } => {
            if needs.has(dst) {
                needs.remove(dst);
                if let Operand::Reg(src) = src {
                    needs.add(src);
                }
            }
        }
        Instruction::MovSx { dst, src, .. } => {
            if needs.has(dst) {
                needs.remove(dst);
                needs.add(src);
            }
        }
        Instruction::Alu { dst, src: Operand::Reg(src), .. } => {
            if needs.has(dst) {
                needs.add(src);
            }
        }
        Instruction::Alu { src: Operand::Imm(_), .. }
        | Instruction::Neg { .. }
        | Instruction::Endian { .. }
        | Instruction::Jump { .. }
        | Instruction::MayGoto { .. }
        | Instruction::JumpIf { src: Operand::Imm(_), .. } => {}
        Instruction::LoadImm64 { dst, .. } => needs.remove(dst),
        Instruction::Load { dst, .. } => {
            if needs.has(dst) {
                needs.remove(dst);
                if let Some(stack) = entry.and_then(|entry| entry.stack) {
                    needs.slots[usize::from(stack.frame)] |= 1 << stack.slot;
                }
            }
        }
        // A pointer now, a number then: the difference of two pointers.
        Instruction::Store { base, .. } if needs.has(base) => return Err(Lost),
        Instruction::Store { src, .. } => {
            if let Some(stack) = entry.and_then(|entry| entry.stack) {
                let slots = &mut needs.slots[usize::from(stack.frame)];
                if *slots & (1 << stack.slot) != 0 {
                    *slots &= !(1 << stack.slot);
                    if let Operand::Reg(src) = src {
                        needs.add(src);
                    }
                }
            }
        }
        Instruction::Atomic { op, src, .. } => {
            // What is fetched from a spilled scalar is that scalar; what is left there is unknown.
            let fetched = match op {
                AtomicOp::Cmpxchg => Some(Reg::R0),
                AtomicOp::FetchAdd
                | AtomicOp::FetchOr
                | AtomicOp::FetchAnd
                | AtomicOp::FetchXor
                | AtomicOp::Xchg => Some(src),
                AtomicOp::Add | AtomicOp::Or | AtomicOp::And | AtomicOp::Xor => None,
            };
            let was_needed = fetched.is_some_and(|reg| needs.has(reg));
            if let Some(reg) = fetched {
                needs.remove(reg);
            }
            if let Some(stack) = entry.and_then(|entry| entry.stack) {
                let slots = &mut needs.slots[usize::from(stack.frame)];
                *slots &= !(1 << stack.slot);
                *slots |= u64::from(was_needed) << stack.slot;
            }
        }
        Instruction::JumpIf { dst, src: Operand::Reg(src), .. } => {
            if needs.has(dst) || needs.has(src) {
                needs.add(dst);
                needs.add(src);
            }
        }
        Instruction::LoadPacket { .. } if needs.has(Reg::R0) => return Err(Lost),
        Instruction::LoadPacket { .. } => {
            if returned(needs) {
                needs.enter_callee();
            }
        }
        Instruction::TailCall => return Err(Lost),
        Instruction::Call(CallTarget::Helper(_) | CallTarget::Kfunc(_))
            if code.edges.calls_back[pc] && after != Some(pc + 1) =>
        {
            if needs.frame == 0 {
                return Err(Lost);
            }
            needs.leave_callback();
        }
        Instruction::Call(CallTarget::Helper(id)) => {
            if id == HelperId::TailCall.id() && returned(needs) {
                needs.enter_callee();
            }
            needs.regs[needs.frame] &= !CALLER_SAVED;
        }
        Instruction::Call(CallTarget::Kfunc(_)) => needs.regs[needs.frame] &= !CALLER_SAVED,
        Instruction::Call(CallTarget::Local(off)) => {
            let target = pc as i64 + 1 + i64::from(off);
            if after.is_some_and(|after| after as i64 == target) && target != pc as i64 + 1 && needs.frame > 0
            {
                needs.leave_callee();
            } else if after == Some(pc + 1) && target != pc as i64 + 1 {
                // A global function: its result is unknown.
                needs.regs[needs.frame] &= !CALLER_SAVED;
            } else {
                return Err(Lost);
            }
        }
        // A function returns behind its call, a callback to the call of the helper, which uses its r1 to r5: no local
        // call is right before that.
        Instruction::Exit => match after {
            Some(after) if code.edges.calls_back[after] && !is_behind_local_call(code, after) => {
                needs.enter_callback(as_the_kernel);
            }
            Some(_) | None => needs.enter_callee(),
        },
    }
    Ok(())
}

fn is_behind_local_call(code: &Code, pc: usize) -> bool {
    let before = pc.checked_sub(1).and_then(|before| code.decoded[before].ok());
    matches!(before, Some(Instruction::Call(CallTarget::Local(_))))
}
