use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bpfreplay_runtime::skb;
use bpfreplay_runtime::tail_call::TailCallFailures;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::flow::Steering;
use crate::report::Report;
use crate::sink::{Merge, Part, Sink, SinkError};
use crate::source::{Block, Capture, Source};
use crate::worker::{EngineSetup, Shared, Worker, latency_histogram};

/// Blocks in flight beyond one a worker: one being read, the others waiting so that no worker runs dry.
const SPARE_BLOCKS: usize = 4;
/// Worker threads at the most: per-CPU maps have a value for each.
pub const MAX_WORKERS: usize = 256;

/// A replay, ready to run.
#[derive(Debug)]
pub struct Replay {
    /// One engine, or two to compare frame by frame. The first one's results are reported.
    pub engines: Vec<EngineSetup>,
    /// How frames are shown to programs.
    pub hook: skb::Hook,
    /// Worker threads, 1 to [`MAX_WORKERS`]. One runs in the thread that reads.
    pub workers: usize,
    /// What to write for every frame.
    pub sinks: Vec<Sink>,
}

/// How far a replay is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Frames read.
    pub frames: u64,
    /// Bytes of captures read.
    pub bytes_read: u64,
}

/// A worker's share of a block.
struct Batch {
    block: Arc<Block>,
    /// Positions of its frames in the block.
    positions: Vec<u32>,
}

impl Replay {
    /// Runs all captures to their end, or until `stop` is set; `on_progress` is called for every block read.
    ///
    /// Always comes back with a report: what ended early is in it.
    #[must_use]
    pub fn run(
        self,
        captures: Vec<Capture>,
        stop: &AtomicBool,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Report {
        let workers = self.workers.clamp(1, MAX_WORKERS);
        let mut source = Source::new(captures);
        let mut merge = Merge::new(self.sinks, workers);
        // Workers format, the merger writes: they share the formats and nothing else of the sinks.
        let formats = merge.formats();
        let shared = Shared {
            engines: &self.engines,
            hook: &self.hook,
            formats: formats.iter().map(|format| &**format).collect(),
            stop,
        };
        self.engines.iter().for_each(|engine| engine.records.open(workers));
        let started = Instant::now();
        let in_threads =
            (workers > 1).then(|| in_threads(&shared, workers, &mut source, &mut merge, on_progress));
        let finished = in_threads.flatten().unwrap_or_else(|| {
            merge.expect_parts_of(1);
            vec![in_this_thread(&shared, &mut source, &mut merge, on_progress)]
        });
        let elapsed = started.elapsed();
        let sink_errors = merge.finish();
        let mut report = report(&finished, source, sink_errors, elapsed, stop);
        report.workers_asked = workers;
        report
    }
}

fn in_this_thread<'a>(
    shared: &'a Shared<'a>,
    source: &mut Source,
    merge: &mut Merge,
    on_progress: &mut dyn FnMut(Progress),
) -> Worker<'a> {
    let mut worker = Worker::new(shared, 0);
    let mut block = Block::default();
    let mut spare = Part::default();
    let writes = !shared.formats.is_empty();
    while source.next_block(&mut block, shared.stop) {
        let positions = 0..block.frames.len() as u32;
        if writes {
            let mut part = std::mem::take(&mut spare);
            part.reset(block.seq, Arc::clone(&block.interfaces), shared.formats.len());
            worker.run(&block, positions, Some(&mut part));
            merge.add(part, |used| spare = used);
            stop_if(merge.failed(), shared.stop);
        } else {
            worker.run(&block, positions, None);
        }
        on_progress(Progress { frames: source.frames(), bytes_read: source.bytes_read() });
    }
    worker
}

