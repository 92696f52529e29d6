//! Where objects lie: blocks of a few sizes, side by side, all there before the first run.
//!
//! ```text
//!   words     │ 16 16 16 … │ 32 32 … │ 64 … │ … │ 4088 … │      [`CLASS_BYTES`] for each size
//!             of objects that are there for each CPU a block has one after the other
//!   place     number of a word, from 1: what links in lists and trees are; 0 is none
//!   block     data of one object; beside it: its state, and the link of those that are about to be freed
//! ```
//!
//! Memory that is never used is never touched. A block that was freed waits for the batches that may have its address
//! (linux: bpf_mem_free_rcu()); while all are in use or waiting, there is no object to be had.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use crate::free_list::FreeList;
use crate::memory::Words;

/// Bytes of the blocks of one size.
pub const CLASS_BYTES: usize = 32 << 20;
/// The sizes, in bytes (linux: kernel/bpf/memalloc.c sizes[], whose largest has a link in front).
const CLASSES: [usize; 11] = [16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4088];
/// Words of the blocks of one size.
const CLASS_WORDS: usize = CLASS_BYTES / 8;

/// Words of what is kept of a block beside it.
const RECORD: usize = 2;
const STATE: usize = 0;
const PENDING: usize = 1;

/// A word of the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(NonZeroU32);

/// What a block is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct State {
    /// Bytes that were asked for.
    pub(crate) size: u32,
    /// 1 and the index of its type, or 0 for a type without special fields.
    pub(crate) meta: u32,
    /// Whether it was not freed.
    pub(crate) live: bool,
    /// Whether it was ever where other runs could find it by a pointer that does not own it.
    pub(crate) shared: bool,
}

const LIVE: u64 = 1 << 63;
const SHARED: u64 = 1 << 62;
const META_SHIFT: u32 = 32;
const META_MAX: u32 = (1 << 30) - 1;

#[derive(Debug)]
pub(crate) struct Pool {
    words: Words,
    classes: [Class; CLASSES.len()],
    /// Objects in a block.
    cpus: u32,
}

#[derive(Debug)]
struct Class {
    /// Words of an object.
    object: usize,
    /// Words of a block.
    stride: usize,
    free: FreeList,
    records: Words,
    live: CachePadded<AtomicU64>,
}

/// A block of the pool.
#[derive(Clone, Copy)]
struct Block {
    class: usize,
    slot: u32,
}

impl Pool {
    /// Nothing where there is not so much memory.
    pub(crate) fn new() -> Option<Pool> {
        Pool::for_each_cpu(1)
    }

    /// A block has an object for each of so many CPUs.
    pub(crate) fn for_each_cpu(cpus: u32) -> Option<Pool> {
        let class = |bytes: usize| {
            let block = bytes.checked_mul(cpus as usize)?;
            let slots = u32::try_from(CLASS_BYTES / block).ok()?;
            let records = Words::zeroed(slots as usize * RECORD)?;
            let (free, live) = (FreeList::new(slots)?, CachePadded::default());
            Some(Class { object: bytes / 8, stride: block / 8, free, records, live })
        };
        let classes: Vec<Class> = CLASSES.into_iter().map(class).collect::<Option<_>>()?;
        let words = Words::zeroed(CLASS_WORDS * CLASSES.len())?;
        Some(Pool { words, classes: classes.try_into().ok()?, cpus })
    }

    /// Where a CPU's object lies in the block that a place is in.
    pub(crate) fn of_cpu(&self, place: Place, cpu: u32) -> Option<Place> {
        let block = self.block(place);
        let off = self.classes[block.class].object * cpu as usize;
        if cpu < self.cpus { Place::new((self.start(block) + off) as u64) } else { None }
    }

    /// Where the object begins that a place is in: its CPU's.
    pub(crate) fn object_of_cpu(&self, place: Place) -> Option<Place> {
        let block = self.block(place);
        let cpu = (place.index() - self.start(block)) / self.classes[block.class].object;
        self.of_cpu(place, cpu as u32)
    }

