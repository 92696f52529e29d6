//! Storage that belongs to a socket or a cgroup: `BPF_MAP_TYPE_SK_STORAGE`, `CGROUP_STORAGE`,
//! `PERCPU_CGROUP_STORAGE`.
//!
//! There are no sockets here, so socket storage stays empty: user space finds nothing by any descriptor. Of cgroups
//! there is one to a program, the one it runs for, and its storage is one value (`bpf_get_local_storage`).

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::{Errno, MapType};

use super::ops::Ops;
use crate::memory::Words;

#[derive(Debug)]
pub(crate) struct LocalStorage {
    /// A value, or one a CPU; none for sockets.
    values: Words,
    value_size: u64,
    /// Bytes from one CPU's value to the next CPU's.
    cpu_stride: u64,
    map_type: MapType,
}

impl LocalStorage {
    pub(super) fn new(spec: &MapSpec, cpus: u32) -> Option<LocalStorage> {
        // A line for every CPU.
        let stride = (spec.value_size as usize).next_multiple_of(64);
        let (cpu_stride, values) = match spec.map_type {
            MapType::PercpuCgroupStorage => (stride, cpus as usize),
            MapType::CgroupStorage => (0, 1),
            _ => (0, 0),
        };
        Some(LocalStorage {
            values: Words::zeroed(stride.checked_mul(values)? / 8)?,
            value_size: u64::from(spec.value_size),
            cpu_stride: cpu_stride as u64,
            map_type: spec.map_type,
        })
    }

    /// `bpf_get_local_storage`: never NULL for a CPU the map was made for.
    pub(crate) fn current(&self, cpu: u32) -> Option<u64> {
        let off = u64::from(cpu) * self.cpu_stride;
        (off < self.values.bytes()).then(|| self.values.addr() + off)
    }

    /// What a descriptor of no socket, or a cgroup without storage, is answered.
    fn nobody(&self) -> Errno {
        if self.map_type == MapType::SkStorage { Errno::EBADF } else { Errno::ENOENT }
    }
}

impl Ops for LocalStorage {
    fn lookup(&self, _: &[u8], _: &mut [u8], _: u64) -> Result<(), Errno> {
        Err(self.nobody())
    }

    fn update(&self, _: &[u8], _: &[u8], _: u64) -> Result<(), Errno> {
        Err(self.nobody())
    }

    fn delete(&self, _: &[u8]) -> Result<(), Errno> {
        Err(if self.map_type == MapType::SkStorage { Errno::EBADF } else { Errno::EINVAL })
    }

    fn next_key(&self, _: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        Err(if self.map_type == MapType::SkStorage { Errno::ENOTSUPP } else { Errno::ENOENT })
    }

    fn entries(&self) -> u32 {
        0
    }

    fn program_update(&self, _: &[u8], _: u32, _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn extent(&self) -> Option<(u64, u64)> {
        (self.values.bytes() > 0).then(|| (self.values.addr(), self.values.bytes()))
    }

    fn room_at(&self, addr: u64) -> Option<u64> {
        let off = addr.checked_sub(self.values.addr()).filter(|off| *off < self.values.bytes())?;
        let off = if self.cpu_stride == 0 { off } else { off % self.cpu_stride };
        self.value_size.checked_sub(off)
    }
}
