//! The store of states at join points, and when to keep, compare and drop them (linux: is_state_visited()).

use super::Env;
use super::compare::Exactness;
use super::loops::Again;
use super::precision::Needs;
use crate::error::{Checked, refuse};
use crate::log::Marks;
use crate::state::{FrameKind, JoinId, SlotSet, State};

/// Whether a path goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Visit {
    GoOn,
    /// A finished state includes this one.
    Pruned,
}

/// A state kept at a join point, with what the paths from it turned out to need.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) state: State,
    /// The instruction it is kept at.
    pub(super) pc: usize,
    /// The instruction executed before it.
    pub(super) last_pc: usize,
    /// Paths from here that are not finished.
    branches: u32,
    hits: u32,
    misses: u32,
    /// No longer compared with; freed when finished.
    dropped: bool,
    /// Slots read on paths from here before they were written, by frame.
    pub(super) read: Vec<SlotSet>,
    /// Registers whose exact range mattered on paths from here, by frame.
    pub(super) precise_regs: Vec<u16>,
    /// As `precise_regs`, of spilled scalars.
    pub(super) precise_slots: Vec<SlotSet>,
    /// Those among the precise ones that the kernel would not mark, if there are any.
    pub(super) unsaid: Option<Box<[(u16, SlotSet)]>>,
}

#[derive(Debug)]
pub(super) struct Joins {
    store: Vec<Option<Join>>,
    free: Vec<u32>,
    /// States to compare with, the newest first: it is the likeliest to match. By slot and, so that those of other
    /// calls are no misses, call site (linux: explored_state()).
    at: Vec<Vec<JoinId>>,
    pub(super) totals: Totals,
    /// Memory the states take.
    bytes: usize,
    jumps_at_last_join: usize,
    insns_at_last_join: usize,
    /// How often a mark of something read or needed was new: tells whether a round changed anything.
    pub(super) marks: u64,
    /// Whether loops are open: states of finished paths are then still walked through.
    pub(super) loops_open: bool,
    /// States that finished or were dropped while loops were open.
    lingering: Vec<JoinId>,
}

/// What the last line of the log says of states.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Totals {
    /// States kept over all.
    pub(super) kept: usize,
    /// The most that one was compared with.
    pub(super) max_per_insn: usize,
    /// States that are there, and edges of open loops; those of global functions that are done are counted on.
    held: usize,
    /// The most there were at one time.
    pub(super) peak: usize,
}

impl Totals {
    pub(super) fn hold_one_more(&mut self) {
        self.held += 1;
        self.peak = self.peak.max(self.held);
    }

    pub(super) fn let_go(&mut self, edges: usize) {
        self.held -= edges;
    }
}

/// Jumps and instructions since the last kept state before another is worth keeping (the kernel's values).
const NEW_STATE_JUMPS: usize = 2;
const NEW_STATE_INSNS: usize = 8;
/// The same inside a loop that is being unrolled, where early states rarely match (the kernel's values).
const LOOP_STATE_JUMPS: usize = 20;
const LOOP_STATE_INSNS: usize = 100;
/// Steps of history at which a state is kept in any case, to bound walks back (the kernel's value).
const HISTORY_MAX: usize = 40;
/// A state that missed more often than 3 times its hits and 3 is dropped (the kernel's values).
const MISSES_PER_HIT: u32 = 3;
/// The same for a state of an unfinished loop at a checkpoint, which the next round shall meet (the kernel's value).
const LOOP_MISSES_PER_HIT: u32 = 64;

impl Join {
    /// The registers and slots whose ranges matter, as the kernel says.
    pub(super) fn said(&self) -> (Vec<u16>, Vec<SlotSet>) {
        let (mut regs, mut slots) = (self.precise_regs.clone(), self.precise_slots.clone());
        for (at, unsaid) in self.unsaid.iter().flatten().enumerate() {
            regs[at] &= !unsaid.0;
            slots[at] &= !unsaid.1;
        }
        (regs, slots)
    }

    /// Whether nothing was executed before it.
    pub(super) fn is_start(&self) -> bool {
        let State { parent, first_pc, history, .. } = &self.state;
        parent.is_none() && history.is_empty() && *first_pc as usize == self.pc && self.last_pc == self.pc
    }
}

impl Joins {
    pub(super) fn new(slots: usize) -> Joins {
        Joins {
            store: Vec::new(),
            free: Vec::new(),
            at: vec![Vec::new(); slots],
            totals: Totals::default(),
            bytes: 0,
            jumps_at_last_join: 0,
            insns_at_last_join: 0,
            marks: 0,
            loops_open: false,
            lingering: Vec::new(),
        }
    }

    /// Forgets all states; the totals go on.
    pub(super) fn clear(&mut self) {
        let Joins { totals, jumps_at_last_join, insns_at_last_join, .. } = *self;
        let cleared = Joins::new(self.at.len());
        *self = Joins { totals, jumps_at_last_join, insns_at_last_join, ..cleared };
    }

