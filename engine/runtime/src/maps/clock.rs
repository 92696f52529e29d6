//! Which element of a full LRU map goes: the first one the hand meets that nobody looked up since it last came by
//! ("second chance", an approximation of least recently used).
//!
//! ```text
//!   slots   . . o * o . * o * …      .  not in the map     o  in the map     *  and looked up since
//!               ▲ hand ─▶                                  goes              becomes o, and stays
//! ```
//!
//! New elements mostly come behind the hand, so that it meets the oldest first (the order is that of slots, and slots
//! that wait for batches are left out). Linux approximates too, by lists per CPU that move in batches of up to 128: it may
//! evict before the map is full, this does not. Lookups by user space are none.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::memory::Words;

/// Slots a word has marks of.
const PER_WORD: u32 = 32;
const LINKED: u64 = 1;
const LOOKED_UP: u64 = 2;
const BOTH: u64 = LINKED | LOOKED_UP;

/// Two bits a slot, and where the hand is.
#[derive(Debug)]
pub(super) struct Clock {
    marks: Words,
    slots: u32,
    hand: AtomicU32,
}

/// How an element comes into the map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Its key was not there.
    New,
    /// In the place of one with its key, which counts as a lookup (`htab_lru_map_update_elem`).
    Replaces,
}

impl Clock {
    pub(super) fn new(slots: u32) -> Option<Clock> {
        let marks = Words::zeroed(slots.div_ceil(PER_WORD) as usize)?;
        Some(Clock { marks, slots, hand: AtomicU32::new(0) })
    }

    /// A program looked the element up.
    #[inline]
    pub(super) fn touch(&self, slot: u32) {
        let (word, shift) = self.place(slot);
        // Mostly it is marked already: then the line stays shared by all workers.
        if self.marks[word].load(Ordering::Relaxed) >> shift & LOOKED_UP == 0 {
            self.marks[word].fetch_or(LOOKED_UP << shift, Ordering::Relaxed);
        }
    }

    pub(super) fn enter(&self, slot: u32, arrival: Arrival) {
        let (word, shift) = self.place(slot);
        let mark = match arrival {
            Arrival::New => LINKED,
            Arrival::Replaces => BOTH,
        };
        self.marks[word].fetch_and(!(BOTH << shift), Ordering::Relaxed);
        self.marks[word].fetch_or(mark << shift, Ordering::Relaxed);
    }

    pub(super) fn leave(&self, slot: u32) {
        let (word, shift) = self.place(slot);
        self.marks[word].fetch_and(!(BOTH << shift), Ordering::Relaxed);
    }

    /// Moves the hand on to an element that may go. None after two rounds: every element was looked up meanwhile, or
    /// others took them all.
    pub(super) fn victim(&self) -> Option<u32> {
        for _ in 0..2 * u64::from(self.slots) {
            let slot = self.hand.fetch_add(1, Ordering::Relaxed) % self.slots;
            let (word, shift) = self.place(slot);
            match self.marks[word].load(Ordering::Relaxed) >> shift & BOTH {
                LINKED => return Some(slot),
                BOTH => drop(self.marks[word].fetch_and(!(LOOKED_UP << shift), Ordering::Relaxed)),
                _ => {}
            }
        }
        None
    }

    #[inline]
    fn place(&self, slot: u32) -> (usize, u32) {
        ((slot / PER_WORD) as usize, slot % PER_WORD * 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_unless_it_was_looked_up() {
        let clock = Clock::new(40).unwrap();
        assert_eq!(clock.victim(), None);
        for slot in [3, 4, 35] {
            clock.enter(slot, Arrival::New);
        }
        clock.enter(2, Arrival::Replaces);
        clock.touch(3);
        assert_eq!(clock.victim(), Some(4));
        clock.leave(4);
        assert_eq!(clock.victim(), Some(35));
        clock.leave(35);
        assert_eq!(clock.victim(), Some(2));
        clock.leave(2);
        clock.touch(3);
        assert_eq!(clock.victim(), Some(3));
        // What is not in the map is no victim, looked up or not.
        clock.leave(3);
        clock.touch(7);
        assert_eq!(clock.victim(), None);
    }
}
