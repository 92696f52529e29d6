//! Timers in a replay: they run by the capture's clock, before the next frame of the worker that started them, so that
//! what a flow's frames see of its own timers does not depend on how many workers there are.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_program::MapSpec;
use bpfreplay_replay::{Capture, EngineSetup, Ndjson, Pipeline, Programs, RecordMaps, Replay, Report, Sink};
use bpfreplay_runtime::skb::{Hook, TestRun, TestRunContext};
use bpfreplay_runtime::timers::RUNS_MAX;
use bpfreplay_tests::case::{MapDef, ProgramDef, assemble_program, map_spec};

const MS: u64 = 1_000_000;
/// The period of the timer of [`FLOWS`].
const PERIOD: u64 = 5 * MS;
const PORTS: u64 = 16;
const FRAMES: u64 = 4000;

/// Starts a timer for each source port, which counts every 5 ms; returns the count of the frame's port.
const FLOWS: &str = "
    r2 = 34
    r3 = r10
    r3 += -4
    r4 = 2
    *(u32 *)(r10 - 4) = 0
    call bpf_skb_load_bytes
    r1 = map(flows) ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto fresh
    r0 = *(u64 *)(r0 + 0)
    exit
fresh:
    *(u64 *)(r10 - 16) = 0
    *(u64 *)(r10 - 24) = 0
    *(u64 *)(r10 - 32) = 0
    *(u64 *)(r10 - 40) = 0
    r1 = map(flows) ll
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -40
    r4 = 0
    call bpf_map_update_elem
    r1 = map(flows) ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r6 = r0
    r6 += 8
    r1 = r6
    r2 = map(flows) ll
    r3 = 1
    call bpf_timer_init
    r1 = r6
    r2 = func(tick) ll
    call bpf_timer_set_callback
    r1 = r6
    r2 = 5000000
    r3 = 0
    call bpf_timer_start
out:
    r0 = 0
    exit
tick:
    r1 = *(u64 *)(r3 + 0)
    r1 += 1
    *(u64 *)(r3 + 0) = r1
    r1 = r3
    r1 += 8
    r2 = 5000000
    r3 = 0
    call bpf_timer_start
    r0 = 0
    exit
";

#[test]
fn a_flow_sees_its_timer_whatever_the_number_of_workers() {
    let times: Vec<(u64, u16)> = (0..FRAMES).map(|n| (n * n * 37 % 900 + n * MS / 7, port(n))).collect();
    let mut first = BTreeMap::new();
    let mut wanted: BTreeMap<i32, u64> = BTreeMap::new();
    for &(time, port) in &times {
        let began = *first.entry(port).or_insert(time);
        *wanted.entry(((time - began) / PERIOD) as i32).or_default() += 1;
    }
    assert!(wanted.len() > 50, "the flows last for many periods");
    let capture = pcap(&times);
    let mut lines = Vec::new();
    for (engine, workers) in [
        (Engine::Jit, 1),
        (Engine::Jit, 2),
        (Engine::Jit, 4),
        (Engine::Interpreter, 1),
        (Engine::Interpreter, 4),
    ] {
        let (report, written) = replay(engine, workers, FLOWS, &capture);
        let got: BTreeMap<i32, u64> =
            report.verdicts.iter().map(|((action, _), frames)| (*action, *frames)).collect();
        assert_eq!(got, wanted, "{engine}, {workers} workers");
        assert!(report.timer_runs > PORTS * 100, "{} timers ran", report.timer_runs);
        assert_eq!(report.timers_pending, PORTS, "each started itself anew, and nothing runs after the end");
        lines.push(written);
    }
    assert!(lines.windows(2).all(|pair| pair[0] == pair[1]), "every frame has the same line");
}

#[test]
fn a_timer_that_starts_itself_at_once_does_not_stop_a_replay() {
    let code = FLOWS.replace("5000000", "0");
    let times: Vec<(u64, u16)> = (0..4).map(|n| (n * MS, 1)).collect();
    for engine in Engine::ALL {
        let (report, _) = replay(engine, 1, &code, &pcap(&times));
        assert_eq!((report.frames, report.accounted()), (4, 4));
        assert_eq!((report.timer_runs, report.timers_pending), (3 * u64::from(RUNS_MAX), 1), "{engine}");
    }
}

fn port(n: u64) -> u16 {
    (n * n % 251 % PORTS) as u16 + 1
}

/// Frames of UDP from these ports at these nanoseconds.
fn pcap(frames: &[(u64, u16)]) -> Arc<[u8]> {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d_u32, 2 | 4 << 16, 0, 0, 65535, 1] {
        file.extend(word.to_le_bytes());
    }
    for (time, port) in frames {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend(port.to_be_bytes());
        frame.extend([0, 80, 0, 8, 0, 0]);
        let len = frame.len() as u32;
        for word in [1_700_000_000 + (time / 1_000_000_000) as u32, (time % 1_000_000_000) as u32, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file.into()
}

fn replay(engine: Engine, workers: usize, code: &str, capture: &Arc<[u8]>) -> (Report, Vec<u8>) {
    let flows: MapDef =
        toml::from_str("name = 'flows'\ntype = 'hash'\nvalue = 'timer'\nvalue_size = 32\nmax_entries = 64")
            .expect("a map");
    let maps: Arc<[MapSpec]> = [map_spec(&flows).expect("its spec")].into();
    let program = assemble_program(&ProgramDef::new("flows", code), &maps).expect("assembles");
    let cpus = u32::try_from(workers).expect("a few workers");
    let options = Options { engine, cpus, ..Options::default() };
    let instance = Instance::from_programs(&[Arc::new(program)], &options).expect("it is ready");
    let infos = instance.programs().iter().map(|program| program.executable.info().clone());
    let programs = Arc::new(Programs::new(infos));
    let setup = EngineSetup {
        pipeline: Pipeline::TestRun(Arc::clone(instance.entry())),
        programs: Arc::clone(&programs),
        records: RecordMaps::new(instance.maps()),
    };
    let hook = Hook::TestRun(TestRun::with_context(TestRunContext::default()).expect("a valid context"));
    let out = Shared::default();
    let sinks = vec![Sink::new("memory", Arc::new(Ndjson::new(programs)), Box::new(out.clone()))];
    let replay = Replay { engines: vec![setup], hook, workers, sinks };
    let report = replay.run(vec![Capture::Memory(Arc::clone(capture))], &AtomicBool::new(false), &mut |_| {});
    assert_eq!((report.fault, report.faulted), (None, 0));
    let bytes = std::mem::take(&mut *out.0.lock().expect("nobody panicked with it"));
    (report, bytes)
}

/// A file in memory.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked with it").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
