//! The maps an object declares, and where in the file references to them point.

mod btf_defined;
mod data;
mod internal_name;
mod legacy;
mod types;
pub(crate) mod values;

pub use data::DATA_SECTION_MAX;
pub(crate) use data::is_data;
pub use internal_name::object_name;

use std::collections::HashMap;
use std::sync::Arc;

use bpfreplay_btf::Btf;
use bpfreplay_program::MapSpec;
use bpfreplay_uapi::MapType;

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
    /// Sections of what this engine has not, by ELF index: what they would be.
    unsupported: HashMap<usize, &'static str>,
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
    /// Reads every declaration: `.maps`, then legacy `maps`, then data sections. Data sections are named after the
    /// object.
    pub(crate) fn read(elf: &Elf<'_>, types: Option<&Arc<Btf>>, object: &str) -> Result<Maps, LoadError> {
        let btf = types.map(|types| &**types);
        let mut maps = Maps::default();
        for (index, section) in elf.sections.iter().enumerate() {
            if section.kind == SectionKind::Other || section.size == 0 {
                continue;
            }
            match section.name {
                ".maps" => btf_defined::read(elf, index, btf, &mut maps)?,
                name if name == "maps" || name.starts_with("maps/") => legacy::read(elf, index, &mut maps)?,
                name if name.starts_with(".struct_ops") => {
                    maps.unsupported.insert(index, "struct_ops");
                }
                name if name.starts_with(".addr_space.") || name.starts_with(".arena") => {
                    maps.unsupported.insert(index, "arena");
                }
                _ => {}
            }
        }
        legacy::resolve_inner(elf, &mut maps)?;
        for (index, section) in elf.sections.iter().enumerate() {
            if data::is_data(section) {
                let spec = data::read(section, btf, object)?;
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

    /// What a section is whose contents this engine has no use for.
    pub(crate) fn unsupported_section(&self, section: usize) -> Option<&'static str> {
        self.unsupported.get(&section).copied()
    }

    /// Whether a program may refer to a map at all.
    pub(crate) fn supported(&self, map: usize) -> Result<(), LoadErrorKind> {
        let spec = &self.specs[map];
        if !matches!(spec.map_type, MapType::StructOps | MapType::Arena) {
            return Ok(());
        }
        let problem = MapProblem::UnsupportedType(spec.map_type.name());
        Err(LoadErrorKind::Map { map: spec.name.clone(), problem })
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
