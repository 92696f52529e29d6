//! `BPF_MAP_CREATE`: what is allowed, and what is put in before the first run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bpfreplay_program::{MapContent, MapSpec};
use bpfreplay_uapi::limits::MAX_PERCPU_VALUE;
use bpfreplay_uapi::map::{create_flags as flags, update_flags};
use bpfreplay_uapi::{Errno, MapType};

use super::{Array, Hash, Map, MapError, PercpuArray, PercpuHash, ProgArray, Storage, UserSide, registry};

/// The flags every array may have (`ARRAY_CREATE_FLAG_MASK`).
const ARRAY_FLAGS: u32 = flags::NUMA_NODE
    | flags::MMAPABLE
    | flags::RDONLY
    | flags::WRONLY
    | flags::RDONLY_PROG
    | flags::WRONLY_PROG
    | flags::PRESERVE_ELEMS
    | flags::INNER_MAP;

/// The flags every hash may have (`HTAB_CREATE_FLAG_MASK`).
const HASH_FLAGS: u32 = flags::NO_PREALLOC
    | flags::NO_COMMON_LRU
    | flags::NUMA_NODE
    | flags::RDONLY
    | flags::WRONLY
    | flags::RDONLY_PROG
    | flags::WRONLY_PROG
    | flags::ZERO_SEED;

/// Bytes of a hash element: `KMALLOC_MAX_SIZE` on x86-64.
const KMALLOC_MAX_SIZE: u64 = 4 << 20;

/// `sizeof(struct htab_elem)`, which counts against [`KMALLOC_MAX_SIZE`].
const HTAB_ELEM_SIZE: u64 = 48;

/// Entries of a hash: the buckets of 16 bytes, a power of two of them, must be less than 4 GiB (`htab_map_alloc`).
const MAX_HASH_ENTRIES: u32 = 1 << 27;

/// CPUs a map can keep values for: workers of one replay.
pub const MAX_CPUS: u32 = 1024;

static NEXT_ID: AtomicU32 = AtomicU32::new(1);

impl Map {
    /// Creates the map and puts in what its spec holds, programs and inner maps excepted: those exist later.
    ///
    /// `cpus` is how many values a per-CPU map keeps a key: the number of workers, whose
    /// [`ExecutionContext::cpu`](crate::ExecutionContext) must stay below it.
    ///
    /// # Errors
    ///
    /// What `BPF_MAP_CREATE` gives: EINVAL for sizes and flags the type does not allow, E2BIG where the kernel's size
    /// limits end, ENOMEM, ENOTSUPP for an inner map that cannot be one; EPERM never. EOPNOTSUPP for a type this engine does not have.
    pub fn create(spec: &MapSpec, cpus: u32) -> Result<Arc<Map>, MapError> {
        let refuse =
            |errno, reason: String| Err(MapError::new(errno, format!("map {}: {reason}", spec.name)));
        if cpus == 0 || cpus > MAX_CPUS {
            return refuse(Errno::EINVAL, format!("{cpus} CPUs, 1 to {MAX_CPUS} are possible"));
        }
        if let Err(why) = check_flags(spec) {
            return refuse(why.errno, why.reason);
        }
        let user = Arc::new(UserSide { flags: spec.map_flags, frozen: AtomicBool::new(false) });
        let storage = match storage(spec, cpus, &user) {
            Ok(storage) => storage,
            Err(why) => return refuse(why.errno, why.reason),
        };
        let map = Arc::new(Map {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            spec: spec.clone(),
            cpus,
            user,
            handles: AtomicU32::new(0),
            storage,
        });
        if let MapContent::Data { bytes, frozen } = &spec.content {
            map.update(&0u32.to_le_bytes(), bytes, update_flags::ANY)?;
            if *frozen {
                map.freeze()?;
            }
        }
        registry::add(&map);
        Ok(map)
    }
}

