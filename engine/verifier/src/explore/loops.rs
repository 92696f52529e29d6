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
//! Which states are in a loop says the program: sets of slots that lead to each other (`cfg::scc`), in the function
//! that runs or one further up (linux 6.18: compute_scc_callchain()). Until the state that entered a loop is finished,
//! states inside it count as unknown in their needs: they are compared by ranges, and a path that ends at one is an
//! edge of its own (linux 6.18: propagate_backedges()). The kernel does not see loops of callbacks so; here they are
//! loops like the others.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

use bpfreplay_isa::{Instruction, Reg};
use bpfreplay_uapi::limits::{MAX_BPF_STACK, MAX_CALL_FRAMES};

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

/// A loop, and the calls that lead to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Place {
    callsites: [u32; MAX_CALL_FRAMES],
    /// Its number; numbers from the top are those of calls with a callback.
    scc: u32,
}

/// A loop that paths are in.
#[derive(Debug, Default)]
struct Visit {
    /// The state that came to it first.
    entry: Option<JoinId>,
    edges: Vec<Edge>,
}

/// The loops that were come to.
#[derive(Debug, Default)]
pub(super) struct Loops {
    visits: HashMap<Place, Visit>,
    /// How many edges there are in all of them.
    edges: usize,
    /// Memory the edges take.
    pub(super) bytes: usize,
}

/// `(5,1)`: the calls and the number of the loop.
impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        // The kernel ends the list at a call in slot 0.
        for callsite in self.callsites.iter().take_while(|&&callsite| callsite != 0) {
            write!(f, "{callsite},")?;
        }
        write!(f, "{})", self.scc)
    }
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

    /// The outermost loop that the state at `pc` is in.
    fn place(&self, state: &State, pc: usize) -> Option<Place> {
        let mut callsites = [0; MAX_CALL_FRAMES];
        for frame in 0..=state.depth() {
            let at = match state.frames.get(frame + 1).map(|callee| callee.kind) {
                Some(FrameKind::Call { callsite } | FrameKind::Callback { callsite }) => callsite as usize,
                Some(FrameKind::Main | FrameKind::Global | FrameKind::Exception | FrameKind::Async)
                | None => pc,
            };
            let scc = match self.code.scc[at] {
                0 if self.code.edges.calls_back[at] => u32::MAX - at as u32,
                scc => scc,
            };
            if scc != 0 {
                return Some(Place { callsites, scc });
            }
            callsites[frame] = at as u32;
        }
        None
    }

    fn place_of(&self, id: JoinId) -> Option<Place> {
        let join = self.joins.get(id)?;
        self.place(&join.state, join.pc)
    }

    /// Whether what the paths from this state need is not known yet, though all are finished
    /// (linux: incomplete_read_marks()).
    pub(super) fn is_incomplete(&self, id: JoinId) -> bool {
        let has_edges = |place| self.loops.visits.get(&place).is_some_and(|visit| !visit.edges.is_empty());
        self.joins.loops_open && self.place_of(id).is_some_and(has_edges)
    }

    /// A state was kept: is it the first in a loop (linux: maybe_enter_scc())?
    pub(super) fn may_enter_loop(&mut self, id: JoinId) {
        let Some(place) = self.place_of(id) else { return };
        let visit = self.loops.visits.entry(place).or_default();
        if visit.entry.is_none() {
            visit.entry = Some(id);
            self.log_loop("enter", place);
        }
    }

    /// Whether it is a loop for the kernel, too.
    fn is_seen(&self, place: Place) -> bool {
        place.scc as usize <= self.code.insns.len()
    }

    fn log_loop(&mut self, what: &str, place: Place) {
        if self.log.has_all() && self.is_seen(place) {
            self.log.line(&format!("SCC {what} {place}"));
        }
    }

    /// A path ended at a kept state whose needs are not known: an edge (linux: add_scc_backedge()).
    pub(super) fn note_loop(&mut self, target: JoinId, state: &State) {
        let pc = self.pc;
        let place = self.place_of(target);
        let Some((place, visit)) = place.and_then(|place| Some((place, self.loops.visits.get_mut(&place)?)))
        else {
            // Not in a loop and yet not finished: there is no such state.
            self.need_everything(state.parent);
            return;
        };
        visit.edges.push(Edge { state: state.clone(), pc, target });
        self.loops.edges += 1;
        self.joins.loops_open = true;
        self.loops.bytes += state.bytes();
        if self.is_seen(place) {
            self.joins.totals.hold_one_more();
        }
        self.log_loop("backedge", place);
    }

    /// A state is finished: if it was the first in its loop, so is the loop (linux: maybe_exit_scc()).
    pub(super) fn may_leave_loop(&mut self, id: JoinId) {
        let Some(place) = self.place_of(id) else { return };
        if self.loops.visits.get(&place).is_none_or(|visit| visit.entry != Some(id)) {
            return;
        }
        let edges = self.loops.visits.remove(&place).map_or_else(Vec::new, |visit| visit.edges);
        self.loops.edges -= edges.len();
        self.log_loop("exit", place);
        self.loops.bytes -= edges.iter().map(|edge| edge.state.bytes()).sum::<usize>();
        if self.is_seen(place) {
            self.joins.totals.let_go(edges.len());
        }
        let before = self.log.unsaid(!self.is_seen(place));
        self.pass_needs_along(&edges);
        self.log.unsaid(before);
        if self.loops.edges == 0 {
            self.joins.loops_closed();
        }
    }

    /// What edges' targets need, the edges need, and what led to them.
    fn pass_needs_along(&mut self, edges: &[Edge]) {
        let at = self.pc;
        for pass in [Env::inherit_reads, Env::inherit_precision] {
            let mut passes = 0;
            loop {
                let before = self.joins.marks;
                for edge in edges.iter().rev() {
                    self.pc = edge.pc;
                    pass(self, edge.target, &edge.state);
                }
                passes += 1;
                if self.joins.marks == before {
                    break;
                }
                if passes > PASSES_MAX {
                    edges.iter().for_each(|edge| self.need_everything(edge.state.parent));
                    break;
                }
            }
        }
        self.pc = at;
    }

    fn need_everything(&mut self, mut at: Option<JoinId>) {
        self.mark_everything(at);
        while let Some(id) = at
            && let Some(join) = self.joins.get_mut(id)
        {
            join.read.fill(SlotSet::MAX);
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
