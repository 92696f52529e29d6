//! Which maps are made, and how: what a user-space loader does between the object and `BPF_MAP_CREATE`.

use std::collections::BTreeSet;
use std::sync::Arc;

use bpfreplay_program::{MapSpec, Program};
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::{Map, MapError};
use bpfreplay_uapi::{Errno, Kfunc, MapType};

/// The opcode of `call` (RFC 9669 4.3).
const CALL: u8 = 0x85;
/// The source of a call of a kernel function (`BPF_PSEUDO_KFUNC_CALL`).
const KFUNC: u8 = 2;

/// Creates a map as libbpf has the kernel create what an object declares; see [`Map::create`] for `cpus`.
///
/// # Errors
///
/// As [`Map::create`].
pub fn create_map(spec: &MapSpec, cpus: u32) -> Result<Arc<Map>, MapError> {
    create_map_for(spec, cpus, &Objects::none())
}

/// [`create_map`] for programs that have objects.
///
/// # Errors
///
/// As [`Map::create`].
pub(crate) fn create_map_for(
    spec: &MapSpec,
    cpus: u32,
    objects: &Arc<Objects>,
) -> Result<Arc<Map>, MapError> {
    Map::create_for(&as_created(spec, cpus), cpus, objects)
}

/// Memory for the objects that programs allocate on so many CPUs, if any allocates some. All of them have the types of
/// the first.
///
/// # Errors
///
/// ENOMEM.
pub fn objects_of(programs: &[Arc<Program>], cpus: u32) -> Result<Arc<Objects>, MapError> {
    let allocates = programs.iter().any(|program| {
        [Kfunc::ObjNew, Kfunc::PercpuObjNew].into_iter().any(|kfunc| calls_kfunc(program, kfunc))
    });
    match programs.first().filter(|_| allocates) {
        None => Ok(Objects::none()),
        Some(first) => Objects::new(&first.local_types, cpus),
    }
}

/// Whether a program calls a kernel function.
fn calls_kfunc(program: &Program, kfunc: Kfunc) -> bool {
    // The second slot of a wide instruction has opcode 0.
    let mut insns = program.insns.iter();
    insns.any(|insn| insn.opcode == CALL && insn.src() == KFUNC && insn.imm == kfunc.id() as i32)
}

/// What [`create_map`] would say, without creating the map.
///
/// # Errors
///
/// As [`Map::check`].
pub fn check_map(spec: &MapSpec, cpus: u32) -> Result<(), MapError> {
    Map::check(&as_created(spec, cpus))
}

/// Whether an error says only that Linux has the kind of map and this engine has not.
#[must_use]
pub fn is_unsupported(error: &MapError) -> bool {
    error.errno == Errno::EOPNOTSUPP
}

/// The indices of the maps that a program names, in the order in which it does.
#[must_use]
pub fn maps_named(program: &Program) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let mut named = Vec::new();
    each_reference(program, |_, map| {
        if seen.insert(map) {
            named.push(map);
        }
    });
    named
}

/// What libbpf makes of a declaration before it creates the map (`bpf_object__create_map`).
fn as_created(spec: &MapSpec, cpus: u32) -> MapSpec {
    let mut spec = spec.clone();
    // A slot for each CPU, where the object does not say how many.
    if spec.map_type == MapType::PerfEventArray && spec.max_entries == 0 {
        spec.max_entries = cpus;
    }
    spec
}

/// The programs without the maps that this engine has not and that none of them names: those would only be in the way.
/// The other maps are numbered anew.
pub(crate) fn without_unsupported(programs: &[Arc<Program>]) -> Vec<Arc<Program>> {
    let Some(first) = programs.first() else { return Vec::new() };
    let named: BTreeSet<usize> = programs.iter().flat_map(|program| maps_named(program)).collect();
    let is_kept = |(index, spec): (usize, &MapSpec)| {
        named.contains(&index) || !Map::check(spec).is_err_and(|error| is_unsupported(&error))
    };
    let kept: Vec<usize> = first.maps.iter().enumerate().filter(|&at| is_kept(at)).map(|(i, _)| i).collect();
    if kept.len() == first.maps.len() {
        return programs.to_vec();
    }
    let maps: Arc<[MapSpec]> = kept.iter().map(|&index| first.maps[index].clone()).collect();
    let renumbered = |program: &Arc<Program>| {
        let mut program = Program { maps: Arc::clone(&maps), ..Program::clone(program) };
        let mut places = Vec::new();
        each_reference(&program, |pc, map| places.push((pc, map)));
        for (pc, map) in places {
            // A reference past the list of maps stays past it: the verifier says so.
            let new = kept.binary_search(&map).unwrap_or(maps.len());
            program.insns[pc].imm = i32::try_from(new).unwrap_or(i32::MAX);
        }
        Arc::new(program)
    };
    programs.iter().map(renumbered).collect()
}

/// Every slot that names a map, with the map's index: sources 1 and 2 (`BPF_PSEUDO_MAP_FD`, `BPF_PSEUDO_MAP_VALUE`).
fn each_reference(program: &Program, mut tell: impl FnMut(usize, usize)) {
    let mut pc = 0;
    while let Some(insn) = program.insns.get(pc) {
        if insn.is_wide() && matches!(insn.src(), 1 | 2) {
            tell(pc, usize::try_from(insn.imm).unwrap_or(usize::MAX));
        }
        pc += if insn.is_wide() { 2 } else { 1 };
    }
}
