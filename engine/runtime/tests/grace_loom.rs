//! Grace periods under loom: every interleaving of a batch, one that takes an element out, and its reuse.
//!
//! The file is the runtime's own, with loom's atomics in place of the standard library's.

#[path = "../src/grace.rs"]
#[allow(dead_code, unreachable_pub, reason = "the model uses what the protocol needs")]
mod grace;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

use grace::Grace;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

/// A map of one key: whether its element is linked, and the element, which loom watches for unordered accesses.
struct Map {
    linked: AtomicBool,
    element: UnsafeCell<u64>,
    stamp: AtomicU64,
    grace: Grace,
}

impl Map {
    fn new(places: usize) -> Arc<Map> {
        Arc::new(Map {
            linked: AtomicBool::new(true),
            element: UnsafeCell::new(1),
            stamp: AtomicU64::new(u64::MAX),
            grace: Grace::new(places),
        })
    }

    /// What a worker does: looks up in a batch, and reads what it found for as long as the batch is open.
    fn run_batch(&self, place: Option<usize>) {
        self.grace.open(place);
        if self.linked.load(Ordering::Acquire) {
            // SAFETY: this is what is on trial; loom fails on an access not ordered with the reuse.
            self.element.with(|value| assert_eq!(unsafe { *value }, 1));
        }
        self.grace.close(place);
    }

    fn unlink(&self) {
        self.linked.store(false, Ordering::Release);
        self.stamp.store(self.grace.stamp(), Ordering::Release);
    }

    /// Uses the element again if its grace period has passed.
    fn reuse(&self) {
        let stamp = self.stamp.load(Ordering::Acquire);
        if stamp != u64::MAX && stamp < self.grace.passed() {
            // SAFETY: as above.
            self.element.with_mut(|value| unsafe { *value = 2 });
        }
    }
}

#[test]
fn an_element_is_not_reused_under_a_batch_that_found_it() {
    loom::model(|| {
        let map = Map::new(1);
        let batch = thread::spawn({
            let map = Arc::clone(&map);
            move || map.run_batch(Some(0))
        });
        map.unlink();
        map.reuse();
        batch.join().unwrap();
    });
}

#[test]
fn nor_when_one_thread_takes_it_out_and_another_reuses_it() {
    loom::model(|| {
        let map = Map::new(1);
        let batch = thread::spawn({
            let map = Arc::clone(&map);
            move || map.run_batch(Some(0))
        });
        let reuse = thread::spawn({
            let map = Arc::clone(&map);
            move || map.reuse()
        });
        map.unlink();
        batch.join().unwrap();
        reuse.join().unwrap();
    });
}

#[test]
fn nor_under_the_second_of_two_batches_of_a_worker() {
    loom::model(|| {
        let map = Map::new(1);
        let batches = thread::spawn({
            let map = Arc::clone(&map);
            move || {
                map.run_batch(Some(0));
                map.run_batch(Some(0));
            }
        });
        map.unlink();
        map.reuse();
        batches.join().unwrap();
    });
}

#[test]
fn nor_under_a_batch_without_a_place() {
    loom::model(|| {
        let map = Map::new(1);
        let batch = thread::spawn({
            let map = Arc::clone(&map);
            move || map.run_batch(None)
        });
        map.unlink();
        map.reuse();
        batch.join().unwrap();
    });
}

#[test]
fn it_is_reused_once_the_batch_has_ended() {
    loom::model(|| {
        let map = Map::new(1);
        map.run_batch(Some(0));
        map.unlink();
        map.run_batch(Some(0));
        assert!(map.stamp.load(Ordering::Relaxed) < map.grace.passed());
    });
}
