//! Walks back to where a scalar came from whose range matters, as the kernel writes them down at level 2
//! (linux: mark_chain_precision(), backtrack_insn(), propagate_precision()).
//!
//! ```text
//!   mark_precise: frame0: last_idx 8 first_idx 7 subseq_idx -1       one stretch between two kept states
//!   mark_precise: frame0: regs=r1 stack= before 7: (07) r1 += 1      each step, with what is needed behind it
//!   mark_precise: frame0: parent state regs=r1 stack=:  R1=P5 R10=fp0
//! ```

use bpfreplay_isa::{KernelText, Reg};
use bpfreplay_program::Program;

use super::Log;
use super::names::ProgramNames;
use super::state::StateText;
use super::touched::Touched;
use crate::state::{SlotSet, State};

/// Registers and slots whose scalars' ranges matter, by frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks<'a> {
    pub(crate) regs: &'a [u16],
    pub(crate) slots: &'a [SlotSet],
}

impl Marks<'_> {
    pub(super) fn has_reg(&self, frame: usize, reg: Reg) -> bool {
        self.regs.get(frame).is_some_and(|set| set & (1 << reg.number()) != 0)
    }

    pub(super) fn has_slot(&self, frame: usize, slot: usize) -> bool {
        self.slots.get(frame).is_some_and(|set| set & (1 << slot) != 0)
    }

    /// `regs=r1,r4 stack=-8` of a frame.
    fn text(&self, frame: usize) -> String {
        let (regs, slots) = (self.regs.get(frame).copied(), self.slots.get(frame).copied());
        let regs = list(regs.unwrap_or(0).into(), |number| format!("r{number}"));
        format!("regs={regs} stack={}", self::slots(slots.unwrap_or(0)))
    }
}

/// `-8,-24`
pub(super) fn slots(set: SlotSet) -> String {
    list(set, |slot| format!("-{}", 8 * (slot + 1)))
}

fn list(set: u64, name: impl Fn(u32) -> String) -> String {
    let names: Vec<String> = (0..u64::BITS).filter(|at| set & (1 << at) != 0).map(name).collect();
    names.join(",")
}

impl Log {
    /// A walk goes back from `last` to `first`; `after` was walked over before.
    pub(crate) fn walk_begins(
        &mut self,
        frame: usize,
        last: Option<usize>,
        first: u32,
        after: Option<usize>,
    ) {
        if self.has_all() {
            let index = |pc: Option<usize>| pc.map_or_else(|| "-1".to_owned(), |pc| pc.to_string());
            let (last, after) = (index(last), index(after));
            // The kernel writes the space at the end.
            self.line(&format!(
                "mark_precise: frame{frame}: last_idx {last} first_idx {first} subseq_idx {after} "
            ));
        }
    }

    /// The walk comes to the instruction at `pc`, behind which `needs` are needed.
    pub(crate) fn walks_over(&mut self, program: &Program, frame: usize, needs: Marks<'_>, pc: usize) {
        if self.has_all() {
            let names = ProgramNames { program };
            let instruction = KernelText::new(&program.insns, pc, &names);
            let needs = needs.text(frame);
            self.line(&format!("mark_precise: frame{frame}: {needs} before {pc}: {instruction}"));
        }
    }

    /// The walk comes to a kept state, in which `needs` were marked that were not marked before.
    pub(crate) fn walk_marks(
        &mut self,
        program: &Program,
        frame: usize,
        needs: Marks<'_>,
        (state, marks): (&State, Marks<'_>),
    ) {
        if !self.has_all() {
            return;
        }
        for frame in (0..=frame).rev() {
            let text = StateText { state, frame, shown: Touched::ALL, marks: Some(marks), program };
            self.line(&format!("mark_precise: frame{frame}: parent state {}: {text}", needs.text(frame)));
        }
    }

    /// The walk cannot go on.
    pub(crate) fn walk_is_lost(&mut self, frame: usize) {
        if self.has_all() {
            self.line(&format!("mark_precise: frame{frame}: falling back to forcing all scalars precise"));
        }
    }

    /// A kept state's scalars are all marked, those that were not before among them.
    pub(crate) fn walk_forces(&mut self, state: &State, marked: Marks<'_>) {
        if !self.has_all() {
            return;
        }
        for (index, frame) in state.frames.iter().enumerate() {
            for reg in Reg::ALL {
                if frame.regs[reg.index()].is_scalar() && !marked.has_reg(index, reg) {
                    let n = reg.number();
                    self.line(&format!("force_precise: frame{index}: forcing r{n} to be precise"));
                }
            }
            for (at, slot) in frame.stack.slots().iter().enumerate() {
                if slot.is_spill() && slot.spilled.is_scalar() && !marked.has_slot(index, at) {
                    let off = 8 * (at + 1);
                    self.line(&format!("force_precise: frame{index}: forcing fp-{off} to be precise"));
                }
            }
        }
    }

    /// What the kept state needs that a path has come to, that path needs.
    pub(crate) fn propagates(&mut self, needs: Marks<'_>) {
        if !self.has_all() {
            return;
        }
        for frame in (0..needs.regs.len()).rev() {
            let mut names = list(needs.regs[frame].into(), |number| format!("r{number}"));
            let slots = list(needs.slots[frame], |slot| format!("fp-{}", 8 * (slot + 1)));
            if !names.is_empty() && !slots.is_empty() {
                names.push(',');
            }
            if !names.is_empty() || !slots.is_empty() {
                self.line(&format!("frame {frame}: propagating {names}{slots}"));
            }
        }
    }
}
