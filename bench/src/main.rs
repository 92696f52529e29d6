//! Throughput of the engines, side by side.
//!
//! ```text
//!   definitions/*.toml ──▶ Bench { program, frames, engines, expected verdicts }
//!        check     every engine runs every frame; verdicts that differ end the run
//!        measure   rounds of a few ms, all variants in each round; CPU time of this thread
//!        sample    single runs, timed one by one, into a histogram
//!        report    gross and net of an empty program, ratios; --json, --record
//! ```
//!
//! The three types to know: `Bench`, a definition; `Subject`, what can be measured; `Record`, what came out.
//!
//! What it deliberately does not do: compare numbers of different machines or different times. A figure counts beside
//! the others of its own run only; `README.md` says where even those may mislead.
#![deny(unsafe_code)]

mod args;
mod definition;
mod facts;
mod frames;
mod machine;
mod measure;
mod native;
mod record;
mod report;
mod run;
mod statistics;
mod subject;
mod verification;

use std::io;

use anyhow::Context as _;
use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    match bench(&args::Args::parse()) {
        // Whoever reads the report has read enough.
        Err(error) if is_closed_pipe(&error) => Ok(()),
        other => other,
    }
}

fn bench(args: &args::Args) -> anyhow::Result<()> {
    if let Some(built) = &args.verification {
        return verification::run(built, args);
    }
    let benches = definition::all().context("the definitions")?;
    let chosen: Vec<_> = benches.into_iter().filter(|bench| args.selects(&bench.name)).collect();
    anyhow::ensure!(!chosen.is_empty(), "no benchmark matches; --list shows them");
    if args.list {
        return report::list(&chosen);
    }
    let record = run::all(&chosen, args)?;
    if args.json {
        report::json(&record)?;
    } else {
        report::text(&record)?;
    }
    if args.record {
        let path = record.save()?;
        eprintln!("recorded in {}", path.display());
    }
    Ok(())
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<io::Error>() {
        Some(error) => Some(error.kind()),
        None => cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind),
    };
    error.chain().any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
}
