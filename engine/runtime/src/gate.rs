//! What a batch is to the rest of the process: a stretch in which a worker may be inside a run.
//!
//! Two things wait for batches. A change [`between_packets`] waits for those that are running and holds off those that
//! want to start; a batch is some hundred packets, so neither waits long. And an element that left a hash map waits for
//! the batches that may have its address ([`grace`](crate::grace)).

use std::cell::RefCell;
use std::sync::{LazyLock, Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::grace::{Grace, PLACES};

static GATE: RwLock<()> = RwLock::new(());

/// The batches of this process.
pub(crate) static GRACE: LazyLock<Grace> = LazyLock::new(|| Grace::new(PLACES));

/// Places no thread has.
static FREE_PLACES: LazyLock<Mutex<Vec<usize>>> = LazyLock::new(|| Mutex::new((0..PLACES).rev().collect()));

thread_local! {
    static INSIDE: RefCell<Thread> = RefCell::new(Thread::new());
}

/// Batches of a thread. Only the first of nested ones goes through the gate: a second read lock could wait for a
/// writer that waits for the first.
struct Thread {
    batches: usize,
    gate: Option<RwLockReadGuard<'static, ()>>,
    place: Option<usize>,
}

/// Being inside a batch.
#[derive(Debug)]
pub(crate) struct Inside(());

impl Inside {
    pub(crate) fn enter() -> Inside {
        INSIDE.with_borrow_mut(|thread| {
            if thread.batches == 0 {
                thread.gate = Some(GATE.read().unwrap_or_else(PoisonError::into_inner));
                GRACE.open(thread.place);
            }
            thread.batches += 1;
        });
        Inside(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(|thread| {
            thread.batches -= 1;
            if thread.batches == 0 {
                GRACE.close(thread.place);
                thread.gate = None;
            }
        });
    }
}

impl Thread {
    fn new() -> Thread {
        let place = FREE_PLACES.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Thread { batches: 0, gate: None, place }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            FREE_PLACES.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        }
    }
}

/// Runs `change` while no worker is inside a batch. None if this thread itself is inside one.
pub(crate) fn between_packets<T>(change: impl FnOnce() -> T) -> Option<T> {
    if INSIDE.with_borrow(|thread| thread.batches != 0) {
        return None;
    }
    let _alone = GATE.write().unwrap_or_else(PoisonError::into_inner);
    Some(change())
}
