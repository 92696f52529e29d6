use bpfreplay_isa::Reg;

use super::held::Held;
use super::meter::Meter;
use super::reg::{RegState, RegType};
use super::stack::{SlotSet, Stack};

/// A place in the store of join points.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct JoinId(pub(crate) u32);

/// How a frame came to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum FrameKind {
    /// The program's entry.
    Main,
    /// A global function verified on its own.
    Global,
    /// The exception callback, verified on its own; what it returns the program returns.
    Exception,
    /// A callback that a timer runs, some time after whoever named it ended (linux: in_async_callback_fn).
    Async,
    /// A call to a static function; execution goes on behind `callsite`.
    Call { callsite: u32 },
    /// A helper at `callsite` calls its callback; execution goes on **at** `callsite`, which may call it once more.
    Callback { callsite: u32 },
}

/// One function's activation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub(crate) regs: [RegState; 11],
    pub(crate) stack: Stack,
    pub(crate) kind: FrameKind,
    pub(crate) subprog: u32,
    /// How often the callback of the helper that this frame is calling has been entered in a row
    /// (linux: `callback_depth`).
    pub(crate) callback_depth: u32,
}

impl Frame {
    pub(crate) fn new(kind: FrameKind, subprog: u32, index: u8) -> Frame {
        let mut regs = [RegState::NOT_INIT; 11];
        regs[Reg::FP.index()] = RegState::pointer(RegType::Stack { frame: index });
        Frame { regs, stack: Stack::default(), kind, subprog, callback_depth: 0 }
    }

    /// Every register and spilled register.
    pub(crate) fn each_mut(&mut self, mut f: impl FnMut(&mut RegState)) {
        self.regs.iter_mut().for_each(&mut f);
        self.stack.each_spill_mut(|_, reg| f(reg));
    }
}

/// A spill or fill, for walking back: which slot of which frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StackAccess {
    pub(crate) frame: u8,
    pub(crate) slot: u8,
}

/// A step that cannot be read off the instructions: a jump, or an access to a spilled register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HistoryEntry {
    pub(crate) pc: u32,
    pub(crate) prev_pc: u32,
    pub(crate) stack: Option<StackAccess>,
    /// Registers (frame, number) and slots (frame, number + 16) whose scalars were linked at this jump.
    pub(crate) linked: Vec<(u8, u8)>,
}

/// The state of one path.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) frames: Vec<Frame>,
    pub(crate) held: Held,
    /// The last join point passed.
    pub(crate) parent: Option<JoinId>,
    /// The instruction at which that was (or the path began).
    pub(crate) first_pc: u32,
    /// Steps since then.
    pub(crate) history: Vec<HistoryEntry>,
    /// Slots wholly written since then, by frame.
    pub(crate) written: Vec<SlotSet>,
    /// How many rounds of which loops the path has taken: rounds are not circles.
    pub(crate) rounds: Rounds,
}

/// Rounds of loops that the program's state alone does not tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Rounds {
    /// Callbacks entered (linux: `callback_unroll_depth`).
    pub(crate) callback: u32,
    /// `may_goto`s passed (linux: `may_goto_depth`).
    pub(crate) may_goto: u32,
    /// Which naming of a timer's callback this is the exploration of: a callback may name itself
    /// (linux: `async_entry_cnt`).
    pub(crate) async_entry: u32,
}

impl State {
    pub(crate) fn new(frame: Frame, first_pc: u32) -> State {
        State {
            frames: vec![frame],
            held: Held::default(),
            parent: None,
            first_pc,
            history: Vec::new(),
            written: vec![SlotSet::MAX],
            rounds: Rounds::default(),
        }
    }

    /// Bytes of memory it takes, as a measure for limits; but for slots, which are shared and have a [`Meter`].
    pub(crate) fn bytes(&self) -> usize {
        self.frames.len() * size_of::<Frame>()
            + self.history.len() * size_of::<HistoryEntry>()
            + size_of_val(self.held.references())
    }

    /// Counts slots in `meter` from here on.
    pub(crate) fn set_meter(&mut self, meter: &Meter) {
        self.frames.iter_mut().for_each(|frame| frame.stack.set_meter(meter));
    }

    /// The function that runs.
    pub(crate) fn cur(&self) -> &Frame {
        self.frames.last().expect("a state has at least its first frame")
    }

    pub(crate) fn cur_mut(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a state has at least its first frame")
    }

    /// Index of the function that runs.
    pub(crate) fn depth(&self) -> usize {
        self.frames.len() - 1
    }

    pub(crate) fn reg(&self, reg: Reg) -> &RegState {
        &self.cur().regs[reg.index()]
    }

    pub(crate) fn reg_mut(&mut self, reg: Reg) -> &mut RegState {
        &mut self.cur_mut().regs[reg.index()]
    }

    pub(crate) fn set(&mut self, reg: Reg, value: RegState) {
        *self.reg_mut(reg) = value;
    }

    /// Every register and spilled register of every frame.
    pub(crate) fn each_mut(&mut self, mut f: impl FnMut(&mut RegState)) {
        for frame in &mut self.frames {
            frame.each_mut(&mut f);
        }
    }

    /// Enters a function. Nothing of its stack comes from before: reads stop here.
    pub(crate) fn push_frame(&mut self, mut frame: Frame) {
        frame.stack.share_meter(&self.cur().stack);
        self.frames.push(frame);
        self.written.push(SlotSet::MAX);
    }

    /// Leaves a function; the entry's frame stays.
    pub(crate) fn pop_frame(&mut self) -> Option<Frame> {
        if self.frames.len() < 2 {
            return None;
        }
        self.written.pop();
        self.frames.pop()
    }
}
