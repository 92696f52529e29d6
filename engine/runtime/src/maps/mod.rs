//! Maps: values at addresses that stay where they are, one file a kind.
//!
//! ```text
//!               user.rs                      program.rs
//!   user space ──────▶ Map ◀─────────────── helpers (errors as negative numbers, values as addresses)
//!   (MapError)          │
//!                  ops: what a kind can do (`struct bpf_map_ops`)
//!      ┌──────────────┬─┴──────────┬───────────────┬────────────────┬───────────────┐
//!   array          hash            lpm_trie     queue_stack      ringbuf         map_in_map
//!   percpu_array   percpu_hash     ring of      bloom_filter     user_ringbuf    prog_array
//!   local_storage   └─ table ─┘    FreeList                     perf_event_     redirect
//!                    └ clock (LRU)                               array
//!                                                                └─ ring ─┘
//! ```
//!
//! A lookup's result is an address into memory that lives as long as the map: what a program does with it needs no
//! further check. An element that left a hash map or a trie waits for the batches that may have its address before it
//! is used again; the kernel's preallocated maps, which use it again at once, promise less. An LRU map evicts when it
//! is full and not before (see `clock.rs`).
//!
//! Deliberately not here: sockmaps, storage of inodes, tasks and cgroups, arenas, stack traces,
//! `struct_ops`. Creating one is refused by name.

mod array;
mod bloom_filter;
mod check;
mod clock;
mod create;
mod error;
mod fields;
mod hash;
mod iterate;
mod layout;
mod local_storage;
mod lpm_trie;
mod map_in_map;
mod ops;
mod percpu_array;
mod percpu_hash;
mod perf_event_array;
mod prog_array;
mod program;
mod queue_stack;
mod redirect;
mod registry;
mod ring;
mod ringbuf;
mod table;
mod timers;
mod user;
mod user_ringbuf;
mod value;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::map::create_flags;
use bpfreplay_uapi::{Errno, MapType};

pub use create::MAX_CPUS;
pub use error::MapError;
pub use iterate::Element;
pub use layout::ArrayLayout;
pub(crate) use perf_event_array::Sample;
pub use prog_array::{Owner, ProgArray};
pub(crate) use registry::readable;
pub(crate) use ring::{Commit, committed};
pub(crate) use timers::Callback;
pub use user::UserHandle;
pub use user_ringbuf::UserSample;

use array::Array;
use bloom_filter::BloomFilter;
use hash::Hash;
use local_storage::LocalStorage;
use lpm_trie::LpmTrie;
use map_in_map::MapOfMaps;
use ops::Ops;
use percpu_array::PercpuArray;
use percpu_hash::PercpuHash;
use perf_event_array::PerfEventArray;
use queue_stack::QueueStack;
use redirect::{DevmapHash, Targets};
use ringbuf::Ringbuf;
use user_ringbuf::UserRingbuf;

/// A map.
///
/// A program's map register holds the address of this struct ([`Map::address`]).
#[derive(Debug)]
pub struct Map {
    id: u32,
    spec: MapSpec,
    cpus: u32,
    user: Arc<UserSide>,
    handles: AtomicU32,
    storage: Storage,
    /// For what refers to it from outside: queues of timers.
    me: Weak<Map>,
}

/// What a map keeps, by kind.
#[derive(Debug)]
pub(crate) enum Storage {
    Array(Array),
    PercpuArray(PercpuArray),
    Hash(Hash),
    LruHash(Hash),
    PercpuHash(PercpuHash),
    LpmTrie(LpmTrie),
    QueueStack(QueueStack),
    BloomFilter(BloomFilter),
    Ringbuf(Ringbuf),
    UserRingbuf(UserRingbuf),
    PerfEventArray(PerfEventArray),
    ProgArray(ProgArray),
    MapOfMaps(MapOfMaps),
    Targets(Targets),
    DevmapHash(DevmapHash),
    LocalStorage(LocalStorage),
}

