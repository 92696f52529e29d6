//! Judges the suites that `tests/selftests/judge` has built: see there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::selftests::{Explained, Judge, Report, Trial, object_trials, table_trials};

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

fn trials(built: &Path) -> anyhow::Result<(Vec<Trial>, usize)> {
    let mut objects: Vec<PathBuf> = std::fs::read_dir(built.join("progs"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<PathBuf>>>()?;
    objects.retain(|path| path.extension().is_some_and(|extension| extension == "o"));
    objects.sort();
    let (mut trials, mut left_out) = (Vec::new(), 0);
    for object in objects {
        let (more, out) = object_trials(&object).with_context(|| object.display().to_string())?;
        trials.extend(more);
        left_out += out;
    }
    trials.extend(table_trials(&built.join("tables/tests.jsonl"))?);
    let before = trials.len();
    trials.retain(Trial::can_be_judged);
    left_out += before - trials.len();
    Ok((trials, left_out))
}
