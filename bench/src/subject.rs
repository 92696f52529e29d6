//! What can be measured: a program on an engine, over a set of frames.

mod engine;
mod kernel;
mod native;
mod whole;

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use bpfreplay_instance::Engine;
use bpfreplay_loader::Object;
use bpfreplay_pcaps::{Mix, Throughput};
use hdrhistogram::Histogram;

use crate::definition::{Bench, EngineName, FrameSet, Native};
use crate::frames::{Frames, SEED};
use crate::machine::Tsc;
use crate::native::{State, Table};

pub(crate) use engine::OnEngine;
pub(crate) use kernel::InKernel;
pub(crate) use native::InRust;
pub(crate) use whole::{CaptureFile, WholeReplay};

/// Frames by r0.
pub(crate) type Verdicts = BTreeMap<String, u64>;

/// Something that runs frames.
pub(crate) trait Subject {
    /// Runs this many frames, going on where it stopped.
    fn run(&mut self, count: u64);

    /// Frames of one pass, for what can only run whole passes.
    fn whole_pass(&self) -> Option<u64> {
        None
    }

    /// Runs every frame once, counting verdicts.
    fn verdicts(&mut self) -> anyhow::Result<Verdicts>;

    /// Runs single frames and notes how many picoseconds each took, or says why it cannot.
    fn sample(&mut self, count: u32, tsc: Tsc, into: &mut Histogram<u64>) -> Result<(), &'static str>;
}

/// The subject of a benchmark on an engine; `program` is its entry or the empty program.
pub(crate) fn make<'f>(
    bench: &Bench,
    engine: EngineName,
    program: Program,
    input: &'f Input,
) -> anyhow::Result<Box<dyn Subject + 'f>> {
    let (object, entry) = match program {
        Program::Entry => (object(&bench.object)?, bench.entry.as_str()),
        Program::Empty => (object("chain")?, "empty"),
    };
    let own = |engine| -> anyhow::Result<Box<dyn Subject + 'f>> {
        Ok(match &input.file {
            Some(file) => Box::new(WholeReplay::new(&object, entry, engine, file)?),
            None => Box::new(OnEngine::new(&object, entry, engine, &input.frames)?),
        })
    };
    Ok(match engine {
        EngineName::Jit => own(Engine::Jit)?,
        EngineName::Interpreter => own(Engine::Interpreter)?,
        EngineName::Kernel => Box::new(InKernel::repeating(&object, entry, &input.frames)?),
        EngineName::KernelSyscall => Box::new(InKernel::one_by_one(&object, entry, &input.frames)?),
        EngineName::Native | EngineName::NativeReset => {
            let code = match program {
                Program::Entry => Some(bench.native.context("no native code")?),
                Program::Empty => None,
            };
            Box::new(InRust::new(code, engine == EngineName::NativeReset, &input.frames))
        }
    })
}

/// What a benchmark runs on: frames in memory, for whole replays a file of more of them.
pub(crate) struct Input {
    pub(crate) frames: Frames,
    pub(crate) file: Option<CaptureFile>,
    /// What every engine must come to.
    pub(crate) expected: Verdicts,
}

impl Input {
    /// Makes the input of a benchmark; files get this many frames.
    pub(crate) fn make(bench: &Bench, file_frames: u64) -> anyhow::Result<Input> {
        let mix = match bench.frames {
            FrameSet::P64File => Some(Mix::P64),
            FrameSet::ImixFile => Some(Mix::Imix),
            FrameSet::Tcp64 | FrameSet::Tcp1518 | FrameSet::P64 | FrameSet::Imix => None,
        };
        let file = mix.map(|mix| CaptureFile::make(mix, file_frames)).transpose()?;
        let expected = match (mix, bench.native) {
            (Some(mix), Some(native)) => native_verdicts(native, mix, file_frames),
            (Some(_), None) | (None, _) => bench.verdicts.clone(),
        };
        Ok(Input { frames: Frames::make(bench.frames), file, expected })
    }
}

/// What native code says of generated frames.
fn native_verdicts(native: Native, mix: Mix, frames: u64) -> Verdicts {
    let mut stream = Throughput::new(mix, SEED);
    let (table, mut state, mut verdicts) = (Table::new(), State::default(), Verdicts::new());
    for _ in 0..frames {
        let r0 = native.run(stream.next_frame(), &table, &mut state);
        *verdicts.entry(verdict_name(r0)).or_default() += 1;
    }
    verdicts
}

/// Which of the two programs that are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Program {
    /// The one the benchmark is about.
    Entry,
    /// One that does nothing: the price of a run.
    Empty,
}

/// An object by the name definitions use.
pub(crate) fn object(name: &str) -> anyhow::Result<Object> {
    let bytes: &[u8] = match name {
        "chain" => include_bytes!("../bpf/chain.bpf.o"),
        "micro" => include_bytes!("../bpf/micro.bpf.o"),
        "parser_dpa" => bpfreplay_parsers::PARSER_DPA.bytes,
        "parser_ldabs" => bpfreplay_parsers::PARSER_LDABS.bytes,
        other => bail!("no object '{other}'"),
    };
    Object::parse(bytes).with_context(|| format!("object {name}"))
}

/// The name verdicts have in definitions.
pub(crate) fn verdict_name(r0: u32) -> String {
    bpfreplay_replay::verdict_name(r0.cast_signed()).into_owned()
}
