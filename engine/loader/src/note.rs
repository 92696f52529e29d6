use std::fmt;

use bpfreplay_uapi::ProgType;

use crate::elf::Elf;
use crate::function::Functions;
use crate::maps::is_data;
use crate::section_name::{Attach, SectionRole};

/// What a user should know though it is no error; for a warning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// A section name libbpf 1.x does not know.
    LegacySection {
        /// The section.
        section: String,
        /// The type its programs got.
        prog_type: ProgType,
    },
    /// A section of legacy map definitions, which libbpf 1.x refuses.
    LegacyMaps {
        /// The section.
        section: String,
    },
    /// Pointers in a data section: they are not filled in (libbpf: "skipping relo section").
    PointersInData {
        /// The section.
        section: String,
        /// What the first of them is the address of.
        symbol: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::LegacySection { section, prog_type } => {
                write!(f, "section '{section}' taken as {}; libbpf does not know the name", prog_type.name())
            }
            Note::LegacyMaps { section } => {
                write!(
                    f,
                    "section '{section}' holds legacy map definitions, which libbpf 1.0 and later refuse"
                )
            }
            Note::PointersInData { section, symbol } => {
                write!(
                    f,
                    "section '{section}' holds the address of '{symbol}'; pointers in data are not filled in, as libbpf \
                     does not"
                )
            }
        }
    }
}

/// All notes on an object.
pub(crate) fn all(elf: &Elf<'_>, functions: &Functions<'_>) -> Vec<Note> {
    let sections = functions.code.iter().filter_map(|code| match code.role {
        SectionRole::Programs(Attach { prog_type, strict: false, .. }) => {
            Some(Note::LegacySection { section: code.name.to_owned(), prog_type })
        }
        _ => None,
    });
    let maps = elf
        .sections
        .iter()
        .filter(|s| s.name == "maps" || s.name.starts_with("maps/"))
        .map(|section| Note::LegacyMaps { section: section.name.to_owned() });
    let pointers = elf.sections.iter().filter(|section| is_data(section)).filter_map(|section| {
        let symbol = elf.symbols[section.relocations.first()?.symbol].name.to_owned();
        Some(Note::PointersInData { section: section.name.to_owned(), symbol })
    });
    sections.chain(maps).chain(pointers).collect()
}
