//! `bpfreplay inspect`: what becomes of the programs of an object, in bpftool's forms.
//!
//! ```text
//!   object ─▶ programs ─verify─▶ xlated ─▶ rows with C lines ─┬─ text   as bpftool prog show / dump, map show
//!                                  └─jit─▶ rows with C lines ─┴─ json   with bpftool's keys
//! ```
//! Numbers a kernel would give out are those of the object: programs and maps are counted from 1.

mod args;
mod jited;
mod json;
mod machine;
mod names;
mod proto;
mod rows;
mod tag;
mod text;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bpfreplay_instance::maps_named;
use bpfreplay_loader::LoadError;
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_verifier::{LogLevel, Options, VerifiedProgram, VerifierError};

pub(crate) use args::Inspect;

use crate::exit::{Exit, Failure};
use crate::object::{self, Loaded};
use crate::{complain, print, usage};
use machine::{Jited, Machine};
use rows::Row;

/// What there is to show of an object.
pub(crate) struct Inspected {
    pub programs: Vec<Shown>,
    pub maps: Vec<MapSpec>,
}

/// What there is to show of a program.
pub(crate) struct Shown {
    /// Counted from 1, in the order of the object.
    pub id: usize,
    pub name: String,
    pub program: Result<InspectedProgram, NotShown>,
}

/// A program that the verifier accepts.
pub(crate) struct InspectedProgram {
    pub verified: VerifiedProgram,
    pub tag: String,
    /// Maps it names, by their numbers.
    pub map_ids: Vec<usize>,
    pub xlated: Vec<Row>,
    /// Its machine code, or why there is none: what verifies may need what this engine has not.
    pub jited: Result<Jited, String>,
}

/// Why a program is not shown.
pub(crate) enum NotShown {
    Load(LoadError),
    Refused(Box<VerifierError>),
}

impl fmt::Display for NotShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotShown::Load(error) => error.fmt(f),
            NotShown::Refused(error) => f.write_str(&error.message),
        }
    }
}

/// 0 if all programs are shown with their machine code, else 1.
pub(crate) fn run(args: &Inspect) -> Result<Exit, Failure> {
    let opened = object::open(&args.object, args.prog_type, &args.programs).map_err(usage)?;
    let machine = Machine::new(&args.object, &opened.maps).map_err(usage)?;
    let shown = |Loaded { id, name, program }| Shown {
        id,
        name,
        program: program.map_err(NotShown::Load).and_then(|program| inspect(&machine, program)),
    };
    let programs: Vec<Shown> = opened.programs.into_iter().map(shown).collect();
    let all = programs.iter().all(|shown| shown.program.as_ref().is_ok_and(|program| program.jited.is_ok()));
    let inspected = Inspected { programs, maps: machine.specs() };
    let out = if args.json { json::report(&inspected) } else { text::report(&inspected) };
    let printed = print(&out);
    inspected.programs.iter().for_each(|shown| tell(&args.object, shown));
    Ok(if all && printed.is_ok() { Exit::Done } else { Exit::Partly })
}

fn inspect(machine: &Machine, program: Arc<Program>) -> Result<InspectedProgram, NotShown> {
    let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
    let verified =
        bpfreplay_verifier::verify(program, &options).map_err(|error| NotShown::Refused(Box::new(error)))?;
    Ok(InspectedProgram {
        tag: tag::tag(&verified.program().insns),
        map_ids: maps_named(verified.program()).into_iter().map(|map| map + 1).collect(),
        xlated: rows::xlated(&verified),
        jited: machine.compile(&verified).map_err(|error| format!("{error:#}")),
        verified,
    })
}

fn tell(object: &Path, shown: &Shown) {
    let (file, name) = (object.display(), &shown.name);
    match &shown.program {
        Ok(InspectedProgram { jited: Ok(_), .. }) => {}
        Ok(InspectedProgram { jited: Err(error), .. }) => {
            complain(&format_args!("{file}: program '{name}' is not jited: {error}"));
        }
        Err(why @ NotShown::Load(_)) => complain(&format_args!("{file}: program '{name}': {why}")),
        Err(why @ NotShown::Refused(_)) => complain(&format_args!(
            "{file}: program '{name}' is refused, see bpfreplay verify {file} -p {name}: {}",
            why.to_string().lines().next().unwrap_or_default()
        )),
    }
}
