use std::collections::BTreeSet;

use bpfreplay_isa::Instruction;
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::limits::{COMPLEXITY_LIMIT_INSNS, COMPLEXITY_LIMIT_JMP_SEQ};

use super::joins::{Joins, Visit};
use super::loops::Loops;
use super::notes::{Access, Note, ObjectCall};
use crate::cfg::{Code, Fastcalls};
use crate::error::{Checked, Circumstances, Refusal, refuse};
use crate::log::Log;
use crate::state::{Frame, HistoryEntry, Meter, State};
use crate::{diagnose, transfer};

/// Memory that states may take, in bytes. Programs that compilers make take a few megabytes; eight frames of 512 bytes
/// of stack, each another one at every join of a million instructions, would take gigabytes. The kernel charges such
/// memory to the control group of whoever loads the program.
pub const STATE_BYTES_MAX: usize = 1 << 30;

/// A path to come back to.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) state: State,
    pub(crate) pc: usize,
    /// The instruction that led there.
    pub(crate) prev_pc: usize,
    /// Where the log was.
    log_position: usize,
}

/// Where a path goes on after an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Goto(usize),
    /// The path ends here, well.
    End,
}

/// Everything that outlives a single path.
#[derive(Debug)]
pub(crate) struct Env<'a> {
    pub(crate) program: &'a Program,
    pub(crate) code: &'a Code,
    pub(crate) log: &'a mut Log,
    pub(crate) notes: Vec<Note>,
    /// Bytes of stack each function uses.
    pub(crate) stack_depth: Vec<u16>,
    /// Spills that need not be done, as far as is known.
    pub(crate) fastcalls: Fastcalls,
    /// Global functions that are called, by index: each is verified on its own.
    pub(crate) globals: BTreeSet<usize>,
    /// Functions that timers run, and the exception callback, by index: each begins a stack of its own.
    pub(crate) async_callbacks: BTreeSet<usize>,
    /// Functions that helpers or the kernel call, those that timers run among them, by index.
    pub(crate) callbacks: BTreeSet<usize>,
    /// Static functions, by index, that a call showed to be not what BTF says of them.
    pub(crate) unreliable: BTreeSet<usize>,
    /// Whether a path throws.
    pub(crate) throws: bool,
    /// How often a timer's callback was named.
    async_entries: u32,
    pub(super) joins: Joins,
    pub(super) loops: Loops,
    pub(super) pending: Vec<Pending>,
    /// Memory their states take, but for slots.
    pending_bytes: usize,
    /// Memory the slots of all states take.
    slot_bytes: Meter,
    last_id: u32,
    pub(super) insns_processed: usize,
    pub(super) jumps_processed: usize,
    /// The instruction under way and the one before it on this path.
    pub(super) pc: usize,
    pub(super) prev_pc: usize,
    /// Whether the instruction under way has written its line of history.
    pub(super) recorded: bool,
}

