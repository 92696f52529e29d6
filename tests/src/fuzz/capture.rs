use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_parsers::PARSER_DPA;
use bpfreplay_replay::source::{Block, MAX_FRAME_LEN, MAX_INTERFACES, as_ethernet};
use bpfreplay_replay::{
    Capture, EngineSetup, Ndjson, Pipeline, Programs, RecordMaps, Replay, Report, Sink, Source, Steering,
    VerdictPcapng,
};
use bpfreplay_runtime::skb::{Device, Hook, Stamp};
use bpfreplay_tc::{Direction, Filter};

/// Workers that frames are steered to.
const WORKERS: usize = 3;

/// Any bytes as a capture: frames and at the most one error. Every frame goes through the parsers on both engines,
/// which agree, and what is written of it is a capture again.
///
/// # Panics
///
/// If frames overlap or get lost, if the engines differ or one faults, or if the written capture is broken.
pub fn capture(bytes: &[u8]) {
    let bytes: Arc<[u8]> = bytes.into();
    let frames = read(&bytes);

    let written = Written::default();
    let lines = Written::default();
    let report = replay(bytes, &written, &lines);
    assert_eq!(report.frames, frames, "a replay reads what a source reads");
    assert_eq!(report.accounted(), frames, "every frame is in one counter");
    assert!(report.difference.is_none(), "{}", report.difference.expect("there is one"));
    assert_eq!(report.faulted, 0, "{:?}", report.fault);
    assert!(report.sink_errors.is_empty(), "{:?}", report.sink_errors);

    let lines = lines.take();
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count() as u64, frames, "a line for every frame");
    assert_eq!(read(&written.take().into()), frames, "every frame was written");
}

/// Reads a capture to its end; how many frames it has.
fn read(bytes: &Arc<[u8]>) -> u64 {
    let mut source = Source::new(vec![Capture::Memory(Arc::clone(bytes))]);
    let steering = Steering::new(WORKERS);
    let mut block = Block::default();
    let stop = AtomicBool::new(false);
    let (mut blocks, mut frames, mut frame_bytes) = (0, 0, 0);
    while source.next_block(&mut block, &stop) {
        assert!(!block.frames.is_empty(), "a block has frames, or reading would not end");
        assert_eq!((block.seq, block.first_frame), (blocks, frames + 1));
        assert!(block.interfaces.len() <= MAX_INTERFACES);
        for frame in &block.frames {
            let (link, bytes) = (block.link(frame), block.bytes(frame));
            assert!(frame.len <= MAX_FRAME_LEN);
            assert_eq!(bytes.len(), frame.len as usize);
            assert!(steering.worker(link, bytes) < WORKERS);
            if let Ok(view) = as_ethernet(link, bytes) {
                assert!(view.rest.len() <= bytes.len(), "nothing is made up but the header");
            }
            frame_bytes += u64::from(frame.len);
        }
        blocks += 1;
        frames += block.frames.len() as u64;
    }
    assert_eq!(source.frames(), frames);
    assert!(frame_bytes <= source.bytes_read(), "frames do not overlap");
    let len = bytes.len() as u64;
    assert!(source.bytes_read() <= len);
    assert!(source.endings().len() <= 1, "one capture ends once");
    assert!(source.endings().iter().all(|ending| !ending.error.to_string().is_empty()));
    if source.endings().is_empty() {
        assert_eq!(source.bytes_read(), len, "without an error all is read");
    }

    stop.store(true, Ordering::Relaxed);
    let mut source = Source::new(vec![Capture::Memory(Arc::clone(bytes))]);
    assert!(!source.next_block(&mut block, &stop), "asked to stop, it reads nothing");
    frames
}

/// The embedded parsers on both engines, one worker.
fn replay(bytes: Arc<[u8]>, written: &Written, lines: &Written) -> Report {
    thread_local! {
        static INSTANCES: [Instance; 2] = Engine::ALL.map(parsers);
    }
    let engines = INSTANCES.with(|instances| instances.iter().map(setup).collect());
    let replay = Replay {
        engines,
        hook: Hook::Ingress(Device { stamp: Stamp::Capture, ..Device::default() }),
        workers: 1,
        sinks: vec![
            Sink::new("frames", Arc::new(VerdictPcapng::new(Arc::default())), Box::new(written.clone())),
            Sink::new("lines", Arc::new(Ndjson::new(Arc::default())), Box::new(lines.clone())),
        ],
    };
    replay.run(vec![Capture::Memory(bytes)], &AtomicBool::new(false), &mut |_| {})
}

fn parsers(engine: Engine) -> Instance {
    let object = Object::parse(PARSER_DPA.bytes).expect("the embedded object is whole");
    let options = Options { engine, entry: Some(PARSER_DPA.entry.to_owned()), ..Options::default() };
    Instance::load(&object, &options).expect("the embedded programs are accepted")
}

fn setup(instance: &Instance) -> EngineSetup {
    let mut hook = bpfreplay_tc::Hook::new(Direction::Ingress);
    hook.add(Filter::direct_action(Arc::clone(instance.entry()))).expect("the first filter of a hook");
    let programs = instance.programs().iter().map(|program| program.executable.info().clone());
    let records = RecordMaps::new(instance.maps());
    EngineSetup { pipeline: Pipeline::Tc(hook), programs: Arc::new(Programs::new(programs)), records }
}

/// An output that is looked at afterwards.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
