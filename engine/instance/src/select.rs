//! Which programs are loaded, and which of them frames enter.

use std::collections::BTreeSet;
use std::sync::Arc;

use bpfreplay_program::{MapContent, MapSpec, Program};
use bpfreplay_uapi::MapType;

use crate::error::InstanceError;
use crate::tail::Tail;

/// How much of an object is loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Load {
    /// Every program, as `bpftool prog loadall` does.
    #[default]
    All,
    /// The entry, the programs its tail calls can lead to, and those named by the overrides.
    Reachable,
}

/// The program frames enter if nobody says which: the only one, or the only one that no prog array leads to.
///
/// # Errors
///
/// [`InstanceError::NoPrograms`], [`InstanceError::AmbiguousEntry`].
pub fn default_entry(programs: &[Arc<Program>]) -> Result<&Arc<Program>, InstanceError> {
    let led_to: BTreeSet<&str> = programs
        .iter()
        .flat_map(|program| program.maps.iter())
        .flat_map(|map| slots(map).iter())
        .map(|(_, name)| name.as_str())
        .collect();
    let heads: Vec<&Arc<Program>> =
        programs.iter().filter(|program| !led_to.contains(program.name.as_str())).collect();
    match (programs, &heads[..]) {
        ([], _) => Err(InstanceError::NoPrograms),
        ([only], _) => Ok(only),
        (_, [head]) => Ok(*head),
        (_, []) => Err(InstanceError::AmbiguousEntry { candidates: names(programs) }),
        (_, several) => Err(InstanceError::AmbiguousEntry {
            candidates: several.iter().map(|program| program.name.clone()).collect(),
        }),
    }
}

/// The program with a name.
pub(crate) fn find<'a>(programs: &'a [Arc<Program>], name: &str) -> Result<&'a Arc<Program>, InstanceError> {
    programs
        .iter()
        .find(|program| program.name == name)
        .ok_or_else(|| InstanceError::NoSuchProgram { name: name.to_owned(), known: names(programs) })
}

/// The entry and every program its tail calls can lead to: through the prog arrays it refers to, what is in their
/// slots, and so on; and what `tails` name, whichever array it goes to. In the order of `programs`.
pub(crate) fn reachable(
    programs: &[Arc<Program>],
    entry: &Arc<Program>,
    tails: &[Tail],
) -> Result<Vec<Arc<Program>>, InstanceError> {
    let mut reached: BTreeSet<&str> = BTreeSet::from([entry.name.as_str()]);
    let mut queue = vec![entry];
    for name in tails.iter().filter_map(|tail| tail.program.as_deref()) {
        let named = find(programs, name)?;
        if reached.insert(named.name.as_str()) {
            queue.push(named);
        }
    }
    while let Some(program) = queue.pop() {
        for map in prog_arrays(program) {
            let map = &program.maps[map];
            for (_, name) in slots(map) {
                let next = find(programs, name)?;
                if reached.insert(next.name.as_str()) {
                    queue.push(next);
                }
            }
        }
    }
    Ok(programs.iter().filter(|program| reached.contains(program.name.as_str())).cloned().collect())
}

/// The prog arrays a program refers to anywhere, by index.
pub(crate) fn prog_arrays(program: &Program) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut pc = 0;
    while let Some(insn) = program.insns.get(pc) {
        // Source 1: a map, by index (`BPF_PSEUDO_MAP_FD`).
        let map = usize::try_from(insn.imm).ok().filter(|_| insn.is_wide() && insn.src() == 1);
        let is_prog_array =
            |map: &usize| program.maps.get(*map).is_some_and(|spec| spec.map_type == MapType::ProgArray);
        found.extend(map.filter(is_prog_array));
        pc += if insn.is_wide() { 2 } else { 1 };
    }
    found
}

/// What `.values` puts into a prog array.
pub(crate) fn slots(map: &MapSpec) -> &[(u32, String)] {
    match &map.content {
        MapContent::Programs(slots) => slots,
        MapContent::Empty | MapContent::Data { .. } | MapContent::Maps(_) => &[],
    }
}

fn names(programs: &[Arc<Program>]) -> Vec<String> {
    programs.iter().map(|program| program.name.clone()).collect()
}
