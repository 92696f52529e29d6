//! The hash table of keys behind all hash maps: chains of elements that never move, read without a lock.
//!
//! ```text
//!   buckets   word b: link to the chain's first element
//!   elements  [ link | key, padded with zeroes to words | value words (non-per-CPU) ]   one cache line if it fits
//!   link      an element's number, or END with the number of the bucket whose chain ends here
//! ```
//!
//! Readers follow links. A writer, under the lock of the bucket, makes an element complete before it links it, and
//! links a new element before it unlinks the one it replaces: a key that is in the map is found at every moment. A
//! reader standing on an element that moves to another chain notices at that chain's END, which names another bucket,
//! and starts again (the kernel's `hlist_nulls`).

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::map::update_flags;
use bpfreplay_uapi::{Errno, MapType};
use crossbeam_utils::CachePadded;

use super::clock::{Arrival, Clock};
use super::fields::Fields;
use super::timers::Timers;
use crate::free_list::FreeList;
use crate::memory::{Words, padded, read_words};

/// Locks at the most; each guards every `LOCKS`th bucket.
const LOCKS: usize = 64;
/// Elements in reserve: as many as one batch is likely to replace, as far as they fit.
const RESERVE_MAX: u32 = 1024;
const RESERVE_MIN: u32 = 64;
const RESERVE_BYTES: u32 = 16 << 20;
/// Set in the link that ends a chain.
const END: u64 = 1 << 63;
/// Words of a cache line.
const LINE: usize = 8;

/// A key as words, the last padded with zeroes.
pub(crate) trait Key: Copy {
    fn words(&self) -> usize;
    fn word(&self, i: usize) -> u64;
}

/// Keys of at most 8 or of 9 to 16 bytes, in registers.
impl<const N: usize> Key for [u64; N] {
    #[inline]
    fn words(&self) -> usize {
        N
    }

    #[inline]
    fn word(&self, i: usize) -> u64 {
        self[i]
    }
}

/// Keys of any size.
impl Key for &[u8] {
    #[inline]
    fn words(&self) -> usize {
        self.len().div_ceil(8)
    }

    #[inline]
    fn word(&self, i: usize) -> u64 {
        let rest = &self[i * 8..];
        rest.first_chunk().map_or_else(|| padded(rest), |word| u64::from_le_bytes(*word))
    }
}

/// The key of an element in the table.
#[derive(Clone, Copy)]
struct Stored<'a>(&'a [AtomicU64]);

impl Key for Stored<'_> {
    fn words(&self) -> usize {
        self.0.len()
    }

    fn word(&self, i: usize) -> u64 {
        self.0[i].load(Ordering::Relaxed)
    }
}

/// What an update does with an element that has the key already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OnExisting {
    /// A new element takes its place; who has its address keeps the old value.
    Swap,
    /// It stays, and is written in place.
    Keep,
}

#[derive(Debug)]
pub(super) struct Table {
    buckets: Words,
    elems: Words,
    /// Words from one element to the next.
    stride: usize,
    key_size: usize,
    key_words: usize,
    mask: u64,
    locks: Box<[CachePadded<Mutex<()>>]>,
    free: FreeList,
    /// Of an LRU map.
    clock: Option<Clock>,
    /// Where values have one.
    timers: Option<Timers>,
    fields: Option<Fields>,
    count: CachePadded<AtomicU32>,
    max_entries: u32,
}

impl Table {
    /// `fields`: what values in the table own; per-CPU values are elsewhere.
    pub(super) fn new(spec: &MapSpec, value_words: usize, fields: Option<Fields>) -> Option<Table> {
        let key_words = (spec.key_size as usize).div_ceil(8);
        let words = 1 + key_words + value_words;
        let stride = if words <= LINE { words.next_power_of_two() } else { words.next_multiple_of(LINE) };
        // Two thirds full at the most: an average chain is then one element and a bit.
        let buckets = (spec.max_entries as usize * 3 / 2).next_power_of_two();
        let slots = Table::slots(spec);
        let clock = if is_lru(spec.map_type) { Some(Clock::new(slots)?) } else { None };
        // Per-CPU values are elsewhere and keep none.
        let keeps_timers = value_words > 0 && Timers::are_in(spec);
        let timers = if keeps_timers { Some(Timers::new(spec, slots as usize)?) } else { None };
        let table = Table {
            buckets: Words::zeroed(buckets)?,
            elems: Words::zeroed(stride.checked_mul(slots as usize)?)?,
            stride,
            key_size: spec.key_size as usize,
            key_words,
            mask: buckets as u64 - 1,
            locks: (0..LOCKS.min(buckets)).map(|_| CachePadded::default()).collect(),
            free: FreeList::new(slots)?,
            clock,
            timers,
            fields,
            count: CachePadded::default(),
            max_entries: spec.max_entries,
        };
        for (bucket, link) in table.buckets.iter().enumerate() {
            link.store(END | bucket as u64, Ordering::Relaxed);
        }
        Some(table)
    }

