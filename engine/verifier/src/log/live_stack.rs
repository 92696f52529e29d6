//! Which slots of the stack instructions may read, and which they write on every path: what the kernel decides pruning
//! by and writes down at level 2 (linux: kernel/bpf/liveness.c). Here states note themselves what was read of them
//! (`explore::joins`); this is kept for the log alone.
//!
//! ```text
//!   (7,15,18) frame 0 insn 20 +written -8        slots written from insn 20 on, in the function that starts at 18,
//!   (7,15,18) frame 0 insn 18 +live -8           called from 15 and 7; slots of frame 0 that are read from 18 on
//!   (7,15,18) live stack update done in 2 iterations
//! ```

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::cfg::{Code, post_order, successors};
use crate::state::{FrameKind, SlotSet, State};

/// Marks of one instruction, for the stack of one frame.
#[derive(Clone, Copy, Default, Debug)]
struct Masks {
    may_read: SlotSet,
    must_write: SlotSet,
    /// Written by it or by what follows.
    written: SlotSet,
    /// Read from it on.
    live: SlotSet,
}

/// A function, called from certain places.
#[derive(Debug)]
struct Instance {
    /// The calls that lead to it, the outermost first.
    calls: Vec<u32>,
    start: usize,
    /// By frame, then by instruction; none where nothing was marked.
    frames: Vec<Option<Vec<Masks>>>,
    /// Instructions that were executed.
    executed: Vec<bool>,
    updated: bool,
    /// A slot that an instruction wrote on all paths it did not write on another.
    write_dropped: bool,
}

/// The function that runs, and what the instruction under way writes.
#[derive(Debug, Default)]
struct Running {
    instance: Option<usize>,
    pc: usize,
    written: Vec<SlotSet>,
}

#[derive(Debug, Default)]
pub(super) struct LiveStack {
    instances: Vec<Instance>,
    /// Their numbers, by calls and start.
    numbers: HashMap<(Vec<u32>, usize), usize>,
    running: Running,
    /// Slots of each function in post-order, once there is something to update.
    orders: HashMap<usize, Vec<usize>>,
}

impl LiveStack {
    /// An instruction is about to be executed.
    pub(super) fn begin(&mut self, code: &Code, state: &State, pc: usize) {
        let instance = match self.running.instance {
            Some(instance) => instance,
            None => self.instance_at(code, state, state.depth()),
        };
        self.running = Running { instance: Some(instance), pc, written: vec![0; state.frames.len()] };
    }

    /// The instruction reads slots.
    pub(super) fn read(&mut self, frame: usize, slots: SlotSet) {
        if let Some(instance) = self.running.instance {
            self.instances[instance].mark_read(frame, self.running.pc, slots);
        }
    }

    /// The instruction writes whole slots.
    pub(super) fn write(&mut self, frame: usize, slots: SlotSet) {
        if let Some(written) = self.running.written.get_mut(frame) {
            *written |= slots;
        }
    }

    /// The instruction was executed.
    pub(super) fn commit(&mut self) {
        if let Some(instance) = self.running.instance {
            self.instances[instance].commit(self.running.pc, &self.running.written);
        }
    }

    /// Another function runs.
    pub(super) fn leave(&mut self) {
        self.running.instance = None;
    }

    /// What was marked is passed against the direction of execution, and out to the callers; gives what to write down
    /// (linux: bpf_update_live_stack()).
    pub(super) fn update(&mut self, code: &Code, state: &State) -> String {
        let mut log = String::new();
        self.leave();
        for frame in (0..state.frames.len()).rev() {
            let number = self.instance_at(code, state, frame);
            if !self.instances[number].updated {
                continue;
            }
            let instance = &mut self.instances[number];
            let order = self.orders.entry(instance.start).or_insert_with(|| post_order(code, instance.start));
            instance.propagate(code, order, &mut log);
            (instance.updated, instance.write_dropped) = (false, false);
            if frame > 0 {
                let outer = self.instance_at(code, state, frame - 1);
                self.propagate_out(number, outer);
            }
        }
        log
    }

    /// From the first instruction of a function to the call of it.
    fn propagate_out(&mut self, inner: usize, outer: usize) {
        let Instance { calls, start, .. } = &self.instances[inner];
        let (call, start, depth) = (calls[calls.len() - 1] as usize, *start, calls.len());
        let mut written = vec![0; depth];
        for (frame, written) in written.iter_mut().enumerate() {
            let Some(masks) = &self.instances[inner].frames[frame] else { continue };
            let first = masks[0];
            debug_assert_eq!(self.instances[inner].at(start), 0);
            *written = first.written;
            self.instances[outer].mark_read(frame, call, first.live);
        }
        self.instances[outer].commit(call, &written);
    }

