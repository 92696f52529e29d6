//! Benchmarks as data.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// One benchmark.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bench {
    /// Its name, `group/what`.
    pub(crate) name: String,
    /// What it measures, and what its figures mean and do not mean.
    pub(crate) analysis: String,
    /// The object: `chain`, `micro` (bench/bpf), `parser_dpa`, `parser_ldabs` (parsers/bpf).
    pub(crate) object: String,
    /// The program frames enter.
    pub(crate) entry: String,
    /// What it is run on.
    pub(crate) frames: FrameSet,
    /// Native code that does the same, if there is any.
    pub(crate) native: Option<Native>,
    /// Who takes part.
    pub(crate) engines: Vec<EngineName>,
    /// How many frames of the set get which verdict, by r0; every engine must agree. Not for whole replays: there the
    /// native code says.
    #[serde(default)]
    pub(crate) verdicts: BTreeMap<String, u64>,
    /// The engine others are compared with.
    pub(crate) baseline: EngineName,
}

/// Frames a benchmark runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FrameSet {
    /// One TCP frame of 64 bytes.
    Tcp64,
    /// One TCP frame of 1518 bytes.
    Tcp1518,
    /// Many 64-byte frames of random flows.
    P64,
    /// Many frames of mixed sizes.
    Imix,
    /// A generated capture of 64-byte frames, from file to verdict counts.
    P64File,
    /// A generated capture of mixed sizes, from file to verdict counts.
    ImixFile,
}

/// Who takes part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EngineName {
    /// Our JIT.
    Jit,
    /// Our interpreter.
    Interpreter,
    /// `BPF_PROG_TEST_RUN`, one system call for many runs on one frame.
    Kernel,
    /// `BPF_PROG_TEST_RUN`, one system call a frame.
    KernelSyscall,
    /// Rust through a function table, on the frame alone.
    Native,
    /// The same, with the packet's metadata set up for every frame as the engines do.
    NativeReset,
}

/// Native code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Native {
    /// The minimal chain, through a table.
    Chain,
    /// The same in one function.
    OneProgram,
    /// The checksum loop.
    Checksum,
}

impl FrameSet {
    /// Whether the benchmark is of a whole replay.
    pub(crate) fn is_file(self) -> bool {
        match self {
            FrameSet::P64File | FrameSet::ImixFile => true,
            FrameSet::Tcp64 | FrameSet::Tcp1518 | FrameSet::P64 | FrameSet::Imix => false,
        }
    }
}

impl EngineName {
    /// As written in definitions and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            EngineName::Jit => "jit",
            EngineName::Interpreter => "interpreter",
            EngineName::Kernel => "kernel",
            EngineName::KernelSyscall => "kernel-syscall",
            EngineName::Native => "native",
            EngineName::NativeReset => "native-reset",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    bench: Vec<Bench>,
}

/// The definitions, compiled in.
const FILES: &[(&str, &str)] = &[
    ("chain.toml", include_str!("../definitions/chain.toml")),
    ("micro.toml", include_str!("../definitions/micro.toml")),
    ("parsers.toml", include_str!("../definitions/parsers.toml")),
    ("replay.toml", include_str!("../definitions/replay.toml")),
];

/// Every benchmark.
pub(crate) fn all() -> anyhow::Result<Vec<Bench>> {
    let mut benches = Vec::new();
    for (name, text) in FILES {
        let file: File = toml::from_str(text).with_context(|| format!("bench/definitions/{name}"))?;
        benches.extend(file.bench);
    }
    for bench in &benches {
        bench.check().with_context(|| format!("benchmark {}", bench.name))?;
    }
    Ok(benches)
}

impl Bench {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.analysis.trim().len() > 40, "a benchmark says what it is for");
        ensure!(self.engines.contains(&self.baseline), "the baseline takes part");
        ensure!(
            self.verdicts.is_empty() == self.frames.is_file(),
            "verdicts are stated unless it is a replay"
        );
        ensure!(!self.frames.is_file() || self.native.is_some(), "a replay is held against native code");
        let native = self.engines.iter().any(|e| matches!(e, EngineName::Native | EngineName::NativeReset));
        ensure!(!native || self.native.is_some(), "native engines need native code");
        let repeats = self.engines.contains(&EngineName::Kernel);
        ensure!(
            !repeats || matches!(self.frames, FrameSet::Tcp64 | FrameSet::Tcp1518),
            "the kernel repeats one frame; `kernel-syscall` takes many"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn definitions_are_sound_and_names_unique() {
        let benches = super::all().expect("every definition is sound");
        let names: BTreeSet<&str> = benches.iter().map(|bench| bench.name.as_str()).collect();
        assert_eq!(names.len(), benches.len());
        assert!(benches.len() >= 8);
    }
}
