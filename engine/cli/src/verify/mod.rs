//! `bpfreplay verify`: what the kernel's verifier would say of the programs of an object.
//!
//! ```text
//!   object ─▶ programs ─verify─▶ Verdict ─┬─ text: the message, the C line (snippet), how it came to be, a hint
//!                          again, with a  └─ json
//!                          log, if refused
//! ```

mod args;
mod json;
mod snippet;
mod text;

use std::fmt;
use std::sync::Arc;

use bpfreplay_instance::{check_map, is_unsupported};
use bpfreplay_loader::LoadError;
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_runtime::{MapError, SKB_LAYOUT};
use bpfreplay_verifier::{LogLevel, Options, VerifiedProgram, VerifierError};

pub(crate) use args::Verify;

use crate::exit::{Exit, Failure};
use crate::object::{self, Loaded};
use crate::{cpus, print, usage};

/// One program, judged.
pub(crate) struct Verdict {
    pub name: String,
    pub judged: Judged,
}

pub(crate) enum Judged {
    Accepted(Box<VerifiedProgram>),
    Refused(Box<Refused>),
    /// It did not get as far as the verifier.
    NotLoaded(NotLoaded),
}

/// Why a program does not get as far as the verifier.
#[derive(Debug)]
pub(crate) enum NotLoaded {
    Load(LoadError),
    /// A map that cannot be created keeps the whole object from being loaded, as it does in libbpf.
    Map(MapError),
}

impl fmt::Display for NotLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotLoaded::Load(error) => error.fmt(f),
            NotLoaded::Map(error) => error.fmt(f),
        }
    }
}

pub(crate) struct Refused {
    pub program: Arc<Program>,
    pub error: VerifierError,
    /// The log at the level asked for; empty if none was.
    pub log: String,
}

/// 0 if all programs are accepted, 1 if any is refused.
pub(crate) fn run(args: &Verify) -> Result<Exit, Failure> {
    let opened = object::open(&args.object, args.prog_type, &args.programs).map_err(usage)?;
    let maps = check_maps(&opened.maps);
    let level = args.level();
    let verdicts: Vec<Verdict> = opened
        .programs
        .into_iter()
        .map(|Loaded { name, program, .. }| {
            let judged = match (program, &maps) {
                (Err(error), _) => Judged::NotLoaded(NotLoaded::Load(error)),
                (Ok(_), Err(error)) => Judged::NotLoaded(NotLoaded::Map(error.clone())),
                (Ok(program), Ok(())) => judge(&program, level),
            };
            Verdict { name, judged }
        })
        .collect();
    let out = if args.json { json::report(&verdicts) } else { text::report(&verdicts) };
    let printed = print(&out);
    let refused = verdicts.iter().any(|verdict| !matches!(verdict.judged, Judged::Accepted(_)));
    Ok(if refused || printed.is_err() { Exit::Partly } else { Exit::Done })
}

/// The first map that the kernel would not create. A kind that this engine has not is for the verifier to judge.
fn check_maps(maps: &[MapSpec]) -> Result<(), MapError> {
    for spec in maps {
        match check_map(spec, cpus()) {
            Err(error) if !is_unsupported(&error) => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn judge(program: &Arc<Program>, level: LogLevel) -> Judged {
    let verify = |log| bpfreplay_verifier::verify(Arc::clone(program), &Options { layout: &SKB_LAYOUT, log });
    let error = match verify(level) {
        Ok(verified) => return Judged::Accepted(Box::new(verified)),
        Err(error) => error,
    };
    let log = if level == LogLevel::Off { String::new() } else { error.evidence.log.clone() };
    // The failing path alone says what was known at each step.
    let error =
        if level == LogLevel::Failing { error } else { verify(LogLevel::Failing).err().unwrap_or(error) };
    Judged::Refused(Box::new(Refused { program: Arc::clone(program), error, log }))
}
