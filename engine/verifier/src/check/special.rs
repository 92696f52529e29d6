//! Fields of map values that are the kernel's own: spin locks, timers, kernel pointers.

use bpfreplay_isa::Reg;
use bpfreplay_program::{MapSpec, SpecialField, SpecialKind};
use bpfreplay_uapi::HelperId;

use super::helper_args::MapArgument;
use super::kptr::Kptr;
use super::object;
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{Hold, Lock, RegState, RegType, State};

/// Who accesses a map's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// A load or a store.
    Direct,
    /// A helper, by an argument.
    Helper,
}

/// Loads, stores and memory arguments stay off them, but for loads and stores of a pointer to an object, which is then
/// what is accessed (linux: check_map_access()). `off` is from the pointer's base.
pub(super) fn untouched(
    spec: &MapSpec,
    pointer: &RegState,
    off: i64,
    size: i64,
    source: Source,
) -> Checked<Option<Kptr>> {
    let b = pointer.value.b64;
    let (first, end) = (b.smin.saturating_add(off), (b.umax as i64).saturating_add(off).saturating_add(size));
    let is_touched = |field: &&SpecialField| {
        first < i64::from(field.off + field.kind.size()) && i64::from(field.off) < end
    };
    let mut found = None;
    for field in spec.fields().iter().filter(is_touched) {
        let name = field.kind.name();
        let Some(kptr) = Kptr::of(field) else {
            refuse!(Access, "{name} cannot be accessed directly by load/store");
        };
        whole(kptr, name, pointer, off, size, source)?;
        found = Some(kptr);
    }
    Ok(found)
}

/// A pointer to an object is loaded and stored whole.
fn whole(kptr: Kptr, name: &str, pointer: &RegState, off: i64, size: i64, source: Source) -> Checked {
    let at = kptr.off;
    if source == Source::Helper {
        refuse!(Access, "{name} cannot be accessed indirectly by helper");
    }
    let Some(var) = pointer.value.as_const() else {
        refuse!(Access, "{name} access cannot have variable offset");
    };
    let off = off.wrapping_add(var as i64);
    if off != i64::from(at) {
        refuse!(Access, "{name} access misaligned expected={at} off={off}");
    }
    if size != 8 {
        refuse!(Access, "{name} access size must be BPF_DW");
    }
    Ok(())
}

/// Inner maps like this are told apart by the lookup that found them: a timer is one map's.
pub(crate) fn has_timer(spec: &MapSpec) -> bool {
    spec.fields().iter().any(|field| matches!(field.kind, SpecialKind::Timer | SpecialKind::Workqueue))
}

/// The argument of `bpf_spin_lock` and `bpf_spin_unlock`: what is held afterwards (linux: process_spin_lock()).
pub(super) fn spin_lock(
    env: &Env<'_>,
    state: &State,
    helper: HelperId,
    (reg, value): (Reg, &RegState),
) -> Checked<Option<Lock>> {
    match value.kind {
        RegType::Object { hold: Hold::Owned, .. } if !value.nullable => local_lock(env, reg, value)?,
        _ => drop(field_pointer(env, SpecialKind::SpinLock, (reg, value))?),
    }
    let Some(this) = Lock::of(value) else { return Ok(state.held.lock()) };
    match (state.held.lock(), helper) {
        (None, HelperId::SpinLock) => Ok(Some(this)),
        (Some(_), HelperId::SpinLock) => refuse!(Invalid, "Locking two bpf_spin_locks are not allowed"),
        (None, _) => refuse!(Invalid, "bpf_spin_unlock without taking a lock"),
        (Some(held), _) if !held.is(this) => refuse!(Invalid, "bpf_spin_unlock of different lock"),
        (Some(_), _) => Ok(None),
    }
}

/// A pointer to the lock of an object.
fn local_lock(env: &Env<'_>, reg: Reg, value: &RegState) -> Checked {
    object::fixed_offset(reg, value)?;
    let lock = object::fields(env, value.kind).iter().find(|field| field.kind == SpecialKind::SpinLock);
    let Some(lock) = lock else {
        refuse!(Invalid, "local 'kptr' has no valid bpf_spin_lock");
    };
    if i64::from(value.off) != i64::from(lock.off) {
        refuse!(Invalid, "off {} doesn't point to 'struct bpf_spin_lock' that is at {}", value.off, lock.off);
    }
    Ok(())
}

/// The argument of the timer helpers: the map whose timer it is (linux: process_timer_func()).
pub(super) fn timer(env: &Env<'_>, argument: (Reg, &RegState)) -> Checked<MapArgument> {
    let map = field_pointer(env, SpecialKind::Timer, argument)?;
    Ok(MapArgument { map, key: None, uid: argument.1.map_uid })
}

/// `bpf_timer_init` is told the map that its timer is in.
pub(super) fn of_timer(timer: Option<MapArgument>, map: MapArgument) -> Checked {
    match timer {
        Some(timer) if (timer.map, timer.uid) != (map.map, map.uid) => {
            let (timer, map) = (timer.uid, map.uid);
            refuse!(
                Invalid,
                "timer pointer in R1 map_uid={timer} doesn't match map pointer in R2 map_uid={map}"
            )
        }
        Some(_) | None => Ok(()),
    }
}

/// A pointer to the field of this kind in a map's value: the map (linux: check_map_field_pointer()).
fn field_pointer(env: &Env<'_>, kind: SpecialKind, (reg, value): (Reg, &RegState)) -> Checked<u32> {
    let (n, name) = (reg.number(), kind.name());
    let RegType::MapValue { map } = value.kind else {
        refuse!(Access, "R{n} type={} expected=map_value", value.type_name());
    };
    if value.nullable {
        refuse!(Access, "R{n} type={} expected=map_value", value.type_name());
    }
    let Some(var) = value.value.as_const() else {
        refuse!(Invalid, "R{n} doesn't have constant offset. {name} has to be at the constant offset");
    };
    let spec = env.map(map);
    if !is_typed(spec) {
        refuse!(Invalid, "map '{}' has to have BTF in order to use {name}", spec.name);
    }
    let Some(field) = spec.fields().iter().find(|field| field.kind == kind) else {
        refuse!(Invalid, "map '{}' has no valid {name}", spec.name);
    };
    let off = i64::from(value.off).wrapping_add(var as i64);
    if off != i64::from(field.off) {
        refuse!(Invalid, "off {off} doesn't point to 'struct {name}' that is at {}", field.off);
    }
    Ok(map)
}

/// Whether the kernel knows what is in the map's values: maps with fields that they cannot have are made without types.
pub(super) fn is_typed(spec: &MapSpec) -> bool {
    !spec.fields().is_empty() || (spec.special.is_empty() && spec.btf_value_type_id != 0)
}