impl Storage {
    /// What this kind can do.
    fn ops(&self) -> &dyn Ops {
        match self {
            Storage::Array(array) => array,
            Storage::PercpuArray(array) => array,
            Storage::Hash(hash) | Storage::LruHash(hash) => hash,
            Storage::PercpuHash(hash) => hash,
            Storage::LpmTrie(trie) => trie,
            Storage::QueueStack(queue) => queue,
            Storage::BloomFilter(bloom) => bloom,
            Storage::Ringbuf(ringbuf) => ringbuf,
            Storage::UserRingbuf(ringbuf) => ringbuf,
            Storage::PerfEventArray(array) => array,
            Storage::ProgArray(array) => array,
            Storage::MapOfMaps(maps) => maps,
            Storage::Targets(targets) => targets,
            Storage::DevmapHash(devmap) => devmap,
            Storage::LocalStorage(storage) => storage,
        }
    }
}

/// What user space may do with a map.
#[derive(Debug)]
pub(crate) struct UserSide {
    flags: u32,
    frozen: AtomicBool,
}

/// What programs may do with a map's values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgramAccess {
    /// Read and write.
    ReadWrite,
    /// Only read (`BPF_F_RDONLY_PROG`).
    ReadOnly,
    /// Only write (`BPF_F_WRONLY_PROG`).
    WriteOnly,
}

impl Map {
    /// Unique in this process, from 1.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What it was made from.
    #[must_use]
    pub fn spec(&self) -> &MapSpec {
        &self.spec
    }

    /// How many CPUs its per-CPU values are for.
    #[must_use]
    pub fn cpus(&self) -> u32 {
        self.cpus
    }

    /// What a program's register holds for it.
    #[must_use]
    pub fn address(&self) -> u64 {
        std::ptr::from_ref(self).expose_provenance() as u64
    }

    /// A reference that does not keep it.
    pub(crate) fn weak(&self) -> Weak<Map> {
        Weak::clone(&self.me)
    }

    /// The prog array, where it is one.
    #[must_use]
    pub fn prog_array(&self) -> Option<&ProgArray> {
        match &self.storage {
            Storage::ProgArray(array) => Some(array),
            _ => None,
        }
    }

    /// What programs may do with its values.
    #[must_use]
    pub fn program_access(&self) -> ProgramAccess {
        if self.spec.map_flags & create_flags::RDONLY_PROG != 0 {
            ProgramAccess::ReadOnly
        } else if self.spec.map_flags & create_flags::WRONLY_PROG != 0 {
            ProgramAccess::WriteOnly
        } else {
            ProgramAccess::ReadWrite
        }
    }

    /// Whether its values are maps.
    #[must_use]
    pub fn is_map_of_maps(&self) -> bool {
        matches!(self.storage, Storage::MapOfMaps(_))
    }

    /// Whether values are kept one a CPU.
    #[must_use]
    pub fn is_per_cpu(&self) -> bool {
        matches!(self.spec.map_type, MapType::PercpuArray | MapType::PercpuHash | MapType::LruPercpuHash)
    }
}

impl UserSide {
    /// `FMODE_CAN_READ` (`map_get_sys_perms`).
    fn may_read(&self) -> Result<(), MapError> {
        if self.flags & create_flags::WRONLY != 0 {
            return Err(MapError::new(
                Errno::EPERM,
                "the map was created BPF_F_WRONLY: user space cannot read it",
            ));
        }
        Ok(())
    }

    /// `FMODE_CAN_WRITE`, and not frozen.
    fn may_write(&self) -> Result<(), MapError> {
        if self.flags & create_flags::RDONLY != 0 {
            return Err(MapError::new(
                Errno::EPERM,
                "the map was created BPF_F_RDONLY: user space cannot write it",
            ));
        }
        if self.frozen.load(Ordering::Acquire) {
            return Err(MapError::new(Errno::EPERM, "the map is frozen: user space can no longer write it"));
        }
        Ok(())
    }
}
