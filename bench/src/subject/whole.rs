use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bpfreplay_instance::{Engine, Instance, Load, Options};
use bpfreplay_loader::Object;
use bpfreplay_pcaps::{Mix, write_throughput};
use bpfreplay_replay::{Capture, EngineSetup, Pipeline, Programs, RecordMaps, Replay, Report};
use bpfreplay_runtime::skb::{Device, Hook};
use bpfreplay_tc::{Direction, Filter};
use hdrhistogram::Histogram;
use tempfile::TempDir;

use super::{Subject, Verdicts, verdict_name};
use crate::frames::SEED;
use crate::machine::Tsc;

/// A generated capture, removed at the end.
pub(crate) struct CaptureFile {
    path: PathBuf,
    frames: u64,
    _folder: TempDir,
}

impl CaptureFile {
    /// Writes one. It is warm then: in the page cache.
    pub(crate) fn make(mix: Mix, frames: u64) -> anyhow::Result<CaptureFile> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("generated.pcap");
        write_throughput(File::create(&path)?, mix, SEED, frames)?;
        Ok(CaptureFile { path, frames, _folder: folder })
    }
}

/// A replay from file to verdict counts, on one worker.
pub(crate) struct WholeReplay<'f> {
    // Prog arrays are emptied when the instance goes.
    _instance: Instance,
    setup: EngineSetup,
    file: &'f CaptureFile,
}

impl<'f> WholeReplay<'f> {
    pub(crate) fn new(
        object: &Object,
        entry: &str,
        engine: Engine,
        file: &'f CaptureFile,
    ) -> anyhow::Result<WholeReplay<'f>> {
        let options =
            Options { engine, entry: Some(entry.to_owned()), load: Load::Reachable, ..Options::default() };
        let instance = Instance::load(object, &options)?;
        let mut hook = bpfreplay_tc::Hook::new(Direction::Ingress);
        hook.add(Filter::direct_action(Arc::clone(instance.entry())))?;
        let infos = instance.programs().iter().map(|program| program.executable.info().clone());
        let records = RecordMaps::new(instance.maps());
        let programs = Arc::new(Programs::new(infos));
        let setup = EngineSetup { pipeline: Pipeline::Tc(hook), programs, records };
        Ok(WholeReplay { _instance: instance, setup, file })
    }

    fn replay(&self) -> Report {
        let replay = Replay {
            engines: vec![self.setup.clone()],
            hook: Hook::Ingress(Device::default()),
            workers: 1,
            sinks: Vec::new(),
        };
        replay.run(vec![Capture::Path(self.file.path.clone())], &AtomicBool::new(false), &mut |_| {})
    }
}

impl Subject for WholeReplay<'_> {
    fn run(&mut self, _: u64) {
        std::hint::black_box(self.replay());
    }

    fn whole_pass(&self) -> Option<u64> {
        Some(self.file.frames)
    }

    fn verdicts(&mut self) -> anyhow::Result<Verdicts> {
        let report = self.replay();
        anyhow::ensure!(
            report.frames == self.file.frames,
            "{} of {} frames",
            report.frames,
            self.file.frames
        );
        let mut verdicts = Verdicts::new();
        for ((action, _), count) in &report.verdicts {
            *verdicts.entry(verdict_name(action.cast_unsigned())).or_default() += count;
        }
        Ok(verdicts)
    }

    fn sample(&mut self, _: u32, _: Tsc, _: &mut Histogram<u64>) -> Result<(), &'static str> {
        Err("a replay is timed from its first frame to its last")
    }
}
