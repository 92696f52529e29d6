//! Judges the suites that `tests/selftests/judge` has built: see there.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::selftests::{Explained, Judge, Report, trials};

fn main() -> anyhow::Result<ExitCode> {
    let mut args = std::env::args().skip(1);
    let built = PathBuf::from(args.next().context("the folder the suites were built in")?);
    let mut only = Vec::new();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--only" => only.push(args.next().context("--only: part of a test's name")?),
            other => anyhow::bail!("unknown option {other}"),
        }
    }
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/selftests/explained.toml");
    let explained = Explained::read(&std::fs::read_to_string(table)?)?;
    let kernel = Kernel::probe().inspect_err(|reason| eprintln!("the kernel is not asked: {reason}")).ok();
    let judge = Judge { kernel };

    let (trials, left_out) = trials(&built)?;
    let mut report = Report::default();
    for trial in
        trials.iter().filter(|trial| only.is_empty() || only.iter().any(|text| trial.key().contains(text)))
    {
        if std::env::var_os("JUDGE_TRACE").is_some() {
            eprintln!("{}", trial.key());
        }
        report.add(trial, &judge.judge(trial), &explained);
    }
    print!("{report}");
    println!("\nleft out (other architectures, strict alignment, unprivileged only): {left_out}");
    Ok(if report.passes() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
