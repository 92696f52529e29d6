use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bpfreplay_runtime::{Batch, ExecutionContext};
use bpfreplay_runtime::{skb, timers};
use hdrhistogram::Histogram;

use crate::counters::Counters;
use crate::difference::{self, Difference, Left};
use crate::frame::{FrameRecord, PacketView, Ran, Refusal};
use crate::packets::PacketMemory;
use crate::pipeline::{self, Pipeline, PipelineResult};
use crate::programs::Programs;
use crate::records::{RecordMaps, Records};
use crate::sink::{Format, Part};
use crate::source::{Block, Frame, LinkType};
use crate::tally::Tally;

/// One frame in so many is timed: reading the clock twice takes longer than the frame.
pub const SAMPLE_EVERY: u32 = 64;
/// Digits latencies are kept to: with three, the histogram would push the programs' data out of the cache.
const LATENCY_DIGITS: u8 = 2;
/// The longest latency kept, in ns; longer ones count as this: a minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// A packet that goes out, as taps see it.
const PACKET_OUTGOING: u8 = 4;

/// A histogram for the latencies of frames, in ns.
pub(crate) fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, LATENCY_DIGITS).expect("a range and 2 digits are allowed")
}

/// One engine's form of what frames go through. With two, every frame runs on both.
#[derive(Clone, Debug)]
pub struct EngineSetup {
    /// What frames go through.
    pub pipeline: Pipeline,
    /// The programs that can run. While none of them writes to packets, frames are used where they were read.
    pub programs: Arc<Programs>,
    /// The maps they leave records in.
    pub records: RecordMaps,
}

/// What all workers have in common.
pub(crate) struct Shared<'a> {
    pub engines: &'a [EngineSetup],
    pub hook: &'a skb::Hook,
    pub formats: Vec<&'a dyn Format>,
    /// Set from outside, or by whoever finds that there is no use in going on.
    pub stop: &'a AtomicBool,
}

/// What belongs to one worker: it runs frames from arrival to verdict, and shares nothing but maps.
pub(crate) struct Worker<'a> {
    shared: &'a Shared<'a>,
    lanes: Vec<Lane<'a>>,
    pub counters: Counters,
    pub latency: Histogram<u64>,
    pub difference: Option<Box<Difference>>,
    frames: u32,
}

/// A worker's side of one engine.
pub(crate) struct Lane<'a> {
    setup: &'a EngineSetup,
    pub exec: ExecutionContext,
    pub tally: Tally,
    pub records: Records,
    memory: PacketMemory,
}

/// How a frame went: what the pipeline says, and the packet it left.
type Outcome<'f> = Result<(PipelineResult, PacketView<'f>), Refusal>;

impl<'a> Worker<'a> {
    pub(crate) fn new(shared: &'a Shared<'a>, cpu: u32) -> Worker<'a> {
        Worker {
            shared,
            lanes: shared.engines.iter().map(|setup| Lane::new(setup, cpu)).collect(),
            counters: Counters::default(),
            latency: latency_histogram(),
            difference: None,
            frames: 0,
        }
    }

    /// The engines: the first one's verdict counts.
    pub(crate) fn lanes(&self) -> &[Lane<'a>] {
        &self.lanes
    }

    /// Runs these frames of a block; with a part, formats them into it.
    pub(crate) fn run(
        &mut self,
        block: &Block,
        positions: impl Iterator<Item = u32>,
        mut part: Option<&mut Part>,
    ) {
        let Worker { shared, lanes, counters, latency, difference, frames } = self;
        let Some((first, others)) = lanes.split_first_mut() else { return };
        let Lane { setup, exec, tally, records, memory } = first;
        let mut batch = exec.batch();
        let mut second = others.first_mut().map(|lane| {
            (lane.exec.batch(), lane.setup, &mut lane.tally, &mut lane.memory, &mut lane.records)
        });
        // Most replays only count: then nobody asks for the path, and a frame is done when it is counted.
        let only_counted = second.is_none() && part.is_none();
        tally.keep_path = !only_counted;
        if let Some((_, _, tally, _, _)) = &mut second {
            tally.keep_path = true;
        }
        for position in positions {
            let Some(frame) = block.frames.get(position as usize) else { continue };
            let bytes = block.bytes(frame);
            counters.bytes += u64::from(frame.len);
            counters.snapped += u64::from(frame.orig_len > frame.len);
            if shared.stop.load(Ordering::Relaxed) {
                counters.not_run += 1;
                continue;
            }
            let started = frames.is_multiple_of(SAMPLE_EVERY).then(Instant::now);
            *frames = frames.wrapping_add(1);
            let link = block.link(frame);
            tally.begin_frame();
            let outcome = run(memory, shared.hook, &setup.pipeline, (link, bytes), frame, &mut batch, tally);
            if let Some(started) = started {
                latency.saturating_record(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
            }
            records.take();
            count(counters, &outcome, tally);
            if only_counted && !tally.frame_faulted {
                continue;
            }
            let number = block.first_frame + u64::from(position);
            let mut differs = None;
            if let Some((batch, setup_b, tally_b, memory_b, records_b)) = &mut second {
                let again =
                    run_again(memory_b, shared.hook, &setup_b.pipeline, (link, bytes), frame, batch, tally_b);
                records_b.take();
                batch.trace.clear();
                let (a, b) =
                    (left(&outcome, tally, setup, records), left(&again, tally_b, setup_b, records_b));
                differs = difference::compare(number, &a, &b);
            }
            if differs.is_some() || tally.frame_faulted {
                *difference = difference.take().or(differs);
                shared.stop.store(true, Ordering::Relaxed);
            }
            if let Some(part) = &mut part {
                let record = FrameRecord {
                    number,
                    time_ns: frame.time_ns,
                    captured: bytes,
                    orig_len: frame.orig_len,
                    interface: frame.interface,
                    outcome: ran(&outcome, tally),
                    cpu: batch.cpu,
                    records,
                    trace: &batch.trace,
                };
                for (format, segment) in shared.formats.iter().zip(&mut part.segments) {
                    format.frame(&record, &mut segment.bytes);
                    segment.ends.push((position, segment.bytes.len() as u32));
                }
                batch.trace.clear();
            }
        }
    }
}