    /// An object of so many bytes, all 0; none for no bytes, for more than the largest block has, and while there are
    /// no blocks.
    pub(crate) fn allocate(&self, stripe: usize, size: u64, meta: u32) -> Option<Place> {
        let class = CLASSES.iter().position(|bytes| size <= *bytes as u64).filter(|_| size > 0)?;
        let Class { free, live, .. } = &self.classes[class];
        let block = Block { class, slot: free.pop_passed(stripe)? };
        let words = self.block_words(block);
        words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        let state = LIVE | u64::from(meta.min(META_MAX)) << META_SHIFT | size;
        self.record(block)[STATE].store(state, Ordering::Release);
        live.fetch_add(1, Ordering::Relaxed);
        self.place_of(block)
    }

    /// Takes an object's block back. What lies in it stays until it is used again.
    pub(crate) fn free(&self, stripe: usize, object: Place) {
        let block = self.block(object);
        // Before it is seen not to live: until when it may be used goes by the stamp.
        self.classes[block.class].free.stamp(block.slot);
        let was = self.record(block)[STATE].fetch_and(!LIVE, Ordering::AcqRel);
        debug_assert!(was & LIVE != 0, "an object is freed once");
        if was & LIVE != 0 {
            self.classes[block.class].live.fetch_sub(1, Ordering::Relaxed);
            self.classes[block.class].free.push(stripe, block.slot);
        }
    }

    /// Objects there are.
    pub(crate) fn live(&self) -> u64 {
        self.classes.iter().map(|class| class.live.load(Ordering::Relaxed)).sum()
    }

    /// The word at an address, if it is one of the pool's.
    pub(crate) fn place_at(&self, addr: u64) -> Option<Place> {
        let off = addr.checked_sub(self.words.addr()).filter(|off| *off < self.words.bytes())?;
        Place::new(off / 8)
    }

    /// The address of a word.
    pub(crate) fn addr(&self, place: Place) -> u64 {
        self.words.addr() + place.index() as u64 * 8
    }

    /// The `i`th word from a place.
    pub(crate) fn word(&self, place: Place, i: usize) -> &AtomicU64 {
        &self.words[place.index() + i]
    }

    /// Where the block begins that a place is in.
    pub(crate) fn object(&self, place: Place) -> Option<Place> {
        self.place_of(self.block(place))
    }

    /// The words of the block that a place is in.
    pub(crate) fn words(&self, object: Place) -> &[AtomicU64] {
        self.block_words(self.block(object))
    }

    /// What the block is that a place is in.
    pub(crate) fn state(&self, place: Place) -> State {
        let state = self.record(self.block(place))[STATE].load(Ordering::Acquire);
        State {
            size: state as u32,
            meta: (state >> META_SHIFT) as u32 & META_MAX,
            live: state & LIVE != 0,
            shared: state & SHARED != 0,
        }
    }

    /// From now on others may find the object.
    pub(crate) fn share(&self, object: Place) {
        self.record(self.block(object))[STATE].fetch_or(SHARED, Ordering::Relaxed);
    }

    /// Whether nobody has the address of an object that was freed.
    pub(crate) fn has_passed(&self, object: Place) -> bool {
        let Block { class, slot } = self.block(object);
        self.classes[class].free.has_passed(slot)
    }

    /// The object that is to be freed after this one: the link is the freeing thread's own.
    pub(super) fn pending(&self, object: Place) -> Option<Place> {
        Place::from_word(self.record(self.block(object))[PENDING].load(Ordering::Relaxed))
    }

    pub(super) fn set_pending(&self, object: Place, next: Option<Place>) {
        self.record(self.block(object))[PENDING].store(Place::to_word(next), Ordering::Relaxed);
    }

    fn block(&self, place: Place) -> Block {
        let class = place.index() / CLASS_WORDS;
        let slot = place.index() % CLASS_WORDS / self.classes[class].stride;
        // What is left at the end of a class is no block; no place that was handed out is there.
        let last = (self.classes[class].records.len() / RECORD).saturating_sub(1);
        Block { class, slot: slot.min(last) as u32 }
    }

    fn start(&self, block: Block) -> usize {
        block.class * CLASS_WORDS + block.slot as usize * self.classes[block.class].stride
    }

    fn place_of(&self, block: Block) -> Option<Place> {
        Place::new(self.start(block) as u64)
    }

    fn block_words(&self, block: Block) -> &[AtomicU64] {
        &self.words[self.start(block)..][..self.classes[block.class].stride]
    }

