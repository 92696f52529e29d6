//! Map types (`enum bpf_map_type`) and the flags of creation and update.

macro_rules! map_types {
    ($($(#[$doc:meta])* $name:ident $id:literal $text:literal;)*) => {
        /// A map type; the number is the UAPI's, the text is bpftool's.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u32)]
        #[expect(missing_docs, reason = "the kernel's names")]
        pub enum MapType { $($(#[$doc])* $name = $id,)* }

        impl MapType {
            /// Every type known here.
            pub const ALL: &[MapType] = &[$(MapType::$name),*];

            /// The name bpftool prints, such as `percpu_array`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(MapType::$name => $text,)* }
            }

            /// The type with this UAPI number.
            #[must_use]
            pub const fn from_id(id: u32) -> Option<MapType> {
                match id { $($id => Some(MapType::$name),)* _ => None }
            }
        }
    };
}
map_types! {
    Hash 1 "hash";
    Array 2 "array";
    ProgArray 3 "prog_array";
    PerfEventArray 4 "perf_event_array";
    PercpuHash 5 "percpu_hash";
    PercpuArray 6 "percpu_array";
    StackTrace 7 "stack_trace";
    CgroupArray 8 "cgroup_array";
    LruHash 9 "lru_hash";
    LruPercpuHash 10 "lru_percpu_hash";
    LpmTrie 11 "lpm_trie";
    ArrayOfMaps 12 "array_of_maps";
    HashOfMaps 13 "hash_of_maps";
    Devmap 14 "devmap";
    Sockmap 15 "sockmap";
    Cpumap 16 "cpumap";
    Xskmap 17 "xskmap";
    Sockhash 18 "sockhash";
    CgroupStorage 19 "cgroup_storage";
    ReuseportSockarray 20 "reuseport_sockarray";
    PercpuCgroupStorage 21 "percpu_cgroup_storage";
    Queue 22 "queue";
    Stack 23 "stack";
    SkStorage 24 "sk_storage";
    DevmapHash 25 "devmap_hash";
    StructOps 26 "struct_ops";
    Ringbuf 27 "ringbuf";
    InodeStorage 28 "inode_storage";
    TaskStorage 29 "task_storage";
    BloomFilter 30 "bloom_filter";
    UserRingbuf 31 "user_ringbuf";
    CgrpStorage 32 "cgrp_storage";
    Arena 33 "arena";
}

impl MapType {
    /// The id in `union bpf_attr`.
    #[must_use]
    pub const fn id(self) -> u32 {
        self as u32
    }
}

/// Creation flags (`BPF_F_*`, `map_flags`).
pub mod create_flags {
    #![expect(missing_docs, reason = "the kernel's names")]
    pub const NO_PREALLOC: u32 = 0x1;
    pub const NO_COMMON_LRU: u32 = 0x2;
    pub const NUMA_NODE: u32 = 0x4;
    pub const RDONLY: u32 = 0x8;
    pub const WRONLY: u32 = 0x10;
    pub const STACK_BUILD_ID: u32 = 0x20;
    pub const ZERO_SEED: u32 = 0x40;
    pub const RDONLY_PROG: u32 = 0x80;
    pub const WRONLY_PROG: u32 = 0x100;
    pub const CLONE: u32 = 0x200;
    pub const MMAPABLE: u32 = 0x400;
    pub const PRESERVE_ELEMS: u32 = 0x800;
    pub const INNER_MAP: u32 = 0x1000;
}

/// Flags of `bpf_timer_start` (`BPF_F_TIMER_*`).
pub mod timer_flags {
    /// The time is one of the clock, not one from now on.
    pub const ABS: u64 = 1;
    /// On the CPU that starts it.
    pub const CPU_PIN: u64 = 2;
}

/// Flags of update (`BPF_ANY` and so on).
pub mod update_flags {
    /// Create or replace.
    pub const ANY: u64 = 0;
    /// Create only.
    pub const NOEXIST: u64 = 1;
    /// Replace only.
    pub const EXIST: u64 = 2;
    /// Under the element's spin lock.
    pub const F_LOCK: u64 = 4;
}