    /// Where states of a slot are, in the function that runs, called from where it is now.
    fn bucket(&self, pc: usize, state: &State) -> usize {
        const NO_CALL: u32 = u32::MAX;
        let callsite = match state.cur().kind {
            FrameKind::Call { callsite } | FrameKind::Callback { callsite } => callsite,
            FrameKind::Main | FrameKind::Global | FrameKind::Exception | FrameKind::Async => NO_CALL,
        };
        (pc as u32 ^ callsite) as usize % self.at.len()
    }

    /// A kept state. Ids are only held while the state is: by paths and states that descend from an unfinished one.
    pub(super) fn get(&self, id: JoinId) -> Option<&Join> {
        self.store.get(id.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: JoinId) -> Option<&mut Join> {
        self.store.get_mut(id.0 as usize)?.as_mut()
    }

    /// One more path from this state.
    pub(super) fn path_forked(&mut self, parent: Option<JoinId>) {
        if let Some(join) = parent.and_then(|id| self.get_mut(id)) {
            join.branches += 1;
        }
    }

    /// A path from this state ended; whether it was the last.
    fn path_ended(&mut self, id: JoinId) -> bool {
        self.get_mut(id).is_some_and(|join| {
            join.branches -= 1;
            join.branches == 0
        })
    }

    /// All paths from this state ended; gives the one before it.
    fn all_ended(&mut self, id: JoinId) -> Option<JoinId> {
        let parent = self.get(id)?.state.parent;
        if self.loops_open {
            self.lingering.push(id);
        } else {
            self.finished(id);
        }
        parent
    }

    /// Nobody walks back through a finished state any more.
    fn finished(&mut self, id: JoinId) {
        let Some(join) = self.get_mut(id) else { return };
        if join.branches > 0 {
            return;
        }
        if join.dropped {
            self.release(id);
        } else {
            let before = join.state.bytes();
            join.state.history = Vec::new();
            let freed = before - join.state.bytes();
            self.bytes -= freed;
        }
    }

    /// All loops are closed: what was kept for them can go.
    pub(super) fn loops_closed(&mut self) {
        self.loops_open = false;
        for id in std::mem::take(&mut self.lingering) {
            self.finished(id);
        }
    }

    /// Whether paths from the state are still being explored.
    pub(super) fn is_unfinished(&self, id: JoinId) -> bool {
        self.get(id).is_some_and(|join| join.branches > 0)
    }

    /// The states at a slot in the function that runs, called from where it is now; the newest first.
    pub(super) fn at(&self, pc: usize, state: &State) -> impl Iterator<Item = (JoinId, &Join)> {
        let here = self.at[self.bucket(pc, state)].iter();
        here.filter_map(move |&id| Some((id, self.get(id).filter(|join| join.pc == pc)?)))
    }

    /// Memory the kept states take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn release(&mut self, id: JoinId) {
        if let Some(join) = self.store[id.0 as usize].take() {
            self.bytes -= join.state.bytes();
        }
        self.free.push(id.0);
        self.totals.held -= 1;
    }

    /// Keeps `state`; it goes on as the child of what is kept.
    fn keep(&mut self, pc: usize, last_pc: usize, state: &mut State) -> JoinId {
        let frames = state.frames.len();
        self.bytes += state.bytes();
        let join = Join {
            state: state.clone(),
            pc,
            last_pc,
            branches: 1,
            hits: 0,
            misses: 0,
            dropped: false,
            read: vec![0; frames],
            precise_regs: vec![0; frames],
            precise_slots: vec![0; frames],
            unsaid: None,
        };
        let id = match self.free.pop() {
            Some(slot) => {
                self.store[slot as usize] = Some(join);
                JoinId(slot)
            }
            None => {
                self.store.push(Some(join));
                JoinId(self.store.len() as u32 - 1)
            }
        };
        self.totals.kept += 1;
        self.totals.hold_one_more();
        let bucket = self.bucket(pc, state);
        self.at[bucket].insert(0, id);
        state.parent = Some(id);
        state.first_pc = pc as u32;
        state.history.clear();
        state.written.fill(0);
        id
    }
}

