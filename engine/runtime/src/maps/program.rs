//! What helpers do with a map, as programs call them.

use bpfreplay_uapi::Errno;

use super::ops::index;
use super::perf_event_array::PerfEventArray;
use super::ringbuf::Ringbuf;
use super::table::{Key, with_key};
use super::user_ringbuf::UserRingbuf;
use super::{Map, Storage};

impl Map {
    /// `bpf_map_lookup_elem` for a program on `cpu`: the address of a value; of a map of maps that of the inner map.
    #[inline]
    pub(crate) fn program_lookup(&self, key: &[u8], cpu: u32) -> Option<u64> {
        match &self.storage {
            Storage::Array(array) => array.at(index(key)?),
            Storage::PercpuArray(array) => array.at(index(key)?, cpu),
            Storage::Hash(hash) => with_key(key, |one| hash.at(one), |two| hash.at(two), |any| hash.at(any)),
            other => other.ops().value_address(key, cpu),
        }
    }

    /// [`Map::program_lookup`] in a hash map whose key is these words.
    #[inline]
    pub(crate) fn program_lookup_hash<K: Key>(&self, key: K) -> Option<u64> {
        match &self.storage {
            Storage::Hash(hash) => hash.at(key),
            Storage::LruHash(hash) => hash.at_and_touch(key),
            _ => None,
        }
    }

    /// `bpf_map_lookup_percpu_elem`: the value of another CPU.
    pub(crate) fn program_lookup_percpu(&self, key: &[u8], cpu: u32) -> Option<u64> {
        if self.is_per_cpu() && cpu < self.cpus { self.program_lookup(key, cpu) } else { None }
    }

    /// `bpf_map_update_elem`: sets a value; of a per-CPU map `cpu`'s.
    pub(crate) fn program_update(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        if self.is_per_cpu() && cpu >= self.cpus {
            return Err(Errno::E2BIG);
        }
        self.storage.ops().program_update(key, cpu, value, flags)
    }

    /// `bpf_map_delete_elem`: takes a key out; of an array nothing can be taken.
    pub(crate) fn program_delete(&self, key: &[u8]) -> Result<(), Errno> {
        self.storage.ops().delete(key)
    }

    /// `bpf_map_push_elem`.
    pub(crate) fn program_push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        self.storage.ops().push(value, flags)
    }

    /// `bpf_map_pop_elem`.
    pub(crate) fn program_pop(&self, value: &mut [u8]) -> Result<(), Errno> {
        self.storage.ops().pop(value)
    }

    /// `bpf_map_peek_elem`; of a bloom filter, whether `value` may have been pushed.
    pub(crate) fn program_peek(&self, value: &mut [u8]) -> Result<(), Errno> {
        self.storage.ops().peek(value)
    }

    /// The device or CPU that `bpf_redirect_map` finds by this index.
    pub(crate) fn redirect_target(&self, index: u32) -> Option<u32> {
        match &self.storage {
            Storage::Targets(targets) => targets.target(index),
            Storage::DevmapHash(devmap) => devmap.target(index),
            _ => None,
        }
    }

    /// `bpf_get_local_storage`.
    pub(crate) fn program_local_storage(&self, cpu: u32) -> Option<u64> {
        match &self.storage {
            Storage::LocalStorage(storage) => storage.current(cpu),
            _ => None,
        }
    }

    /// The ring buffer, where it is one.
    pub(crate) fn ringbuf(&self) -> Option<&Ringbuf> {
        match &self.storage {
            Storage::Ringbuf(ringbuf) => Some(ringbuf),
            _ => None,
        }
    }

    /// The user ring buffer, where it is one.
    pub(crate) fn user_ringbuf(&self) -> Option<&UserRingbuf> {
        match &self.storage {
            Storage::UserRingbuf(ringbuf) => Some(ringbuf),
            _ => None,
        }
    }

    /// The perf event array, where it is one.
    pub(crate) fn perf_event_array(&self) -> Option<&PerfEventArray> {
        match &self.storage {
            Storage::PerfEventArray(array) => Some(array),
            _ => None,
        }
    }
}
