//! The `bpfreplay` command.
//!
//! ```text
//!   arguments ─clap─▶ LowArgs (as typed) ─checked─▶ HiArgs (ready to build from) ─▶ replay ─▶ report, exit code
//! ```
//!
//! Exit codes: 0 done; 1 the replay ended early, frames were refused, or a program was (`verify`); 2 usage, or an object
//! that cannot run.
#![forbid(unsafe_code)]

mod conformance;
mod engines;
mod exit;
mod hiargs;
mod identity;
mod inspect;
mod lowargs;
mod object;
mod outputs;
mod overwriting;
mod places;
mod progress;
mod replay;
mod report;
mod samples;
mod stop;
mod verify;

use std::process::ExitCode;

use bpfreplay_runtime::maps::MAX_CPUS;
use clap::Parser;

use crate::exit::Failure;
use crate::lowargs::{Command, LowArgs};

fn main() -> ExitCode {
    // clap ends the process itself for --help (0) and for arguments it cannot read (2).
    let result = match LowArgs::parse().command {
        Command::Replay(low) => hiargs::ReplayArgs::new(*low).and_then(|args| replay::run(&args)),
        Command::Verify(args) => verify::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Conformance(args) => conformance::run(&args),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => failure.tell(),
    }
}

/// What a message on standard error begins with.
pub(crate) fn complain(message: &dyn std::fmt::Display) {
    use std::io::Write;
    // There is nowhere to tell that standard error is closed.
    let _ = writeln!(anstream::stderr(), "bpfreplay: {message}");
}

/// Writes to standard output. A reader that has seen enough closes its end of the pipe: that is no failure of ours.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    use std::io::{ErrorKind, Write};
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&format_args!("cannot write to standard output: {error}"));
            Err(error)
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The CPUs of this machine, as far as maps have a value or a slot for each.
pub(crate) fn cpus() -> u32 {
    let cpus = std::thread::available_parallelism().ok().and_then(|cpus| u32::try_from(cpus.get()).ok());
    cpus.unwrap_or(1).min(MAX_CPUS)
}

/// Usage, or an object that cannot run.
pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Usage(error.into())
}
