//! What an object puts into its prog arrays and maps of maps before the first run.
//!
//! Three notations mean the same: `.values` of a BTF definition (spec/tail-calls 8.1), iproute2's section names
//! `id/slot` (8.2), and Cilium's declaration tag `tail:MAP/SLOT` on a program.

use std::collections::BTreeMap;

use bpfreplay_btf::Btf;
use bpfreplay_program::MapContent;
use bpfreplay_uapi::MapType;

use super::{MapPlace, Maps, is_map_section};
use crate::btf::ext::Ext;
use crate::elf::{Elf, R_BPF_64_ABS64, Relocation, SymbolPlace};
use crate::error::{LoadError, LoadErrorKind, MapProblem};
use crate::function::{Functions, SLOT};
use crate::section_name::SectionRole;

/// Bytes of one element of `values`: a pointer.
const VALUE_SIZE: u64 = 8;

/// Slots and what is put into them, by map.
#[derive(Default)]
struct Filled(BTreeMap<usize, BTreeMap<u32, String>>);

/// Fills `content` of every map that is initialised by the object.
pub(crate) fn fill(
    elf: &Elf<'_>,
    btf: Option<(&Btf, &Ext)>,
    functions: &Functions<'_>,
    maps: &mut Maps,
) -> Result<(), LoadError> {
    let mut filled = Filled::default();
    for (index, section) in elf.sections.iter().enumerate() {
        if is_map_section(section.name) {
            for relocation in &section.relocations {
                from_relocation(elf, index, relocation, functions, maps, &mut filled)?;
            }
        }
    }
    for function in functions.all.iter().filter(|f| f.entry) {
        let code = &functions.code[function.code];
        if let SectionRole::Slot { map_id, slot } = code.role {
            let map = (0..maps.specs.len())
                .find(|&map| maps.places[map].id == Some(map_id))
                .ok_or_else(|| LoadError::at(code.name, 0, LoadErrorKind::UnknownMapId(map_id)))?;
            filled.put(elf, maps, map, u64::from(slot), function.name)?;
        }
        let Some((btf, ext)) = btf else { continue };
        let Some(record) = ext.func_at(code.name, function.start * SLOT) else { continue };
        for tag in btf.decl_tags(record.type_id, None) {
            let target = tag.strip_prefix("tail:").and_then(|rest| rest.rsplit_once('/'));
            let Some((name, Ok(slot))) = target.map(|(name, slot)| (name, slot.parse::<u64>())) else {
                continue;
            };
            if let Some(map) = maps.specs.iter().position(|spec| spec.name == name) {
                filled.put(elf, maps, map, slot, function.name)?;
            }
        }
    }
    for (map, slots) in filled.0 {
        let slots = slots.into_iter().collect();
        let spec = &mut maps.specs[map];
        spec.content = if spec.map_type == MapType::ProgArray {
            MapContent::Programs(slots)
        } else {
            MapContent::Maps(slots)
        };
    }
    Ok(())
}

impl Filled {
    fn put(
        &mut self,
        elf: &Elf<'_>,
        maps: &Maps,
        map: usize,
        slot: u64,
        value: &str,
    ) -> Result<(), LoadError> {
        let (spec, place) = (&maps.specs[map], &maps.places[map]);
        let section = elf.sections[place.section].name;
        let fail = |problem| LoadError::map(section, place.start, &spec.name, problem);
        match spec.map_type {
            MapType::ProgArray | MapType::ArrayOfMaps | MapType::HashOfMaps => {}
            other => return Err(fail(MapProblem::ValuesType(other.name()))),
        }
        let max_entries = spec.max_entries;
        // A hash of maps is keyed by number, not bounded by it.
        let slot = match u32::try_from(slot) {
            Ok(slot) if slot < max_entries || spec.map_type == MapType::HashOfMaps => slot,
            _ => return Err(fail(MapProblem::ValuesSlot { slot, max_entries })),
        };
        match self.0.entry(map).or_default().insert(slot, value.to_owned()) {
            Some(before) if before != value => Err(fail(MapProblem::ValuesTwice(slot))),
            _ => Ok(()),
        }
    }
}

/// One element of `values`.
fn from_relocation(
    elf: &Elf<'_>,
    section: usize,
    relocation: &Relocation,
    functions: &Functions<'_>,
    maps: &Maps,
    filled: &mut Filled,
) -> Result<(), LoadError> {
    let section_name = elf.sections[section].name;
    let symbol = &elf.symbols[relocation.symbol];
    if relocation.kind != R_BPF_64_ABS64 {
        let kind = LoadErrorKind::RelocationType { kind: relocation.kind, symbol: symbol.name.to_owned() };
        return Err(LoadError::at(section_name, relocation.offset, kind));
    }
    let contains = |p: &MapPlace| p.section == section && (p.start..p.end).contains(&relocation.offset);
    // A `values` array has no length: its elements lie behind the definition, up to the next one.
    let map = (0..maps.specs.len())
        .filter(|&map| {
            let place = &maps.places[map];
            contains(place)
                || (place.section == section && place.values.is_some_and(|v| v <= relocation.offset))
        })
        .max_by_key(|&map| maps.places[map].start);
    let Some(map) = map else {
        return Err(LoadError::map(section_name, relocation.offset, symbol.name, MapProblem::ValuesOffset));
    };
    let spec = &maps.specs[map];
    let fail = |problem| LoadError::map(section_name, relocation.offset, &spec.name, problem);
    let distance = maps.places[map].values.and_then(|values| relocation.offset.checked_sub(values));
    let slot = match distance {
        Some(distance) if distance % VALUE_SIZE == 0 => distance / VALUE_SIZE,
        _ => return Err(fail(MapProblem::ValuesOffset)),
    };
    let slot_word = u32::try_from(slot)
        .map_err(|_| fail(MapProblem::ValuesSlot { slot, max_entries: spec.max_entries }))?;

    let value = match symbol.place {
        SymbolPlace::Section(target) if spec.map_type == MapType::ProgArray => functions
            .at(target, symbol.value / SLOT)
            .map(|function| &functions.all[function])
            .filter(|function| function.entry && symbol.value.is_multiple_of(SLOT))
            .map(|function| function.name)
            .ok_or_else(|| {
                fail(MapProblem::ValuesNotAProgram { slot: slot_word, symbol: symbol.name.to_owned() })
            })?,
        SymbolPlace::Section(target) => {
            maps.at(target, symbol.value).map(|map| maps.specs[map].name.as_str()).ok_or_else(|| {
                fail(MapProblem::ValuesNotAMap { slot: slot_word, symbol: symbol.name.to_owned() })
            })?
        }
        SymbolPlace::Undefined | SymbolPlace::Absolute | SymbolPlace::Common => {
            let problem = MapProblem::ValuesNotAProgram { slot: slot_word, symbol: symbol.name.to_owned() };
            return Err(fail(problem));
        }
    };
    filled.put(elf, maps, map, slot, value)
}
