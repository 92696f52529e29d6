//! What `BPF_MAP_CREATE` allows: sizes, numbers and flags, by kind, in the kernel's order.

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::limits::MAX_PERCPU_VALUE;
use bpfreplay_uapi::map::create_flags as flags;
use bpfreplay_uapi::{Errno, MapType};

use super::MapError;
use super::map_in_map::check_template;

/// Who may do what.
const ACCESS_FLAGS: u32 = flags::RDONLY | flags::WRONLY | flags::RDONLY_PROG | flags::WRONLY_PROG;

/// The flags every array may have (`ARRAY_CREATE_FLAG_MASK`).
const ARRAY_FLAGS: u32 =
    flags::NUMA_NODE | flags::MMAPABLE | ACCESS_FLAGS | flags::PRESERVE_ELEMS | flags::INNER_MAP;

/// The flags every hash may have (`HTAB_CREATE_FLAG_MASK`).
const HASH_FLAGS: u32 =
    flags::NO_PREALLOC | flags::NO_COMMON_LRU | flags::NUMA_NODE | ACCESS_FLAGS | flags::ZERO_SEED;

/// What the kernel can allocate in one piece on x86-64.
const KMALLOC_MAX_SIZE: u64 = 4 << 20;

/// `sizeof(struct htab_elem)`, which counts against [`KMALLOC_MAX_SIZE`].
const HTAB_ELEM_SIZE: u64 = 48;

/// `sizeof(struct lpm_trie_node)`, likewise.
const LPM_NODE_SIZE: u64 = 40;

/// Entries of a hash: the buckets of 16 bytes, a power of two of them, must be less than 4 GiB (`htab_map_alloc`).
const MAX_HASH_ENTRIES: u32 = 1 << 27;

/// Bytes of an LPM trie's key: the prefix's length and 1 to 256 bytes of data.
const LPM_KEY: std::ops::RangeInclusive<u32> = 5..=4 + 256;

/// Hash functions of a bloom filter, the low 4 bits of `map_extra`.
const BLOOM_HASHES: u64 = 0xf;

/// Bytes of a page: a ring buffer is a power of two of them.
const PAGE_SIZE: u32 = 4096;

/// Possible CPUs of a cpumap (`NR_CPUS`).
const NR_CPUS: u32 = 8192;

/// Bytes of a value in local storage (`BPF_LOCAL_STORAGE_MAX_VALUE_SIZE`).
const LOCAL_STORAGE_VALUE: u32 = 65536 - 1 - 104;

/// Whether a map like this can be made at all.
pub(super) fn check(spec: &MapSpec) -> Result<(), MapError> {
    if spec.map_extra != 0 && spec.map_type != MapType::BloomFilter {
        return Err(invalid(format!("map_extra {:#x}, which only bloom filters have", spec.map_extra)));
    }
    check_access_flags(spec)?;
    match spec.map_type {
        MapType::Array => check_array(spec, ARRAY_FLAGS & !flags::PRESERVE_ELEMS),
        MapType::PercpuArray => {
            check_array(spec, flags::NUMA_NODE | ACCESS_FLAGS)?;
            check_percpu(spec)
        }
        MapType::ProgArray => check_fd_array(spec, 0),
        MapType::PerfEventArray => check_fd_array(spec, flags::PRESERVE_ELEMS),
        MapType::ArrayOfMaps => {
            check_fd_array(spec, 0)?;
            check_inner(spec)
        }
        MapType::Hash => check_hash(spec),
        MapType::PercpuHash => {
            check_hash(spec)?;
            check_percpu(spec)
        }
        MapType::LruHash => check_lru(spec),
        MapType::LruPercpuHash => {
            check_lru(spec)?;
            check_percpu(spec)
        }
        MapType::HashOfMaps => {
            exactly("value_size", spec.value_size, 4)?;
            check_hash(spec)?;
            check_inner(spec)
        }
        MapType::LpmTrie => check_lpm(spec),
        MapType::Queue | MapType::Stack => check_queue(spec),
        MapType::BloomFilter => check_bloom(spec),
        MapType::Ringbuf | MapType::UserRingbuf => check_ringbuf(spec),
        MapType::Devmap | MapType::DevmapHash => check_devmap(spec),
        MapType::Cpumap => {
            check_target(spec, &[4, 8], flags::NUMA_NODE)?;
            at_most("max_entries", spec.max_entries, NR_CPUS)
        }
        MapType::Xskmap => check_target(spec, &[4], flags::NUMA_NODE | flags::RDONLY | flags::WRONLY),
        MapType::SkStorage => check_sk_storage(spec),
        MapType::CgroupStorage | MapType::PercpuCgroupStorage => check_cgroup_storage(spec),
        MapType::StackTrace
        | MapType::CgroupArray
        | MapType::Sockmap
        | MapType::Sockhash
        | MapType::ReuseportSockarray
        | MapType::StructOps
        | MapType::InodeStorage
        | MapType::TaskStorage
        | MapType::CgrpStorage
        | MapType::Arena => Err(MapError::new(
            Errno::EOPNOTSUPP,
            format!("type {} is not supported by this engine", spec.map_type.name()),
        )),
    }
}

