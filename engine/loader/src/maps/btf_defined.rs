//! Maps defined by type in `.maps`, as libbpf's `__uint`, `__type` and `__array` macros write them.
//!
//! ```text
//!   struct {                                          BTF of the member
//!       __uint(type, BPF_MAP_TYPE_PROG_ARRAY);        ptr → array of 3          the number is the array's length
//!       __type(key, __u32);                           ptr → __u32               the size is the pointee's
//!       __array(values, int (void *));                array[0] of ptr → proto   filled by relocations
//!   } jmp_table SEC(".maps");
//! ```

use bpfreplay_btf::{Btf, Kind, Member};
use bpfreplay_program::MapSpec;
use bpfreplay_uapi::MapType;

use super::{MapPlace, Maps};
use crate::elf::Elf;
use crate::error::{LoadError, MapProblem};

pub(super) fn read(
    elf: &Elf<'_>,
    section: usize,
    btf: Option<&Btf>,
    maps: &mut Maps,
) -> Result<(), LoadError> {
    let fail = |offset, map: &str, problem| LoadError::map(elf.sections[section].name, offset, map, problem);
    let first_symbol = || elf.symbols_in(section).find(|s| !s.name.is_empty()).map_or("", |s| s.name);
    let vars = btf.and_then(|btf| Some((btf, btf.datasec(".maps")?.1)));
    let Some((btf, vars)) = vars else {
        return Err(fail(0, first_symbol(), MapProblem::NoBtf));
    };
    for var in vars {
        let name = btf.name(btf.get(var.ty)?)?;
        let start = u64::from(var.offset);
        let Kind::Var { ty } = btf.get(var.ty)?.kind else {
            return Err(fail(start, name, MapProblem::NotADefinition));
        };
        let size = btf.size_of(ty)?.unwrap_or(0);
        let definition =
            define(btf, ty, name, Nesting::Outer)?.map_err(|problem| fail(start, name, problem))?;
        let place = MapPlace {
            section,
            start,
            end: start.saturating_add(size),
            values: definition.values.map(|offset| start.saturating_add(offset)),
            id: None,
        };
        maps.push(elf, place, definition.spec)?;
    }
    Ok(())
}

/// Whether a definition stands alone or is the shape of a map of maps' inner maps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nesting {
    Outer,
    Inner,
}

/// A definition: the map, and where its `values` start within it.
struct Definition {
    spec: MapSpec,
    values: Option<u64>,
}

/// What `values` may hold.
enum Values {
    Programs,
    Maps(MapSpec),
}

/// The members of a definition, as far as they are given.
#[derive(Default)]
struct Members {
    map_type: Option<u32>,
    max_entries: u32,
    map_flags: u32,
    map_extra: u64,
    key: Size,
    value: Size,
    values: Option<(Values, u64)>,
}

/// The size of keys or values: by number, by type, or both if they agree.
#[derive(Default, Clone, Copy)]
struct Size {
    bytes: Option<u32>,
    type_id: u32,
}

impl Size {
    fn set(&mut self, what: &'static str, bytes: u32) -> Result<(), MapProblem> {
        match self.bytes {
            Some(first) if first != bytes => Err(MapProblem::Conflict { what, first, second: bytes }),
            _ => {
                self.bytes = Some(bytes);
                Ok(())
            }
        }
    }
}

type Defined<T> = Result<Result<T, MapProblem>, LoadError>;

fn define(btf: &Btf, ty: u32, name: &str, nesting: Nesting) -> Defined<Definition> {
    let (_, resolved) = btf.resolve(ty)?;
    let Kind::Struct { members, union: false, .. } = &resolved.kind else {
        return Ok(Err(MapProblem::NotADefinition));
    };
    let mut given = Members::default();
    for member in members {
        if let Err(problem) = read_member(btf, member, name, nesting, &mut given)? {
            return Ok(Err(problem));
        }
    }
    Ok(finish(name, given))
}

