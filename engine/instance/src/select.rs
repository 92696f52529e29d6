//! Which programs are loaded, and which of them frames enter.

use std::collections::BTreeSet;
use std::sync::Arc;

use bpfreplay_loader::RefusedProgram;
use bpfreplay_program::{MapContent, MapSpec, Program};
use bpfreplay_uapi::MapType;

use crate::error::InstanceError;
use crate::instance::Options;
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
    Candidates { programs, refused: &[] }.default_entry()
}

/// The programs of an object: those that can be loaded, and those that the loader refused.
pub(crate) struct Candidates<'a> {
    pub(crate) programs: &'a [Arc<Program>],
    pub(crate) refused: &'a [RefusedProgram],
}

impl<'a> Candidates<'a> {
    /// The name of the entry, and what is loaded, in the order of the object.
    pub(crate) fn choose(&self, options: &Options) -> Result<(&'a str, Vec<Arc<Program>>), InstanceError> {
        let entry = match &options.entry {
            Some(name) => self.find(name)?,
            None => match options.load {
                // Whoever loads all programs may enter any of them by name; the first stands in for none.
                Load::All => self.default_entry().or_else(|error| self.programs.first().ok_or(error))?,
                Load::Reachable => self.default_entry()?,
            },
        };
        let chosen = match (options.load, self.refused.first()) {
            (Load::All, Some(refused)) => return Err(InstanceError::not_loaded(refused)),
            (Load::All, None) => self.programs.to_vec(),
            (Load::Reachable, _) => self.reachable(entry, &options.tails)?,
        };
        Ok((&entry.name, chosen))
    }

    /// A program that was refused may have been meant; if it alone could be, it is.
    fn default_entry(&self) -> Result<&'a Arc<Program>, InstanceError> {
        let led_to: BTreeSet<&str> = self
            .programs
            .iter()
            .flat_map(|program| program.maps.iter())
            .flat_map(|map| slots(map).iter())
            .map(|(_, name)| name.as_str())
            .collect();
        let heads: Vec<&Arc<Program>> =
            self.programs.iter().filter(|program| !led_to.contains(program.name.as_str())).collect();
        let refused_head = self.refused.iter().find(|refused| !led_to.contains(refused.name.as_str()));
        match (self.programs, &heads[..], refused_head) {
            (_, [head], _) => Ok(*head),
            (_, [], Some(refused)) => Err(InstanceError::not_loaded(refused)),
            ([], ..) => {
                Err(self.refused.first().map_or(InstanceError::NoPrograms, InstanceError::not_loaded))
            }
            ([only], ..) => Ok(only),
            (_, [], None) => Err(InstanceError::AmbiguousEntry { candidates: self.names() }),
            (_, several, _) => Err(InstanceError::AmbiguousEntry {
                candidates: several.iter().map(|program| program.name.clone()).collect(),
            }),
        }
    }

    /// The program with a name.
    fn find(&self, name: &str) -> Result<&'a Arc<Program>, InstanceError> {
        if let Some(program) = self.programs.iter().find(|program| program.name == name) {
            return Ok(program);
        }
        Err(match self.refused.iter().find(|refused| refused.name == name) {
            Some(refused) => InstanceError::not_loaded(refused),
            None => InstanceError::NoSuchProgram { name: name.to_owned(), known: self.names() },
        })
    }

    /// The entry and every program its tail calls can lead to: through the prog arrays it refers to, what is in their
    /// slots, and so on; and what `tails` name, whichever array it goes to. In the order of the object.
    fn reachable(&self, entry: &'a Arc<Program>, tails: &[Tail]) -> Result<Vec<Arc<Program>>, InstanceError> {
        let mut reached: BTreeSet<&str> = BTreeSet::from([entry.name.as_str()]);
        let mut queue = vec![entry];
        for name in tails.iter().filter_map(|tail| tail.program.as_deref()) {
            let named = self.find(name)?;
            if reached.insert(named.name.as_str()) {
                queue.push(named);
            }
        }
        while let Some(program) = queue.pop() {
            for map in prog_arrays(program) {
                let map = &program.maps[map];
                for (_, name) in slots(map) {
                    let next = self.find(name)?;
                    if reached.insert(next.name.as_str()) {
                        queue.push(next);
                    }
                }
            }
        }
        Ok(self.programs.iter().filter(|program| reached.contains(program.name.as_str())).cloned().collect())
    }

    fn names(&self) -> Vec<String> {
        self.programs.iter().map(|program| program.name.clone()).collect()
    }
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
