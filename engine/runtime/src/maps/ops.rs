//! What a kind of map can do: the kernel's `struct bpf_map_ops`. A kind says what it has; what it says nothing about
//! is answered as the kernel answers for a map without that operation.

use std::sync::atomic::AtomicU64;

use bpfreplay_uapi::Errno;

/// The operations of a kind. Keys are `key_size` bytes; `key` of a map without keys is empty.
pub(super) trait Ops {
    /// `BPF_MAP_LOOKUP_ELEM`, into [`Map::user_value_size`](super::Map::user_value_size) bytes. Flags are 0 or
    /// `BPF_F_LOCK`, the latter only for kinds whose values have a lock.
    fn lookup(&self, _key: &[u8], _value: &mut [u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// `BPF_MAP_UPDATE_ELEM`, from as many bytes.
    fn update(&self, _key: &[u8], _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// `BPF_MAP_DELETE_ELEM`.
    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`.
    fn take(&self, _key: &[u8], _value: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// `BPF_MAP_GET_NEXT_KEY`.
    fn next_key(&self, _key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// Entries there are; of an array all, of a ring none.
    fn entries(&self) -> u32 {
        0
    }

    /// The address of a value, for a program on `cpu`.
    fn value_address(&self, _key: &[u8], _cpu: u32) -> Option<u64> {
        None
    }

    /// `bpf_map_update_elem` by a program on `cpu`.
    fn program_update(&self, key: &[u8], _cpu: u32, value: &[u8], flags: u64) -> Result<(), Errno> {
        self.update(key, value, flags)
    }

    /// `bpf_map_push_elem`.
    fn push(&self, _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// `bpf_map_pop_elem`.
    fn pop(&self, _value: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// `bpf_map_peek_elem`.
    fn peek(&self, _value: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// Address and bytes of what values lie in, for kinds whose lookup gives addresses.
    fn extent(&self) -> Option<(u64, u64)> {
        None
    }

    /// The number of the element whose value an address lies in, for kinds that keep timers.
    fn element_at(&self, _addr: u64) -> Option<u32> {
        None
    }

    /// The words of an element's value, likewise.
    fn element_words(&self, _element: u32) -> Option<&[AtomicU64]> {
        None
    }

    /// Frees what values own: the map goes.
    fn free_fields(&self) {}

    /// How many bytes from an address on belong to the same value.
    fn room_at(&self, _addr: u64) -> Option<u64> {
        None
    }
}

/// An array's key.
#[inline]
pub(super) fn index(key: &[u8]) -> Option<u32> {
    key.try_into().ok().map(u32::from_le_bytes)
}

/// `array_map_get_next_key`: all indices, empty slots included.
pub(super) fn next_index(key: Option<&[u8]>, max_entries: u32) -> Result<Vec<u8>, Errno> {
    let next = match key.and_then(index) {
        Some(index) if index < max_entries => index + 1,
        Some(_) | None => 0,
    };
    if next < max_entries { Ok(next.to_le_bytes().to_vec()) } else { Err(Errno::ENOENT) }
}
