//! `--engine both` over all captures, through the replay pipeline: no frame on which the engines differ, every frame
//! accounted for, and the same lines whatever the number of workers.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_parsers::{PARSER_DPA, PARSER_LDABS};
use bpfreplay_replay::{
    Capture, EngineSetup, Ndjson, Pipeline, Programs, RecordMaps, Replay, Report, Sink, compare_maps,
};
use bpfreplay_runtime::skb::{self, Device, Stamp, TestRun, TestRunContext};
use bpfreplay_tc::{Direction, Filter, Hook};
use bpfreplay_tests::captures;

/// Where frames go in.
#[derive(Clone, Copy, Debug)]
enum Place {
    Ingress,
    Egress,
    TestRun,
}

const PLACES: [Place; 3] = [Place::Ingress, Place::Egress, Place::TestRun];

fn instance(shipped: bpfreplay_parsers::Object, engine: Engine, workers: usize) -> Instance {
    let object = Object::parse(shipped.bytes).expect("a shipped object");
    let cpus = u32::try_from(workers).expect("a few workers");
    let entry = Some(shipped.entry.to_owned());
    Instance::load(&object, &Options { engine, cpus, entry, ..Options::default() }).expect("it is ready")
}

fn setup(instance: &Instance, place: Place) -> EngineSetup {
    let clsact = |direction| {
        let mut hook = Hook::new(direction);
        hook.add(Filter::direct_action(Arc::clone(instance.entry()))).expect("one filter");
        Pipeline::Tc(hook)
    };
    let pipeline = match place {
        Place::Ingress => clsact(Direction::Ingress),
        Place::Egress => clsact(Direction::Egress),
        Place::TestRun => Pipeline::TestRun(Arc::clone(instance.entry())),
    };
    let infos = instance.programs().iter().map(|program| program.executable.info().clone());
    let records = RecordMaps::new(instance.maps());
    EngineSetup { pipeline, programs: Arc::new(Programs::new(infos)), records }
}

fn replay(engines: Vec<EngineSetup>, place: Place, workers: usize, sinks: Vec<Sink>) -> Report {
    let device = Device { stamp: Stamp::Capture, ..Device::default() };
    let hook = match place {
        Place::Ingress => skb::Hook::Ingress(device),
        Place::Egress => skb::Hook::Egress(device),
        Place::TestRun => skb::Hook::TestRun(
            TestRun::with_context(TestRunContext::default()).expect("an empty context is a valid one"),
        ),
    };
    let files: Vec<PathBuf> = captures::all();
    let captures = files.into_iter().map(Capture::Path).collect();
    let report = Replay { engines, hook, workers, sinks }.run(captures, &AtomicBool::new(false), &mut |_| {});
    assert!(!report.interrupted);
    assert_eq!(report.fault, None);
    assert!(report.sink_errors.is_empty(), "{:?}", report.sink_errors);
    assert_eq!(report.accounted(), report.frames, "{place:?}, {workers} workers");
    assert!(report.frames > 10_000, "the captures hold {} frames", report.frames);
    for ending in &report.endings {
        assert!(!ending.capture.contains("pcaps/"), "a shipped capture ends early: {ending:?}");
    }
    report
}

#[test]
fn no_frame_on_which_the_engines_differ() {
    for shipped in [PARSER_DPA, PARSER_LDABS] {
        for (place, workers) in PLACES.into_iter().flat_map(|place| [(place, 1), (place, 3)]) {
            let [jit, interpreter] = Engine::ALL.map(|engine| instance(shipped, engine, workers));
            let report =
                replay(vec![setup(&jit, place), setup(&interpreter, place)], place, workers, Vec::new());
            let what = format!("{} at {place:?}, {workers} workers", shipped.name);
            assert_eq!(report.difference.as_ref().map(ToString::to_string), None, "{what}");
            assert_eq!(report.faulted + report.not_run, 0, "{what}");
            eprintln!("{what}: {} frames, {} refused", report.frames, report.frames_refused());
            // Who is last to write `last_seen` of a flow that two workers see (inside different tunnels) is a race, on
            // each engine one of its own.
            if workers == 1 {
                let difference = compare_maps(jit.maps(), interpreter.maps()).expect("readable maps");
                assert_eq!(difference, None, "{what}");
            }
        }
    }
}

#[test]
fn the_same_lines_on_any_engine_with_any_number_of_workers() {
    for place in PLACES {
        let first = lines(Engine::Jit, place, 1);
        assert!(first.iter().filter(|byte| **byte == b'\n').count() > 10_000);
        for (engine, workers) in
            [(Engine::Jit, 2), (Engine::Jit, 4), (Engine::Interpreter, 1), (Engine::Interpreter, 4)]
        {
            let other = lines(engine, place, workers);
            let [a, b] = [&first, &other].map(|text| text.split(|byte| *byte == b'\n'));
            let differ = a.zip(b).find(|(a, b)| a != b);
            let shown = differ.map(|(a, b)| [a, b].map(String::from_utf8_lossy));
            assert_eq!(shown, None, "{place:?}: jit with 1 worker, {engine} with {workers}");
            assert_eq!(first.len(), other.len(), "{place:?}: {engine} with {workers} workers");
        }
    }
}

/// What `--frames` writes.
fn lines(engine: Engine, place: Place, workers: usize) -> Vec<u8> {
    let instance = instance(PARSER_DPA, engine, workers);
    let setup = setup(&instance, place);
    let out = Shared::default();
    let format = Arc::new(Ndjson::new(Arc::clone(&setup.programs)));
    replay(vec![setup], place, workers, vec![Sink::new("memory", format, Box::new(out.clone()))]);
    let mut bytes = out.0.lock().expect("nobody panicked with it");
    std::mem::take(&mut *bytes)
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
