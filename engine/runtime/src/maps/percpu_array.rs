//! `BPF_MAP_TYPE_PERCPU_ARRAY`: an array a CPU, each in cache lines of its own.
//!
//! ```text
//!   CPU 0: value 0 · value 1 · … · padding to a line │ CPU 1: value 0 · …
//! ```

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;
use bpfreplay_uapi::map::update_flags;

use super::array::check_update;
use super::fields::Fields;
use super::ops::{Ops, index, next_index};
use super::value::ValueCopy;
use crate::memory::Words;
use crate::objects::Objects;

/// Words of a cache line.
const LINE: usize = 8;

/// An array a CPU.
#[derive(Debug)]
pub(crate) struct PercpuArray {
    values: Words,
    max_entries: u32,
    value_size: u32,
    cpus: u32,
    copy: ValueCopy,
    fields: Option<Fields>,
    /// Words from one value to the next of the same CPU.
    stride: usize,
    /// Words from one CPU's values to the next CPU's.
    cpu_stride: usize,
}

impl PercpuArray {
    pub(super) fn new(spec: &MapSpec, cpus: u32, objects: &Arc<Objects>) -> Option<PercpuArray> {
        let stride = (spec.value_size as usize).div_ceil(8);
        let cpu_stride = stride.checked_mul(spec.max_entries as usize)?.checked_next_multiple_of(LINE)?;
        Some(PercpuArray {
            values: Words::zeroed(cpu_stride.checked_mul(cpus as usize)?)?,
            max_entries: spec.max_entries,
            value_size: spec.value_size,
            cpus,
            copy: ValueCopy::new(spec),
            fields: Fields::of(spec, objects),
            stride,
            cpu_stride,
        })
    }

    /// The address of a CPU's value.
    #[inline]
    pub(super) fn at(&self, index: u32, cpu: u32) -> Option<u64> {
        let addr = self.values.addr() + u64::from(cpu) * self.cpu_stride_bytes();
        (index < self.max_entries && cpu < self.cpus).then(|| addr + u64::from(index) * self.stride_bytes())
    }

    /// The address of CPU 0's value 0.
    pub(super) fn addr(&self) -> u64 {
        self.values.addr()
    }

    /// Bytes from one value to the next of the same CPU.
    pub(super) fn stride_bytes(&self) -> u64 {
        self.stride as u64 * 8
    }

    /// Bytes from one CPU's values to the next CPU's.
    pub(super) fn cpu_stride_bytes(&self) -> u64 {
        self.cpu_stride as u64 * 8
    }

    /// What the value owned is lost.
    fn put(&self, index: u32, cpu: u32, value: &[u8]) {
        let words = self.words(index, cpu);
        self.copy.overwrite(words, value, 0);
        if let Some(fields) = &self.fields {
            fields.free(cpu as usize, words);
        }
    }

    fn words(&self, index: u32, cpu: u32) -> &[AtomicU64] {
        &self.values[cpu as usize * self.cpu_stride + index as usize * self.stride..][..self.stride]
    }
}

impl Ops for PercpuArray {
    /// All CPUs' values, each rounded up to 8 bytes.
    fn lookup(&self, key: &[u8], values: &mut [u8], _: u64) -> Result<(), Errno> {
        let index = index(key).filter(|index| *index < self.max_entries).ok_or(Errno::ENOENT)?;
        for (cpu, value) in (0..self.cpus).zip(values.chunks_mut(self.stride * 8)) {
            self.copy.read(self.words(index, cpu), &mut value[..self.value_size as usize], 0);
        }
        Ok(())
    }

    /// One value a CPU, each rounded up to 8 bytes.
    fn update(&self, key: &[u8], values: &[u8], flags: u64) -> Result<(), Errno> {
        let index = index(key).ok_or(Errno::EINVAL)?;
        check_update(index, self.max_entries, flags)?;
        no_lock(flags)?;
        for (cpu, value) in (0..self.cpus).zip(values.chunks(self.stride * 8)) {
            self.put(index, cpu, &value[..self.value_size as usize]);
        }
        Ok(())
    }

    fn delete(&self, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        next_index(key, self.max_entries)
    }

    fn entries(&self) -> u32 {
        self.max_entries
    }

    fn value_address(&self, key: &[u8], cpu: u32) -> Option<u64> {
        self.at(index(key)?, cpu)
    }

    /// Its own CPU's value.
    fn program_update(&self, key: &[u8], cpu: u32, value: &[u8], flags: u64) -> Result<(), Errno> {
        let index = index(key).ok_or(Errno::EINVAL)?;
        check_update(index, self.max_entries, flags)?;
        no_lock(flags)?;
        self.put(index, cpu, value);
        Ok(())
    }

    fn extent(&self) -> Option<(u64, u64)> {
        Some((self.values.addr(), self.values.bytes()))
    }

    fn free_fields(&self) {
        if let Some(fields) = self.fields.as_ref().filter(|fields| fields.may_own()) {
            for cpu in 0..self.cpus {
                (0..self.max_entries).for_each(|index| fields.free(0, self.words(index, cpu)));
            }
        }
    }

    fn room_at(&self, addr: u64) -> Option<u64> {
        let off = addr.checked_sub(self.values.addr()).filter(|off| *off < self.values.bytes())?;
        let off = off % self.cpu_stride_bytes();
        if off >= u64::from(self.max_entries) * self.stride_bytes() {
            return None;
        }
        u64::from(self.value_size).checked_sub(off % self.stride_bytes())
    }
}

/// Per-CPU values have no locks: nobody else writes them.
fn no_lock(flags: u64) -> Result<(), Errno> {
    if flags & update_flags::F_LOCK != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}
