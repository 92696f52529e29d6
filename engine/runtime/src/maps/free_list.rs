//! Element slots not in use: last out of the map, last to be used again.
//!
//! ```text
//!   taken from   1. own stripe, its oldest, once it holds more than QUARANTINE
//!                2. slots never used
//!                3. any stripe's oldest
//! ```
//!
//! A slot that leaves the map waits behind [`QUARANTINE`] others, so that a program (or a reader on another worker)
//! that still has its address sees what it looked up. The kernel's preallocated maps hand a freed element to the very
//! next insert.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_utils::CachePadded;

use crate::memory::Words;

/// Lists, so that workers seldom meet at one.
const STRIPES: usize = 8;
/// Slots a stripe keeps back before it gives its oldest away, while there are others.
const QUARANTINE: u32 = 32;
/// Slots beyond those in use that keep every stripe's quarantine full.
pub(super) const RESERVE: u32 = STRIPES as u32 * QUARANTINE;

#[derive(Debug)]
pub(super) struct FreeList {
    /// The slot behind each slot in its list.
    next: Words,
    stripes: [CachePadded<Mutex<Fifo>>; STRIPES],
    /// Slots from here on were never used.
    fresh: AtomicU32,
    slots: u32,
}

#[derive(Debug, Default)]
struct Fifo {
    first: u32,
    last: u32,
    len: u32,
}

impl FreeList {
    pub(super) fn new(slots: u32) -> Option<FreeList> {
        Some(FreeList {
            next: Words::zeroed(slots as usize)?,
            stripes: Default::default(),
            fresh: AtomicU32::new(0),
            slots,
        })
    }

    /// A slot not in use, or none if all are.
    pub(super) fn pop(&self, stripe: usize) -> Option<u32> {
        self.pop_older(stripe, QUARANTINE)
            .or_else(|| self.pop_fresh())
            .or_else(|| (0..STRIPES).find_map(|i| self.pop_older(stripe.wrapping_add(i), 0)))
    }

    pub(super) fn push(&self, stripe: usize, slot: u32) {
        let mut fifo = self.stripe(stripe).lock().unwrap_or_else(PoisonError::into_inner);
        if fifo.len == 0 {
            fifo.first = slot;
        } else {
            self.next[fifo.last as usize].store(u64::from(slot), Ordering::Relaxed);
        }
        fifo.last = slot;
        fifo.len += 1;
    }

    fn pop_older(&self, stripe: usize, keep: u32) -> Option<u32> {
        let mut fifo = self.stripe(stripe).lock().unwrap_or_else(PoisonError::into_inner);
        if fifo.len <= keep {
            return None;
        }
        let slot = fifo.first;
        fifo.first = self.next[slot as usize].load(Ordering::Relaxed) as u32;
        fifo.len -= 1;
        Some(slot)
    }

    fn pop_fresh(&self) -> Option<u32> {
        let slots = self.slots;
        self.fresh
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |fresh| (fresh < slots).then_some(fresh + 1))
            .ok()
    }

    fn stripe(&self, stripe: usize) -> &Mutex<Fifo> {
        &self.stripes[stripe % STRIPES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_once_and_the_oldest_first() {
        let list = FreeList::new(300).unwrap();
        let out: Vec<u32> = std::iter::from_fn(|| list.pop(3)).collect();
        assert_eq!(out, (0..300).collect::<Vec<_>>());
        out.iter().for_each(|slot| list.push(5, *slot));
        let again: Vec<u32> = std::iter::from_fn(|| list.pop(3)).collect();
        assert_eq!(again, out);
    }

    #[test]
    fn a_slot_waits_behind_the_quarantine() {
        let list = FreeList::new(RESERVE + 1).unwrap();
        let first = list.pop(0).unwrap();
        list.push(0, first);
        for _ in 0..QUARANTINE {
            let other = list.pop(0).unwrap();
            assert_ne!(other, first);
            list.push(0, other);
        }
        assert_eq!(list.pop(0), Some(first));
    }
}
