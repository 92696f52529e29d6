//! What jitted code may know of a map: where values lie, and which function looks one up.

use bpfreplay_uapi::{Errno, MapType};

use super::{Map, MapError, Storage};
use crate::helpers::{self, HelperFn};

/// Where the values of an array map lie: value `i` of CPU `c` is at `base + c * cpu_stride + i * stride`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArrayLayout {
    /// Address of value 0 (of CPU 0).
    pub base: u64,
    /// Bytes from one value to the next: the value's size rounded up to 8.
    pub stride: u64,
    /// Entries.
    pub max_entries: u32,
    /// Bytes from one CPU's values to the next CPU's; 0 for an array that is not per-CPU.
    pub cpu_stride: u64,
    /// CPUs there are values for: a worker's number must be below it.
    pub cpus: u32,
}

impl Map {
    /// Where values lie, if it is an array or per-CPU array.
    #[must_use]
    pub fn array_layout(&self) -> Option<ArrayLayout> {
        let (base, stride, cpu_stride) = match &self.storage {
            Storage::Array(array) => (array.addr(), array.stride_bytes(), 0),
            Storage::PercpuArray(array) => (array.addr(), array.stride_bytes(), array.cpu_stride_bytes()),
            _ => return None,
        };
        Some(ArrayLayout { base, stride, max_entries: self.spec.max_entries, cpu_stride, cpus: self.cpus })
    }

    /// What a `ld_imm64` of the map's value at `off` loads (`array_map_direct_value_addr`).
    ///
    /// # Errors
    ///
    /// ENOTSUPP unless it is an array of one entry; EINVAL for an offset at or past the value's end.
    pub fn value_address(&self, off: u32) -> Result<u64, MapError> {
        match &self.storage {
            Storage::Array(array) if self.spec.max_entries == 1 && off < self.spec.value_size => {
                Ok(array.addr() + u64::from(off))
            }
            Storage::Array(_) if self.spec.max_entries == 1 => Err(MapError::new(
                Errno::EINVAL,
                format!("offset {off} is past the {} bytes of map {}", self.spec.value_size, self.spec.name),
            )),
            _ => Err(MapError::new(
                Errno::ENOTSUPP,
                format!("map {} is no array of one entry: its value has no fixed address", self.spec.name),
            )),
        }
    }

    /// The quickest function that does `bpf_map_lookup_elem` on this map, with that helper's arguments.
    #[must_use]
    pub fn lookup_function(&self) -> HelperFn {
        match (self.spec.map_type, self.spec.key_size) {
            (MapType::Hash | MapType::LruHash, 4) => helpers::lookup_hash_4,
            (MapType::Hash | MapType::LruHash, 8) => helpers::lookup_hash_8,
            (MapType::Hash | MapType::LruHash, 16) => helpers::lookup_hash_16,
            (_, _) => helpers::map_lookup_elem,
        }
    }

    /// How many bytes from this address on belong to one value of this map; none if it is in no value.
    #[must_use]
    pub fn value_room(&self, addr: u64) -> Option<u64> {
        self.storage.ops().room_at(addr)
    }
}
