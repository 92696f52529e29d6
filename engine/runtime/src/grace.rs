//! Grace periods: when what left a hash map may be used again.
//!
//! ```text
//!   batch      now += 1; open[worker] = now; fence; … looks up, keeps addresses …; open[worker] = 0
//!   who takes  unlink; fence; stamp = now
//!   who reuses fence; passed = every open batch opened after the stamp
//! ```
//!
//! A batch that opened after the stamp cannot have found what was unlinked before it (the two fences order one of the
//! loads behind the other's store), and one that opened earlier holds the reuse up until it ends. This is the kernel's
//! RCU in the form of quiescent states; crossbeam-epoch, which keeps programs alive, would allocate for each element.
//!
//! `tests/grace_loom.rs` runs this file under loom.

use super::sync::{AtomicU64, Ordering, fence};

/// Batches that can be open at once and be told apart.
pub(crate) const PLACES: usize = 128;

/// Time in batches, and which batches are open.
#[derive(Debug)]
pub(crate) struct Grace {
    /// Batches opened so far.
    now: AtomicU64,
    /// For each place: 0, or when the batch opened that is open there.
    open: Box<[Place]>,
    /// Open batches beyond the places: while there are any, nothing passes.
    crowd: AtomicU64,
}

/// A cache line of its own: a batch opens and closes there without disturbing others.
#[derive(Debug)]
#[repr(align(64))]
struct Place(AtomicU64);

impl Grace {
    /// For this many batches at once.
    pub(crate) fn new(places: usize) -> Grace {
        Grace {
            now: AtomicU64::new(0),
            open: (0..places).map(|_| Place(AtomicU64::new(0))).collect(),
            crowd: AtomicU64::new(0),
        }
    }

    /// Opens a batch, at a place where none is; without a place it holds up all reuse.
    pub(crate) fn open(&self, place: Option<usize>) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        match place {
            Some(place) => self.open[place].0.store(now, Ordering::Release),
            None => drop(self.crowd.fetch_add(1, Ordering::Relaxed)),
        }
        fence(Ordering::SeqCst);
    }

    /// Closes a batch: no address found in it is used any more.
    pub(crate) fn close(&self, place: Option<usize>) {
        match place {
            Some(place) => self.open[place].0.store(0, Ordering::Release),
            None => drop(self.crowd.fetch_sub(1, Ordering::Release)),
        }
    }

    /// When this is: to be asked for after something was unlinked.
    pub(crate) fn stamp(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.now.load(Ordering::Relaxed)
    }

    /// Batches opened so far. While it does not change, [`Grace::passed`] changes only by batches that close.
    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Everything with a stamp below this is out of every batch's reach.
    pub(crate) fn passed(&self) -> u64 {
        fence(Ordering::SeqCst);
        if self.crowd.load(Ordering::Acquire) != 0 {
            return 0;
        }
        // A batch that opens from now on opens after this.
        let next = self.now.load(Ordering::Relaxed) + 1;
        let opened =
            self.open.iter().map(|place| place.0.load(Ordering::Acquire)).filter(|opened| *opened != 0);
        opened.fold(next, u64::min)
    }
}
