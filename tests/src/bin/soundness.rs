//! Attacks the verifier for as long as it is told to.
//!
//! ```text
//! soundness [--seconds N] [--seed N] [--selftests FOLDER] [--no-kernel] [--findings FOLDER] [--stricter]
//! ```
//!
//! `--selftests` is the folder `tests/selftests/judge` built the kernel's suites in. A finding does not end the run:
//! the first of its kind is printed and written to a file of `--findings`, where at the end the shortest example of
//! each class of `tests/soundness/laxer.toml` goes as well. `--stricter` also asks the kernel about what we refuse. The
//! counts at the end are a table for the README. The exit code is 1 if there was a finding.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bpfreplay_tests::Kernel;
use bpfreplay_tests::soundness::{AskAboutRefused, Corpus, Mutator, Random, Tally, Trial};

/// How often the counts so far are printed.
const PROGRESS: Duration = Duration::from_secs(600);

struct Args {
    seconds: u64,
    seed: u64,
    selftests: Option<PathBuf>,
    findings: PathBuf,
    kernel: bool,
    stricter: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = args()?;
    let mut corpus = Corpus::shipped();
    if let Some(folder) = &args.selftests {
        corpus.add_selftests(folder)?;
    }
    let kernel = match args.kernel {
        true => Kernel::probe().inspect_err(|reason| eprintln!("the kernel is not asked: {reason}")).ok(),
        false => None,
    };
    // A panic is a finding and is reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    let mut trial =
        Trial::new(kernel, if args.stricter { AskAboutRefused::Yes } else { AskAboutRefused::No });
    let mut mutator = Mutator { random: Random::new(args.seed) };
    let mut random = Random::new(!args.seed);
    let mut tally = Tally::default();
    std::fs::create_dir_all(&args.findings)?;
    println!(
        "{} programs, seed {}, {} s, kernel asked: {}",
        corpus.len(),
        args.seed,
        args.seconds,
        kernel.is_some()
    );
    let start = Instant::now();
    let end = start + Duration::from_secs(args.seconds);
    let mut next_progress = start + PROGRESS;
    while Instant::now() < end {
        let (name, original) = corpus.any(&mut random);
        let (_, donor) = corpus.any(&mut random);
        let mutant = Arc::new(mutator.mutant(original, donor));
        let outcome = trial.judge(&mutant, &mut random);
        if tally.count(mutant.prog_type, &outcome)
            && let Err(finding) = &outcome
        {
            let text = format!("{name}, damaged, {}: {finding}\n", mutant.prog_type.name());
            std::fs::write(args.findings.join(format!("{}.txt", tally.findings())), &text)?;
            println!("FINDING {}: {text}", tally.findings());
        }
        if Instant::now() >= next_progress {
            next_progress += PROGRESS;
            println!("after {} s:\n{}", start.elapsed().as_secs(), tally.report(&trial));
        }
    }
    for (at, (class, example)) in tally.examples().enumerate() {
        std::fs::write(args.findings.join(format!("laxer-{}.txt", at + 1)), format!("{class}\n{example}\n"))?;
    }
    println!("{}", tally.report(&trial));
    Ok(if tally.findings() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn args() -> anyhow::Result<Args> {
    let mut out = Args {
        seconds: 60,
        seed: 0,
        selftests: None,
        findings: std::env::temp_dir().join("bpfreplay-soundness"),
        kernel: true,
        stricter: false,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg}: a value"));
        match arg.as_str() {
            "--seconds" => out.seconds = value()?.parse()?,
            "--seed" => out.seed = value()?.parse()?,
            "--selftests" => out.selftests = Some(value()?.into()),
            "--findings" => out.findings = value()?.into(),
            "--no-kernel" => out.kernel = false,
            "--stricter" => out.stricter = true,
            other => bail!("unknown option {other}"),
        }
    }
    Ok(out)
}
