//! Trials of objects that say nothing of what is expected: all their programs should load.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bpfreplay_loader::Object;
use bpfreplay_program::{MapContent, Program};

use super::annotations::{load, section_in_scope};
use super::trial::{Expect, Trial};

/// Every program of one object, of the types that are judged, alone: prog arrays stay empty.
///
/// # Errors
///
/// If the object cannot be read.
pub fn plain_trials(object: &Path) -> anyhow::Result<Vec<Trial>> {
    let bytes = std::fs::read(object).with_context(|| object.display().to_string())?;
    let programs = Object::list(&bytes).with_context(|| object.display().to_string())?;
    let in_scope = programs.into_iter().filter(|(section, _)| section_in_scope(section));
    let trial = |(_, name): (String, String)| Trial {
        file: object.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        programs: load(&bytes, std::slice::from_ref(&name)).map(alone).map_err(|error| format!("{error:#}")),
        name,
        expect: Expect::Accept,
        message: String::new(),
        flags: 0,
        runs: Vec::new(),
    };
    Ok(in_scope.map(trial).collect())
}

fn alone(programs: Vec<Arc<Program>>) -> Vec<Arc<Program>> {
    let without_others = |program: Arc<Program>| {
        let mut maps = program.maps.to_vec();
        for map in &mut maps {
            if matches!(map.content, MapContent::Programs(_)) {
                map.content = MapContent::Empty;
            }
        }
        Arc::new(Program { maps: maps.into(), ..Program::clone(&program) })
    };
    programs.into_iter().map(without_others).collect()
}

/// The large programs of the kernel's suites that the judge has built in `large/` of this folder, sorted.
///
/// # Errors
///
/// If they are not there.
pub fn large_objects(built: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = built.join("large");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "o"));
    paths.sort();
    Ok(paths)
}
