//! `BPF_MAP_TYPE_USER_RINGBUF`: samples from user space, which a program drains.
//!
//! One ring for all CPUs, as in Linux: who drains while another does gets EBUSY. A sample is lent to the program while
//! its callback runs, as a dynptr, and is gone afterwards.

use std::sync::atomic::{AtomicBool, Ordering};

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;
use bpfreplay_uapi::limits::{DYNPTR_MAX_SIZE, MAX_USER_RINGBUF_SAMPLES};

use super::ops::Ops;
use super::ring::Ring;

#[derive(Debug)]
pub(crate) struct UserRingbuf {
    ring: Ring,
    busy: AtomicBool,
}

/// A sample while a callback has it.
#[derive(Clone, Copy, Debug)]
pub struct UserSample {
    /// Where its bytes are.
    pub addr: u64,
    /// How many.
    pub len: u32,
}

/// `BPF_RB_NO_WAKEUP`, `BPF_RB_FORCE_WAKEUP`: there is nobody to wake.
const WAKEUP_FLAGS: u64 = 3;
/// A callback that returns anything else ends the draining.
const GO_ON: u64 = 0;

impl UserRingbuf {
    pub(super) fn new(spec: &MapSpec) -> Option<UserRingbuf> {
        Some(UserRingbuf { ring: Ring::new(spec.max_entries)?, busy: AtomicBool::new(false) })
    }

    /// A sample behind those that are there (libbpf: user_ring_buffer__reserve(), user_ring_buffer__submit()).
    pub(super) fn produce(&self, sample: &[u8]) -> Result<(), Errno> {
        if sample.len() > DYNPTR_MAX_SIZE as usize || !self.ring.could_hold(sample.len() as u64) {
            return Err(Errno::E2BIG);
        }
        self.ring.output([sample, &[], &[]]).map_err(|_| Errno::ENOSPC)
    }

    /// `bpf_user_ringbuf_drain`: calls back for sample after sample, until it returns 1 or there are no more. How often
    /// it was called; EINVAL for flags, EBUSY while another run drains.
    ///
    /// A callback that throws leaves the ring busy, as in Linux: nothing of the helper runs after it.
    pub(crate) fn drain<E>(
        &self,
        flags: u64,
        mut callback: impl FnMut(UserSample) -> Result<u64, E>,
    ) -> Result<u64, E> {
        if flags & !WAKEUP_FLAGS != 0 {
            return Ok(Errno::EINVAL.as_ret());
        }
        if self.busy.swap(true, Ordering::Acquire) {
            return Ok(Errno::EBUSY.as_ret());
        }
        let mut samples = 0;
        while samples < u64::from(MAX_USER_RINGBUF_SAMPLES)
            && let Some((addr, len)) = self.ring.oldest()
        {
            let result = callback(UserSample { addr, len: len as u32 })?;
            self.ring.skip(len);
            samples += 1;
            if result != GO_ON {
                break;
            }
        }
        self.busy.store(false, Ordering::Release);
        Ok(samples)
    }
}

impl Ops for UserRingbuf {}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bpfreplay_uapi::MapType;

    use super::*;

    fn ring() -> UserRingbuf {
        UserRingbuf::new(&MapSpec::new("ring", MapType::UserRingbuf, 0, 0, 4096)).unwrap()
    }

    fn drained(ring: &UserRingbuf, stop_at: u32) -> (u64, Vec<u32>) {
        let mut seen = Vec::new();
        let result = ring.drain(0, |sample| {
            seen.push(sample.len);
            Ok::<u64, Infallible>(u64::from(sample.len == stop_at))
        });
        (result.unwrap(), seen)
    }

    #[test]
    fn samples_are_drained_once_and_in_order() {
        let ring = ring();
        assert_eq!(drained(&ring, 0), (0, vec![]));
        for len in [3, 5, 8] {
            ring.produce(&vec![7; len]).unwrap();
        }
        assert_eq!(drained(&ring, 5), (2, vec![3, 5]));
        assert_eq!(drained(&ring, 5), (1, vec![8]));
        assert_eq!(drained(&ring, 5), (0, vec![]));
    }

    #[test]
    fn room_is_limited() {
        let ring = ring();
        assert_eq!(ring.produce(&[0; 4096]), Err(Errno::E2BIG));
        ring.produce(&[0; 4000]).unwrap();
        assert_eq!(ring.produce(&[0; 100]), Err(Errno::ENOSPC));
        assert_eq!(drained(&ring, 0).0, 1);
        ring.produce(&[0; 100]).unwrap();
    }

    #[test]
    fn one_drains_at_a_time() {
        let ring = ring();
        ring.produce(&[1]).unwrap();
        let inner = ring.drain(0, |_| Ok::<u64, Infallible>(drained(&ring, 0).0));
        assert_eq!(inner.unwrap(), 1);
        assert_eq!(ring.drain(4, |_| Ok::<u64, Infallible>(0)).unwrap(), Errno::EINVAL.as_ret());
    }
}
