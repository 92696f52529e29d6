//! The maps an object declares, and where in the file references to them point.

mod btf_defined;
mod data;
mod legacy;
mod special;
mod types;
pub(crate) mod values;

pub use data::DATA_SECTION_MAX;

use std::collections::HashMap;
use std::sync::Arc;

use bpfreplay_btf::Btf;
use bpfreplay_program::MapSpec;

use crate::elf::{Elf, SectionKind};
use crate::error::{LoadError, LoadErrorKind, MapProblem};

/// Maps one object declares at most. Ours; a program can use 64.
pub const MAPS_MAX: usize = 4096;

/// The maps of an object, in the order programs index them.
#[derive(Default)]
pub(crate) struct Maps {
    pub(crate) specs: Vec<MapSpec>,
    /// Beside `specs`.
    places: Vec<MapPlace>,
    by_start: HashMap<(usize, u64), usize>,
    data_sections: HashMap<usize, usize>,
}

/// Where a map is declared.
pub(crate) struct MapPlace {
    /// ELF section.
    pub(crate) section: usize,
    /// Its definition's bytes in it.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Where in the section the elements of `values` start; `None` for maps that have none.
    pub(crate) values: Option<u64>,
    /// iproute2's `id`.
    pub(crate) id: Option<u32>,
}

impl Maps {
    /// Reads every declaration: `.maps`, then legacy `maps`, then data sections.
    /// Of maps that are not supported only those that chosen programs refer to matter, if there are chosen ones.
    pub(crate) fn read(elf: &Elf<'_>, types: Option<&Arc<Btf>>, only: &[String]) -> Result<Maps, LoadError> {
        let btf = types.map(|types| &**types);
        let mut maps = Maps::default();
        for (index, section) in elf.sections.iter().enumerate() {
            if section.kind == SectionKind::Other || section.size == 0 {
                continue;
            }
            match section.name {
                ".maps" => btf_defined::read(elf, index, btf, &mut maps)?,
                name if name == "maps" || name.starts_with("maps/") => legacy::read(elf, index, &mut maps)?,
                name if name.starts_with(".struct_ops") && only.is_empty() => {
                    return Err(LoadError::at(name, 0, LoadErrorKind::Unsupported("struct_ops")));
                }
                name if (name.starts_with(".addr_space.") || name.starts_with(".arena"))
                    && only.is_empty() =>
                {
                    return Err(LoadError::at(name, 0, LoadErrorKind::Unsupported("arena")));
                }
                _ => {}
            }
        }
        legacy::resolve_inner(elf, &mut maps)?;
        for (index, section) in elf.sections.iter().enumerate() {
            if data::is_data(section) {
                let spec = data::read(elf, section, btf)?;
                maps.data_sections.insert(index, maps.specs.len());
                maps.specs.push(spec);
                maps.places.push(MapPlace {
                    section: index,
                    start: 0,
                    end: section.size,
                    values: None,
                    id: None,
                });
            }
        }
        for spec in &mut maps.specs {
            types::settle(spec, types)?;
        }
        Ok(maps)
    }

    /// The map whose definition starts at an offset of a section.
    pub(crate) fn at(&self, section: usize, offset: u64) -> Option<usize> {
        self.by_start.get(&(section, offset)).copied()
    }

    /// The map that a data section is.
    pub(crate) fn data_section(&self, section: usize) -> Option<usize> {
        self.data_sections.get(&section).copied()
    }

    /// Adds a declared map; definitions come in ascending order and must not share bytes.
    fn push(&mut self, elf: &Elf<'_>, place: MapPlace, spec: MapSpec) -> Result<(), LoadError> {
        let section = &elf.sections[place.section];
        let overlaps = self.places.last().is_some_and(|p| p.section == place.section && p.end > place.start);
        if overlaps || place.end > section.size || place.end <= place.start {
            return Err(LoadError::map(section.name, place.start, &spec.name, MapProblem::Overlap));
        }
        if self.specs.len() >= MAPS_MAX {
            let (size, limit) = (self.specs.len() as u64 + 1, MAPS_MAX as u64);
            let kind = LoadErrorKind::TooLarge { what: "number of maps", size, limit };
            return Err(LoadError::at(section.name, place.start, kind));
        }
        self.by_start.insert((place.section, place.start), self.specs.len());
        self.places.push(place);
        self.specs.push(spec);
        Ok(())
    }
}

/// Whether references to a section of this name mean maps.
pub(crate) fn is_map_section(name: &str) -> bool {
    name == ".maps" || name == "maps" || name.starts_with("maps/")
}
