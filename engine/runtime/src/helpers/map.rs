//! Map access: helpers 1 to 3.

use super::ret;
use crate::maps::Map;

/// `bpf_map_lookup_elem`: the address of the value, or NULL.
#[inline]
pub(super) fn lookup(map: &Map, key: &[u8], cpu: u32) -> u64 {
    map.program_lookup(key, cpu).unwrap_or(0)
}

/// `bpf_map_update_elem`.
pub(super) fn update(map: &Map, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> u64 {
    ret(map.program_update(key, value, flags, cpu))
}

/// `bpf_map_delete_elem`.
pub(super) fn delete(map: &Map, key: &[u8]) -> u64 {
    ret(map.program_delete(key))
}
