//! An object file, for commands that look at programs without running frames through them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use bpfreplay_loader::{LoadError, Object, Options};
use bpfreplay_program::Program;
use bpfreplay_uapi::ProgType;

/// A program of an object.
pub(crate) struct Loaded {
    /// Counted from 1, in the order of the object.
    pub id: usize,
    pub name: String,
    /// The program, or why it cannot be loaded.
    pub program: Result<Arc<Program>, LoadError>,
}

/// The programs of an object; of these names only, if there are any.
///
/// One program that cannot be loaded does not hide the others.
pub(crate) fn programs(
    path: &Path,
    prog_type: Option<ProgType>,
    names: &[String],
) -> anyhow::Result<Vec<Loaded>> {
    let file = path.display();
    let bytes = fs::read(path).with_context(|| format!("{file}: cannot read"))?;
    let known = Object::list(&bytes).with_context(|| file.to_string())?;
    let known: Vec<String> = known.into_iter().map(|(_, name)| name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        bail!("{file}: no program '{name}' (there are: {})", known.join(", "));
    }
    if known.is_empty() {
        bail!("{file}: the object holds no programs");
    }
    let parse = |only: &[String]| {
        Object::parse_with(&bytes, &Options { prog_type, only: only.to_vec(), ..Options::default() })
    };
    let loaded = |name: String, program| {
        let position = known.iter().position(|known| *known == name);
        Loaded { id: position.map_or(0, |position| position + 1), name, program }
    };
    if let Ok(object) = parse(names) {
        return Ok(object
            .programs
            .into_iter()
            .map(|program| loaded(program.name.clone(), Ok(program)))
            .collect());
    }
    let wanted = if names.is_empty() { &known } else { names };
    let one = |name: &String| {
        let program = parse(std::slice::from_ref(name)).map(|object| object.programs.into_iter().next());
        (name.clone(), program)
    };
    wanted
        .iter()
        .map(one)
        .map(|(name, program)| match program {
            Ok(Some(program)) => Ok(loaded(name, Ok(program))),
            Ok(None) => bail!("{file}: program '{name}' is not in what was loaded"),
            Err(error) => Ok(loaded(name, Err(error))),
        })
        .collect()
}

/// bpftool's name of a program type.
pub(crate) fn prog_type(name: &str) -> Result<ProgType, String> {
    let found = ProgType::ALL.iter().find(|known| known.name() == name).copied();
    found.ok_or_else(|| {
        let known: Vec<_> = ProgType::ALL.iter().map(|known| known.name()).collect();
        format!("known are {}", known.join(", "))
    })
}
