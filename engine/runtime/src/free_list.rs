//! Slots not in use: last out of the map, last to be used again, and not before nobody has their address. Of the pool of
//! objects likewise, where 4 is NULL.
//!
//! ```text
//!   taken from   1. own stripe, its oldest, if every batch that could have its address has ended
//!                2. slots never used
//!                3. any stripe's oldest, under the same condition
//!                4. any stripe's oldest
//! ```
//!
//! So a program (or a reader on another worker) that still has an address sees what it looked up until its batch ends,
//! unless more elements leave the map during one batch than there are in reserve. Then 4 does what the kernel's
//! preallocated maps always do: a freed element goes to the next insert, whoever still has its address.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_utils::CachePadded;

use crate::gate::GRACE;
use crate::memory::Words;

/// Lists, so that workers seldom meet at one.
const STRIPES: usize = 8;

#[derive(Debug)]
pub(crate) struct FreeList {
    /// For each slot in a list: the slot behind it, and when it left the map.
    next: Words,
    stamps: Words,
    stripes: [CachePadded<Mutex<Fifo>>; STRIPES],
    /// Slots from here on were never used.
    fresh: AtomicU32,
    slots: u32,
    /// Stamps below this have passed, as of the time beside it.
    passed: AtomicU64,
    passed_at: AtomicU64,
}

#[derive(Debug, Default)]
struct Fifo {
    first: u32,
    last: u32,
    len: u32,
}

/// Whether the oldest of a list must have passed its grace period.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    Passed,
    Any,
}

impl FreeList {
    pub(crate) fn new(slots: u32) -> Option<FreeList> {
        Some(FreeList {
            next: Words::zeroed(slots as usize)?,
            stamps: Words::zeroed(slots as usize)?,
            stripes: Default::default(),
            fresh: AtomicU32::new(0),
            slots,
            passed: AtomicU64::new(0),
            passed_at: AtomicU64::new(u64::MAX),
        })
    }

    /// A slot not in use, or none if all are.
    pub(crate) fn pop(&self, stripe: usize) -> Option<u32> {
        self.pop_passed(stripe)
            .or_else(|| (0..STRIPES).find_map(|i| self.pop_oldest(stripe.wrapping_add(i), Take::Any)))
    }

    /// A slot whose address nobody has, or none: without 4.
    pub(crate) fn pop_passed(&self, stripe: usize) -> Option<u32> {
        self.pop_oldest(stripe, Take::Passed)
            .or_else(|| self.pop_fresh())
            .or_else(|| (1..STRIPES).find_map(|i| self.pop_oldest(stripe.wrapping_add(i), Take::Passed)))
    }

    /// Takes a slot back whose element was just unlinked.
    pub(crate) fn push(&self, stripe: usize, slot: u32) {
        self.stamp(slot);
        let mut fifo = self.stripe(stripe).lock().unwrap_or_else(PoisonError::into_inner);
        if fifo.len == 0 {
            fifo.first = slot;
        } else {
            self.next[fifo.last as usize].store(u64::from(slot), Ordering::Relaxed);
        }
        fifo.last = slot;
        fifo.len += 1;
    }

    /// Says that a slot left just now, before it can be taken for one that left.
    pub(crate) fn stamp(&self, slot: u32) {
        self.stamps[slot as usize].store(GRACE.stamp(), Ordering::Relaxed);
    }

    fn pop_oldest(&self, stripe: usize, take: Take) -> Option<u32> {
        let mut fifo = self.stripe(stripe).lock().unwrap_or_else(PoisonError::into_inner);
        let slot = fifo.first;
        if fifo.len == 0 || (take == Take::Passed && !self.has_passed(slot)) {
            return None;
        }
        fifo.first = self.next[slot as usize].load(Ordering::Relaxed) as u32;
        fifo.len -= 1;
        Some(slot)
    }

    /// Whether a slot in a list is out of every batch's reach.
    pub(crate) fn has_passed(&self, slot: u32) -> bool {
        let stamp = self.stamps[slot as usize].load(Ordering::Relaxed);
        if stamp < self.passed.load(Ordering::Acquire) {
            return true;
        }
        // Looked up once a batch of any worker, not once an element.
        let now = GRACE.now();
        if self.passed_at.swap(now, Ordering::Relaxed) == now {
            return false;
        }
        let passed = GRACE.passed();
        self.passed.fetch_max(passed, Ordering::AcqRel);
        stamp < passed
    }

    fn pop_fresh(&self) -> Option<u32> {
        let slots = self.slots;
        self.fresh
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |fresh| (fresh < slots).then_some(fresh + 1))
            .ok()
    }

    /// Slots that were ever taken: those below this.
    pub(crate) fn used(&self) -> u32 {
        self.fresh.load(Ordering::Relaxed)
    }

    fn stripe(&self, stripe: usize) -> &Mutex<Fifo> {
        &self.stripes[stripe % STRIPES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExecutionContext;

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
    fn a_slot_waits_for_the_batch_it_was_in_use_in() {
        let list = FreeList::new(4).unwrap();
        let mut exec = ExecutionContext::new(0);
        let batch = exec.batch();
        let first = list.pop(0).unwrap();
        list.push(0, first);
        let others: Vec<u32> = (1..4).map(|_| list.pop(0).unwrap()).collect();
        assert!(!others.contains(&first));
        // Only when there is no other, as the kernel does.
        assert_eq!(list.pop(0), Some(first));
        list.push(0, first);
        drop(batch);
        let _batch = exec.batch();
        assert_eq!(list.pop(0), Some(first));
    }
}