    /// The instance of the function that runs in this frame.
    fn instance_at(&mut self, code: &Code, state: &State, frame: usize) -> usize {
        let calls = state.frames[1..=frame].iter().map(|callee| match callee.kind {
            FrameKind::Call { callsite } | FrameKind::Callback { callsite } => callsite,
            FrameKind::Main | FrameKind::Global | FrameKind::Exception | FrameKind::Async => 0,
        });
        let function = &code.functions[state.frames[frame].subprog as usize];
        let key = (calls.collect::<Vec<u32>>(), function.start);
        if let Some(&number) = self.numbers.get(&key) {
            return number;
        }
        let number = self.instances.len();
        self.instances.push(Instance {
            calls: key.0.clone(),
            start: function.start,
            frames: vec![None; frame + 1],
            executed: vec![false; function.end - function.start],
            updated: false,
            write_dropped: false,
        });
        self.numbers.insert(key, number);
        number
    }
}

impl Instance {
    fn at(&self, pc: usize) -> usize {
        pc - self.start
    }

    fn masks(&mut self, frame: usize, pc: usize) -> &mut Masks {
        let (at, slots) = (self.at(pc), self.executed.len());
        &mut self.frames[frame].get_or_insert_with(|| vec![Masks::default(); slots])[at]
    }

    fn mark_read(&mut self, frame: usize, pc: usize, slots: SlotSet) {
        let masks = self.masks(frame, pc);
        let may_read = masks.may_read | slots;
        let is_new = may_read != masks.may_read && may_read & !masks.live != 0;
        masks.may_read = may_read;
        self.updated |= is_new;
    }

    /// What an instruction writes it has to write on every path.
    fn commit(&mut self, pc: usize, written: &[SlotSet]) {
        let at = self.at(pc);
        let again = self.executed[at];
        for (frame, &now) in written.iter().enumerate() {
            if now == 0 && !again {
                continue;
            }
            let masks = self.masks(frame, pc);
            let before = masks.must_write;
            let both = if again { now & before } else { now };
            masks.must_write = both;
            self.updated |= both != before;
            self.write_dropped |= before & !both != 0;
        }
        self.executed[at] = true;
    }

    /// The data flow to its fixed point.
    fn propagate(&mut self, code: &Code, order: &[usize], log: &mut String) {
        if self.write_dropped {
            self.frames.iter_mut().flatten().flatten().for_each(|masks| masks.written = 0);
        }
        let calls: String = self.calls.iter().map(|call| format!("{call},")).collect();
        let chain = format!("({calls}{})", self.start);
        let mut rounds = 0;
        let mut changed = true;
        while changed {
            changed = false;
            rounds += 1;
            for frame in 0..self.frames.len() {
                let Some(all) = &mut self.frames[frame] else { continue };
                for &pc in order {
                    let head = format!("{chain} frame {frame} insn {pc}");
                    let always = pc == self.start || code.edges.is_join[pc];
                    changed |= flow(code, all, (self.start, pc), always, |what, old, new| {
                        changes(&head, what, (old, new), log);
                    });
                }
            }
        }
        let _ = writeln!(log, "{chain} live stack update done in {rounds} iterations");
    }
}

/// One instruction from those behind it; whether that is another than before.
fn flow(
    code: &Code,
    all: &mut [Masks],
    (start, pc): (usize, usize),
    always: bool,
    mut tell: impl FnMut(&str, SlotSet, SlotSet),
) -> bool {
    let Ok(instruction) = code.decoded[pc] else { return false };
    let (mut live, mut written, mut ends) = (0, SlotSet::MAX, true);
    for next in successors(instruction, pc).into_iter().flatten() {
        live |= all[next - start].live;
        written &= all[next - start].written;
        ends = false;
    }
    if ends {
        return false;
    }
    let masks = &mut all[pc - start];
    written |= masks.must_write;
    live = live & !masks.must_write | masks.may_read;
    let (before_live, before_written) = (masks.live, masks.written);
    (masks.live, masks.written) = (live, written);
    if always || masks.may_read != 0 || masks.must_write != 0 {
        tell("live", before_live, live);
        tell("written", before_written, written);
    }
    (live, written) != (before_live, before_written)
}

fn changes(head: &str, what: &str, (old, new): (SlotSet, SlotSet), log: &mut String) {
    if old == new {
        return;
    }
    let (more, less) = (new & !old, old & !new);
    let _ = write!(log, "{head} ");
    if more != 0 {
        let _ = write!(log, "+{what} {} ", super::precision::slots(more));
    }
    if less != 0 {
        let _ = write!(log, "-{what} {}", super::precision::slots(less));
    }
    log.push('\n');
}
