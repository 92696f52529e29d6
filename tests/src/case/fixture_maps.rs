//! The maps that every case of the verifier may name.

use std::sync::Arc;

use bpfreplay_btf::Btf;
use bpfreplay_program::{MapContent, MapSpec, SpecialField, SpecialKind};
use bpfreplay_uapi::MapType;
use bpfreplay_uapi::map::create_flags;

use super::btf;

pub(crate) fn fixture_maps() -> Vec<MapSpec> {
    let flags = |map_flags, spec: MapSpec| MapSpec { map_flags, ..spec };
    let data = |name, frozen, bytes: [u8; 16]| MapSpec {
        content: MapContent::Data { bytes: bytes.to_vec(), frozen },
        map_flags: if frozen { create_flags::RDONLY_PROG } else { 0 },
        ..MapSpec::new(name, MapType::Array, 4, 16, 1)
    };
    let of_maps = |name, map_type, inner| MapSpec {
        inner: Some(Box::new(inner)),
        ..MapSpec::new(name, map_type, 4, 4, 4)
    };
    vec![
        MapSpec::new("array", MapType::Array, 4, 16, 4),
        MapSpec::new("hash", MapType::Hash, 8, 16, 4),
        MapSpec::new("percpu_array", MapType::PercpuArray, 4, 16, 4),
        MapSpec::new("percpu_hash", MapType::PercpuHash, 8, 16, 4),
        MapSpec::new("jmp", MapType::ProgArray, 4, 4, 4),
        MapSpec::new("jmp2", MapType::ProgArray, 4, 4, 4),
        MapSpec::new("ringbuf", MapType::Ringbuf, 0, 0, 4096),
        MapSpec::new("samples", MapType::UserRingbuf, 0, 0, 4096),
        data("data", false, [0; 16]),
        // 32-bit words: 1, 8, -1, 0.
        data("rodata", true, [1, 0, 0, 0, 8, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]),
        // "%d" and its NUL, then no NUL any more.
        data("format", true, *b"%d\0%d %d\0%q\0----"),
        flags(create_flags::RDONLY_PROG, MapSpec::new("read_only", MapType::Array, 4, 16, 1)),
        flags(create_flags::WRONLY_PROG, MapSpec::new("write_only", MapType::Array, 4, 16, 1)),
        MapSpec::new("lru_hash", MapType::LruHash, 8, 16, 4),
        MapSpec::new("queue", MapType::Queue, 0, 16, 4),
        MapSpec::new("bloom", MapType::BloomFilter, 0, 16, 4),
        MapSpec::new("perf", MapType::PerfEventArray, 4, 4, 4),
        MapSpec::new("devmap", MapType::Devmap, 4, 4, 4),
        MapSpec::new("cpumap", MapType::Cpumap, 4, 4, 4),
        MapSpec::new("xskmap", MapType::Xskmap, 4, 4, 4),
        MapSpec::new("sockmap", MapType::Sockmap, 4, 4, 4),
        MapSpec::new("cgroup_storage", MapType::CgroupStorage, 8, 16, 0),
        of_maps("array_of_maps", MapType::ArrayOfMaps, MapSpec::new("inner", MapType::Array, 4, 16, 4)),
        of_maps("hash_of_maps", MapType::HashOfMaps, MapSpec::new("inner", MapType::Hash, 8, 8, 4)),
        of_maps(
            "percpu_of_maps",
            MapType::ArrayOfMaps,
            MapSpec::new("inner", MapType::PercpuArray, 4, 16, 4),
        ),
        locked("locked", MapType::Hash, 4),
        locked("locked_array", MapType::Array, 1),
        timed("timed", MapType::Array, btf::with_timer),
        timed("timed_hash", MapType::Hash, btf::with_timer),
        timed("timed_percpu", MapType::PercpuArray, btf::with_timer),
        of_maps("timed_of_maps", MapType::ArrayOfMaps, timed("inner", MapType::Array, btf::with_timer)),
        timed("timed_locked", MapType::Array, btf::with_lock_and_timer),
    ]
}

/// Values of 32 bytes with a timer at 8.
fn timed(name: &str, map_type: MapType, types: fn(&mut MapSpec)) -> MapSpec {
    let mut spec = MapSpec::new(name, map_type, 4, 32, 4);
    types(&mut spec);
    spec
}

/// Values of `struct { int count; struct bpf_spin_lock lock; long data; }`.
fn locked(name: &str, map_type: MapType, max_entries: u32) -> MapSpec {
    let types = Btf::parse(&btf::locked_value()).expect("our own BTF is right");
    MapSpec {
        btf: Some(Arc::new(types)),
        btf_key_type_id: btf::LOCKED_KEY,
        btf_value_type_id: btf::LOCKED_VALUE,
        special: vec![SpecialField { off: 4, kind: SpecialKind::SpinLock }],
        ..MapSpec::new(name, map_type, 4, 16, max_entries)
    }
}
