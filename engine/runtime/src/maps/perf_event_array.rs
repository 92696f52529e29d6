//! `BPF_MAP_TYPE_PERF_EVENT_ARRAY`: a slot a CPU, in each the perf event that takes that CPU's samples.
//!
//! What is behind a slot here is a buffer ([`Map::open_perf_buffer`](super::Map::open_perf_buffer)), as tools open one
//! for every CPU before they attach a program.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;

use super::ops::{Ops, index, next_index};
use super::ring::Ring;

/// Bytes of a buffer: 64 pages, as tools have it. Samples that do not fit are lost, and counted.
const BUFFER_SIZE: u32 = 64 * 4096;
/// `BPF_F_INDEX_MASK`; all of it (`BPF_F_CURRENT_CPU`) is the CPU the program runs on.
const INDEX_MASK: u64 = 0xffff_ffff;
/// `BPF_F_CTXLEN_MASK`: how many bytes of the packet to append.
const CTXLEN_MASK: u64 = 0xf_ffff << 32;

#[derive(Debug)]
pub(crate) struct PerfEventArray {
    slots: Box<[Slot]>,
}

#[derive(Debug, Default)]
struct Slot {
    open: AtomicBool,
    ring: OnceLock<Option<Ring>>,
}

/// What the flags of `bpf_perf_event_output` say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sample {
    index: Option<u32>,
    /// Bytes of the packet to append.
    pub(crate) append: u32,
}

impl Sample {
    /// EINVAL for flags there are not (`bpf_skb_event_output`).
    pub(crate) fn parse(flags: u64) -> Result<Sample, Errno> {
        if flags & !(INDEX_MASK | CTXLEN_MASK) != 0 {
            return Err(Errno::EINVAL);
        }
        let index = (flags & INDEX_MASK != INDEX_MASK).then_some(flags as u32);
        Ok(Sample { index, append: (flags >> 32) as u32 })
    }
}

impl PerfEventArray {
    pub(super) fn new(spec: &MapSpec) -> PerfEventArray {
        PerfEventArray { slots: (0..spec.max_entries).map(|_| Slot::default()).collect() }
    }

    /// Puts a buffer for a CPU into its slot.
    pub(super) fn open(&self, cpu: u32) -> Result<(), Errno> {
        let slot = self.slots.get(cpu as usize).ok_or(Errno::E2BIG)?;
        slot.ring.get_or_init(|| Ring::new(BUFFER_SIZE)).as_ref().ok_or(Errno::ENOMEM)?;
        slot.open.store(true, Ordering::Release);
        Ok(())
    }

    /// The buffer of a CPU.
    pub(crate) fn buffer(&self, cpu: u32) -> Option<&Ring> {
        let slot = self.slots.get(cpu as usize).filter(|slot| slot.open.load(Ordering::Acquire))?;
        slot.ring.get()?.as_ref()
    }

    /// `__bpf_perf_event_output`.
    ///
    /// # Errors
    ///
    /// E2BIG for an index past the end, ENOENT for an empty slot, EOPNOTSUPP for another CPU's, ENOSPC where the buffer
    /// is full.
    pub(crate) fn output(&self, cpu: u32, sample: Sample, parts: [&[u8]; 3]) -> Result<(), Errno> {
        let index = sample.index.unwrap_or(cpu);
        if index as usize >= self.slots.len() {
            return Err(Errno::E2BIG);
        }
        let ring = self.buffer(index).ok_or(Errno::ENOENT)?;
        if index != cpu {
            return Err(Errno::EOPNOTSUPP);
        }
        ring.output(parts).map_err(|_| Errno::ENOSPC)
    }
}

impl Ops for PerfEventArray {
    fn lookup(&self, _: &[u8], _: &mut [u8], _: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// It takes perf events, not bytes.
    fn update(&self, key: &[u8], _: &[u8], flags: u64) -> Result<(), Errno> {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        let index = index(key).ok_or(Errno::EINVAL)?;
        Err(if index as usize >= self.slots.len() { Errno::E2BIG } else { Errno::EBADF })
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let slot = index(key).and_then(|index| self.slots.get(index as usize)).ok_or(Errno::E2BIG)?;
        if slot.open.swap(false, Ordering::AcqRel) { Ok(()) } else { Err(Errno::ENOENT) }
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        next_index(key, self.slots.len() as u32)
    }

    fn entries(&self) -> u32 {
        self.slots.iter().filter(|slot| slot.open.load(Ordering::Relaxed)).count() as u32
    }

    fn program_update(&self, _: &[u8], _: u32, _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
}
