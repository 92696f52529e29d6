//! What helpers do with a map: `bpf_map_lookup_elem`, `_update_elem`, `_delete_elem` as programs call them.

use bpfreplay_uapi::Errno;

use super::table::Key;
use super::{Map, Storage};

impl Map {
    /// The address of a value, for a program on `cpu`. `key` is `key_size` bytes.
    #[inline]
    pub(crate) fn program_lookup(&self, key: &[u8], cpu: u32) -> Option<u64> {
        match &self.storage {
            Storage::Array(array) => array.lookup(index(key)?),
            Storage::PercpuArray(array) => array.lookup(index(key)?, cpu),
            Storage::Hash(hash) => {
                with_key(key, |one| hash.lookup(one), |two| hash.lookup(two), |any| hash.lookup(any))
            }
            Storage::PercpuHash(hash) => with_key(
                key,
                |one| hash.lookup(one, cpu),
                |two| hash.lookup(two, cpu),
                |any| hash.lookup(any, cpu),
            ),
            Storage::ProgArray(_) => None,
        }
    }

    /// [`Map::program_lookup`] in a hash map whose key is these words.
    #[inline]
    pub(crate) fn program_lookup_hash<K: Key>(&self, key: K) -> Option<u64> {
        match &self.storage {
            Storage::Hash(hash) => hash.lookup(key),
            Storage::Array(_) | Storage::PercpuArray(_) | Storage::PercpuHash(_) | Storage::ProgArray(_) => {
                None
            }
        }
    }

    /// Sets a value; of a per-CPU map `cpu`'s.
    pub(crate) fn program_update(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        if self.is_per_cpu() && cpu >= self.cpus {
            return Err(Errno::E2BIG);
        }
        match &self.storage {
            Storage::Array(array) => array.update(index(key).ok_or(Errno::EINVAL)?, value, flags),
            Storage::PercpuArray(array) => array.update(index(key).ok_or(Errno::EINVAL)?, cpu, value, flags),
            Storage::Hash(hash) => with_key(
                key,
                |one| hash.update(one, value, flags),
                |two| hash.update(two, value, flags),
                |any| hash.update(any, value, flags),
            ),
            Storage::PercpuHash(hash) => with_key(
                key,
                |one| hash.update(one, cpu, value, flags),
                |two| hash.update(two, cpu, value, flags),
                |any| hash.update(any, cpu, value, flags),
            ),
            Storage::ProgArray(_) => Err(Errno::EINVAL),
        }
    }

    /// Takes a key out; of an array nothing can be taken.
    pub(crate) fn program_delete(&self, key: &[u8]) -> Result<(), Errno> {
        match &self.storage {
            Storage::Array(_) | Storage::PercpuArray(_) | Storage::ProgArray(_) => Err(Errno::EINVAL),
            Storage::Hash(hash) => hash.delete(key),
            Storage::PercpuHash(hash) => hash.delete(key),
        }
    }
}

/// An array's key.
#[inline]
pub(super) fn index(key: &[u8]) -> Option<u32> {
    key.try_into().ok().map(u32::from_le_bytes)
}

/// Calls the function for the key's size: keys of 8 and 16 bytes go in registers.
#[inline]
fn with_key<T>(
    key: &[u8],
    one: impl FnOnce([u64; 1]) -> T,
    two: impl FnOnce([u64; 2]) -> T,
    any: impl FnOnce(&[u8]) -> T,
) -> T {
    if let Ok(key) = <[u8; 4]>::try_from(key) {
        one([u64::from(u32::from_le_bytes(key))])
    } else if let Ok(key) = <[u8; 8]>::try_from(key) {
        one([u64::from_le_bytes(key)])
    } else if let Ok(key) = <[u8; 16]>::try_from(key) {
        let key = u128::from_le_bytes(key);
        two([key as u64, (key >> 64) as u64])
    } else {
        any(key)
    }
}
