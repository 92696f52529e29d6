//! `BPF_MAP_TYPE_HASH` and `BPF_MAP_TYPE_LRU_HASH`: keys and values in one element.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;
use bpfreplay_uapi::map::update_flags;

use super::fields::Fields;
use super::iterate::Element;
use super::ops::Ops;
use super::table::{Key, OnExisting, Table, with_key};
use super::timers::Timers;
use super::value::ValueCopy;
use crate::objects::Objects;

/// Keys and values in one element.
#[derive(Debug)]
pub(crate) struct Hash {
    table: Table,
    value_size: usize,
    copy: ValueCopy,
}

impl Hash {
    pub(super) fn new(spec: &MapSpec, objects: &Arc<Objects>) -> Option<Hash> {
        let value_size = spec.value_size as usize;
        Some(Hash {
            table: Table::new(spec, value_size.div_ceil(8), Fields::of(spec, objects))?,
            value_size,
            copy: ValueCopy::new(spec),
        })
    }

    /// The address of a key's value.
    #[inline]
    pub(super) fn at<K: Key>(&self, key: K) -> Option<u64> {
        self.table.find(key).map(|slot| self.table.value_addr(slot))
    }

    /// [`Hash::at`] in an LRU map: what a program looks up stays.
    #[inline]
    pub(super) fn at_and_touch<K: Key>(&self, key: K) -> Option<u64> {
        let slot = self.table.find(key)?;
        self.table.touch(slot);
        Some(self.table.value_addr(slot))
    }

    /// The first word of a key's value, where that is all of it.
    pub(super) fn word(&self, key: &[u8]) -> Option<u64> {
        let slot = self.table.find(key)?;
        Some(self.table.value(slot).first()?.load(Ordering::Acquire))
    }

    pub(super) fn for_each(&self, mut show: impl FnMut(&[u8], &[u8])) {
        let mut value = vec![0; self.value_size];
        self.table.for_each(|key, slot| {
            self.copy.read(self.table.value(slot), &mut value, 0);
            show(key, &value);
        });
    }

    /// Shows every element to a program's callback, which may change the map.
    pub(super) fn walk<B>(&self, mut visit: impl FnMut(Element) -> ControlFlow<B>) -> ControlFlow<B> {
        self.table.walk(|key, slot| visit(Element { key, value: self.table.value_addr(slot) }))
    }

    pub(super) fn timers(&self) -> Option<&Timers> {
        self.table.timers()
    }

    /// The addresses of an element there is room for.
    pub(super) fn element(&self, slot: u32) -> Element {
        Element { key: self.table.key_addr(slot), value: self.table.value_addr(slot) }
    }

    /// A new element takes the place of one there is: who looked the old value up keeps it. Under a lock the value is
    /// changed in place (`htab_map_update_elem`).
    fn put<K: Key>(&self, key: K, value: &[u8], flags: u64) -> Result<(), Errno> {
        self.copy.check_lock(flags)?;
        let locked = flags & update_flags::F_LOCK != 0;
        let existing = if locked { OnExisting::Keep } else { OnExisting::Swap };
        self.table.upsert(key, flags & !update_flags::F_LOCK, existing, |slot, new| {
            let words = &self.table.value(slot)[..self.value_size.div_ceil(8)];
            if new {
                self.copy.fill(words, value);
            } else {
                self.copy.overwrite(words, value, flags);
            }
        })
    }
}

impl Ops for Hash {
    fn lookup(&self, key: &[u8], value: &mut [u8], flags: u64) -> Result<(), Errno> {
        self.table.inspect(key, |slot| self.copy.read(self.table.value(slot), value, flags))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        with_key(
            key,
            |one| self.put(one, value, flags),
            |two| self.put(two, value, flags),
            |any| self.put(any, value, flags),
        )
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        self.table.remove(key, |_| ())
    }

    fn take(&self, key: &[u8], value: &mut [u8]) -> Result<(), Errno> {
        self.table.remove(key, |slot| self.copy.read(self.table.value(slot), value, 0))
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        self.table.next_key(key)
    }

    fn entries(&self) -> u32 {
        self.table.len()
    }

    fn value_address(&self, key: &[u8], _: u32) -> Option<u64> {
        with_key(
            key,
            |one| self.at_and_touch(one),
            |two| self.at_and_touch(two),
            |any| self.at_and_touch(any),
        )
    }

    fn extent(&self) -> Option<(u64, u64)> {
        Some(self.table.extent())
    }

    fn element_at(&self, addr: u64) -> Option<u32> {
        self.table.slot_at(addr)
    }

    fn element_words(&self, element: u32) -> Option<&[AtomicU64]> {
        self.table.has_slot(element).then(|| self.table.value(element))
    }

    fn free_fields(&self) {
        self.table.free_fields();
    }

    fn room_at(&self, addr: u64) -> Option<u64> {
        (self.value_size as u64).checked_sub(self.table.value_offset(addr)?)
    }
}
