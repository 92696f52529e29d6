//! A value's `struct bpf_spin_lock`, taken from outside of programs.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of a lock in its word.
const LOCK: u64 = u32::MAX as u64;

/// Does something under the lock that lies `off` bytes into a value: programs take the same lock with `bpf_spin_lock`.
pub(crate) fn with_lock<T>(words: &[AtomicU64], off: u32, body: impl FnOnce() -> T) -> T {
    let Some(word) = words.get(off as usize / 8) else { return body() };
    let shift = off % 8 * 8;
    let take = |word: u64| (word & LOCK << shift == 0).then_some(word | 1 << shift);
    while word.fetch_update(Ordering::Acquire, Ordering::Relaxed, take).is_err() {
        std::hint::spin_loop();
    }
    let result = body();
    word.fetch_and(!(LOCK << shift), Ordering::Release);
    result
}