impl<'a> Env<'a> {
    pub(crate) fn new(program: &'a Program, code: &'a Code, log: &'a mut Log) -> Env<'a> {
        Env {
            program,
            code,
            log,
            notes: vec![Note::default(); code.insns.len()],
            stack_depth: vec![0; code.functions.len()],
            fastcalls: code.fastcalls(program),
            // It is taken to be called always.
            globals: code.exception_callback.into_iter().collect(),
            async_callbacks: code.exception_callback.into_iter().collect(),
            callbacks: code.exception_callback.into_iter().collect(),
            unreliable: BTreeSet::new(),
            throws: false,
            async_entries: 0,
            joins: Joins::new(code.insns.len()),
            loops: Loops::default(),
            pending: Vec::new(),
            pending_bytes: 0,
            slot_bytes: Meter::new(),
            last_id: 0,
            insns_processed: 0,
            jumps_processed: 0,
            pc: 0,
            prev_pc: 0,
            recorded: false,
        }
    }

    /// Explores every path from `start`; on refusal says where and what was known there.
    pub(crate) fn explore(&mut self, start: State, pc: usize) -> Result<(), (Refusal, Circumstances)> {
        self.log.exploration_begins();
        let explored = self.explore_paths(start, pc);
        if explored.is_ok() {
            self.log.exploration_ends();
        }
        self.log.totals = self.stats();
        explored
    }

    fn explore_paths(&mut self, mut start: State, pc: usize) -> Result<(), (Refusal, Circumstances)> {
        self.joins.clear();
        self.loops = Loops::default();
        self.pending.clear();
        self.pending_bytes = 0;
        start.set_meter(&self.slot_bytes);
        self.pending.push(Pending { state: start, pc, prev_pc: pc, log_position: self.log.position() });
        let mut first = true;
        while let Some(Pending { mut state, pc, prev_pc, log_position }) = self.pending.pop() {
            if !std::mem::take(&mut first) {
                self.log.path_begins(log_position);
            }
            self.prev_pc = prev_pc;
            self.pending_bytes = self.pending_bytes.saturating_sub(state.bytes());
            let mut next = Next::Goto(pc);
            while let Next::Goto(pc) = next {
                self.pc = pc;
                self.recorded = false;
                next = match self.step(&mut state) {
                    Ok(next) => next,
                    Err(refusal) => {
                        let circumstances = self.circumstances(&state, &refusal.message);
                        let refusal = if refusal.pc.is_none() { refusal.at(self.pc) } else { refusal };
                        return Err((refusal, circumstances));
                    }
                };
                self.prev_pc = pc;
            }
            self.path_ended(state.parent);
            self.log.stack_is_known(self.code, &state);
        }
        Ok(())
    }

    fn step(&mut self, state: &mut State) -> Checked<Next> {
        let pc = self.pc;
        if pc >= self.code.insns.len() {
            refuse!(Invalid, "invalid insn idx {pc} insn_cnt {}", self.code.insns.len());
        }
        self.insns_processed += 1;
        if self.insns_processed > COMPLEXITY_LIMIT_INSNS {
            refuse!(TooBig, "BPF program is too large. Processed {} insn", self.insns_processed);
        }
        if self.code.edges.is_join[pc] {
            if self.visit(state)? == Visit::Pruned {
                self.log.pruned(self.prev_pc, pc);
                return Ok(Next::End);
            }
            self.fits_memory()?;
        }
        if self.code.edges.is_jump[pc] {
            self.record(state, None, Vec::new());
        }
        if !self.log.is_on() {
            return self.instruction(state);
        }
        let at = (self.program, self.code);
        self.log.step(at, state, (self.prev_pc, pc));
        let next = self.instruction(state)?;
        self.log.stepped(at, state, pc);
        Ok(next)
    }

    fn instruction(&mut self, state: &mut State) -> Checked<Next> {
        let pc = self.pc;
        self.notes[pc].seen = true;
        let instruction = match self.code.decoded[pc] {
            Ok(instruction) => instruction,
            Err(kind) => return Err(diagnose::not_an_instruction(self.code.insns[pc], kind)),
        };
        if matches!(
            instruction,
            Instruction::Jump { .. }
                | Instruction::JumpIf { .. }
                | Instruction::MayGoto { .. }
                | Instruction::Call(_)
                | Instruction::Exit
        ) {
            self.jumps_processed += 1;
        }
        transfer::execute(self, state, instruction)
    }

    /// Whether all states together take no more than [`STATE_BYTES_MAX`].
    fn fits_memory(&self) -> Checked {
        let bytes = self.joins.bytes() + self.pending_bytes + self.loops.bytes + self.slot_bytes.bytes();
        if bytes > STATE_BYTES_MAX {
            refuse!(TooBig, "the states of the program take {bytes} bytes (limit {STATE_BYTES_MAX})");
        }
        Ok(())
    }

    /// Comes back to `state` at `pc` later.
    pub(crate) fn push(&mut self, mut state: State, pc: usize) -> Checked {
        if self.pending.len() >= COMPLEXITY_LIMIT_JMP_SEQ {
            refuse!(TooBig, "The sequence of {} jumps is too complex.", self.pending.len() + 1);
        }
        self.joins.path_forked(state.parent);
        state.set_meter(&self.slot_bytes);
        self.pending_bytes += state.bytes();
        self.fits_memory()?;
        let log_position = self.log.position();
        self.pending.push(Pending { state, pc, prev_pc: self.pc, log_position });
        Ok(())
    }

    /// Comes back to a callback that runs later, whatever the state is here (linux: push_async_cb()).
    pub(crate) fn push_async(&mut self, frame: Frame) -> Checked {
        let function = frame.subprog as usize;
        self.async_callbacks.insert(function);
        self.callbacks.insert(function);
        self.async_entries += 1;
        let start = self.code.functions[function].start;
        let mut state = State::new(frame, start as u32);
        state.rounds.async_entry = self.async_entries;
        self.push(state, start)
    }

    /// A map: the program's, and behind those, one for one, the shapes of their inner maps.
    pub(crate) fn map(&self, map: u32) -> &'a MapSpec {
        let (maps, index) = (&self.program.maps, map as usize);
        match index.checked_sub(maps.len()) {
            None => &maps[index],
            Some(outer) => maps[outer].inner.as_deref().expect("only maps of maps are looked into"),
        }
    }