/// What holds for flags of every type (`bpf_map_flags_access_ok`, `bpf_get_file_flag`).
fn check_access_flags(spec: &MapSpec) -> Result<(), MapError> {
    for (both, text) in [
        (flags::RDONLY | flags::WRONLY, "BPF_F_RDONLY and BPF_F_WRONLY"),
        (flags::RDONLY_PROG | flags::WRONLY_PROG, "BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG"),
    ] {
        if spec.map_flags & both == both {
            return Err(invalid(format!("flags {text} exclude each other")));
        }
    }
    Ok(())
}

/// `array_map_alloc_check`, `array_map_alloc`.
fn check_array(spec: &MapSpec, known: u32) -> Result<(), MapError> {
    exactly("key_size", spec.key_size, 4)?;
    at_least_one("value_size", spec.value_size)?;
    at_least_one("max_entries", spec.max_entries)?;
    known_flags(spec, known)?;
    at_most("value_size", spec.value_size, i32::MAX as u32)
}

/// `fd_array_map_alloc_check`.
fn check_fd_array(spec: &MapSpec, more_flags: u32) -> Result<(), MapError> {
    exactly("value_size", spec.value_size, 4)?;
    check_array(spec, flags::NUMA_NODE | flags::RDONLY | flags::WRONLY | more_flags)
}

/// `htab_map_alloc_check`.
fn check_hash(spec: &MapSpec) -> Result<(), MapError> {
    known_flags(spec, HASH_FLAGS & !flags::NO_COMMON_LRU)?;
    check_hash_sizes(spec)
}

/// `htab_map_alloc_check` of an LRU map.
fn check_lru(spec: &MapSpec) -> Result<(), MapError> {
    known_flags(spec, HASH_FLAGS)?;
    if spec.map_flags & flags::NO_PREALLOC != 0 {
        return Err(MapError::new(Errno::ENOTSUPP, "BPF_F_NO_PREALLOC is not for LRU maps"));
    }
    if spec.map_flags & (flags::NUMA_NODE | flags::NO_COMMON_LRU) == flags::NUMA_NODE | flags::NO_COMMON_LRU {
        return Err(invalid("BPF_F_NUMA_NODE is not for LRU lists a CPU"));
    }
    check_hash_sizes(spec)
}

fn check_hash_sizes(spec: &MapSpec) -> Result<(), MapError> {
    at_least_one("key_size", spec.key_size)?;
    at_least_one("value_size", spec.value_size)?;
    at_least_one("max_entries", spec.max_entries)?;
    let (bytes, limit) =
        (u64::from(spec.key_size) + u64::from(spec.value_size), KMALLOC_MAX_SIZE - HTAB_ELEM_SIZE);
    if bytes >= limit {
        return Err(too_big(format!("key and value are {bytes} bytes, the limit is {limit}")));
    }
    at_most("max_entries", spec.max_entries, MAX_HASH_ENTRIES)
}

fn check_percpu(spec: &MapSpec) -> Result<(), MapError> {
    if spec.map_flags & flags::NUMA_NODE != 0 {
        return Err(invalid("BPF_F_NUMA_NODE is not for per-CPU maps"));
    }
    at_most("value_size of a CPU", spec.value_size, MAX_PERCPU_VALUE)
}

/// `bpf_map_meta_alloc`.
fn check_inner(spec: &MapSpec) -> Result<(), MapError> {
    let Some(inner) = &spec.inner else {
        return Err(invalid("a map of maps needs the shape of its inner maps"));
    };
    check_template(inner)?;
    check(inner).map_err(|why| MapError::new(why.errno, format!("inner map {}: {}", inner.name, why.reason)))
}

/// `trie_alloc`.
fn check_lpm(spec: &MapSpec) -> Result<(), MapError> {
    at_least_one("max_entries", spec.max_entries)?;
    if spec.map_flags & flags::NO_PREALLOC == 0 {
        return Err(invalid("an lpm_trie must be BPF_F_NO_PREALLOC"));
    }
    known_flags(spec, flags::NO_PREALLOC | flags::NUMA_NODE | ACCESS_FLAGS)?;
    if !LPM_KEY.contains(&spec.key_size) {
        return Err(invalid(format!("key_size {}, an lpm_trie's is {LPM_KEY:?}", spec.key_size)));
    }
    at_least_one("value_size", spec.value_size)?;
    let limit = KMALLOC_MAX_SIZE - u64::from(LPM_KEY.end() - 4) - LPM_NODE_SIZE;
    if u64::from(spec.value_size) > limit {
        return Err(invalid(format!("value_size {} exceeds {limit}", spec.value_size)));
    }
    Ok(())
}

/// `queue_stack_map_alloc_check`.
fn check_queue(spec: &MapSpec) -> Result<(), MapError> {
    at_least_one("max_entries", spec.max_entries)?;
    exactly("key_size", spec.key_size, 0)?;
    at_least_one("value_size", spec.value_size)?;
    known_flags(spec, flags::NUMA_NODE | ACCESS_FLAGS)?;
    at_most("value_size", spec.value_size, KMALLOC_MAX_SIZE as u32)
}