    /// Elements there are: those of the map, one for each writer at work, and a reserve that lets elements that left
    /// wait until nobody has their address. Memory that is never used is never touched.
    pub(super) fn slots(spec: &MapSpec) -> u32 {
        let fits = RESERVE_BYTES / (spec.key_size + spec.value_size);
        let mut reserve = fits.clamp(RESERVE_MIN, RESERVE_MAX);
        if is_lru(spec.map_type) {
            // The clock's hand goes over all of them: a small map's round must not be much longer than the map.
            reserve = reserve.min(spec.max_entries.max(RESERVE_MIN));
        }
        spec.max_entries + LOCKS as u32 + reserve
    }

    /// The element with this key.
    #[inline]
    pub(super) fn find<K: Key>(&self, key: K) -> Option<u32> {
        let bucket = self.bucket(key);
        loop {
            let mut link = self.buckets[bucket].load(Ordering::Acquire);
            while link & END == 0 {
                let elem = self.elem(link as u32);
                if self.has_key(elem, key) {
                    return Some(link as u32);
                }
                link = elem[0].load(Ordering::Acquire);
            }
            if link == END | bucket as u64 {
                return None;
            }
        }
    }

    /// A program looked this element up: of an LRU map it stays for longer.
    #[inline]
    pub(super) fn touch(&self, slot: u32) {
        if let Some(clock) = &self.clock {
            clock.touch(slot);
        }
    }

    /// Shows the element with this key while nobody can take it out: for copies of values that must be of this key.
    pub(super) fn inspect<K: Key>(&self, key: K, look: impl FnOnce(u32)) -> Result<(), Errno> {
        let bucket = self.bucket(key);
        let _lock = self.lock(bucket);
        self.position(bucket, key).map(|(_, slot)| look(slot)).ok_or(Errno::ENOENT)
    }

    /// Puts a key in, or finds it; `write` fills the element's value (told whether the element is new).
    pub(super) fn upsert<K: Key>(
        &self,
        key: K,
        flags: u64,
        existing: OnExisting,
        write: impl FnOnce(u32, bool),
    ) -> Result<(), Errno> {
        check_flags(flags)?;
        let bucket = self.bucket(key);
        let mut lock = self.lock(bucket);
        let old = loop {
            let old = self.position(bucket, key);
            match old {
                Some(_) if flags == update_flags::NOEXIST => return Err(Errno::EEXIST),
                None if flags == update_flags::EXIST => return Err(Errno::ENOENT),
                Some((_, slot)) if existing == OnExisting::Keep => {
                    self.touch(slot);
                    write(slot, false);
                    return Ok(());
                }
                Some(_) => break old,
                None if self.reserve() => break old,
                None => {}
            }
            let Some(clock) = &self.clock else { return Err(Errno::E2BIG) };
            // The victim is in another bucket: whoever holds one lock must not wait for a second.
            drop(lock);
            self.evict(clock);
            lock = self.lock(bucket);
        };
        let slot = self.take_slot(bucket);
        if let Some(timers) = &self.timers {
            // Whoever still had the address may have initialised it after it left.
            timers.free(slot, self.value(slot));
        }
        if let Some(fields) = &self.fields {
            fields.free(bucket, self.value(slot));
        }
        let elem = self.elem(slot);
        for i in 0..key.words() {
            elem[1 + i].store(key.word(i), Ordering::Relaxed);
        }
        write(slot, true);
        elem[0].store(self.buckets[bucket].load(Ordering::Relaxed), Ordering::Release);
        self.buckets[bucket].store(u64::from(slot), Ordering::Release);
        if let Some(clock) = &self.clock {
            clock.enter(slot, if old.is_some() { Arrival::Replaces } else { Arrival::New });
        }
        if let Some((before, old)) = old {
            self.unlink(bucket, before.or(Some(slot)), old);
        }
        Ok(())
    }