fn storage(spec: &MapSpec, cpus: u32, user: &Arc<UserSide>) -> Result<Storage, MapError> {
    let no_memory = || MapError::new(Errno::ENOMEM, format!("no memory for {} entries", spec.max_entries));
    match spec.map_type {
        MapType::Array => {
            check_array(spec)?;
            Ok(Storage::Array(Array::new(spec).ok_or_else(no_memory)?))
        }
        MapType::PercpuArray => {
            check_array(spec)?;
            check_percpu(spec)?;
            Ok(Storage::PercpuArray(PercpuArray::new(spec, cpus).ok_or_else(no_memory)?))
        }
        MapType::ProgArray => {
            check_prog_array(spec)?;
            Ok(Storage::ProgArray(ProgArray::new(spec.max_entries, Arc::clone(user))))
        }
        MapType::Hash => {
            check_hash(spec)?;
            Ok(Storage::Hash(Hash::new(spec).ok_or_else(no_memory)?))
        }
        MapType::PercpuHash => {
            check_hash(spec)?;
            check_percpu(spec)?;
            Ok(Storage::PercpuHash(PercpuHash::new(spec, cpus).ok_or_else(no_memory)?))
        }
        MapType::ArrayOfMaps | MapType::HashOfMaps => {
            check_inner(spec)?;
            Err(not_supported(spec))
        }
        MapType::PerfEventArray
        | MapType::StackTrace
        | MapType::CgroupArray
        | MapType::LruHash
        | MapType::LruPercpuHash
        | MapType::LpmTrie
        | MapType::Devmap
        | MapType::Sockmap
        | MapType::Cpumap
        | MapType::Xskmap
        | MapType::Sockhash
        | MapType::CgroupStorage
        | MapType::ReuseportSockarray
        | MapType::PercpuCgroupStorage
        | MapType::Queue
        | MapType::Stack
        | MapType::SkStorage
        | MapType::DevmapHash
        | MapType::StructOps
        | MapType::Ringbuf
        | MapType::InodeStorage
        | MapType::TaskStorage
        | MapType::BloomFilter
        | MapType::UserRingbuf
        | MapType::CgrpStorage
        | MapType::Arena => Err(not_supported(spec)),
    }
}

fn not_supported(spec: &MapSpec) -> MapError {
    let reason = format!("type {} is not supported by this engine", spec.map_type.name());
    MapError::new(Errno::EOPNOTSUPP, reason)
}

/// What holds for flags of every type (`bpf_map_flags_access_ok`, `bpf_get_file_flag`).
fn check_flags(spec: &MapSpec) -> Result<(), MapError> {
    for (both, text) in [
        (flags::RDONLY | flags::WRONLY, "BPF_F_RDONLY and BPF_F_WRONLY"),
        (flags::RDONLY_PROG | flags::WRONLY_PROG, "BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG"),
    ] {
        if spec.map_flags & both == both {
            return Err(MapError::new(Errno::EINVAL, format!("flags {text} exclude each other")));
        }
    }
    Ok(())
}

/// `array_map_alloc_check`, `array_map_alloc`.
fn check_array(spec: &MapSpec) -> Result<(), MapError> {
    if spec.key_size != 4 {
        return Err(MapError::new(Errno::EINVAL, format!("key_size {}, an array's is 4", spec.key_size)));
    }
    at_least_one("value_size", spec.value_size)?;
    at_least_one("max_entries", spec.max_entries)?;
    known_flags(spec, ARRAY_FLAGS & !flags::PRESERVE_ELEMS)?;
    if spec.map_type != MapType::Array {
        known_flags(spec, ARRAY_FLAGS & !(flags::PRESERVE_ELEMS | flags::MMAPABLE | flags::INNER_MAP))?;
    }
    if spec.value_size > i32::MAX as u32 {
        return Err(MapError::new(
            Errno::E2BIG,
            format!("value_size {} exceeds {}", spec.value_size, i32::MAX),
        ));
    }
    Ok(())
}

/// `fd_array_map_alloc_check`.
fn check_prog_array(spec: &MapSpec) -> Result<(), MapError> {
    if spec.key_size != 4 || spec.value_size != 4 {
        let (key, value) = (spec.key_size, spec.value_size);
        let reason = format!("key_size {key} and value_size {value}, a prog array's are 4");
        return Err(MapError::new(Errno::EINVAL, reason));
    }
    at_least_one("max_entries", spec.max_entries)?;
    known_flags(spec, flags::NUMA_NODE | flags::RDONLY | flags::WRONLY)
}

