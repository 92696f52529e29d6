//! `BPF_MAP_TYPE_ARRAY`: values side by side. Also what `.data`, `.bss` and `.rodata` are.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;
use bpfreplay_uapi::map::update_flags;

use super::fields::Fields;
use super::ops::{Ops, index, next_index};
use super::timers::Timers;
use super::value::ValueCopy;
use crate::memory::Words;
use crate::objects::Objects;

/// Values side by side, each from an 8-byte boundary.
#[derive(Debug)]
pub(crate) struct Array {
    values: Words,
    max_entries: u32,
    value_size: u32,
    copy: ValueCopy,
    timers: Option<Timers>,
    fields: Option<Fields>,
    /// Words from one value to the next.
    stride: usize,
}

impl Array {
    pub(super) fn new(spec: &MapSpec, objects: &Arc<Objects>) -> Option<Array> {
        let stride = (spec.value_size as usize).div_ceil(8);
        let words = stride.checked_mul(spec.max_entries as usize)?;
        Some(Array {
            values: Words::zeroed(words)?,
            max_entries: spec.max_entries,
            value_size: spec.value_size,
            copy: ValueCopy::new(spec),
            timers: if Timers::are_in(spec) {
                Some(Timers::new(spec, spec.max_entries as usize)?)
            } else {
                None
            },
            fields: Fields::of(spec, objects),
            stride,
        })
    }

    /// The address of a value.
    #[inline]
    pub(super) fn at(&self, index: u32) -> Option<u64> {
        (index < self.max_entries).then(|| self.values.addr() + u64::from(index) * self.stride_bytes())
    }

    /// The address of value 0.
    pub(super) fn addr(&self) -> u64 {
        self.values.addr()
    }

    /// Bytes from one value to the next.
    pub(super) fn stride_bytes(&self) -> u64 {
        self.stride as u64 * 8
    }

    pub(super) fn timers(&self) -> Option<&Timers> {
        self.timers.as_ref()
    }

    fn words(&self, index: u32) -> &[AtomicU64] {
        &self.values[index as usize * self.stride..][..self.stride]
    }
}

impl Ops for Array {
    fn lookup(&self, key: &[u8], value: &mut [u8], flags: u64) -> Result<(), Errno> {
        let index = index(key).filter(|index| *index < self.max_entries).ok_or(Errno::ENOENT)?;
        self.copy.read(self.words(index), value, flags);
        Ok(())
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let index = index(key).ok_or(Errno::EINVAL)?;
        check_update(index, self.max_entries, flags)?;
        self.copy.check_lock(flags)?;
        self.copy.overwrite(self.words(index), value, flags);
        if let Some(timers) = &self.timers {
            timers.free(index, self.words(index));
        }
        if let Some(fields) = &self.fields {
            fields.free(index as usize, self.words(index));
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

    fn value_address(&self, key: &[u8], _: u32) -> Option<u64> {
        self.at(index(key)?)
    }

    fn extent(&self) -> Option<(u64, u64)> {
        Some((self.values.addr(), self.values.bytes()))
    }

    fn element_at(&self, addr: u64) -> Option<u32> {
        let off = addr.checked_sub(self.values.addr()).filter(|off| *off < self.values.bytes())?;
        u32::try_from(off / self.stride_bytes()).ok()
    }

    fn element_words(&self, element: u32) -> Option<&[AtomicU64]> {
        (element < self.max_entries).then(|| self.words(element))
    }

    fn free_fields(&self) {
        if let Some(fields) = self.fields.as_ref().filter(|fields| fields.may_own()) {
            (0..self.max_entries).for_each(|index| fields.free(0, self.words(index)));
        }
    }

    fn room_at(&self, addr: u64) -> Option<u64> {
        let off = addr.checked_sub(self.values.addr()).filter(|off| *off < self.values.bytes())?;
        u64::from(self.value_size).checked_sub(off % self.stride_bytes())
    }
}

/// `array_map_update_elem`, in its order.
pub(super) fn check_update(index: u32, max_entries: u32, flags: u64) -> Result<(), Errno> {
    if flags & !update_flags::F_LOCK > update_flags::EXIST {
        return Err(Errno::EINVAL);
    }
    if index >= max_entries {
        return Err(Errno::E2BIG);
    }
    if flags & update_flags::NOEXIST != 0 {
        return Err(Errno::EEXIST);
    }
    Ok(())
}