impl Env<'_> {
    /// At a join point: is this state included in a finished one, is the program going round in circles, should the
    /// state be kept?
    pub(super) fn visit(&mut self, state: &mut State) -> Checked<Visit> {
        let pc = self.pc;
        let jumps = self.jumps_processed - self.joins.jumps_at_last_join;
        let insns = self.insns_processed - self.joins.insns_at_last_join;
        let checkpoint = self.code.edges.is_checkpoint[pc];
        let force = checkpoint || state.history.len() > HISTORY_MAX;
        let mut keep = force || (jumps >= NEW_STATE_JUMPS && insns >= NEW_STATE_INSNS);

        let here = self.joins.bucket(pc, state);
        let candidates = std::mem::take(&mut self.joins.at[here]);
        let met = candidates.len();
        let mut kept = Vec::with_capacity(candidates.len());
        let mut pruned_by = None;
        let mut circle = false;
        for &id in &candidates {
            let incomplete = self.is_incomplete(id);
            let Some(join) = self.joins.get(id) else { continue };
            // Of another slot, where the sum of slot and call site is the same.
            if pruned_by.is_some() || circle || join.pc != pc {
                kept.push(id);
                continue;
            }
            if join.branches > 0 {
                // Still on this state's own path: nothing is known of how it ends.
                match self.again(join, state) {
                    Again::Converged => pruned_by = Some(id),
                    Again::Circle => {
                        circle = true;
                        if self.log.is_on() {
                            let (regs, slots) = join.said();
                            let marks = Marks { regs: &regs, slots: &slots };
                            self.log.circle(self.program, state, &join.state, marks);
                        }
                    }
                    Again::Different => {
                        if !force && jumps < LOOP_STATE_JUMPS && insns < LOOP_STATE_INSNS {
                            keep = false;
                        }
                    }
                }
            } else {
                let exactness = if incomplete { Exactness::Ranges } else { Exactness::Needs };
                if self.includes(join, state, exactness) {
                    pruned_by = Some(id);
                }
            }
            let hit = pruned_by.is_some();
            let Some(join) = self.joins.get_mut(id) else { continue };
            if hit {
                join.hits += 1;
            } else if keep {
                join.misses += 1;
                let limit =
                    if checkpoint && join.branches > 0 { LOOP_MISSES_PER_HIT } else { MISSES_PER_HIT };
                if join.misses > join.hits * limit + limit {
                    join.dropped = true;
                    if join.branches == 0 && !incomplete {
                        self.joins.release(id);
                    }
                    continue;
                }
            }
            kept.push(id);
        }
        self.joins.at[here] = kept;
        if circle {
            refuse!(Invalid, "infinite loop detected at insn {pc}");
        }
        if let Some(id) = pruned_by {
            if self.code.edges.is_jump[pc] {
                self.record(state, None, Vec::new());
            }
            self.inherit_reads(id, state);
            self.inherit_precision(id, state);
            if self.joins.is_unfinished(id) || self.is_incomplete(id) {
                self.note_loop(id, state);
            }
            return Ok(Visit::Pruned);
        }
        self.joins.totals.max_per_insn = self.joins.totals.max_per_insn.max(met);
        if keep {
            self.joins.jumps_at_last_join = self.jumps_processed;
            self.joins.insns_at_last_join = self.insns_processed;
            let id = self.joins.keep(pc, self.prev_pc, state);
            self.may_enter_loop(id);
        }
        Ok(Visit::GoOn)
    }

    /// A path ended: the state it came from has one less, and if that was the last, so has the one before it
    /// (linux: update_branch_counts()).
    pub(super) fn path_ended(&mut self, parent: Option<JoinId>) {
        let mut at = parent;
        while let Some(id) = at
            && self.joins.path_ended(id)
        {
            self.may_leave_loop(id);
            at = self.joins.all_ended(id);
        }
    }

    /// The slots that paths from a kept state read, the paths that led here read, too.
    pub(super) fn inherit_reads(&mut self, id: JoinId, state: &State) {
        let read = self.joins.get(id).map_or_else(Vec::new, |join| join.read.clone());
        for (frame, slots) in read.into_iter().enumerate() {
            self.mark_slots_read(state, frame, slots);
        }
    }

    /// The ranges that paths from a kept state needed, the paths that led here need, too
    /// (linux: propagate_precision()).
    pub(super) fn inherit_precision(&mut self, id: JoinId, state: &State) {
        let Some(join) = self.joins.get(id) else { return };
        let (said, unsaid) = Needs::of_join(join);
        self.log.propagates(said.marks());
        self.walk_back(state, said);
        let before = self.log.unsaid(true);
        self.walk_back(state, unsaid);
        self.log.unsaid(before);
    }

    /// The slots' values matter from here on, so they mattered at the join points since they were written.
    pub(crate) fn mark_slots_read(&mut self, state: &State, frame: usize, mut slots: SlotSet) {
        slots &= !state.written.get(frame).copied().unwrap_or(SlotSet::MAX);
        let mut at = state.parent;
        while slots != 0
            && let Some(id) = at
            && let Some(join) = self.joins.get_mut(id)
        {
            let Some(read) = join.read.get_mut(frame) else { return };
            // Those that were read before were passed on before.
            slots &= !*read;
            *read |= slots;
            let is_new = slots != 0;
            slots &= !join.state.written.get(frame).copied().unwrap_or(SlotSet::MAX);
            at = join.state.parent;
            self.joins.marks += u64::from(is_new);
        }
    }
}
