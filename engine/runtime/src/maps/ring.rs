//! A ring of records, as one CPU fills it and its consumer empties it.
//!
//! ```text
//!             consumer          producer
//!   positions    ▼ ─────────────── ▼           only ever grow; a position modulo the size is a place
//!   data      │ record │ record │ record      │  spill: as much again, for the tail of a record that begins
//!                                                      before the end (the kernel maps the pages twice)
//!   record    [ u32 len, BUSY, DISCARD | u32 0 ] data, padded to 8
//! ```
//!
//! A record is reserved busy, filled in place, and then submitted or discarded; the consumer stops at a busy one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bpfreplay_uapi::Errno;

use crate::memory::{Words, read_words, write_words};

/// Bytes before a record's data (`BPF_RINGBUF_HDR_SZ`).
pub(super) const HEADER: u64 = 8;
/// The record is being written (`BPF_RINGBUF_BUSY_BIT`).
const BUSY: u64 = 1 << 31;
/// The consumer skips the record (`BPF_RINGBUF_DISCARD_BIT`).
const DISCARD: u64 = 1 << 30;
/// The largest record there could be (`RINGBUF_MAX_RECORD_SZ`).
const RECORD_MAX: u64 = u32::MAX as u64 / 4;

#[derive(Debug)]
pub(crate) struct Ring {
    data: Words,
    mask: u64,
    consumer: AtomicU64,
    producer: AtomicU64,
    /// The oldest record that may still be busy; who reserves holds the lock.
    pending: Mutex<u64>,
    lost: AtomicU64,
}

/// How a record ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Commit {
    /// The consumer sees it.
    Submit,
    /// The consumer skips it.
    Discard,
}

impl Ring {
    /// Of `size` bytes, a power of two of at least 8.
    pub(super) fn new(size: u32) -> Option<Ring> {
        Some(Ring {
            data: Words::zeroed(size as usize / 8 * 2)?,
            mask: u64::from(size) - 1,
            consumer: AtomicU64::new(0),
            producer: AtomicU64::new(0),
            pending: Mutex::new(0),
            lost: AtomicU64::new(0),
        })
    }

    /// The address of a new record's data, busy until [`commit`] (`__bpf_ringbuf_reserve`).
    pub(super) fn reserve(&self, len: u64) -> Option<u64> {
        let record = self.begin(len);
        if record.is_none() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        record.map(|word| self.data.addr() + word as u64 * 8 + HEADER)
    }

    /// A whole record of these parts, one after the other.
    ///
    /// # Errors
    ///
    /// EAGAIN where there is no room.
    pub(super) fn output(&self, parts: [&[u8]; 3]) -> Result<(), Errno> {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let Some(word) = self.begin(len as u64) else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Err(Errno::EAGAIN);
        };
        let data = &self.data[word + 1..];
        write_words(data, parts[0]);
        write_behind(data, parts[0].len(), parts[1]);
        write_behind(data, parts[0].len() + parts[1].len(), parts[2]);
        self.data[word].fetch_and(!BUSY, Ordering::Release);
        Ok(())
    }

    /// Shows the records up to the first busy one, oldest first, and makes room.
    pub(crate) fn drain(&self, scratch: &mut Vec<u8>, mut show: impl FnMut(&[u8])) {
        let mut position = self.consumer.load(Ordering::Relaxed);
        while position < self.producer.load(Ordering::Acquire) {
            let word = self.place(position);
            let header = self.data[word].load(Ordering::Acquire);
            if header & BUSY != 0 {
                break;
            }
            let len = length(header);
            if header & DISCARD == 0 {
                scratch.clear();
                scratch.resize(len as usize, 0);
                read_words(&self.data[word + 1..], scratch);
                show(scratch);
            }
            position += span(len);
            self.consumer.store(position, Ordering::Release);
        }
    }

    /// Whether a record of so many bytes fits while there is no other.
    pub(super) fn could_hold(&self, len: u64) -> bool {
        len <= RECORD_MAX && span(len) <= self.mask
    }

    /// Address and bytes of the oldest record's data. It stays until it is [skipped](Ring::skip).
    pub(super) fn oldest(&self) -> Option<(u64, u64)> {
        let position = self.consumer.load(Ordering::Relaxed);
        if position == self.producer.load(Ordering::Acquire) {
            return None;
        }
        let word = self.place(position);
        let header = self.data[word].load(Ordering::Acquire);
        (header & BUSY == 0).then(|| (self.data.addr() + word as u64 * 8 + HEADER, length(header)))
    }

    /// Makes the room of the oldest record, which has so many bytes, free.
    pub(super) fn skip(&self, len: u64) {
        self.consumer.fetch_add(span(len), Ordering::Release);
    }

    /// Bytes not consumed yet, headers included (`BPF_RB_AVAIL_DATA`).
    pub(super) fn available(&self) -> u64 {
        self.producer_position() - self.consumer_position()
    }

    pub(super) fn size(&self) -> u64 {
        self.mask + 1
    }

    pub(super) fn consumer_position(&self) -> u64 {
        self.consumer.load(Ordering::Acquire)
    }

    pub(super) fn producer_position(&self) -> u64 {
        self.producer.load(Ordering::Acquire)
    }

    /// Records there was no room for.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// The word of a new record's header.
    fn begin(&self, len: u64) -> Option<usize> {
        if len > RECORD_MAX || span(len) > self.size() {
            return None;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let consumer = self.consumer.load(Ordering::Acquire);
        let producer = self.producer.load(Ordering::Relaxed);
        while *pending < producer {
            let header = self.data[self.place(*pending)].load(Ordering::Relaxed);
            if header & BUSY != 0 {
                break;
            }
            *pending += span(length(header));
        }
        // One byte always stays free, and the oldest busy record must not be reached either.
        let end = producer + span(len);
        if end - consumer > self.mask || end - *pending > self.mask {
            return None;
        }
        let word = self.place(producer);
        self.data[word].store(len | BUSY, Ordering::Relaxed);
        self.producer.store(end, Ordering::Release);
        Some(word)
    }

    fn place(&self, position: u64) -> usize {
        ((position & self.mask) / 8) as usize
    }
}

