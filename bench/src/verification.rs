//! How long verification takes beside the kernel's load, on the kernel's own suites.
//!
//! The programs are not in the repository: `tests/selftests/judge` builds them from a kernel source.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::selftests::{KernelLoad, Trial, load_once, trials, verify_once};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::args::Args;
use crate::machine::{self, thread_cpu_ns};
use crate::statistics::Summary;

/// Programs of fewer instructions load in microseconds.
const INSNS_MIN: usize = 1000;
/// A program of a million instructions takes a second; this many rounds will do.
const ROUNDS_MAX: u32 = 15;

/// One program.
#[derive(Serialize)]
struct Row {
    name: String,
    insns: usize,
    /// Over all paths.
    processed: u32,
    /// Our verifier, ms.
    verify_ms: Summary,
    /// Verifier and JIT, maps made anew, ms.
    load_ms: Summary,
    /// `BPF_PROG_LOAD`: verifier and JIT, ms.
    kernel_ms: Option<Summary>,
    /// Our verifier's time over the kernel's, round by round.
    ratio: Option<Summary>,
}

/// Measures and reports.
pub(crate) fn run(built: &Path, args: &Args) -> anyhow::Result<()> {
    machine::pin_to(args.cpu).with_context(|| format!("cannot stay on CPU {}", args.cpu))?;
    let kernel = Kernel::probe().inspect_err(|reason| eprintln!("without the kernel: {reason}")).ok();
    let (trials, _) = trials(built)?;
    let mut rows = Vec::new();
    for trial in trials.iter().filter(|trial| is_large(trial) && args.selects(&trial.key())) {
        match row(trial, kernel, args.rounds.min(ROUNDS_MAX)) {
            Ok(row) => rows.push(row),
            Err(error) => eprintln!("without {}: {error:#}", trial.key()),
        }
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &rows)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", table(&rows))?;
        writeln!(out, "ms of CPU time, median of the rounds · load: verifier and JIT, with maps made anew")?;
        writeln!(out, "ratio: our verifier's time over the kernel's load, round by round (p25–p75)")?;
    }
    Ok(())
}

fn is_large(trial: &Trial) -> bool {
    trial.programs.as_ref().is_ok_and(|programs| programs[0].insns.len() >= INSNS_MIN)
}

fn row(trial: &Trial, kernel: Option<Kernel>, rounds: u32) -> anyhow::Result<Row> {
    let programs = trial.programs.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    let processed = verify_once(&programs[0])?;
    let kernel_load = kernel.map(|kernel| KernelLoad::new(kernel, trial)).transpose()?;
    let (mut verify, mut load, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        verify.push(ms(|| verify_once(&programs[0]))?);
        load.push(ms(|| load_once(programs))?);
        if let Some(kernel) = &kernel_load {
            theirs.push(ms(|| kernel.once())?);
        }
    }
    let with_kernel = kernel_load.is_some();
    let ratio = verify.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs);
    Ok(Row {
        name: trial.key(),
        insns: programs[0].insns.len(),
        processed,
        ratio: with_kernel.then(|| Summary::of(ratio)),
        verify_ms: Summary::of(verify.iter().copied()),
        load_ms: Summary::of(load),
        kernel_ms: with_kernel.then(|| Summary::of(theirs.iter().copied())),
    })
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
            number(&row.load_ms),
            row.kernel_ms.as_ref().map_or_else(String::new, number),
            row.ratio.as_ref().map_or_else(String::new, ratio),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
