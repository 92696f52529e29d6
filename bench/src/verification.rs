//! How long verification takes, beside the kernel's load: on the kernel's own suites, on other large programs of its
//! selftests, and on our own objects.
//!
//! The kernel's programs are not in the repository: `tests/selftests/judge` builds them from a kernel source.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::{objects, root};
use bpfreplay_tests::selftests::{
    KernelLoad, Trial, large_objects, load_once, plain_trials, trials, verify_once,
};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::args::Args;
use crate::facts::Facts;
use crate::machine::{self, thread_cpu_ns};
use crate::record;
use crate::statistics::Summary;

/// Programs of fewer instructions load in microseconds,
const INSNS_MIN: usize = 1000;
/// unless their loops are gone through often.
const PROCESSED_MIN: u32 = 5000;
/// A program of a million instructions takes a second; this many rounds will do.
const ROUNDS_MAX: u32 = 15;
/// The verifier may take this many times as long as the kernel's load.
const RATIO_MAX: f64 = 2.0;

/// One run over all of them.
#[derive(Serialize)]
struct Record {
    machine: Facts,
    clock: &'static str,
    rounds: u32,
    /// The largest median ratio.
    worst: f64,
    programs: Vec<Row>,
    /// Those that are not measured, and why.
    without: Vec<String>,
}

/// One program.
#[derive(Serialize)]
struct Row {
    name: String,
    insns: usize,
    /// Over all paths.
    processed: u32,
    /// Our verifier, ms.
    verify_ms: Summary,
    /// Verifier and JIT, maps made anew, ms. None where a helper is only known to the verifier.
    load_ms: Option<Summary>,
    /// `BPF_PROG_LOAD`: verifier and JIT, ms.
    kernel_ms: Option<Summary>,
    /// Our verifier's time over the kernel's, round by round.
    ratio: Option<Summary>,
}

/// Measures and reports; fails where a program takes more than [`RATIO_MAX`] times the kernel's time.
pub(crate) fn run(built: &Path, args: &Args) -> anyhow::Result<()> {
    machine::pin_to(args.cpu).with_context(|| format!("cannot stay on CPU {}", args.cpu))?;
    let machine = Facts::gather();
    let kernel = Kernel::probe().inspect_err(|reason| eprintln!("without the kernel: {reason}")).ok();
    let rounds = args.rounds.min(ROUNDS_MAX);
    let (mut programs, mut without) = (Vec::new(), Vec::new());
    for trial in all_trials(built)?.iter().filter(|trial| args.selects(&trial.key())) {
        match row(trial, kernel, rounds) {
            Ok(row) => programs.extend(row),
            Err(error) => {
                let why = format!("{error:#}");
                without.push(format!("{}: {}", trial.key(), why.lines().next().unwrap_or_default()));
            }
        }
    }
    anyhow::ensure!(!programs.is_empty(), "no program of {INSNS_MIN} instructions or more matches");
    let ratios = programs.iter().filter_map(|row| row.ratio);
    let worst = ratios.map(|ratio| ratio.median).fold(0.0, f64::max);
    let record = Record { machine, clock: "thread CPU time", rounds, worst, programs, without };
    report(&record, args)?;
    if args.record {
        let path = record::save(&record, &format!("{}-verification", record.machine.date.replace(':', "")))?;
        eprintln!("recorded in {}", path.display());
    }
    anyhow::ensure!(worst <= RATIO_MAX, "a program takes {worst:.2} times as long as the kernel's load");
    Ok(())
}

fn report(record: &Record, args: &Args) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, record)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "{}", table(&record.programs))?;
    for line in &record.without {
        writeln!(out, "without {line}")?;
    }
    writeln!(
        out,
        "ms of CPU time, median of {} rounds · load: verifier and JIT, with maps made anew",
        record.rounds
    )?;
    writeln!(out, "ratio: our verifier's time over the kernel's load, round by round (p25–p75)")?;
    writeln!(out, "worst {:.2} · load average {}", record.worst, record.machine.load_average)?;
    Ok(())
}

/// The suites' programs that should load, then other large ones, then our own.
fn all_trials(built: &Path) -> anyhow::Result<Vec<Trial>> {
    let (mut all, _) = trials(built)?;
    all.retain(Trial::should_load);
    let others = large_objects(built).context("tests/selftests/judge builds them")?;
    for object in others.into_iter().chain(objects()).chain(idioms()) {
        all.extend(plain_trials(&object)?);
    }
    Ok(all)
}

/// At one instruction set: the others are as large.
fn idioms() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("tests/idioms/v3")).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// None for a small program. Each round is one load here and one there.
fn row(trial: &Trial, kernel: Option<Kernel>, rounds: u32) -> anyhow::Result<Option<Row>> {
    let programs = trial.programs.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    let insns = programs[0].insns.len();
    let processed = match verify_once(&programs[0]) {
        Err(_) if insns < INSNS_MIN => return Ok(None),
        processed => processed?,
    };
    if insns < INSNS_MIN && processed < PROCESSED_MIN {
        return Ok(None);
    }
    let kernel_load = kernel.map(|kernel| KernelLoad::new(kernel, trial)).transpose()?;
    let (mut verify, mut load, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        verify.push(ms(|| verify_once(&programs[0]))?);
        load.extend(ms(|| load_once(programs)).ok());
        if let Some(kernel) = &kernel_load {
            theirs.push(ms(|| kernel.once())?);
        }
    }
    let with_kernel = kernel_load.is_some();
    let ratio = verify.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs);
    Ok(Some(Row {
        name: trial.key(),
        insns,
        processed,
        ratio: with_kernel.then(|| Summary::of(ratio)),
        verify_ms: Summary::of(verify.iter().copied()),
        load_ms: (!load.is_empty()).then(|| Summary::of(load)),
        kernel_ms: with_kernel.then(|| Summary::of(theirs.iter().copied())),
    }))
}

fn ms<T>(run: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    let before = thread_cpu_ns();
    let done = run()?;
    let spent = thread_cpu_ns() - before;
    drop(done);
    Ok(spent as f64 / 1e6)
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["program", "insns", "processed", "verify", "load", "kernel load", "ratio"]);
    let number =
        |summary: &Summary| format!("{:.3}{}", summary.median, if summary.is_noisy() { "~" } else { "" });
    for row in rows {
        let ratio = |r: &Summary| format!("{:.2} ({:.2}–{:.2})", r.median, r.p25, r.p75);
        table.add_row([
            row.name.clone(),
            row.insns.to_string(),
            row.processed.to_string(),
            number(&row.verify_ms),
            row.load_ms.as_ref().map_or_else(String::new, number),
            row.kernel_ms.as_ref().map_or_else(String::new, number),
            row.ratio.as_ref().map_or_else(String::new, ratio),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
