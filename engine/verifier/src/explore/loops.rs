//! Loops whose rounds nobody counts: callbacks, iterators, `may_goto`.
//!
//! Such a loop goes round until a state at its head is included in an earlier one **on the same path**, which is not
//! finished: what its paths will read and need is not known yet, so ranges and slots are all compared
//! (`Exactness::Ranges`).
//!
//! ```text
//!        head ◀──────────┐      the way back is an edge: kept until nobody is inside any more
//!       ╱    ╲           │
//!    exit     body ──────┘      what the head turns out to need, the body's end needs too,
//!                               and so does what leads to it: the head again, until nothing is new
//! ```
//!
//! The kernel does the same by strongly connected components (linux 6.18: propagate_backedges()). Until a loop is
//! closed, states inside it count as unknown in their needs: they are compared by ranges, and a path that ends at one
//! is an edge of its own.

use bpfreplay_isa::{Instruction, Reg};
use bpfreplay_uapi::limits::MAX_BPF_STACK;

use super::Env;
use super::compare::{Exactness, identical};
use super::joins::Join;
use crate::cfg;
use crate::state::{FrameKind, JoinId, RegState, RegType, SlotSet, State, locate};

/// Rounds of passing needs along edges before everything is marked as needed (the kernel's value).
const PASSES_MAX: u32 = 64;

/// A path that ended at a state whose needs were not known.
#[derive(Debug)]
pub(super) struct Edge {
    state: State,
    pc: usize,
    target: JoinId,
}

/// The open loops.
#[derive(Debug, Default)]
pub(super) struct Loops {
    edges: Vec<Edge>,
    /// The unfinished ones among the edges' targets.
    heads: Vec<JoinId>,
    /// Memory the edges take.
    pub(super) bytes: usize,
}

/// A state met again on its own path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Again {
    /// Another round of a loop that ends by itself, and it adds nothing.
    Converged,
    /// The program goes round in circles.
    Circle,
    Different,
}

impl Env<'_> {
    /// How a state compares with an unfinished one at the same instruction (linux: is_state_visited()).
    pub(super) fn again(&self, old: &Join, new: &State) -> Again {
        let pc = self.pc;
        // Another run of the callback: neither a circle, nor known to end.
        if old.state.rounds.async_entry != new.rounds.async_entry {
            return Again::Different;
        }
        if self.code.edges.calls_back[pc] {
            return if self.includes(old, new, Exactness::Ranges) {
                Again::Converged
            } else {
                Again::Different
            };
        }
        if cfg::is_iter_next(self.code.insns[pc]) {
            let converged = Env::has_active_iter(new) && self.includes(old, new, Exactness::Ranges);
            return if converged { Again::Converged } else { Again::Different };
        }
        let may_goto = matches!(self.code.decoded[pc], Ok(Instruction::MayGoto { .. }));
        if may_goto
            && old.state.rounds.may_goto != new.rounds.may_goto
            && self.includes(old, new, Exactness::Ranges)
        {
            return Again::Converged;
        }
        if identical(&old.state, new) { Again::Circle } else { Again::Different }
    }

    /// Whether the iterator that r1 points to may have more: only then is another round one that will end.
    fn has_active_iter(state: &State) -> bool {
        let pointer = state.reg(Reg::R1);
        let RegType::Stack { frame } = pointer.kind else { return false };
        let Some(var) = pointer.value.as_const() else { return false };
        let at = i64::from(pointer.off).saturating_add(var as i64);
        if !(-(MAX_BPF_STACK as i64)..0).contains(&at) {
            return false;
        }
        let iter = state.frames[usize::from(frame)].stack.slot(locate(at).0).iter;
        iter.is_some_and(|iter| !iter.drained)
    }

    /// A path ended at a kept state: an edge, if that is in a loop.
    pub(super) fn note_loop(&mut self, target: JoinId, state: &State) {
        let unfinished = self.joins.is_unfinished(target);
        if !unfinished && !self.joins.get(target).is_some_and(|join| join.in_loop) {
            return;
        }
        if unfinished && !self.loops.heads.contains(&target) {
            self.loops.heads.push(target);
        }
        self.joins.loops_open = true;
        let mut at = state.parent;
        while let Some(id) = at
            && let Some(join) = self.joins.get_mut(id)
            && !join.in_loop
        {
            join.in_loop = true;
            at = join.state.parent;
        }
        self.loops.bytes += state.bytes();
        self.loops.edges.push(Edge { state: state.clone(), pc: self.pc, target });
    }

    /// After the end of a path: are all loops closed?
    pub(super) fn close_loops(&mut self) {
        if self.loops.edges.is_empty() {
            return;
        }
        let Env { loops, joins, .. } = self;
        loops.heads.retain(|&head| joins.is_unfinished(head));
        if !loops.heads.is_empty() {
            return;
        }
        let edges = std::mem::take(&mut self.loops.edges);
        self.loops.bytes = 0;
        self.pass_needs_along(&edges);
        for edge in &edges {
            self.leave_loop(edge.state.parent);
        }
        self.joins.loops_closed();
    }

    /// What edges' targets need, the edges need, and what led to them.
    fn pass_needs_along(&mut self, edges: &[Edge]) {
        let at = self.pc;
        for _ in 0..PASSES_MAX {
            let before = self.joins.marks;
            for edge in edges {
                self.pc = edge.pc;
                self.inherit_needs(edge.target, &edge.state);
            }
            if self.joins.marks == before {
                self.pc = at;
                return;
            }
        }
        self.pc = at;
        for edge in edges {
            self.mark_everything(edge.state.parent);
            let mut at = edge.state.parent;
            while let Some(id) = at
                && let Some(join) = self.joins.get_mut(id)
            {
                join.read.fill(SlotSet::MAX);
                at = join.state.parent;
            }
        }
    }

    fn leave_loop(&mut self, mut at: Option<JoinId>) {
        while let Some(id) = at
            && let Some(join) = self.joins.get_mut(id)
            && join.in_loop
        {
            join.in_loop = false;
            at = join.state.parent;
        }
    }

    /// Scalars that differ from the last round's, and whose range mattered to nobody, may be anything: else a counter
    /// would make each round a new one (linux: widen_imprecise_scalars()).
    pub(crate) fn widen_from_last_round(&self, state: &mut State, pc: usize, except: Option<JoinId>) {
        let same_calls = |join: &Join| {
            let kinds =
                |state: &State| state.frames.iter().map(|frame| frame.kind).collect::<Vec<FrameKind>>();
            kinds(&join.state) == kinds(state)
        };
        let last = self
            .joins
            .at(pc, state)
            .find(|&(id, join)| self.joins.is_unfinished(id) && Some(id) != except && same_calls(join));
        let Some((_, last)) = last else { return };
        for (index, frame) in state.frames.iter_mut().enumerate() {
            let old = &last.state.frames[index];
            for (number, reg) in frame.regs.iter_mut().enumerate() {
                widen(&old.regs[number], reg, last.precise_regs[index] & (1 << number) != 0);
            }
            frame.stack.each_spill_mut(|at, spilled| {
                let old = old.stack.slot(at);
                if old.is_spill() {
                    widen(&old.spilled, spilled, last.precise_slots[index] & (1 << at) != 0);
                }
            });
        }
    }
}

fn widen(old: &RegState, new: &mut RegState, precise: bool) {
    let same = old.value == new.value && (old.id == 0) == (new.id == 0);
    if old.is_scalar() && new.is_scalar() && !precise && !same {
        *new = RegState::UNKNOWN;
    }
}
