//! Maps defined by value in a `maps` section, as objects before libbpf 1.0 have them.
//!
//! ```text
//!   word         0      1         2           3            4           5       6        7         8
//!   bpf_map_def  type   key_size  value_size  max_entries  map_flags
//!   bpf_elf_map  type   key_size  value_size  max_entries  map_flags   id      pinning  inner_id  inner_idx
//! ```
//!
//! Which of the two it is shows in the size: 20 bytes, or 28 (before maps of maps) to 36.

use bpfreplay_btf::{Bytes, u32_at};
use bpfreplay_program::MapSpec;
use bpfreplay_uapi::MapType;

use super::btf_defined::known_type;
use super::{MapPlace, Maps};
use crate::elf::{Elf, Symbol, SymbolKind};
use crate::error::{LoadError, MapProblem};

/// `struct bpf_map_def`.
const MAP_DEF_SIZE: u64 = 20;
/// `struct bpf_elf_map` as iproute2 first had it.
const ELF_MAP_SIZE_MIN: u64 = 28;
/// `struct bpf_elf_map` today.
const ELF_MAP_SIZE: u64 = 36;
/// Words of `struct bpf_elf_map`.
const ELF_MAP_WORDS: usize = 9;

pub(super) fn read(elf: &Elf<'_>, index: usize, maps: &mut Maps) -> Result<(), LoadError> {
    let section = &elf.sections[index];
    let mut symbols: Vec<&Symbol<'_>> = elf
        .symbols_in(index)
        .filter(|s| matches!(s.kind, SymbolKind::Object | SymbolKind::NoType) && !s.name.is_empty())
        .collect();
    symbols.sort_by_key(|s| s.value);
    for (i, symbol) in symbols.iter().enumerate() {
        let fail = |problem| LoadError::map(section.name, symbol.value, symbol.name, problem);
        // Old compilers left the size of the symbol 0: the definition then reaches to the next one.
        let size = match symbol.size {
            0 => symbols.get(i + 1).map_or(section.size, |next| next.value).saturating_sub(symbol.value),
            size => size,
        };
        let start = usize::try_from(symbol.value).ok();
        let bytes = start
            .zip(usize::try_from(size).ok())
            .and_then(|(start, size)| section.data.get(start..)?.get(..size))
            .ok_or_else(|| fail(MapProblem::Overlap))?;
        let words = words(bytes).ok_or_else(|| fail(MapProblem::LegacySize(size)))?;
        let [id, key_size, value_size, max_entries, map_flags, ..] = words;
        let map_type = known_type(id).map_err(fail)?;
        let mut spec = MapSpec::new(symbol.name, map_type, key_size, value_size, max_entries);
        spec.map_flags = map_flags;
        let place = MapPlace {
            section: index,
            start: symbol.value,
            end: symbol.value.saturating_add(size),
            values: None,
            id: (size >= ELF_MAP_SIZE_MIN).then_some(words[5]),
        };
        maps.push(elf, place, spec)?;
    }
    Ok(())
}

/// The words of a definition, those it does not have being 0; `None` if it is neither of the two.
fn words(bytes: &[u8]) -> Option<[u32; ELF_MAP_WORDS]> {
    let size = bytes.len() as u64;
    let known = match size {
        MAP_DEF_SIZE..ELF_MAP_SIZE_MIN => MAP_DEF_SIZE,
        _ => ELF_MAP_SIZE,
    };
    let (head, tail) = bytes.split_at_checked(known.min(size) as usize)?;
    if size < MAP_DEF_SIZE || tail.iter().any(|&b| b != 0) {
        return None;
    }
    let mut words = [0; ELF_MAP_WORDS];
    let mut rest = Bytes::new(head);
    for word in &mut words {
        *word = rest.u32().unwrap_or(0);
    }
    Some(words)
}

/// Gives maps of maps the shape of their inner maps: the map that has the id named by `inner_id`.
pub(super) fn resolve_inner(elf: &Elf<'_>, maps: &mut Maps) -> Result<(), LoadError> {
    for index in 0..maps.specs.len() {
        let (spec, place) = (&maps.specs[index], &maps.places[index]);
        let is_outer = matches!(spec.map_type, MapType::ArrayOfMaps | MapType::HashOfMaps);
        if !is_outer || spec.inner.is_some() {
            continue;
        }
        let section = &elf.sections[place.section];
        let inner_id = usize::try_from(place.start).ok().and_then(|start| u32_at(section.data, start + 28));
        let inner = maps
            .places
            .iter()
            .zip(&maps.specs)
            .find(|(p, s)| p.id.is_some() && p.id == inner_id && s.inner.is_none() && s.name != spec.name)
            .map(|(_, spec)| Box::new(spec.clone()));
        match inner {
            Some(inner) => maps.specs[index].inner = Some(inner),
            None => return Err(LoadError::map(section.name, place.start, &spec.name, MapProblem::NoInner)),
        }
    }
    Ok(())
}
