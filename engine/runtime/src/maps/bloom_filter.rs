//! `BPF_MAP_TYPE_BLOOM_FILTER`: a set that never says no of what is in it, and seldom yes of what is not.
//!
//! Hashes are seeded by constants, so that a replay repeats; which values the kernel takes for others differs at every
//! boot.

use std::sync::atomic::Ordering;

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;
use bpfreplay_uapi::map::update_flags;

use super::ops::Ops;
use super::table::hash_with;
use crate::memory::Words;

/// Hash functions where `map_extra` does not say.
const DEFAULT_HASHES: u64 = 5;

#[derive(Debug)]
pub(crate) struct BloomFilter {
    bits: Words,
    /// Number of bits, a power of two, minus 1.
    mask: u64,
    hashes: u64,
}

impl BloomFilter {
    pub(super) fn new(spec: &MapSpec) -> Option<BloomFilter> {
        let hashes = if spec.map_extra == 0 { DEFAULT_HASHES } else { spec.map_extra };
        // entries * hashes / ln 2, with 7/5 for 1/ln 2; 2^32 bits are the most (`bloom_map_alloc`).
        let bits = u64::from(spec.max_entries) * hashes / 5 * 7;
        let bits = bits.clamp(64, 1 << 32).next_power_of_two();
        Some(BloomFilter { bits: Words::zeroed((bits / 64) as usize)?, mask: bits - 1, hashes })
    }

    /// Word and bit of each hash of a value.
    fn places(&self, value: &[u8]) -> impl Iterator<Item = (usize, u64)> {
        (0..self.hashes).map(move |seed| {
            let bit = hash_with(seed, value) & self.mask;
            ((bit / 64) as usize, 1 << (bit % 64))
        })
    }

    /// ENOENT: it surely was not pushed.
    pub(super) fn contains(&self, value: &[u8]) -> Result<(), Errno> {
        let all = self.places(value).all(|(word, bit)| self.bits[word].load(Ordering::Relaxed) & bit != 0);
        if all { Ok(()) } else { Err(Errno::ENOENT) }
    }
}

impl Ops for BloomFilter {
    /// What is asked for is in the value.
    fn lookup(&self, _: &[u8], value: &mut [u8], _: u64) -> Result<(), Errno> {
        self.contains(value)
    }

    fn update(&self, _: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.push(value, flags)
    }

    fn delete(&self, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn next_key(&self, _: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn entries(&self) -> u32 {
        0
    }

    fn program_update(&self, _: &[u8], _: u32, _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        if flags != update_flags::ANY {
            return Err(Errno::EINVAL);
        }
        for (word, bit) in self.places(value) {
            self.bits[word].fetch_or(bit, Ordering::Relaxed);
        }
        Ok(())
    }

    fn pop(&self, _: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn peek(&self, value: &mut [u8]) -> Result<(), Errno> {
        self.contains(value)
    }
}