    /// The index of the shape of this map's inner maps, if it is a map of maps.
    pub(crate) fn inner_map(&self, outer: u32) -> Option<u32> {
        let spec = self.program.maps.get(outer as usize)?;
        spec.inner.as_ref().map(|_| outer + self.program.maps.len() as u32)
    }

    /// The map's index in the program, for facts; of inner maps nothing is known before the run.
    pub(crate) fn program_map(&self, map: u32) -> Option<u32> {
        ((map as usize) < self.program.maps.len()).then_some(map)
    }

    /// The instruction under way.
    pub(crate) fn pc(&self) -> usize {
        self.pc
    }

    /// A fresh identity.
    pub(crate) fn new_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// Notes what the instruction under way accesses. What is converted afterwards must be the same on every path.
    pub(crate) fn note_access(&mut self, access: Access) -> Checked {
        let note = &mut self.notes[self.pc];
        if note.access.is_some_and(|earlier| earlier != access) {
            refuse!(Invalid, "same insn cannot be used with different pointers");
        }
        note.access = Some(access);
        Ok(())
    }

    /// Notes what the call under way is about. Of two types it cannot be told: there must be one, unless the call
    /// does without (`optional`).
    pub(crate) fn note_object(&mut self, object: ObjectCall, optional: bool) -> Checked {
        let note = &mut self.notes[self.pc];
        note.object = match note.object {
            Some(earlier) if earlier != object && optional => Some(ObjectCall::default()),
            Some(earlier) if earlier != object => {
                refuse!(Unsupported, "same call cannot be used with objects of different types")
            }
            Some(_) | None => Some(object),
        };
        Ok(())
    }

    /// Notes how deep a function's stack goes: to `off` from its frame pointer.
    pub(crate) fn note_stack_depth(&mut self, function: u32, off: i64) {
        let known = &mut self.stack_depth[function as usize];
        *known = (*known).max((-off) as u16);
    }

    /// Notes that the instruction under way looks at a function's stack, at `off` at the lowest.
    pub(crate) fn note_stack_access(&mut self, function: u32, off: i64) {
        self.fastcalls.note_access(&self.code.functions, function as usize, self.pc, off);
    }

    /// Spills that turned out to be needless are not counted (linux: remove_fastcall_spills_fills()).
    pub(crate) fn leave_out_needless_spills(&mut self) {
        for (function, depth) in self.stack_depth.iter_mut().enumerate() {
            if let Some(without) = self.fastcalls.stack_depth(&self.code.functions, function) {
                *depth = without;
            }
        }
    }

    /// Writes the step down, for [`Env::mark_precise`] to walk back.
    pub(crate) fn record(
        &mut self,
        state: &mut State,
        stack: Option<crate::state::StackAccess>,
        linked: Vec<(u8, u8)>,
    ) {
        if self.recorded
            && let Some(entry) = state.history.last_mut()
        {
            entry.stack = entry.stack.or(stack);
            if entry.linked.is_empty() {
                entry.linked = linked;
            }
            return;
        }
        self.recorded = true;
        let (pc, prev_pc) = (self.pc as u32, self.prev_pc as u32);
        state.history.push(HistoryEntry { pc, prev_pc, stack, linked });
    }

    pub(crate) fn insns_processed(&self) -> u32 {
        u32::try_from(self.insns_processed).unwrap_or(u32::MAX)
    }

    fn circumstances(&self, state: &State, message: &str) -> Circumstances {
        let registers = diagnose::registers(self.program, self.code, self.pc, state);
        let register = diagnose::register_at_fault(self.code, self.pc, message);
        let origin = match diagnose::acquired_at(message) {
            Some(pc) => vec![pc],
            None => register.map_or_else(Vec::new, |reg| self.origin(state, reg)),
        };
        Circumstances { registers, register, origin }
    }

    fn stats(&self) -> String {
        let totals = &self.joins.totals;
        last_line(self.insns_processed, totals.max_per_insn, totals.kept, totals.peak)
    }
}

/// The last line of the kernel's log. `mark_read` counts steps of an algorithm that is not ours.
pub(crate) fn last_line(insns: usize, max_per_insn: usize, total: usize, peak: usize) -> String {
    format!(
        "processed {insns} insns (limit {COMPLEXITY_LIMIT_INSNS}) max_states_per_insn {max_per_insn} \
         total_states {total} peak_states {peak} mark_read 0\n"
    )
}