/// One thread reads and steers (this one), `workers` run frames, one writes if there is anything to write.
///
/// ```text
///   reader ──Batch──▶ worker 0 ──Part──▶ merger ─▶ outputs
///     ▲   ╲──Batch──▶ worker 1 ──Part──╱    │
///     └── used blocks ◀──┘  ▲── used parts ─┘
/// ```
///
/// Nothing can wait in a circle: the reader waits for used blocks, workers wait for batches and for room towards the
/// merger, and the merger waits for parts only. Used blocks and parts go back through channels that never fill.
///
/// Where the system gives fewer threads than asked for, those there are do the work; `None` if it gives too few to
/// have any, before a frame is read.
fn in_threads<'a>(
    shared: &'a Shared<'a>,
    workers: usize,
    source: &mut Source,
    merge: &mut Merge,
    on_progress: &mut dyn FnMut(Progress),
) -> Option<Vec<Worker<'a>>> {
    let blocks = workers + SPARE_BLOCKS;
    let writes = !shared.formats.is_empty();
    let (used_sender, used) = unbounded::<Batch>();
    let (part_sender, parts) = bounded::<Part>(blocks * workers);
    let (spare_sender, spare_parts) = unbounded::<Part>();
    thread::scope(|scope| {
        let mut batch_senders = Vec::new();
        let mut handles = Vec::new();
        for cpu in 0..workers {
            let (sender, batches) = bounded::<Batch>(blocks);
            batch_senders.push(sender);
            let ends = WorkerEnds {
                batches,
                used: used_sender.clone(),
                parts: writes.then(|| (part_sender.clone(), spare_parts.clone())),
            };
            let worker = move || ends.serve(Worker::new(shared, cpu as u32), shared);
            let name = format!("worker-{cpu}");
            match thread::Builder::new().name(name).spawn_scoped(scope, worker) {
                Ok(handle) => handles.push(handle),
                Err(_) => break,
            }
        }
        drop((used_sender, part_sender, spare_parts));
        batch_senders.truncate(handles.len());
        let mut merger = None;
        if writes && !handles.is_empty() {
            merge.expect_parts_of(handles.len());
            let write = move || {
                for part in parts {
                    // The workers' end may be gone already; then nobody wants the part back.
                    merge.add(part, |used| drop(spare_sender.send(used)));
                    stop_if(merge.failed(), shared.stop);
                }
            };
            match thread::Builder::new().name("merger".to_owned()).spawn_scoped(scope, write) {
                Ok(handle) => merger = Some(handle),
                // The workers end with their channels, before they had anything to do.
                Err(_) => handles.clear(),
            }
        }
        if handles.is_empty() {
            return None;
        }
        read_and_steer(shared, source, &batch_senders, &used, blocks, on_progress);
        drop(batch_senders);
        let finished = handles.into_iter().map(join).collect();
        if let Some(merger) = merger {
            join(merger);
        }
        Some(finished)
    })
}

/// Reads block after block, and sends every worker its frames of each.
fn read_and_steer(
    shared: &Shared<'_>,
    source: &mut Source,
    workers: &[Sender<Batch>],
    used: &Receiver<Batch>,
    blocks_max: usize,
    on_progress: &mut dyn FnMut(Progress),
) {
    let steering = Steering::new(workers.len());
    let mut spare_blocks: Vec<Block> = (0..blocks_max).map(|_| Block::default()).collect();
    let mut spare_positions: Vec<Vec<u32>> = Vec::new();
    loop {
        let mut reclaim = |batch: Batch, spare_blocks: &mut Vec<Block>| {
            spare_positions.push(batch.positions);
            // The last worker to hand a block back gives it up.
            spare_blocks.extend(Arc::into_inner(batch.block));
        };
        for batch in used.try_iter() {
            reclaim(batch, &mut spare_blocks);
        }
        while spare_blocks.is_empty() {
            // Fails only when all workers are gone, by a panic that joining them will show.
            let Ok(batch) = used.recv() else { return };
            reclaim(batch, &mut spare_blocks);
        }
        let Some(mut block) = spare_blocks.pop() else { return };
        if !source.next_block(&mut block, shared.stop) {
            return;
        }
        let mut shares: Vec<Vec<u32>> = workers
            .iter()
            .map(|_| {
                let mut positions = spare_positions.pop().unwrap_or_default();
                positions.clear();
                positions
            })
            .collect();
        for (position, frame) in (0..).zip(&block.frames) {
            shares[steering.worker(block.link(frame), block.bytes(frame))].push(position);
        }
        let block = Arc::new(block);
        for (worker, positions) in workers.iter().zip(shares) {
            if worker.send(Batch { block: Arc::clone(&block), positions }).is_err() {
                return;
            }
        }
        on_progress(Progress { frames: source.frames(), bytes_read: source.bytes_read() });
    }
}

