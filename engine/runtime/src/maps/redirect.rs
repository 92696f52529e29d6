//! `BPF_MAP_TYPE_DEVMAP`, `DEVMAP_HASH`, `CPUMAP` and `XSKMAP`: where XDP programs send packets
//! (`bpf_redirect_map`).
//!
//! There are no devices, CPUs' queues or sockets here: a redirect is a verdict, and the target is what it names. So any
//! device number may be put into a devmap, and no socket into an xskmap.

use std::sync::atomic::Ordering;

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::map::update_flags;
use bpfreplay_uapi::{Errno, MapType};

use super::hash::Hash;
use super::ops::{Ops, index, next_index};
use crate::memory::{Words, read_words};
use crate::objects::Objects;

/// Frames a CPU's queue holds at the most (`cpu_map_update_elem`).
const QSIZE_MAX: u32 = 16384;

/// Targets by index. A value is 8 bytes: device or queue size, and the id of a program, which there never is.
#[derive(Debug)]
pub(crate) struct Targets {
    values: Words,
    map_type: MapType,
    value_size: usize,
    cpus: u32,
}

/// Devices by any number.
#[derive(Debug)]
pub(crate) struct DevmapHash {
    hash: Hash,
    value_size: usize,
}

impl Targets {
    pub(super) fn new(spec: &MapSpec, cpus: u32) -> Option<Targets> {
        Some(Targets {
            values: Words::zeroed(spec.max_entries as usize)?,
            map_type: spec.map_type,
            value_size: spec.value_size as usize,
            cpus,
        })
    }

    /// The device or CPU a packet for this index goes to.
    pub(super) fn target(&self, index: u32) -> Option<u32> {
        let value = self.values.get(index as usize)?.load(Ordering::Acquire) as u32;
        let target = if self.map_type == MapType::Cpumap { index } else { value };
        (value != 0).then_some(target)
    }

    fn get(&self, key: &[u8]) -> Option<usize> {
        let index = index(key)? as usize;
        (self.values.get(index)?.load(Ordering::Acquire) != 0).then_some(index)
    }
}

impl Ops for Targets {
    fn lookup(&self, key: &[u8], value: &mut [u8], _: u64) -> Result<(), Errno> {
        if self.map_type == MapType::Xskmap {
            return Err(Errno::EOPNOTSUPP);
        }
        let index = self.get(key).ok_or(Errno::ENOENT)?;
        read_words(&self.values[index..=index], value);
        Ok(())
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let (target, program) = split(value);
        let index = index(key).ok_or(Errno::EINVAL)? as usize;
        if flags > update_flags::EXIST {
            return Err(Errno::EINVAL);
        }
        let slot = self.values.get(index).ok_or(Errno::E2BIG)?;
        if self.map_type == MapType::Xskmap {
            return Err(Errno::EBADF);
        }
        if flags == update_flags::NOEXIST {
            return Err(Errno::EEXIST);
        }
        if self.map_type == MapType::Cpumap {
            if target > QSIZE_MAX {
                return Err(Errno::EOVERFLOW);
            }
            if index >= self.cpus as usize {
                return Err(Errno::ENODEV);
            }
        }
        // No program runs on what was redirected: there is none to refer to.
        match (self.map_type, target, program) {
            (_, _, ..=0) | (MapType::Cpumap, 0, _) => {}
            // linux: kernel/bpf/cpumap.c __cpu_map_entry_alloc has no other answer.
            (MapType::Cpumap, _, _) => return Err(Errno::ENOMEM),
            (_, _, _) => return Err(Errno::EINVAL),
        }
        slot.store(u64::from(target), Ordering::Release);
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let slot = index(key).and_then(|index| self.values.get(index as usize)).ok_or(Errno::EINVAL)?;
        slot.store(0, Ordering::Release);
        Ok(())
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        next_index(key, self.values.len() as u32)
    }

    fn entries(&self) -> u32 {
        self.values.iter().filter(|word| word.load(Ordering::Relaxed) != 0).count() as u32
    }

    fn value_address(&self, key: &[u8], _: u32) -> Option<u64> {
        Some(self.values.addr() + self.get(key)? as u64 * 8)
    }

    fn program_update(&self, _: &[u8], _: u32, _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn extent(&self) -> Option<(u64, u64)> {
        Some((self.values.addr(), self.values.bytes()))
    }

    fn room_at(&self, addr: u64) -> Option<u64> {
        let off = addr.checked_sub(self.values.addr()).filter(|off| *off < self.values.bytes())?;
        (self.value_size as u64).checked_sub(off % 8)
    }
}

impl DevmapHash {
    pub(super) fn new(spec: &MapSpec) -> Option<DevmapHash> {
        let hash = Hash::new(&MapSpec { value_size: 8, ..spec.clone() }, &Objects::none())?;
        Some(DevmapHash { hash, value_size: spec.value_size as usize })
    }

    /// The device a packet for this number goes to.
    pub(super) fn target(&self, number: u32) -> Option<u32> {
        self.hash.word(&number.to_le_bytes()).map(|value| value as u32)
    }
}

impl Ops for DevmapHash {
    fn lookup(&self, key: &[u8], value: &mut [u8], flags: u64) -> Result<(), Errno> {
        self.hash.lookup(key, value, flags)
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let (target, program) = split(value);
        if flags > update_flags::EXIST || target == 0 || program > 0 {
            return Err(Errno::EINVAL);
        }
        // linux: kernel/bpf/devmap.c __dev_map_hash_update_elem does not look at BPF_EXIST.
        let flags = flags & update_flags::NOEXIST;
        self.hash.update(key, &u64::from(target).to_le_bytes(), flags)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        self.hash.delete(key)
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        self.hash.next_key(key)
    }

    fn entries(&self) -> u32 {
        self.hash.entries()
    }

    fn value_address(&self, key: &[u8], cpu: u32) -> Option<u64> {
        self.hash.value_address(key, cpu)
    }

    fn program_update(&self, _: &[u8], _: u32, _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn extent(&self) -> Option<(u64, u64)> {
        self.hash.extent()
    }

    fn room_at(&self, addr: u64) -> Option<u64> {
        let room = self.hash.room_at(addr)?;
        room.checked_sub(8 - self.value_size as u64)
    }
}

/// Device or queue size, and a program's file descriptor.
fn split(value: &[u8]) -> (u32, i32) {
    let word = crate::memory::padded(value.get(..8).unwrap_or(value));
    (word as u32, (word >> 32) as i32)
}
