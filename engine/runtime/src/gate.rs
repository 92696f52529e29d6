//! Between two packets: a moment when no worker is inside a run, without stopping workers at every packet.
//!
//! A batch passes the gate once; who needs the moment ([`between_packets`]) waits for the batches that are running and
//! holds off those that want to start. A batch is some hundred packets, so neither waits long.

use std::cell::RefCell;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

static GATE: RwLock<()> = RwLock::new(());

thread_local! {
    /// Batches open on this thread, and what the first of them holds: a second read lock could wait for a writer that
    /// waits for the first.
    static INSIDE: RefCell<(usize, Option<RwLockReadGuard<'static, ()>>)> = const { RefCell::new((0, None)) };
}

/// Being inside a batch.
#[derive(Debug)]
pub(crate) struct Inside(());

impl Inside {
    pub(crate) fn enter() -> Inside {
        INSIDE.with_borrow_mut(|(batches, guard)| {
            if *batches == 0 {
                *guard = Some(GATE.read().unwrap_or_else(PoisonError::into_inner));
            }
            *batches += 1;
        });
        Inside(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(|(batches, guard)| {
            *batches -= 1;
            if *batches == 0 {
                *guard = None;
            }
        });
    }
}

/// Runs `change` while no worker is inside a batch. None if this thread itself is inside one.
pub(crate) fn between_packets<T>(change: impl FnOnce() -> T) -> Option<T> {
    if INSIDE.with_borrow(|(batches, _)| *batches != 0) {
        return None;
    }
    let _alone = GATE.write().unwrap_or_else(PoisonError::into_inner);
    Some(change())
}