fn read_member(btf: &Btf, member: &Member, map: &str, nesting: Nesting, given: &mut Members) -> Defined<()> {
    let name = btf.string(member.name_off)?;
    let wrong = || Ok(Err(MapProblem::MemberType(name.to_owned())));
    match name {
        "type" | "max_entries" | "map_flags" | "numa_node" | "key_size" | "value_size" | "pinning"
        | "map_extra" => {
            let Some(number) = number(btf, member)? else { return wrong() };
            let word = u32::try_from(number);
            let Ok(word) = word else {
                if name == "map_extra" {
                    given.map_extra = number;
                    return Ok(Ok(()));
                }
                return wrong();
            };
            match name {
                "type" => given.map_type = Some(word),
                "max_entries" => given.max_entries = word,
                "map_flags" => given.map_flags = word,
                "key_size" => return Ok(given.key.set("key_size", word)),
                "value_size" => return Ok(given.value.set("value_size", word)),
                "map_extra" => given.map_extra = number,
                // One memory node and no bpffs here: where a map lives and whether it is pinned changes nothing.
                _ => {}
            }
        }
        "key" | "value" => {
            let Kind::Ptr(to) = btf.resolve(member.ty)?.1.kind else { return wrong() };
            let size = btf.size_of(to)?.and_then(|size| u32::try_from(size).ok());
            let Some(size) = size else { return wrong() };
            let (place, what) =
                if name == "key" { (&mut given.key, "key_size") } else { (&mut given.value, "value_size") };
            place.type_id = to;
            return Ok(place.set(what, size));
        }
        "values" if nesting == Nesting::Outer => {
            let Kind::Array { elem, nelems: 0 } = btf.resolve(member.ty)?.1.kind else { return wrong() };
            let Kind::Ptr(to) = btf.resolve(elem)?.1.kind else { return wrong() };
            let values = match btf.resolve(to)?.1.kind {
                Kind::FuncProto { .. } => Values::Programs,
                Kind::Struct { .. } => match define(btf, to, &format!("{map}.inner"), Nesting::Inner)? {
                    Ok(inner) => Values::Maps(inner.spec),
                    Err(problem) => return Ok(Err(problem)),
                },
                _ => return wrong(),
            };
            given.values = Some((values, u64::from(member.bit_offset / 8)));
        }
        _ => return Ok(Err(MapProblem::UnknownMember(name.to_owned()))),
    }
    Ok(Ok(()))
}

/// `__uint(name, n)` is a pointer to an array of n; `__ulong(name, n)` is an enum whose enumerator is n.
fn number(btf: &Btf, member: &Member) -> Result<Option<u64>, LoadError> {
    Ok(match &btf.resolve(member.ty)?.1.kind {
        Kind::Ptr(to) => match btf.resolve(*to)?.1.kind {
            Kind::Array { nelems, .. } => Some(u64::from(nelems)),
            _ => None,
        },
        Kind::Enum { values, .. } => values.first().map(|value| value.value),
        _ => None,
    })
}

/// Checks what goes together and fills in what a type implies.
fn finish(name: &str, given: Members) -> Result<Definition, MapProblem> {
    let map_type = known_type(given.map_type.ok_or(MapProblem::NoType)?)?;
    let (mut key, mut value) = (given.key, given.value);
    let holds_references =
        matches!(map_type, MapType::ProgArray | MapType::ArrayOfMaps | MapType::HashOfMaps);
    if holds_references {
        value.set("value_size", 4)?;
    }
    // A perf event array's key and value are file descriptors' size, whatever is said.
    if matches!(map_type, MapType::ProgArray | MapType::ArrayOfMaps | MapType::PerfEventArray)
        && key.bytes.is_none()
    {
        key.bytes = Some(4);
    }
    let mut spec =
        MapSpec::new(name, map_type, key.bytes.unwrap_or(0), value.bytes.unwrap_or(0), given.max_entries);
    if matches!(map_type, MapType::Ringbuf | MapType::UserRingbuf) {
        spec.max_entries = ringbuf_size(given.max_entries);
    }
    spec.map_flags = given.map_flags;
    spec.map_extra = given.map_extra;
    spec.btf_key_type_id = key.type_id;
    spec.btf_value_type_id = value.type_id;
    let is_outer = matches!(map_type, MapType::ArrayOfMaps | MapType::HashOfMaps);
    let values = match given.values {
        None if is_outer => return Err(MapProblem::NoInner),
        None => None,
        Some((Values::Programs, offset)) if map_type == MapType::ProgArray => Some(offset),
        Some((Values::Maps(inner), offset)) if is_outer => {
            spec.inner = Some(Box::new(inner));
            Some(offset)
        }
        Some(_) => return Err(MapProblem::ValuesType(map_type.name())),
    };
    Ok(Definition { spec, values })
}

/// The kernel wants ring buffers to be a power of two of whole pages; libbpf makes them so (`adjust_ringbuf_sz`).
/// Zero, and what no power of two can hold, is left to be refused.
fn ringbuf_size(size: u32) -> u32 {
    const PAGE_SIZE: u32 = 4096;
    if size == 0 || (size.is_power_of_two() && size >= PAGE_SIZE) {
        return size;
    }
    size.max(PAGE_SIZE).checked_next_power_of_two().unwrap_or(size)
}

/// The map type with a number.
pub(super) fn known_type(id: u32) -> Result<MapType, MapProblem> {
    MapType::from_id(id).ok_or(MapProblem::UnknownType(id))
}