    /// Takes one element out to make room. Another writer may be quicker to fill it.
    fn evict(&self, clock: &Clock) {
        while let Some(victim) = clock.victim() {
            let bucket = self.bucket(Stored(&self.elem(victim)[1..=self.key_words]));
            let _lock = self.lock(bucket);
            // By now it may have left, and may even be back under another key.
            if let Some((before, slot)) = self.position_of(bucket, |slot| slot == victim) {
                self.unlink(bucket, before, slot);
                self.count.fetch_sub(1, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Takes a key out; `last_look` sees its element before it can be used again.
    pub(super) fn remove<K: Key>(&self, key: K, last_look: impl FnOnce(u32)) -> Result<(), Errno> {
        let bucket = self.bucket(key);
        let _lock = self.lock(bucket);
        let (before, slot) = self.position(bucket, key).ok_or(Errno::ENOENT)?;
        last_look(slot);
        self.unlink(bucket, before, slot);
        self.count.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// The key after this one in bucket order; the first for none, or for one that is not in the map.
    pub(super) fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        let mut from = 0;
        if let Some(key) = key {
            let bucket = self.bucket(key);
            let _lock = self.lock(bucket);
            if let Some((_, slot)) = self.position(bucket, key) {
                let next = self.elem(slot)[0].load(Ordering::Relaxed);
                if next & END == 0 {
                    return Ok(self.key(next as u32));
                }
                from = bucket + 1;
            }
        }
        (from..self.buckets.len())
            .find_map(|bucket| {
                let _lock = self.lock(bucket);
                let link = self.buckets[bucket].load(Ordering::Relaxed);
                (link & END == 0).then(|| self.key(link as u32))
            })
            .ok_or(Errno::ENOENT)
    }

    /// Shows every key with its element, bucket by bucket.
    pub(super) fn for_each(&self, mut show: impl FnMut(&[u8], u32)) {
        for bucket in 0..self.buckets.len() {
            let _lock = self.lock(bucket);
            let mut link = self.buckets[bucket].load(Ordering::Relaxed);
            while link & END == 0 {
                show(&self.key(link as u32), link as u32);
                link = self.elem(link as u32)[0].load(Ordering::Relaxed);
            }
        }
    }

    /// Shows every element, by the address of its key, bucket by bucket, without a lock: `visit` may put elements in
    /// and take them out. One that is taken out keeps its link, and is not used again before the batch ends; one
    /// that another worker moves to another chain ends the walk of this one (linux: bpf_for_each_hash_elem()).
    pub(super) fn walk<B>(&self, mut visit: impl FnMut(u64, u32) -> ControlFlow<B>) -> ControlFlow<B> {
        for bucket in 0..self.buckets.len() {
            let mut link = self.buckets[bucket].load(Ordering::Acquire);
            while link & END == 0 {
                let slot = link as u32;
                link = self.elem(slot)[0].load(Ordering::Acquire);
                visit(self.key_addr(slot), slot)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Entries.
    pub(super) fn len(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// The value words of an element, and what is left of its stride behind them.
    #[inline]
    pub(super) fn value(&self, slot: u32) -> &[AtomicU64] {
        &self.elem(slot)[1 + self.key_words..]
    }

    /// The address of an element's value.
    #[inline]
    pub(super) fn value_addr(&self, slot: u32) -> u64 {
        self.elems.addr() + (u64::from(slot) * self.stride as u64 + 1 + self.key_words as u64) * 8
    }

    /// The address of an element's key.
    pub(super) fn key_addr(&self, slot: u32) -> u64 {
        self.elems.addr() + (u64::from(slot) * self.stride as u64 + 1) * 8
    }

    /// The element an address lies in.
    pub(super) fn slot_at(&self, addr: u64) -> Option<u32> {
        let off = addr.checked_sub(self.elems.addr()).filter(|off| *off < self.elems.bytes())?;
        u32::try_from(off / (self.stride as u64 * 8)).ok()
    }

    /// Elements there is room for.
    pub(super) fn has_slot(&self, slot: u32) -> bool {
        u64::from(slot) < self.elems.bytes() / (self.stride as u64 * 8)
    }

    pub(super) fn timers(&self) -> Option<&Timers> {
        self.timers.as_ref()
    }

    /// Frees what values own, also of elements that left the map: programs may have put something there afterwards.
    pub(super) fn free_fields(&self) {
        if let Some(fields) = self.fields.as_ref().filter(|fields| fields.may_own()) {
            self.slots_used().for_each(|slot| fields.free(0, self.value(slot)));
        }
    }

    /// Elements that were ever used.
    pub(super) fn slots_used(&self) -> Range<u32> {
        0..self.free.used()
    }

    /// Address and bytes of all elements.
    pub(super) fn extent(&self) -> (u64, u64) {
        (self.elems.addr(), self.elems.bytes())
    }

    /// How far an address lies behind the start of its element's value.
    pub(super) fn value_offset(&self, addr: u64) -> Option<u64> {
        let off = addr.checked_sub(self.elems.addr()).filter(|off| *off < self.elems.bytes())?;
        (off % (self.stride as u64 * 8)).checked_sub((1 + self.key_words as u64) * 8)
    }

    fn key(&self, slot: u32) -> Vec<u8> {
        let mut key = vec![0; self.key_size];
        read_words(&self.elem(slot)[1..], &mut key);
        key
    }

    /// The element with this key and the one before it in the chain. Under the bucket's lock.
    fn position<K: Key>(&self, bucket: usize, key: K) -> Option<(Option<u32>, u32)> {
        self.position_of(bucket, |slot| self.has_key(self.elem(slot), key))
    }

    fn position_of(&self, bucket: usize, is_it: impl Fn(u32) -> bool) -> Option<(Option<u32>, u32)> {
        let mut before = None;
        let mut link = self.buckets[bucket].load(Ordering::Relaxed);
        while link & END == 0 {
            let slot = link as u32;
            if is_it(slot) {
                return Some((before, slot));
            }
            before = Some(slot);
            link = self.elem(slot)[0].load(Ordering::Relaxed);
        }
        None
    }

    /// Takes an element out of its chain. Its own link stays: a reader standing on it goes on.
    fn unlink(&self, bucket: usize, before: Option<u32>, slot: u32) {
        let next = self.elem(slot)[0].load(Ordering::Relaxed);
        match before {
            Some(before) => self.elem(before)[0].store(next, Ordering::Release),
            None => self.buckets[bucket].store(next, Ordering::Release),
        }
        if let Some(clock) = &self.clock {
            clock.leave(slot);
        }
        if let Some(timers) = &self.timers {
            timers.free(slot, self.value(slot));
        }
        if let Some(fields) = &self.fields {
            fields.free(bucket, self.value(slot));
        }
        self.free.push(bucket, slot);
    }

    fn reserve(&self) -> bool {
        let max = self.max_entries;
        self.count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < max).then_some(count + 1))
            .is_ok()
    }

    /// An element for this writer. There is always one, if not at once: besides the `max_entries` counted ones a
    /// writer holds at most one, and there are no more writers than locks.
    fn take_slot(&self, bucket: usize) -> u32 {
        loop {
            if let Some(slot) = self.free.pop(bucket) {
                return slot;
            }
            std::hint::spin_loop();
        }
    }

    fn lock(&self, bucket: usize) -> MutexGuard<'_, ()> {
        self.locks[bucket % self.locks.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn elem(&self, slot: u32) -> &[AtomicU64] {
        &self.elems[slot as usize * self.stride..][..self.stride]
    }

    #[inline]
    fn has_key<K: Key>(&self, elem: &[AtomicU64], key: K) -> bool {
        elem[1..]
            .iter()
            .take(key.words())
            .enumerate()
            .all(|(i, word)| word.load(Ordering::Relaxed) == key.word(i))
    }

    #[inline]
    fn bucket<K: Key>(&self, key: K) -> usize {
        (hash(key) & self.mask) as usize
    }
}

/// Calls the function for the key's size: keys of 8 and 16 bytes go in registers.
#[inline]
pub(super) fn with_key<T>(
    key: &[u8],
    one: impl FnOnce([u64; 1]) -> T,
    two: impl FnOnce([u64; 2]) -> T,
    any: impl FnOnce(&[u8]) -> T,
) -> T {
    if let Ok(key) = <[u8; 4]>::try_from(key) {
        one([u64::from(u32::from_le_bytes(key))])
    } else if let Ok(key) = <[u8; 8]>::try_from(key) {
        one([u64::from_le_bytes(key)])
    } else if let Ok(key) = <[u8; 16]>::try_from(key) {
        let key = u128::from_le_bytes(key);
        two([key as u64, (key >> 64) as u64])
    } else {
        any(key)
    }
}

fn is_lru(map_type: MapType) -> bool {
    matches!(map_type, MapType::LruHash | MapType::LruPercpuHash)
}

/// `htab_map_update_elem`: flags beyond EXIST, and the spin lock no value here has.
fn check_flags(flags: u64) -> Result<(), Errno> {
    if flags > update_flags::EXIST { Err(Errno::EINVAL) } else { Ok(()) }
}

/// Folded multiplication, one a word. Seeded by constants: the same replay gives the same order.
#[inline]
fn hash<K: Key>(key: K) -> u64 {
    hash_with(0, key)
}

/// [`hash`] in another order for every seed.
#[inline]
pub(super) fn hash_with<K: Key>(seed: u64, key: K) -> u64 {
    const START: u64 = 0x243f_6a88_85a3_08d3;
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = START ^ seed.wrapping_mul(FACTOR);
    for i in 0..key.words() {
        let product = u128::from(hash ^ key.word(i)).wrapping_mul(u128::from(FACTOR));
        hash = (product as u64) ^ ((product >> 64) as u64);
    }
    hash ^ (hash >> 29)
}