impl<'a> Lane<'a> {
    fn new(setup: &'a EngineSetup, cpu: u32) -> Lane<'a> {
        let in_place = !setup.programs.iter().any(|program| program.writes_packet);
        Lane {
            setup,
            exec: ExecutionContext::new(cpu),
            tally: Tally::default(),
            records: Records::new(&setup.records, cpu),
            memory: PacketMemory::new(in_place),
        }
    }
}

/// Shows a frame to a pipeline's programs as the hook does, and runs them.
#[inline(always)]
fn run<'f>(
    memory: &'f mut PacketMemory,
    hook: &skb::Hook,
    pipeline: &Pipeline,
    (link, captured): (LinkType, &'f [u8]),
    frame: &Frame,
    batch: &mut Batch<'_>,
    tally: &mut Tally,
) -> Outcome<'f> {
    timers::run_due(batch, frame.time_ns, |exec| tally.timer_ran(exec));
    batch.now_ns = frame.time_ns;
    match pipeline {
        Pipeline::Tc(tc) => {
            let skb = memory.load(hook, link, captured, frame)?;
            Ok((pipeline::through_tc(tc, skb, batch, tally), PacketView::Skb(skb)))
        }
        Pipeline::Socket(program) => {
            let skb = memory.load(hook, link, captured, frame)?;
            if matches!(hook, skb::Hook::Egress(_)) {
                skb.pkt_type = PACKET_OUTGOING;
            }
            Ok((pipeline::through_socket(program, skb, batch, tally), PacketView::Skb(skb)))
        }
        Pipeline::TestRun(program) => {
            let skb = memory.load(hook, link, captured, frame)?;
            Ok((pipeline::through_test_run(program, skb, batch, tally), PacketView::Skb(skb)))
        }
        Pipeline::Xdp(program, hook) => {
            let xdp = memory.load_xdp(hook, link, captured, frame)?;
            Ok((pipeline::through_xdp(program, hook, xdp, batch, tally), PacketView::Xdp(xdp)))
        }
    }
}

/// Runs a frame on the second engine, out of the way of the first.
#[inline(never)]
fn run_again<'f>(
    memory: &'f mut PacketMemory,
    hook: &skb::Hook,
    pipeline: &Pipeline,
    (link, captured): (LinkType, &'f [u8]),
    frame: &Frame,
    batch: &mut Batch<'_>,
    tally: &mut Tally,
) -> Outcome<'f> {
    tally.begin_frame();
    run(memory, hook, pipeline, (link, captured), frame, batch, tally)
}

#[inline(always)]
fn count(counters: &mut Counters, outcome: &Outcome<'_>, tally: &Tally) {
    match outcome {
        Ok(_) if tally.frame_faulted => counters.faulted += 1,
        Ok((done, _)) => {
            counters.verdicts.count(done.action, done.drop_reason);
            counters.restarts += u64::from(done.restarts);
            counters.kept += u64::from(done.kept.unwrap_or_default());
        }
        Err(refusal) => counters.refuse(*refusal),
    }
}

fn left<'s>(
    outcome: &'s Outcome<'_>,
    tally: &'s Tally,
    setup: &'s EngineSetup,
    records: &'s Records,
) -> Left<'s> {
    Left {
        outcome: outcome.as_ref().map(|(result, skb)| (*result, *skb)).map_err(|refusal| *refusal),
        path: &tally.path,
        faulted: tally.frame_faulted,
        programs: &setup.programs,
        records,
    }
}

fn ran<'s>(outcome: &'s Outcome<'_>, tally: &'s Tally) -> Result<Ran<'s>, Refusal> {
    outcome.as_ref().map_err(|refusal| *refusal).map(|(done, packet)| Ran {
        retval: done.retval,
        action: done.action,
        drop_reason: done.drop_reason,
        path: &tally.path,
        tail_calls: tally.frame_tail_calls,
        kept: done.kept,
        packet: *packet,
    })
}