    fn record(&self, block: Block) -> &[AtomicU64] {
        &self.classes[block.class].records[block.slot as usize * RECORD..][..RECORD]
    }
}

impl Place {
    fn new(index: u64) -> Option<Place> {
        NonZeroU32::new(u32::try_from(index + 1).ok()?).map(Place)
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// So many bytes on.
    #[cfg(test)]
    pub(crate) fn plus(self, bytes: u32) -> Option<Place> {
        Place::new(self.index() as u64 + u64::from(bytes / 8))
    }

    /// So many bytes back.
    pub(crate) fn minus(self, bytes: u32) -> Option<Place> {
        Place::new((self.index() as u64).checked_sub(u64::from(bytes / 8))?)
    }

    /// As a word holds it; 0 for none.
    pub(crate) fn to_word(place: Option<Place>) -> u64 {
        place.map_or(0, |place| place.0.get().into())
    }

    /// Of a word that [`Place::to_word`] made.
    pub(crate) fn from_word(word: u64) -> Option<Place> {
        NonZeroU32::new(word as u32).map(Place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExecutionContext;

    #[test]
    fn objects_are_zero_apart_and_counted() {
        let pool = Pool::new().unwrap();
        assert_eq!(pool.allocate(0, 0, 0), None);
        assert_eq!(pool.allocate(0, 4089, 0), None);
        let sizes = [1, 16, 17, 64, 100, 4088];
        let objects: Vec<Place> = sizes.iter().map(|size| pool.allocate(0, *size, 3).unwrap()).collect();
        for (object, size) in objects.iter().zip(sizes) {
            let expected = State { size: size as u32, meta: 3, live: true, shared: false };
            assert_eq!(pool.state(*object), expected);
            assert!(pool.words(*object).len() * 8 >= size as usize);
            pool.words(*object).iter().for_each(|word| assert_eq!(word.swap(7, Ordering::Relaxed), 0));
            assert_eq!(pool.place_at(pool.addr(*object)), Some(*object));
            let inside = object.plus(size as u32 - 1).unwrap();
            assert_eq!(pool.object(inside), Some(*object));
        }
        assert_eq!(pool.live(), 6);
        objects.iter().for_each(|object| pool.free(0, *object));
        assert_eq!(pool.live(), 0);
        assert!(!pool.state(objects[0]).live);
        assert_eq!(pool.place_at(pool.addr(objects[0]) - 1), None);
    }

    #[test]
    fn a_freed_object_waits_for_the_batch_and_keeps_what_it_had() {
        let pool = Pool::new().unwrap();
        let mut exec = ExecutionContext::new(0);
        let batch = exec.batch();
        let first = pool.allocate(0, 64, 0).unwrap();
        pool.word(first, 0).store(9, Ordering::Relaxed);
        pool.free(0, first);
        assert!(!pool.has_passed(first));
        let second = pool.allocate(0, 64, 0).unwrap();
        assert_ne!(first, second);
        assert_eq!(pool.word(first, 0).load(Ordering::Relaxed), 9);
        drop(batch);
        let _batch = exec.batch();
        assert_eq!(pool.allocate(0, 64, 0), Some(first));
        assert_eq!(pool.word(first, 0).load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_block_has_an_object_for_each_cpu() {
        let pool = Pool::for_each_cpu(3).unwrap();
        let block = pool.allocate(0, 20, 0).unwrap();
        assert_eq!(pool.words(block).len(), 12);
        let addr = pool.addr(block);
        for cpu in 0..3 {
            let object = pool.of_cpu(block, cpu).unwrap();
            assert_eq!(pool.addr(object), addr + 32 * u64::from(cpu));
            assert_eq!(pool.object_of_cpu(object.plus(24).unwrap()), Some(object));
            assert_eq!(pool.object(object), Some(block));
        }
        assert_eq!(pool.of_cpu(block, 3), None);
    }

    #[test]
    fn a_class_has_an_end() {
        let pool = Pool::new().unwrap();
        let all = std::iter::from_fn(|| pool.allocate(0, 4088, 0)).count();
        assert_eq!(all, CLASS_BYTES / 4088);
        assert!(pool.allocate(0, 2048, 0).is_some());
    }
}
