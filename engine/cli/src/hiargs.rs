//! The arguments checked: from here on nothing can be wrong with them but what they name.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, anyhow, bail};
use bpfreplay_instance::Tail;
use bpfreplay_replay::{Capture, MAX_WORKERS};
use bpfreplay_uapi::ProgType;

use crate::exit::Failure;
use crate::lowargs::{Engine, Hook, Replay};
use crate::samples::Samples;
use crate::{overwriting, usage};

/// A replay to be made.
#[derive(Debug)]
pub(crate) struct ReplayArgs {
    pub object: ObjectSource,
    pub entry: Option<String>,
    /// What all programs are; `None`: as their sections say.
    pub prog_type: Option<ProgType>,
    pub engine: Engine,
    pub workers: usize,
    pub hook: Hook,
    pub tails: Vec<Tail>,
    pub samples: Vec<Samples>,
    pub frames: Option<Target>,
    pub maps: Option<Target>,
    pub write: Option<Target>,
    pub events: Option<Target>,
    /// `None`: standard error.
    pub printk: Option<Target>,
    pub format: ReportFormat,
    pub captures: Vec<Capture>,
    /// Bytes of all captures, if they are all files.
    pub bytes: Option<u64>,
}

/// What runs.
#[derive(Debug)]
pub(crate) enum ObjectSource {
    /// The parsers that come with the command.
    Embedded,
    File(PathBuf),
}

/// Where an output goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    Stdout,
    File(PathBuf),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReportFormat {
    Text,
    Json,
}

impl ReplayArgs {
    pub(crate) fn new(low: Replay) -> Result<ReplayArgs, Failure> {
        ReplayArgs::check(low).map_err(usage)
    }

    fn check(low: Replay) -> anyhow::Result<ReplayArgs> {
        let captures: Vec<Capture> = low.captures.iter().map(|path| capture(path)).collect();
        if captures.iter().filter(|capture| **capture == Capture::Stdin).count() > 1 {
            bail!("standard input (-) can be read once");
        }
        let sizes = captures.iter().map(size).collect::<anyhow::Result<Vec<_>>>()?;
        let [frames, maps, write, events, printk] =
            [low.frames, low.maps, low.write, low.events, low.printk].map(|path| path.map(target));
        let object = low.object.map_or(ObjectSource::Embedded, ObjectSource::File);
        let outputs: Vec<&Target> =
            [&frames, &maps, &write, &events, &printk].into_iter().flatten().collect();
        overwriting::refuse(&outputs, &object, &low.samples, &captures)?;
        Ok(ReplayArgs {
            object,
            entry: low.entry,
            prog_type: low.prog_type,
            engine: low.engine,
            workers: workers(low.workers, low.engine)?,
            hook: low.hook,
            tails: low.tails,
            samples: low.samples,
            frames,
            maps,
            write,
            events,
            printk,
            format: if low.json { ReportFormat::Json } else { ReportFormat::Text },
            captures,
            bytes: sizes.into_iter().sum(),
        })
    }

    /// Whether standard output belongs to another output, so that the report has to go elsewhere.
    pub(crate) fn stdout_is_taken(&self) -> bool {
        let outputs = [&self.frames, &self.maps, &self.write, &self.events, &self.printk];
        outputs.into_iter().flatten().any(|target| *target == Target::Stdout)
    }
}

impl Target {
    pub(crate) fn name(&self) -> String {
        match self {
            Target::Stdout => "standard output".to_owned(),
            Target::File(path) => path.display().to_string(),
        }
    }
}

fn capture(path: &Path) -> Capture {
    if path == Path::new("-") { Capture::Stdin } else { Capture::Path(path.to_owned()) }
}

fn target(path: PathBuf) -> Target {
    if path == Path::new("-") { Target::Stdout } else { Target::File(path) }
}

/// Bytes of a capture, where that is known before it is read. A capture that cannot be read is an error now, before
/// anything has been written.
fn size(capture: &Capture) -> anyhow::Result<Option<u64>> {
    let Capture::Path(path) = capture else { return Ok(None) };
    let context = || format!("{}: cannot open", path.display());
    let metadata = fs::metadata(path).with_context(context)?;
    if metadata.is_dir() {
        bail!("{}: is a directory, not a capture", path.display());
    }
    if !metadata.is_file() {
        // Opening a FIFO would wait for its other end.
        return Ok(None);
    }
    fs::File::open(path).with_context(context)?;
    Ok(Some(metadata.len()))
}

fn workers(asked: Option<usize>, engine: Engine) -> anyhow::Result<usize> {
    match (asked, engine) {
        (None | Some(1), Engine::Both) => Ok(1),
        (Some(n), Engine::Both) => Err(anyhow!(
            "--engine both runs on one worker, not {n}: with several, each engine's shared maps would see the \
             frames in an order of their own and differ without a fault of either"
        )),
        (Some(n), Engine::Jit | Engine::Interpreter) => Ok(n),
        (None, Engine::Jit | Engine::Interpreter) => {
            Ok(thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS))
        }
    }
}
