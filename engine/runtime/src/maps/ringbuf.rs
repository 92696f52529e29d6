//! `BPF_MAP_TYPE_RINGBUF`: records for user space.
//!
//! Every CPU, which is a worker, has a ring of its own and of full size; Linux has one for all. So a replay repeats
//! whatever the workers' pace, and a program sees what it would see with one CPU. With one worker there is no
//! difference.

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;

use super::ops::Ops;
use super::ring::Ring;

#[derive(Debug)]
pub(crate) struct Ringbuf {
    rings: Box<[Ring]>,
}

/// What `bpf_ringbuf_query` can be asked.
const AVAIL_DATA: u64 = 0;
const RING_SIZE: u64 = 1;
const CONS_POS: u64 = 2;
const PROD_POS: u64 = 3;
/// `BPF_RB_NO_WAKEUP`, `BPF_RB_FORCE_WAKEUP`: there is nobody to wake.
const WAKEUP_FLAGS: u64 = 3;

impl Ringbuf {
    pub(super) fn new(spec: &MapSpec, cpus: u32) -> Option<Ringbuf> {
        let rings = (0..cpus).map(|_| Ring::new(spec.max_entries)).collect::<Option<_>>()?;
        Some(Ringbuf { rings })
    }

    /// A CPU's ring.
    pub(crate) fn ring(&self, cpu: u32) -> Option<&Ring> {
        self.rings.get(cpu as usize)
    }

    /// `bpf_ringbuf_reserve`: the address of the record's data.
    pub(crate) fn reserve(&self, cpu: u32, size: u64, flags: u64) -> Option<u64> {
        if flags != 0 { None } else { self.ring(cpu)?.reserve(size) }
    }

    /// `bpf_ringbuf_output`.
    pub(crate) fn output(&self, cpu: u32, data: &[u8], flags: u64) -> Result<(), Errno> {
        if flags & !WAKEUP_FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        self.ring(cpu).ok_or(Errno::EAGAIN)?.output([data, &[], &[]])
    }

    /// `bpf_ringbuf_query`.
    pub(crate) fn query(&self, cpu: u32, what: u64) -> u64 {
        let Some(ring) = self.ring(cpu) else { return 0 };
        match what {
            AVAIL_DATA => ring.available(),
            RING_SIZE => ring.size(),
            CONS_POS => ring.consumer_position(),
            PROD_POS => ring.producer_position(),
            _ => 0,
        }
    }
}

impl Ops for Ringbuf {}
