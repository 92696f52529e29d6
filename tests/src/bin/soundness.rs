//! Attacks the verifier for as long as it is told to.
//!
//! ```text
//! soundness [--seconds N] [--seed N] [--selftests FOLDER] [--no-kernel] [--findings FOLDER] [--stricter]
//! ```
//!
//! `--selftests` is the folder `tests/selftests/judge` built the kernel's suites in. A finding is written to a file of
//! `--findings` and printed; the exit code is 1 if there is one. `--stricter` prints what we refuse and the kernel takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bpfreplay_tests::Kernel;
use bpfreplay_tests::soundness::{AskAboutRefused, Corpus, Mutator, Random, Trial, Verdict};

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
    let (mut counts, mut stricter, mut findings) = (BTreeMap::new(), BTreeMap::<String, u64>::new(), 0);
    let end = Instant::now() + Duration::from_secs(args.seconds);
    println!("{} programs, seed {}, kernel asked: {}", corpus.len(), args.seed, kernel.is_some());
    while Instant::now() < end {
        let (name, original) = corpus.any(&mut random);
        let (_, donor) = corpus.any(&mut random);
        let mutant = Arc::new(mutator.mutant(original, donor));
        let what = match trial.judge(&mutant, &mut random) {
            Ok(Verdict::Refused) => "refused",
            Ok(Verdict::Sound) => "accepted and ran",
            Ok(Verdict::NotRun) => "accepted, not run",
            Ok(Verdict::Laxer(_)) => "accepted and ran, the kernel knows ranges less well",
            Ok(Verdict::Stricter(message)) => {
                let first = message.lines().next().unwrap_or_default().to_owned();
                if args.stricter {
                    *stricter.entry(format!("{first} ({name})")).or_default() += 1;
                }
                "stricter than the kernel"
            }
            Err(finding) => {
                findings += 1;
                std::fs::create_dir_all(&args.findings)?;
                std::fs::write(
                    args.findings.join(format!("{findings}.txt")),
                    format!("{name}, damaged: {finding}\n"),
                )?;
                println!("FINDING {findings}: {name}, damaged: {finding}");
                "finding"
            }
        };
        *counts.entry(what).or_insert(0_u64) += 1;
    }
    for (message, times) in stricter {
        println!("stricter {times}: {message}");
    }
    for (what, times) in counts {
        println!("{times} {what}");
    }
    Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