/// `bloom_map_alloc_check`, `bloom_map_alloc`.
fn check_bloom(spec: &MapSpec) -> Result<(), MapError> {
    at_most("value_size", spec.value_size, KMALLOC_MAX_SIZE as u32)?;
    exactly("key_size", spec.key_size, 0)?;
    at_least_one("value_size", spec.value_size)?;
    at_least_one("max_entries", spec.max_entries)?;
    known_flags(spec, flags::NUMA_NODE | flags::ZERO_SEED | ACCESS_FLAGS)?;
    if spec.map_extra > BLOOM_HASHES {
        return Err(invalid(format!("{:#x} hash functions, {BLOOM_HASHES} are possible", spec.map_extra)));
    }
    Ok(())
}

/// `ringbuf_map_alloc`.
fn check_ringbuf(spec: &MapSpec) -> Result<(), MapError> {
    known_flags(spec, flags::NUMA_NODE)?;
    exactly("key_size", spec.key_size, 0)?;
    exactly("value_size", spec.value_size, 0)?;
    if !spec.max_entries.is_power_of_two() || !spec.max_entries.is_multiple_of(PAGE_SIZE) {
        let bytes = spec.max_entries;
        return Err(invalid(format!(
            "max_entries {bytes}, a ring is a power of two of pages of {PAGE_SIZE}"
        )));
    }
    Ok(())
}

/// `dev_map_alloc_check`.
fn check_devmap(spec: &MapSpec) -> Result<(), MapError> {
    check_target(spec, &[4, 8], flags::NUMA_NODE | flags::RDONLY | flags::WRONLY)?;
    if spec.map_type == MapType::DevmapHash && spec.max_entries > 1 << 31 {
        return Err(invalid(format!("max_entries {} exceeds {}", spec.max_entries, 1u32 << 31)));
    }
    Ok(())
}

fn check_target(spec: &MapSpec, value_sizes: &[u32], known: u32) -> Result<(), MapError> {
    at_least_one("max_entries", spec.max_entries)?;
    exactly("key_size", spec.key_size, 4)?;
    if !value_sizes.contains(&spec.value_size) {
        return Err(invalid(format!("value_size {}, possible are {value_sizes:?}", spec.value_size)));
    }
    known_flags(spec, known)
}

/// `bpf_local_storage_map_alloc_check`.
fn check_sk_storage(spec: &MapSpec) -> Result<(), MapError> {
    known_flags(spec, flags::NO_PREALLOC | flags::CLONE)?;
    if spec.map_flags & flags::NO_PREALLOC == 0 {
        return Err(invalid("local storage must be BPF_F_NO_PREALLOC"));
    }
    exactly("max_entries", spec.max_entries, 0)?;
    exactly("key_size", spec.key_size, 4)?;
    at_least_one("value_size", spec.value_size)?;
    if spec.btf_key_type_id == 0 || spec.btf_value_type_id == 0 {
        return Err(invalid("local storage needs BTF of key and value"));
    }
    at_most("value_size", spec.value_size, LOCAL_STORAGE_VALUE)
}

/// `cgroup_storage_map_alloc`.
fn check_cgroup_storage(spec: &MapSpec) -> Result<(), MapError> {
    if spec.key_size != 8 && spec.key_size != 16 {
        return Err(invalid(format!("key_size {}, a cgroup storage's is 8 or 16", spec.key_size)));
    }
    at_least_one("value_size", spec.value_size)?;
    let limit =
        if spec.map_type == MapType::PercpuCgroupStorage { MAX_PERCPU_VALUE } else { LOCAL_STORAGE_VALUE };
    at_most("value_size", spec.value_size, limit)?;
    known_flags(spec, flags::NUMA_NODE | ACCESS_FLAGS)?;
    exactly("max_entries", spec.max_entries, 0)
}

fn exactly(name: &str, value: u32, wanted: u32) -> Result<(), MapError> {
    if value == wanted { Ok(()) } else { Err(invalid(format!("{name} {value}, it must be {wanted}"))) }
}

fn at_least_one(name: &str, value: u32) -> Result<(), MapError> {
    if value == 0 { Err(invalid(format!("{name} is 0"))) } else { Ok(()) }
}

fn at_most(name: &str, value: u32, limit: u32) -> Result<(), MapError> {
    if value > limit { Err(too_big(format!("{name} {value} exceeds {limit}"))) } else { Ok(()) }
}

fn known_flags(spec: &MapSpec, known: u32) -> Result<(), MapError> {
    let unknown = spec.map_flags & !known;
    if unknown == 0 {
        return Ok(());
    }
    Err(invalid(format!("map_flags {unknown:#x} are not for type {}", spec.map_type.name())))
}

fn invalid(reason: impl Into<String>) -> MapError {
    MapError::new(Errno::EINVAL, reason)
}

fn too_big(reason: String) -> MapError {
    MapError::new(Errno::E2BIG, reason)
}
