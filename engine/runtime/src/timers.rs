//! Timers that run by the capture's clock: the queue of a worker, and what it runs when their time has come.
//!
//! ```text
//!   frame at 10 ms ─▶ program ─▶ bpf_timer_start(5 ms) ─▶ queue │ 15 ms │
//!   frame at 30 ms: first the timer, with the clock at 15 ms; then the frame
//! ```
//!
//! Before a worker runs a frame, the timers it started whose time is not after the frame's run: the earliest first,
//! those of one time in the order in which they were started, and what they start themselves if that is due too. While
//! a callback runs, the clock says when the timer was due, or the time of the worker's frame before if that is later.
//! Not more than [`RUNS_MAX`] run before one frame; the others before the next. What is not due when a capture ends does
//! not run. A callback is a run of its own, with no tail calls counted and no context.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Weak;

use bpfreplay_uapi::Errno;

use crate::exec::{Batch, ExecutionContext};
use crate::maps::Map;

/// Timers that run before one frame at the most: one that starts itself anew at once must not stop a replay.
pub const RUNS_MAX: u32 = 16384;
/// Timers that one worker can have started at a time; `bpf_timer_start` of more is ENOMEM.
pub const STARTED_MAX: usize = 1 << 16;

/// Bits of a number that say whose it is.
const CPU_BITS: u32 = 10;

/// The timers a worker started. Allocated once.
#[derive(Debug)]
pub struct TimerQueue {
    due: BinaryHeap<Reverse<Due>>,
    /// How many were ever started.
    started: u64,
    /// Map and element of the timer whose callback runs.
    running: Option<(u32, u32)>,
    /// The key of the array element whose timer's callback runs.
    key: u64,
}

/// One entry: a timer, as it was started. It counts while the timer has this number.
#[derive(Clone, Debug)]
struct Due {
    time_ns: u64,
    number: u64,
    map: Weak<Map>,
    element: u32,
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        (self.time_ns, self.number) == (other.time_ns, other.number)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        (self.time_ns, self.number).cmp(&(other.time_ns, other.number))
    }
}

impl Due {
    fn counts(&self) -> bool {
        self.map.upgrade().is_some_and(|map| map.timer_is_armed(self.element, self.number))
    }
}

impl Default for TimerQueue {
    fn default() -> TimerQueue {
        TimerQueue { due: BinaryHeap::with_capacity(STARTED_MAX), started: 0, running: None, key: 0 }
    }
}

impl TimerQueue {
    /// Timers that are started and did not run yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.due.iter().filter(|Reverse(due)| due.counts()).count()
    }

    /// Whether one may be due.
    #[inline]
    fn is_due(&self, now_ns: u64) -> bool {
        self.due.peek().is_some_and(|Reverse(due)| due.time_ns <= now_ns)
    }

    /// Starts a timer for worker `cpu`.
    pub(crate) fn start(&mut self, map: &Map, element: u32, time_ns: u64, cpu: u32) -> Result<(), Errno> {
        let number = (self.started + 1) << CPU_BITS | u64::from(cpu);
        map.timer_arm(element, number)?;
        self.started += 1;
        if self.due.len() == STARTED_MAX {
            // Entries of timers that were cancelled or started anew stay until their time has come, or until here.
            self.due.retain(|Reverse(due)| due.counts());
        }
        if self.due.len() == STARTED_MAX {
            map.timer_arm(element, 0)?;
            return Err(Errno::ENOMEM);
        }
        self.due.push(Reverse(Due { time_ns, number, map: map.weak(), element }));
        Ok(())
    }

    /// Whether this timer's callback is what runs.
    pub(crate) fn is_running(&self, map: &Map, element: u32) -> bool {
        self.running == Some((map.id(), element))
    }
}

/// Runs what is due at `now_ns`, at the most [`RUNS_MAX`] timers; `ran` is told of each run, and a fault ends it.
#[inline]
pub fn run_due(batch: &mut Batch<'_>, now_ns: u64, ran: impl FnMut(&ExecutionContext)) {
    if batch.timers.is_due(now_ns) {
        run_some(batch, now_ns, ran);
    }
}

#[inline(never)]
fn run_some(batch: &mut Batch<'_>, now_ns: u64, mut ran: impl FnMut(&ExecutionContext)) {
    let mut runs = 0;
    while runs < RUNS_MAX && batch.timers.is_due(now_ns) {
        let Some(Reverse(due)) = batch.timers.due.pop() else { return };
        let Some(map) = due.map.upgrade() else { continue };
        let Some(callback) = map.timer_expire(due.element, due.number) else { continue };
        let Some(element) = map.element(due.element, &mut batch.timers.key) else { continue };
        batch.now_ns = batch.now_ns.max(due.time_ns);
        batch.timers.running = Some((map.id(), due.element));
        callback.program.run_callback(callback.function, &map, element, batch);
        batch.timers.running = None;
        runs += 1;
        ran(batch);
        if batch.fault.is_some() {
            return;
        }
    }
}
