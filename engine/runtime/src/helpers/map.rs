//! Map access: helpers 1 to 3, 51, 81, 87 to 89, 195.

use bpfreplay_uapi::MapType;
use bpfreplay_uapi::xdp::{XDP_ABORTED, XDP_REDIRECT};

use super::ret;
use crate::exec::{ExecutionContext, Redirect};
use crate::maps::Map;

/// What `bpf_redirect_map` returns where there is no target: any verdict but a redirect.
const MISS_MASK: u64 = 3;
/// To every device of the map (`BPF_F_BROADCAST`).
const BROADCAST: u64 = 8;
/// But not to the one the packet came in by (`BPF_F_EXCLUDE_INGRESS`).
const EXCLUDE_INGRESS: u64 = 16;

/// `bpf_map_lookup_elem`: the address of the value, or NULL.
#[inline]
pub(super) fn lookup(map: &Map, key: &[u8], cpu: u32) -> u64 {
    map.program_lookup(key, cpu).unwrap_or(0)
}

/// `bpf_map_lookup_percpu_elem`.
pub(super) fn lookup_percpu(map: &Map, key: &[u8], cpu: u32) -> u64 {
    map.program_lookup_percpu(key, cpu).unwrap_or(0)
}

/// `bpf_map_update_elem`.
pub(super) fn update(map: &Map, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> u64 {
    ret(map.program_update(key, value, flags, cpu))
}

/// `bpf_map_delete_elem`.
pub(super) fn delete(map: &Map, key: &[u8]) -> u64 {
    ret(map.program_delete(key))
}

/// `bpf_map_push_elem`.
pub(super) fn push(map: &Map, value: &[u8], flags: u64) -> u64 {
    ret(map.program_push(value, flags))
}

/// `bpf_map_pop_elem`.
pub(super) fn pop(map: &Map, value: &mut [u8]) -> u64 {
    ret(map.program_pop(value))
}

/// `bpf_map_peek_elem`.
pub(super) fn peek(map: &Map, value: &mut [u8]) -> u64 {
    ret(map.program_peek(value))
}

/// `bpf_get_local_storage`.
pub(super) fn local_storage(map: &Map, cpu: u32) -> u64 {
    map.program_local_storage(cpu).unwrap_or(0)
}

/// `bpf_redirect_map`: remembers the target, which counts if the verdict is the one returned here. A miss forgets what
/// an earlier call found.
pub(super) fn redirect(exec: &mut ExecutionContext, map: &Map, index: u64, flags: u64) -> u64 {
    let many = match map.spec().map_type {
        MapType::Devmap | MapType::DevmapHash => BROADCAST | EXCLUDE_INGRESS,
        _ => 0,
    };
    if flags & !(MISS_MASK | many) != 0 {
        return u64::from(XDP_ABORTED);
    }
    let target = map.redirect_target(index as u32);
    let all = flags & BROADCAST != 0;
    exec.redirect = match target {
        None if !all => None,
        _ if all => Some(Redirect { ifindex: 0, flags }),
        target => target.map(|ifindex| Redirect { ifindex, flags: 0 }),
    };
    if exec.redirect.is_some() { u64::from(XDP_REDIRECT) } else { flags & MISS_MASK }
}