/// `htab_map_alloc_check`.
fn check_hash(spec: &MapSpec) -> Result<(), MapError> {
    known_flags(spec, HASH_FLAGS & !flags::NO_COMMON_LRU)?;
    at_least_one("key_size", spec.key_size)?;
    at_least_one("value_size", spec.value_size)?;
    at_least_one("max_entries", spec.max_entries)?;
    let (bytes, limit) =
        (u64::from(spec.key_size) + u64::from(spec.value_size), KMALLOC_MAX_SIZE - HTAB_ELEM_SIZE);
    if bytes >= limit {
        return Err(MapError::new(
            Errno::E2BIG,
            format!("key and value are {bytes} bytes, the limit is {limit}"),
        ));
    }
    if spec.max_entries > MAX_HASH_ENTRIES {
        let reason = format!("max_entries {} exceeds {MAX_HASH_ENTRIES}", spec.max_entries);
        return Err(MapError::new(Errno::E2BIG, reason));
    }
    Ok(())
}

/// What a map of maps may hold (`bpf_map_meta_alloc`): maps that can be exchanged for one another. Prog arrays cannot:
/// what one is bound to is known only when a program binds it.
fn check_inner(spec: &MapSpec) -> Result<(), MapError> {
    let Some(inner) = spec.inner.as_deref() else {
        return Err(MapError::new(Errno::EINVAL, "a map of maps needs the shape of its inner maps"));
    };
    let name = inner.map_type.name();
    match inner.map_type {
        MapType::ArrayOfMaps | MapType::HashOfMaps => {
            Err(MapError::new(Errno::EINVAL, format!("inner maps of type {name}: maps of maps do not nest")))
        }
        MapType::ProgArray | MapType::CgroupStorage | MapType::PercpuCgroupStorage | MapType::StructOps => {
            Err(MapError::new(Errno::ENOTSUPP, format!("maps of type {name} cannot be inner maps")))
        }
        MapType::Hash
        | MapType::Array
        | MapType::PerfEventArray
        | MapType::PercpuHash
        | MapType::PercpuArray
        | MapType::StackTrace
        | MapType::CgroupArray
        | MapType::LruHash
        | MapType::LruPercpuHash
        | MapType::LpmTrie
        | MapType::Devmap
        | MapType::Sockmap
        | MapType::Cpumap
        | MapType::Xskmap
        | MapType::Sockhash
        | MapType::ReuseportSockarray
        | MapType::Queue
        | MapType::Stack
        | MapType::SkStorage
        | MapType::DevmapHash
        | MapType::Ringbuf
        | MapType::InodeStorage
        | MapType::TaskStorage
        | MapType::BloomFilter
        | MapType::UserRingbuf
        | MapType::CgrpStorage
        | MapType::Arena => Ok(()),
    }
}

fn check_percpu(spec: &MapSpec) -> Result<(), MapError> {
    if spec.map_flags & flags::NUMA_NODE != 0 {
        return Err(MapError::new(Errno::EINVAL, "BPF_F_NUMA_NODE is not for per-CPU maps"));
    }
    if spec.value_size > MAX_PERCPU_VALUE {
        let reason =
            format!("value_size {} exceeds {MAX_PERCPU_VALUE}, the limit of a CPU's value", spec.value_size);
        return Err(MapError::new(Errno::E2BIG, reason));
    }
    Ok(())
}

fn at_least_one(name: &str, value: u32) -> Result<(), MapError> {
    if value == 0 { Err(MapError::new(Errno::EINVAL, format!("{name} is 0"))) } else { Ok(()) }
}

fn known_flags(spec: &MapSpec, known: u32) -> Result<(), MapError> {
    let unknown = spec.map_flags & !known;
    if unknown == 0 {
        return Ok(());
    }
    Err(MapError::new(
        Errno::EINVAL,
        format!("map_flags {unknown:#x} are not for type {}", spec.map_type.name()),
    ))
}
