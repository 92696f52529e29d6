use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bpfreplay_runtime::tail_call::TailCallFailures;
use bpfreplay_runtime::{Fault, ProgramId};
use bpfreplay_tc::DropReason;
use hdrhistogram::Histogram;

use crate::counters::Counters;
use crate::difference::Difference;
use crate::frame::Refusal;
use crate::records::RecordCount;
use crate::sink::SinkError;
use crate::source::Ending;
use crate::tally::TailCallTaken;

/// What a replay came to.
#[derive(Debug)]
pub struct Report {
    /// Frames read. Each is in exactly one of the counters of [`Report::accounted`].
    pub frames: u64,
    /// Their bytes, as captured.
    pub bytes: u64,
    /// Those of them that the capture cut at its snapshot length.
    pub snapped: u64,
    /// Frames by verdict.
    pub verdicts: BTreeMap<(i32, Option<DropReason>), u64>,
    /// Frames whose return value was a number too many to count apart (test-run hook).
    pub other_verdicts: u64,
    /// Frames that were not run, by reason.
    pub refused: HashMap<Refusal, u64>,
    /// Frames whose run the interpreter stopped at a fault: on a verified program a bug of the verifier.
    pub faulted: u64,
    /// Frames that were read and then not run, because the replay was stopped.
    pub not_run: u64,
    /// Restarts of classifications.
    pub restarts: u64,
    /// Bytes that a socket filter kept of frames.
    pub kept: u64,
    /// Runs by program.
    pub runs: BTreeMap<ProgramId, u64>,
    /// Runs of callbacks of timers; [`Report::runs`] has them too.
    pub timer_runs: u64,
    /// Timers that were started and whose time had not come at the end.
    pub timers_pending: u64,
    /// Tail calls taken.
    pub tail_calls: BTreeMap<TailCallTaken, u64>,
    /// Tail calls that fell through.
    pub tail_call_failures: TailCallFailures,
    /// Records programs left for user space, by map.
    pub records: Vec<RecordCount>,
    /// Lines of `bpf_trace_printk` there was no room for.
    pub printk_lost: u64,
    /// Nanoseconds a frame took, of one frame in [`crate::SAMPLE_EVERY`].
    pub latency: Histogram<u64>,
    /// From the first read to the last verdict.
    pub elapsed: Duration,
    /// Workers that ran frames.
    pub workers: usize,
    /// Workers asked for; more than ran where the system gave fewer threads.
    pub workers_asked: usize,
    /// Captures that ended early.
    pub endings: Vec<Ending>,
    /// Outputs that could not be written to the end.
    pub sink_errors: Vec<SinkError>,
    /// The first fault.
    pub fault: Option<Fault>,
    /// The first frame two engines differ on.
    pub difference: Option<Box<Difference>>,
    /// Whether the replay was asked to stop.
    pub interrupted: bool,
}

impl Report {
    pub(crate) fn add(&mut self, counters: &Counters) {
        self.bytes += counters.bytes;
        self.snapped += counters.snapped;
        self.restarts += counters.restarts;
        self.kept += counters.kept;
        self.faulted += counters.faulted;
        self.not_run += counters.not_run;
        self.other_verdicts += counters.verdicts.beyond_limit();
        for (key, frames) in counters.verdicts.iter() {
            *self.verdicts.entry(key).or_default() += frames;
        }
        for (refusal, frames) in &counters.refused {
            *self.refused.entry(*refusal).or_default() += frames;
        }
    }

    /// Frames of all counters together: equals [`Report::frames`].
    #[must_use]
    pub fn accounted(&self) -> u64 {
        let verdicts: u64 = self.verdicts.values().sum();
        verdicts + self.other_verdicts + self.frames_refused() + self.faulted + self.not_run
    }

    /// Frames that were not run.
    #[must_use]
    pub fn frames_refused(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Whether the replay ended before the end of its captures, or wrote less than asked.
    #[must_use]
    pub fn ended_early(&self) -> bool {
        self.interrupted
            || self.fault.is_some()
            || self.difference.is_some()
            || !self.endings.is_empty()
            || !self.sink_errors.is_empty()
    }

    /// Frames a second.
    #[must_use]
    pub fn frames_per_second(&self) -> f64 {
        self.frames as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}