/// A worker's ends of the channels.
struct WorkerEnds {
    batches: Receiver<Batch>,
    used: Sender<Batch>,
    /// Where formatted frames go, and where used parts come back.
    parts: Option<(Sender<Part>, Receiver<Part>)>,
}

impl WorkerEnds {
    fn serve<'a>(self, mut worker: Worker<'a>, shared: &Shared<'_>) -> Worker<'a> {
        for batch in self.batches {
            let positions = batch.positions.iter().copied();
            match &self.parts {
                None => worker.run(&batch.block, positions, None),
                Some((parts, spare)) => {
                    let mut part = spare.try_recv().unwrap_or_default();
                    let interfaces = Arc::clone(&batch.block.interfaces);
                    part.reset(batch.block.seq, interfaces, shared.formats.len());
                    worker.run(&batch.block, positions, Some(&mut part));
                    // The merger outlives the workers; if it panicked, joining it will show.
                    let _ = parts.send(part);
                }
            }
            // The reader may have ended already.
            let _ = self.used.send(batch);
        }
        worker
    }
}

fn stop_if(failed: bool, stop: &AtomicBool) {
    if failed {
        stop.store(true, Ordering::Relaxed);
    }
}

fn join<T>(handle: thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn report(
    finished: &[Worker<'_>],
    source: Source,
    sink_errors: Vec<SinkError>,
    elapsed: Duration,
    stop: &AtomicBool,
) -> Report {
    let mut report = Report {
        frames: source.frames(),
        bytes: 0,
        snapped: 0,
        verdicts: BTreeMap::new(),
        other_verdicts: 0,
        refused: HashMap::new(),
        faulted: 0,
        not_run: 0,
        restarts: 0,
        kept: 0,
        runs: BTreeMap::new(),
        timer_runs: 0,
        timers_pending: 0,
        tail_calls: BTreeMap::new(),
        tail_call_failures: TailCallFailures::default(),
        records: Vec::new(),
        printk_lost: 0,
        latency: latency_histogram(),
        elapsed,
        workers: finished.len(),
        workers_asked: finished.len(),
        endings: Vec::new(),
        sink_errors,
        fault: None,
        difference: None,
        interrupted: false,
    };
    for worker in finished {
        report.add(&worker.counters);
        report.latency.add(&worker.latency).expect("the histograms have the same bounds");
        if let Some(lane) = worker.lanes().first() {
            for (prog, runs) in lane.tally.runs() {
                *report.runs.entry(prog).or_default() += runs;
            }
            report.timer_runs += lane.tally.timer_runs;
            report.timers_pending += lane.exec.timers.pending() as u64;
            for (taken, count) in lane.tally.tail_calls() {
                *report.tail_calls.entry(taken).or_default() += count;
            }
            report.tail_call_failures.merge(&lane.exec.tail_call_failures);
            lane.records.add_to(&mut report.records);
            report.printk_lost += lane.exec.trace.lost();
        }
        for lane in worker.lanes() {
            report.fault = report.fault.or(lane.tally.fault);
        }
        if let Some(found) = &worker.difference
            && report.difference.as_ref().is_none_or(|earlier| found.frame < earlier.frame)
        {
            report.difference = Some(found.clone());
        }
    }
    report.endings = source.into_endings();
    // Whoever found an error set the flag too.
    report.interrupted = stop.load(Ordering::Relaxed)
        && report.fault.is_none()
        && report.difference.is_none()
        && report.sink_errors.is_empty();
    report
}
