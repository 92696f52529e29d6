//! Zeroed words at an address that never changes: what map values and hash elements lie in.
#![allow(unsafe_code, reason = "a zeroed allocation of atomics, without touching its pages")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cache line of x86-64: where the first word lies, so that a small element lies in one line.
const LINE: usize = 64;

/// A fixed number of 8-byte words, zero at first.
///
/// Pages are touched by first use only, so a map declared for a million entries costs what it holds.
pub(crate) struct Words {
    allocation: NonNull<u8>,
    start: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: it owns its memory, and every access is atomic.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// `len` zeroed words, or nothing where there is not so much memory.
    pub(crate) fn zeroed(len: usize) -> Option<Words> {
        let layout = Words::layout(len)?;
        // SAFETY: the layout's size is not 0: it has a line to spare.
        let allocation = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        // Programs reach the words by address alone.
        let _ = allocation.as_ptr().expose_provenance();
        let skip = allocation.as_ptr().align_offset(LINE);
        // SAFETY: `skip` is less than the line to spare.
        let start = unsafe { allocation.add(skip) }.cast();
        Some(Words { allocation, start, len })
    }

    /// The address of the first word.
    pub(crate) fn addr(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.len as u64 * 8
    }

    /// A line more than is needed, instead of a larger alignment: that would zero by hand what `calloc` gives zeroed.
    fn layout(len: usize) -> Option<Layout> {
        Layout::from_size_align(len.checked_mul(8)?.checked_add(LINE)?, align_of::<AtomicU64>()).ok()
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    #[inline]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: `len` words from `start` are allocated and initialised (zero) as long as `self` lives.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        if let Some(layout) = Words::layout(self.len) {
            // SAFETY: allocated by `zeroed` with this layout.
            unsafe { dealloc(self.allocation.as_ptr(), layout) };
        }
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({} at {:#x})", self.len, self.addr())
    }
}

/// Copies bytes into words; the rest of the last word becomes 0.
pub(crate) fn write_words(words: &[AtomicU64], bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks::<8>();
    for (word, bytes) in words.iter().zip(whole) {
        word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
    }
    if !rest.is_empty()
        && let Some(word) = words.get(whole.len())
    {
        word.store(padded(rest), Ordering::Relaxed);
    }
}

/// Copies words into bytes, as many as there are bytes.
pub(crate) fn read_words(words: &[AtomicU64], bytes: &mut [u8]) {
    for (bytes, word) in bytes.chunks_mut(8).zip(words) {
        bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes()[..bytes.len()]);
    }
}

/// Up to 8 bytes as the word they begin.
#[inline]
pub(crate) fn padded(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_padding_is_zero() {
        let words = Words::zeroed(4).unwrap();
        assert_eq!(words.addr() % 64, 0);
        for len in 0..=32 {
            words.iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
            let bytes: Vec<u8> = (1..=len as u8).collect();
            write_words(&words, &bytes);
            let mut back = vec![0; len];
            read_words(&words, &mut back);
            assert_eq!(back, bytes);
            if len % 8 != 0 {
                assert_eq!(words[len / 8].load(Ordering::Relaxed) >> (8 * (len % 8)), 0);
            }
        }
    }

    #[test]
    fn nothing_and_too_much() {
        assert_eq!(Words::zeroed(0).unwrap().len(), 0);
        assert!(Words::zeroed(usize::MAX / 4).is_none());
    }
}
