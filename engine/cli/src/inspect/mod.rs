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
mod names;
mod proto;
mod rows;
mod tag;
mod text;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use bpfreplay_jit::Jit;
use bpfreplay_loader::LoadError;
use bpfreplay_program::MapSpec;
use bpfreplay_runtime::{Map, SKB_LAYOUT};
use bpfreplay_verifier::{LogLevel, Options, VerifiedProgram, VerifierError};

pub(crate) use args::Inspect;

use crate::exit::{Exit, Failure};
use crate::object::{self, Loaded};
use crate::{complain, print, usage};
use jited::Function;
use rows::Row;

/// What there is to show of an object.
pub(crate) struct Inspected {
    pub programs: Vec<InspectedProgram>,
    pub maps: Vec<MapSpec>,
}

/// A program of it.
pub(crate) struct InspectedProgram {
    /// Counted from 1, in the order of the object.
    pub id: usize,
    pub verified: VerifiedProgram,
    pub tag: String,
    /// Maps it names, by their numbers.
    pub map_ids: Vec<usize>,
    pub xlated: Vec<Row>,
    pub bytes_jited: usize,
    pub jited: Vec<Function>,
}

/// Why a program is not shown.
enum NotShown {
    Load(LoadError),
    Refused(Box<VerifierError>),
    Jit(anyhow::Error),
}

/// 0 if all programs are shown, 1 if one is not.
pub(crate) fn run(args: &Inspect) -> Result<Exit, Failure> {
    let loaded = object::programs(&args.object, args.prog_type, &args.programs).map_err(usage)?;
    let specs =
        loaded.iter().find_map(|loaded| loaded.program.as_ref().ok()).map(|program| program.maps.to_vec());
    let specs = specs.unwrap_or_default();
    let machine = Machine::new(&args.object, &specs).map_err(usage)?;
    let mut inspected = Inspected { programs: Vec::new(), maps: specs };
    let mut all = true;
    for Loaded { id, name, program } in loaded {
        let shown = program.map_err(NotShown::Load).and_then(|program| {
            let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
            let verified = bpfreplay_verifier::verify(program, &options);
            let verified = verified.map_err(|error| NotShown::Refused(Box::new(error)))?;
            machine.inspect(id, verified).map_err(NotShown::Jit)
        });
        match shown {
            Ok(shown) => inspected.programs.push(shown),
            Err(why) => {
                all = false;
                tell(&args.object, &name, &why);
            }
        }
    }
    let out = if args.json { json::report(&inspected) } else { text::report(&inspected) };
    let printed = print(&out);
    Ok(if all && printed.is_ok() { Exit::Done } else { Exit::Partly })
}

fn tell(object: &Path, name: &str, why: &NotShown) {
    let file = object.display();
    match why {
        NotShown::Load(error) => complain(&format_args!("{file}: program '{name}': {error}")),
        NotShown::Refused(error) => complain(&format_args!(
            "{file}: program '{name}' is refused, see bpfreplay verify {file} -p {name}: {}",
            error.message.lines().next().unwrap_or_default()
        )),
        NotShown::Jit(error) => complain(&format_args!("{file}: program '{name}': {error:#}")),
    }
}

/// The maps made, so that machine code can name them.
struct Machine {
    jit: Jit,
    maps: Vec<Arc<Map>>,
}

impl Machine {
    fn new(object: &Path, specs: &[MapSpec]) -> anyhow::Result<Machine> {
        let file = object.display();
        let make =
            |spec: &MapSpec| Map::create(spec, 1).with_context(|| format!("{file}: map '{}'", spec.name));
        Ok(Machine { jit: Jit::new()?, maps: specs.iter().map(make).collect::<Result<_, _>>()? })
    }

    fn inspect(&self, id: usize, verified: VerifiedProgram) -> anyhow::Result<InspectedProgram> {
        let executable = self.jit.prepare(&verified, &self.maps)?;
        let jited = executable.as_any().downcast_ref().context("the JIT made something else")?;
        Ok(InspectedProgram {
            id,
            tag: tag::tag(&verified.program().insns),
            map_ids: names::maps_used(verified.program()),
            xlated: rows::xlated(&verified),
            bytes_jited: jited::bytes(jited),
            jited: jited::functions(&verified, jited, &self.maps),
            verified,
        })
    }
}
