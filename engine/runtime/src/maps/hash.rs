//! `BPF_MAP_TYPE_HASH`.

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;

use super::table::{Key, OnExisting, Table};
use crate::memory::{read_words, write_words};

/// Keys and values in one element.
#[derive(Debug)]
pub(crate) struct Hash {
    table: Table,
    value_size: usize,
}

impl Hash {
    pub(super) fn new(spec: &MapSpec) -> Option<Hash> {
        let value_size = spec.value_size as usize;
        Some(Hash { table: Table::new(spec, value_size.div_ceil(8))?, value_size })
    }

    /// The address of a key's value.
    #[inline]
    pub(crate) fn lookup<K: Key>(&self, key: K) -> Option<u64> {
        self.table.find(key).map(|slot| self.table.value_addr(slot))
    }

    /// A new element takes the place of one there is: who looked the old value up keeps it.
    pub(super) fn update<K: Key>(&self, key: K, value: &[u8], flags: u64) -> Result<(), Errno> {
        self.table.upsert(key, flags, OnExisting::Swap, |slot, _| {
            write_words(&self.table.value(slot)[..self.value_size.div_ceil(8)], value);
        })
    }

    pub(super) fn delete<K: Key>(&self, key: K) -> Result<(), Errno> {
        self.table.remove(key, |_| ())
    }

    pub(super) fn take(&self, key: &[u8], value: &mut [u8]) -> Result<(), Errno> {
        self.table.remove(key, |slot| read_words(self.table.value(slot), value))
    }

    pub(super) fn read(&self, key: &[u8], value: &mut [u8]) -> bool {
        self.table.inspect(key, |slot| read_words(self.table.value(slot), value))
    }

    pub(super) fn next_key(&self, key: Option<&[u8]>) -> Option<Vec<u8>> {
        self.table.next_key(key)
    }

    pub(super) fn for_each(&self, mut show: impl FnMut(&[u8], &[u8])) {
        let mut value = vec![0; self.value_size];
        self.table.for_each(|key, slot| {
            read_words(self.table.value(slot), &mut value);
            show(key, &value);
        });
    }

    pub(super) fn len(&self) -> u32 {
        self.table.len()
    }

    /// Address and bytes of what values lie in.
    pub(super) fn extent(&self) -> (u64, u64) {
        self.table.extent()
    }

    /// How many bytes from this address on belong to the same value.
    pub(super) fn room_at(&self, addr: u64) -> Option<u64> {
        (self.value_size as u64).checked_sub(self.table.value_offset(addr)?)
    }
}