/// What a record's header becomes when it ends: to be applied to the word before its data.
pub(crate) fn committed(header: u64, how: Commit) -> u64 {
    match how {
        Commit::Submit => header & !BUSY,
        Commit::Discard => header & !BUSY | DISCARD,
    }
}

fn length(header: u64) -> u64 {
    header & (DISCARD - 1)
}

/// Bytes a record takes up.
fn span(len: u64) -> u64 {
    (len + HEADER).next_multiple_of(8)
}

/// Writes bytes from an offset on, behind what is there.
fn write_behind(words: &[AtomicU64], at: usize, bytes: &[u8]) {
    let first = at / 8;
    let shift = at % 8;
    // The word that holds the end of the first part gets the beginning of the second.
    let (head, rest) = bytes.split_at(if shift == 0 { 0 } else { bytes.len().min(8 - shift) });
    if !head.is_empty() {
        let word = crate::memory::padded(head) << (8 * shift);
        words[first].fetch_or(word, Ordering::Relaxed);
    }
    write_words(&words[first + usize::from(shift != 0)..], rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(ring: &Ring) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        ring.drain(&mut Vec::new(), |record| records.push(record.to_vec()));
        records
    }

    #[test]
    fn the_kernels_capacity() {
        // spec: helpers-maps.md 2.2, RINGBUF.
        let ring = Ring::new(4096).unwrap();
        assert!(ring.reserve(4088).is_none());
        assert!(ring.output([&[7; 4080], &[], &[]]).is_ok());
        assert_eq!(ring.available(), 4088);
        assert_eq!(ring.output([&[], &[], &[]]), Err(Errno::EAGAIN));
        assert_eq!(drained(&ring), [vec![7; 4080]]);
        let fit = (0..).take_while(|_| ring.output([&[1; 8], &[], &[]]).is_ok()).count();
        assert_eq!(fit, 255);
        assert_eq!(ring.lost(), 3);
    }

    #[test]
    fn records_come_back_as_written_wherever_they_lie() {
        let ring = Ring::new(4096).unwrap();
        for n in 0..5000usize {
            let (a, b) = (vec![n as u8; n % 37], vec![!n as u8; n % 23]);
            ring.output([&a, &b, &[]]).unwrap();
            assert_eq!(drained(&ring), [[a, b].concat()], "{n}");
        }
    }

    #[test]
    fn a_busy_record_holds_up_what_is_behind_it() {
        let ring = Ring::new(4096).unwrap();
        ring.reserve(16).unwrap();
        ring.output([b"second", &[], &[]]).unwrap();
        assert_eq!(drained(&ring).len(), 0);
        let word = ring.place(0);
        ring.data[word]
            .store(committed(ring.data[word].load(Ordering::Relaxed), Commit::Discard), Ordering::Relaxed);
        assert_eq!(drained(&ring), [b"second".to_vec()]);
        assert_eq!(ring.available(), 0);
    }
}
