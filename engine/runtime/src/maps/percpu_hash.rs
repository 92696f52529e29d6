//! `BPF_MAP_TYPE_PERCPU_HASH` and `BPF_MAP_TYPE_LRU_PERCPU_HASH`: one table of keys, values beside it, a block a CPU.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;

use super::fields::Fields;
use super::iterate::Element;
use super::ops::Ops;
use super::table::{Key, OnExisting, Table, with_key};
use super::value::ValueCopy;
use crate::memory::Words;
use crate::objects::Objects;

/// Words of a cache line.
const LINE: usize = 8;

#[derive(Debug)]
pub(crate) struct PercpuHash {
    table: Table,
    values: Words,
    value_size: usize,
    cpus: u32,
    copy: ValueCopy,
    fields: Option<Fields>,
    /// Words from one element's value to the next of the same CPU.
    stride: usize,
    /// Words from one CPU's values to the next CPU's.
    cpu_stride: usize,
}

impl PercpuHash {
    pub(super) fn new(spec: &MapSpec, cpus: u32, objects: &Arc<Objects>) -> Option<PercpuHash> {
        let value_size = spec.value_size as usize;
        let stride = value_size.div_ceil(8);
        let cpu_stride = stride.checked_mul(Table::slots(spec) as usize)?.checked_next_multiple_of(LINE)?;
        Some(PercpuHash {
            table: Table::new(spec, 0, None)?,
            values: Words::zeroed(cpu_stride.checked_mul(cpus as usize)?)?,
            value_size,
            cpus,
            copy: ValueCopy::new(spec),
            fields: Fields::of(spec, objects),
            stride,
            cpu_stride,
        })
    }

    pub(super) fn for_each(&self, mut show: impl FnMut(&[u8], &[u8])) {
        let mut values = vec![0; self.stride * 8 * self.cpus as usize];
        self.table.for_each(|key, slot| {
            self.read_slot(slot, &mut values);
            show(key, &values);
        });
    }

    /// Shows every element, with the CPU's value, to a program's callback, which may change the map.
    pub(super) fn walk<B>(
        &self,
        cpu: u32,
        mut visit: impl FnMut(Element) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if cpu >= self.cpus {
            return ControlFlow::Continue(());
        }
        self.table.walk(|key, slot| {
            let word = cpu as usize * self.cpu_stride + slot as usize * self.stride;
            visit(Element { key, value: self.values.addr() + word as u64 * 8 })
        })
    }

    /// The address of a CPU's value of a key.
    #[inline]
    fn at<K: Key>(&self, key: K, cpu: u32) -> Option<u64> {
        if cpu >= self.cpus {
            return None;
        }
        let slot = self.table.find(key)?;
        self.table.touch(slot);
        let word = cpu as usize * self.cpu_stride + slot as usize * self.stride;
        Some(self.values.addr() + word as u64 * 8)
    }

    /// A program's update: its own CPU's value, in place; a new key's values of other CPUs are 0
    /// (`pcpu_init_value`).
    fn put<K: Key>(&self, key: K, cpu: u32, value: &[u8], flags: u64) -> Result<(), Errno> {
        self.table.upsert(key, flags, OnExisting::Keep, |slot, new| {
            if new {
                for other in 0..self.cpus {
                    self.free_value(slot, other);
                    self.words(slot, other).iter().for_each(|word| word.store(0, Ordering::Relaxed));
                }
            }
            self.put_value(slot, cpu, value);
        })
    }

    fn read_slot(&self, slot: u32, values: &mut [u8]) {
        for (cpu, value) in (0..self.cpus).zip(values.chunks_mut(self.stride * 8)) {
            self.copy.read(self.words(slot, cpu), &mut value[..self.value_size], 0);
        }
    }

    /// What the value owned is lost.
    fn put_value(&self, slot: u32, cpu: u32, value: &[u8]) {
        self.copy.overwrite(self.words(slot, cpu), value, 0);
        self.free_value(slot, cpu);
    }

    fn free_slot(&self, slot: u32) {
        (0..self.cpus).for_each(|cpu| self.free_value(slot, cpu));
    }

    fn free_value(&self, slot: u32, cpu: u32) {
        if let Some(fields) = &self.fields {
            fields.free(cpu as usize, self.words(slot, cpu));
        }
    }

    fn words(&self, slot: u32, cpu: u32) -> &[AtomicU64] {
        &self.values[cpu as usize * self.cpu_stride + slot as usize * self.stride..][..self.stride]
    }
}

impl Ops for PercpuHash {
    /// All CPUs' values, each rounded up to 8 bytes.
    fn lookup(&self, key: &[u8], values: &mut [u8], _: u64) -> Result<(), Errno> {
        self.table.inspect(key, |slot| self.read_slot(slot, values))
    }

    /// One value a CPU, each rounded up to 8 bytes.
    fn update(&self, key: &[u8], values: &[u8], flags: u64) -> Result<(), Errno> {
        self.table.upsert(key, flags, OnExisting::Keep, |slot, _| {
            for (cpu, value) in (0..self.cpus).zip(values.chunks(self.stride * 8)) {
                self.put_value(slot, cpu, &value[..self.value_size]);
            }
        })
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        self.table.remove(key, |slot| self.free_slot(slot))
    }

    fn take(&self, key: &[u8], values: &mut [u8]) -> Result<(), Errno> {
        self.table.remove(key, |slot| {
            self.read_slot(slot, values);
            self.free_slot(slot);
        })
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        self.table.next_key(key)
    }

    fn entries(&self) -> u32 {
        self.table.len()
    }

    fn value_address(&self, key: &[u8], cpu: u32) -> Option<u64> {
        with_key(key, |one| self.at(one, cpu), |two| self.at(two, cpu), |any| self.at(any, cpu))
    }

    fn program_update(&self, key: &[u8], cpu: u32, value: &[u8], flags: u64) -> Result<(), Errno> {
        with_key(
            key,
            |one| self.put(one, cpu, value, flags),
            |two| self.put(two, cpu, value, flags),
            |any| self.put(any, cpu, value, flags),
        )
    }

    fn extent(&self) -> Option<(u64, u64)> {
        Some((self.values.addr(), self.values.bytes()))
    }

    fn free_fields(&self) {
        if self.fields.as_ref().is_some_and(Fields::may_own) {
            self.table.slots_used().for_each(|slot| self.free_slot(slot));
        }
    }

    fn room_at(&self, addr: u64) -> Option<u64> {
        let off = addr.checked_sub(self.values.addr()).filter(|off| *off < self.values.bytes())?;
        (self.value_size as u64).checked_sub(off % (self.cpu_stride as u64 * 8) % (self.stride as u64 * 8))
    }
}
