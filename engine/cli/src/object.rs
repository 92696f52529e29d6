//! An object file, for commands that look at programs without running frames through them.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use bpfreplay_loader::{LoadError, Object, Options, object_name};
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::ProgType;

use crate::complain;

/// What a command looks at.
pub(crate) struct Opened {
    pub programs: Vec<Loaded>,
    /// Every map of the object; programs index into them.
    pub maps: Arc<[MapSpec]>,
}

/// A program of an object.
pub(crate) struct Loaded {
    /// Counted from 1, in the order of the object.
    pub id: usize,
    pub name: String,
    /// The program, or why it cannot be loaded.
    pub program: Result<Arc<Program>, LoadError>,
}

/// The maps and programs of an object; of these names only, if there are any.
///
/// One program that cannot be loaded does not hide the others.
pub(crate) fn open(path: &Path, prog_type: Option<ProgType>, names: &[String]) -> anyhow::Result<Opened> {
    let file = path.display();
    let bytes = read(path)?;
    let known = Object::list(&bytes).with_context(|| file.to_string())?;
    let known: Vec<String> = known.into_iter().map(|(_, name)| name).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        bail!("{file}: no program '{name}' (there are: {})", known.join(", "));
    }
    if known.is_empty() {
        bail!("{file}: the object holds no programs");
    }
    let options = Options { prog_type, only: names.to_vec(), name: object_name(path), ..Options::default() };
    let object = Object::parse_with(&bytes, &options);
    for note in object.iter().flat_map(|object| &object.notes) {
        complain(&format_args!("{file}: {note}"));
    }
    let wanted = known.iter().enumerate().filter(|(_, name)| names.is_empty() || names.contains(name));
    let programs = wanted
        .map(|(index, name)| match program(&object, name) {
            Some(program) => Ok(Loaded { id: index + 1, name: name.clone(), program }),
            None => bail!("{file}: program '{name}' is not in what was loaded"),
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(Opened { programs, maps: object.map(|object| object.maps).unwrap_or_default() })
}

/// Bytes of an object at the most: what is longer is none, or has no end.
const OBJECT_MAX: u64 = 256 << 20;

/// The bytes of an object file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = path.display();
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(OBJECT_MAX + 1).read_to_end(&mut bytes));
    read.with_context(|| format!("{file}: cannot read"))?;
    if bytes.len() as u64 > OBJECT_MAX {
        bail!("{file}: longer than {OBJECT_MAX} bytes, which no object is");
    }
    Ok(bytes)
}

/// What became of a program. Where something is wrong with the object as a whole, that is wrong with each.
fn program(object: &Result<Object, LoadError>, name: &str) -> Option<Result<Arc<Program>, LoadError>> {
    let object = match object {
        Ok(object) => object,
        Err(error) => return Some(Err(error.clone())),
    };
    let refused = || object.refused.iter().find(|refused| refused.name == name);
    match object.program(name) {
        Some(program) => Some(Ok(Arc::clone(program))),
        None => refused().map(|refused| Err(refused.error.clone())),
    }
}

/// Names besides bpftool's own that stand for program types: what `bpftool prog load` takes, and sections are called.
const ALIASES: &[(&str, ProgType)] = &[
    ("socket", ProgType::SocketFilter),
    ("classifier", ProgType::SchedCls),
    ("tc", ProgType::SchedCls),
    ("action", ProgType::SchedAct),
    ("cgroup/skb", ProgType::CgroupSkb),
];

/// bpftool's name of a program type.
pub(crate) fn prog_type(name: &str) -> Result<ProgType, String> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, known)| *known);
    let found = ProgType::ALL.iter().find(|known| known.name() == name).copied().or(alias);
    found.ok_or_else(|| {
        let known: Vec<_> = ProgType::ALL.iter().map(|known| known.name()).collect();
        format!("known are {}", known.join(", "))
    })
}
