//! `BPF_MAP_CREATE`: storage of the right kind, and what is put in before the first run.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use bpfreplay_program::{MapContent, MapSpec};
use bpfreplay_uapi::map::{create_flags as flags, update_flags};
use bpfreplay_uapi::{Errno, MapType};

use super::array::Array;
use super::bloom_filter::BloomFilter;
use super::check::check;
use super::hash::Hash;
use super::local_storage::LocalStorage;
use super::lpm_trie::LpmTrie;
use super::map_in_map::MapOfMaps;
use super::percpu_array::PercpuArray;
use super::percpu_hash::PercpuHash;
use super::perf_event_array::PerfEventArray;
use super::prog_array::ProgArray;
use super::queue_stack::{Order, QueueStack};
use super::redirect::{DevmapHash, Targets};
use super::ringbuf::Ringbuf;
use super::user_ringbuf::UserRingbuf;
use super::{Map, MapError, Storage, UserSide, registry};
use crate::objects::Objects;

/// CPUs a map can keep values for: workers of one replay.
pub const MAX_CPUS: u32 = 1024;

static NEXT_ID: AtomicU32 = AtomicU32::new(1);

impl Map {
    /// Creates the map and puts in what its spec holds, programs and inner maps excepted: those exist later.
    ///
    /// `cpus` is how many values a per-CPU map keeps a key: the number of workers, whose
    /// [`ExecutionContext::cpu`](crate::ExecutionContext) must stay below it. A map of maps takes what
    /// [`MapSpec::inner`] says for the shape of its inner maps.
    ///
    /// # Errors
    ///
    /// What `BPF_MAP_CREATE` gives: EINVAL for sizes and flags the type does not allow, E2BIG where the kernel's size
    /// limits end, ENOMEM, ENOTSUPP for an inner map that cannot be one; EPERM never. EOPNOTSUPP for a type this
    /// engine does not have.
    pub fn create(spec: &MapSpec, cpus: u32) -> Result<Arc<Map>, MapError> {
        Map::create_for(spec, cpus, &Objects::none())
    }

    /// [`Map::create`] for programs that have objects: what its values may own.
    ///
    /// # Errors
    ///
    /// As [`Map::create`].
    pub fn create_for(spec: &MapSpec, cpus: u32, objects: &Arc<Objects>) -> Result<Arc<Map>, MapError> {
        if cpus == 0 || cpus > MAX_CPUS {
            let reason = format!("map {}: {cpus} CPUs, 1 to {MAX_CPUS} are possible", spec.name);
            return Err(MapError::new(Errno::EINVAL, reason));
        }
        Map::check(spec)?;
        let spec = adjust(spec, cpus);
        let user = Arc::new(UserSide { flags: spec.map_flags, frozen: AtomicBool::new(false) });
        let storage = storage(&spec, cpus, &user, objects).ok_or_else(|| {
            MapError::new(
                Errno::ENOMEM,
                format!("map {}: no memory for {} entries", spec.name, spec.max_entries),
            )
        })?;
        let map = Arc::new_cyclic(|me| Map {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            spec,
            cpus,
            user,
            handles: AtomicU32::new(0),
            storage,
            me: Weak::clone(me),
        });
        if let MapContent::Data { bytes, frozen } = &map.spec.content {
            map.update(&0u32.to_le_bytes(), bytes, update_flags::ANY)?;
            if *frozen {
                map.freeze()?;
            }
        }
        registry::add(&map);
        Ok(map)
    }
}

impl Map {
    /// What [`Map::create`] says of sizes, numbers and flags, without creating the map.
    ///
    /// # Errors
    ///
    /// As [`Map::create`], ENOMEM excepted.
    pub fn check(spec: &MapSpec) -> Result<(), MapError> {
        check(spec).map_err(|why| MapError::new(why.errno, format!("map {}: {}", spec.name, why.reason)))
    }
}

/// What a kind makes of what was asked for.
fn adjust(spec: &MapSpec, cpus: u32) -> MapSpec {
    let mut spec = spec.clone();
    match spec.map_type {
        // linux: kernel/bpf/hashtab.c htab_map_alloc: lists a CPU are equally long.
        MapType::LruHash | MapType::LruPercpuHash if spec.map_flags & flags::NO_COMMON_LRU != 0 => {
            let down = spec.max_entries - spec.max_entries % cpus;
            spec.max_entries = spec.max_entries.checked_next_multiple_of(cpus).unwrap_or(down);
        }
        // linux: kernel/bpf/devmap.c dev_map_init_map: a lookup gives the device's number itself.
        MapType::Devmap | MapType::DevmapHash => spec.map_flags |= flags::RDONLY_PROG,
        _ => {}
    }
    spec
}

/// None: there is not enough memory.
fn storage(spec: &MapSpec, cpus: u32, user: &Arc<UserSide>, objects: &Arc<Objects>) -> Option<Storage> {
    Some(match spec.map_type {
        MapType::Array => Storage::Array(Array::new(spec, objects)?),
        MapType::PercpuArray => Storage::PercpuArray(PercpuArray::new(spec, cpus, objects)?),
        MapType::ProgArray => Storage::ProgArray(ProgArray::new(spec.max_entries, Arc::clone(user))),
        MapType::Hash => Storage::Hash(Hash::new(spec, objects)?),
        MapType::LruHash => Storage::LruHash(Hash::new(spec, objects)?),
        MapType::PercpuHash | MapType::LruPercpuHash => {
            Storage::PercpuHash(PercpuHash::new(spec, cpus, objects)?)
        }
        MapType::LpmTrie => Storage::LpmTrie(LpmTrie::new(spec)?),
        MapType::Queue => Storage::QueueStack(QueueStack::new(spec, Order::OldestFirst)?),
        MapType::Stack => Storage::QueueStack(QueueStack::new(spec, Order::NewestFirst)?),
        MapType::BloomFilter => Storage::BloomFilter(BloomFilter::new(spec)?),
        MapType::Ringbuf => Storage::Ringbuf(Ringbuf::new(spec, cpus)?),
        MapType::UserRingbuf => Storage::UserRingbuf(UserRingbuf::new(spec)?),
        MapType::PerfEventArray => Storage::PerfEventArray(PerfEventArray::new(spec)),
        MapType::ArrayOfMaps | MapType::HashOfMaps => {
            Storage::MapOfMaps(MapOfMaps::new(spec, spec.inner.as_deref()?)?)
        }
        MapType::Devmap | MapType::Cpumap | MapType::Xskmap => Storage::Targets(Targets::new(spec, cpus)?),
        MapType::DevmapHash => Storage::DevmapHash(DevmapHash::new(spec)?),
        MapType::SkStorage | MapType::CgroupStorage | MapType::PercpuCgroupStorage => {
            Storage::LocalStorage(LocalStorage::new(spec, cpus)?)
        }
        // `check` has refused these.
        MapType::StackTrace
        | MapType::CgroupArray
        | MapType::Sockmap
        | MapType::Sockhash
        | MapType::ReuseportSockarray
        | MapType::StructOps
        | MapType::InodeStorage
        | MapType::TaskStorage
        | MapType::CgrpStorage
        | MapType::Arena => return None,
    })
}
