use std::ops::{Deref, DerefMut, Range};

use bpfreplay_uapi::limits::MAX_TAIL_CALL_CNT;
use crossbeam_epoch as epoch;

use crate::executable::ProgramId;
use crate::gate::Inside;
use crate::helpers::{CallBack, Trace};
use crate::memory::Stack;
use crate::tail_call::TailCallFailures;
use crate::timers::TimerQueue;

/// Programs one run can go through: the entry and 33 tail calls.
pub const MAX_PATH: usize = MAX_TAIL_CALL_CNT as usize + 1;

/// What belongs to a worker and is reached by every run on it: jitted code has its address in a pinned register.
///
/// The fields up to `path` are read and written by jitted code at their offsets.
#[derive(Debug)]
#[repr(C)]
pub struct ExecutionContext {
    /// Tail calls taken in this run; shared by all programs, prog arrays and subprograms of the run.
    pub tail_call_cnt: u32,
    /// The CPU id programs see, and the index of their per-CPU values: the worker's number.
    pub cpu: u32,
    /// The programs of this run in order; entries 0 to `tail_call_cnt` are valid.
    pub path: [PathEntry; MAX_PATH],

    /// What `bpf_ktime_get_ns` returns: nanoseconds of the capture's clock.
    pub now_ns: u64,
    /// State of `bpf_get_prandom_u32`: seeded, so that a replay repeats.
    pub prandom: u64,
    /// What `bpf_redirect` asked for in this hook run; acted on if the verdict is `TC_ACT_REDIRECT`.
    pub redirect: Option<Redirect>,
    /// The program stack of the run, for helpers that are handed addresses no prototype checks (`%s`). Set by the
    /// engine; empty means that nothing on the stack is readable to them.
    pub stack: Range<u64>,
    /// How helpers call functions of a jited program; set by the engine.
    pub call_back: Option<CallBack>,
    /// Where on the stack the program that runs, if it can throw, is left from: jitted code's own.
    pub boundary: u64,
    /// [`Objects::address`](crate::objects::Objects::address) of the program that calls a kernel function on objects:
    /// set by the engine before each such call.
    pub objects: u64,
    /// Timers this worker started.
    pub timers: TimerQueue,
    /// Frames of interpreted runs.
    pub frames: Stack,
    /// Why the interpreter ended this run early.
    pub fault: Option<Fault>,
    /// Tail calls that fell through, by program, instruction, index and reason.
    pub tail_call_failures: TailCallFailures,
    /// What programs printed.
    pub trace: Trace,
}

/// One program of a run's path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct PathEntry {
    /// The program.
    pub prog: ProgramId,
    /// The prog array index it was reached by; meaningless for the entry.
    pub index: u32,
}

/// What a program asked of `bpf_redirect`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Redirect {
    /// The device.
    pub ifindex: u32,
    /// 0, `BPF_F_INGRESS`, or one of the kernel's internal flags: `BPF_F_NEIGH` (0x10000), `BPF_F_PEER` (0x20000).
    pub flags: u64,
}

/// A violation the checking interpreter stopped at: on a verified program, a verifier bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The program.
    pub prog: ProgramId,
    /// The xlated slot.
    pub pc: u32,
    /// What it did.
    pub kind: FaultKind,
}

/// What a program did that it must not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// Read or wrote `size` bytes at an address that no live region covers.
    OutOfBounds {
        /// The address.
        addr: u64,
        /// Bytes.
        size: u32,
    },
    /// Wrote to memory it may only read.
    ReadOnly {
        /// The address.
        addr: u64,
    },
    /// An atomic access whose address is no multiple of its size.
    Misaligned {
        /// The address.
        addr: u64,
        /// Bytes.
        size: u32,
    },
    /// Ran past the last instruction or jumped outside the program.
    BadJump,
    /// An instruction that no verified program has.
    BadInstruction,
    /// Passed a helper something its prototype does not allow, in this argument (1 to 5).
    BadArgument(u8),
    /// Went deeper than the call frames there are.
    CallDepth,
    /// Used up its instruction budget.
    StepLimit,
}

impl ExecutionContext {
    /// The context of worker number `cpu`.
    #[must_use]
    pub fn new(cpu: u32) -> ExecutionContext {
        ExecutionContext {
            tail_call_cnt: 0,
            cpu,
            path: [PathEntry::default(); MAX_PATH],
            now_ns: 0,
            prandom: u64::from(cpu).wrapping_add(0x9e37_79b9_7f4a_7c15),
            redirect: None,
            stack: 0..0,
            call_back: None,
            boundary: 0,
            objects: 0,
            timers: TimerQueue::default(),
            frames: Stack::new(),
            fault: None,
            tail_call_failures: TailCallFailures::default(),
            trace: Trace::default(),
        }
    }

    /// Opens a batch: until it is dropped, no program that a prog array slot held is freed.
    pub fn batch(&mut self) -> Batch<'_> {
        Batch { exec: self, guard: epoch::pin(), _inside: Inside::enter() }
    }

    /// The programs the last run went through.
    #[must_use]
    pub fn path(&self) -> &[PathEntry] {
        &self.path[..=(self.tail_call_cnt as usize).min(MAX_PATH - 1)]
    }
}

/// A stretch of runs under one epoch guard. Programs run only inside one.
#[derive(Debug)]
pub struct Batch<'a> {
    exec: &'a mut ExecutionContext,
    guard: epoch::Guard,
    _inside: Inside,
}

impl Batch<'_> {
    /// What keeps programs alive that leave a slot while this batch runs.
    pub(crate) fn guard(&self) -> &epoch::Guard {
        &self.guard
    }
}

impl Deref for Batch<'_> {
    type Target = ExecutionContext;

    fn deref(&self) -> &ExecutionContext {
        self.exec
    }
}

impl DerefMut for Batch<'_> {
    fn deref_mut(&mut self) -> &mut ExecutionContext {
        self.exec
    }
}
