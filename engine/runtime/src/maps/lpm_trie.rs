//! `BPF_MAP_TYPE_LPM_TRIE`: the value of the longest prefix that a key has.
//!
//! ```text
//!   key    u32 prefixlen │ data, most significant bit first
//!
//!            192.168.0.0/16              a node is in the map, or holds two children together (`fork`)
//!             0 ╱       ╲ 1              the bit behind a node's prefix says which child
//!          /23 fork    192.168.128.0/24
//!          0 ╱   ╲ 1
//!   192.168.0.0/24  192.168.1.0/24
//!
//!   node   [ child 0 | child 1 | prefixlen, kind | data, padded | value ]     links are slot + 1; 0 is none
//! ```
//!
//! Readers walk without a lock. Writers, one at a time, make a node complete before they link it; a node that changes
//! is replaced, except that one with two children becomes a fork in place. A node that left waits for the batches that
//! may have its address, as an element of a hash map does.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;
use bpfreplay_uapi::map::update_flags;

use super::ops::Ops;
use crate::free_list::FreeList;
use crate::memory::{Words, padded, read_words, write_words};

/// Words of a node before its data.
const DATA: usize = 3;
/// The word with the prefix's length.
const PREFIX: usize = 2;
/// Set beside the length: the node holds two children together and is not in the map.
const FORK: u64 = 1 << 32;
/// Nodes in reserve, see `Table::slots`.
const RESERVE: u32 = 1024;
/// Bytes of a key before its data.
const PREFIXLEN_BYTES: usize = 4;

#[derive(Debug)]
pub(crate) struct LpmTrie {
    nodes: Words,
    /// Words from one node to the next.
    stride: usize,
    data_size: usize,
    data_words: usize,
    value_size: usize,
    max_entries: u32,
    root: AtomicU64,
    free: FreeList,
    entries: AtomicU32,
    writer: Mutex<()>,
}

/// Where a link is: the root's, or child `bit` of a node.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Child(u32, usize),
}

/// Where a key is or belongs.
struct Found {
    /// The link that leads to `node`, or to nothing.
    at: Place,
    /// The link that leads to the node that has `at`.
    above: Place,
    node: Option<u32>,
    /// Bits `node` and the key have in common.
    common: u32,
}

impl LpmTrie {
    pub(super) fn new(spec: &MapSpec) -> Option<LpmTrie> {
        let data_size = spec.key_size as usize - PREFIXLEN_BYTES;
        let data_words = data_size.div_ceil(8);
        let stride = (DATA + data_words + (spec.value_size as usize).div_ceil(8)).next_multiple_of(8);
        // A fork for every entry but the first.
        let slots = spec.max_entries.checked_mul(2)?.checked_add(RESERVE)?;
        Some(LpmTrie {
            nodes: Words::zeroed(stride.checked_mul(slots as usize)?)?,
            stride,
            data_size,
            data_words,
            value_size: spec.value_size as usize,
            max_entries: spec.max_entries,
            root: AtomicU64::new(0),
            free: FreeList::new(slots)?,
            entries: AtomicU32::new(0),
            writer: Mutex::new(()),
        })
    }

    /// The node of the longest prefix (`trie_lookup_elem`).
    fn find(&self, key: &[u8]) -> Option<u32> {
        let (prefixlen, data) = self.split(key);
        if prefixlen > self.bits_max() {
            return None;
        }
        let mut found = None;
        let mut next = slot(self.root.load(Ordering::Acquire));
        // Every step is at least one bit longer, unless nodes are used again under a reader's feet.
        for _ in 0..=self.bits_max() {
            let Some(node) = next else { break };
            let head = self.node(node)[PREFIX].load(Ordering::Relaxed);
            let common = self.common_bits(node, head as u32, prefixlen, data);
            if common < head as u32 {
                break;
            }
            if head & FORK == 0 {
                found = Some(node);
            }
            if common == self.bits_max() {
                break;
            }
            next = slot(self.node(node)[self.bit(data, common)].load(Ordering::Acquire));
        }
        found
    }

    /// Where a key is or belongs. Under the lock.
    fn search(&self, prefixlen: u32, data: &[u8]) -> Found {
        let mut found = Found { at: Place::Root, above: Place::Root, node: None, common: 0 };
        loop {
            found.node = slot(self.link(found.at).load(Ordering::Relaxed));
            let Some(node) = found.node else { return found };
            let len = self.prefixlen(node);
            found.common = self.common_bits(node, len, prefixlen, data);
            if len != found.common || len == prefixlen || len == self.bits_max() {
                return found;
            }
            found.above = found.at;
            found.at = Place::Child(node, self.bit(data, len));
        }
    }

    /// `trie_update_elem`.
    fn put(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        if flags > update_flags::EXIST {
            return Err(Errno::EINVAL);
        }
        let (prefixlen, data) = self.split(key);
        if prefixlen > self.bits_max() {
            return Err(Errno::EINVAL);
        }
        let _writer = self.lock();
        let found = self.search(prefixlen, data);
        // The node found is this very prefix, or one with more bits than they have in common.
        let same = found.node.filter(|node| self.prefixlen(*node) == found.common);
        if same.is_some_and(|node| !self.is_fork(node)) {
            if flags == update_flags::NOEXIST {
                return Err(Errno::EEXIST);
            }
        } else {
            if flags == update_flags::EXIST {
                return Err(Errno::ENOENT);
            }
            if self.entries.load(Ordering::Relaxed) == self.max_entries {
                return Err(Errno::ENOSPC);
            }
        }
        let new = self.take()?;
        self.write(new, u64::from(prefixlen), |i| word(data, i), [0, 0]);
        write_words(&self.node(new)[DATA + self.data_words..], value);
        match (found.node, same) {
            (None, _) => {
                self.set(found.at, new);
                self.entries.fetch_add(1, Ordering::Relaxed);
            }
            (_, Some(old)) => {
                for child in 0..2 {
                    let link = self.node(old)[child].load(Ordering::Relaxed);
                    self.node(new)[child].store(link, Ordering::Relaxed);
                }
                self.set(found.at, new);
                self.entries.fetch_add(u32::from(self.is_fork(old)), Ordering::Relaxed);
                self.free.push(0, old);
            }
            (Some(below), None) => {
                let stored = |i: usize| self.node(below)[DATA + i].load(Ordering::Relaxed);
                let below_bit = self.node_bit(below, found.common);
                if found.common == prefixlen {
                    self.node(new)[below_bit].store(u64::from(below) + 1, Ordering::Relaxed);
                    self.set(found.at, new);
                } else {
                    let fork = self.take().inspect_err(|_| self.free.push(0, new))?;
                    let mut links = [u64::from(new) + 1; 2];
                    links[below_bit] = u64::from(below) + 1;
                    self.write(fork, u64::from(found.common) | FORK, stored, links);
                    self.set(found.at, fork);
                }
                self.entries.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// `trie_delete_elem`.
    fn remove(&self, key: &[u8]) -> Result<(), Errno> {
        let (prefixlen, data) = self.split(key);
        if prefixlen > self.bits_max() {
            return Err(Errno::EINVAL);
        }
        let _writer = self.lock();
        let found = self.search(prefixlen, data);
        let node = found
            .node
            .filter(|node| self.prefixlen(*node) == prefixlen && found.common == prefixlen)
            .filter(|node| !self.is_fork(*node))
            .ok_or(Errno::ENOENT)?;
        self.entries.fetch_sub(1, Ordering::Relaxed);
        let [left, right] = [0, 1].map(|child| self.node(node)[child].load(Ordering::Relaxed));
        if left != 0 && right != 0 {
            let head = &self.node(node)[PREFIX];
            head.store(head.load(Ordering::Relaxed) | FORK, Ordering::Release);
            return Ok(());
        }
        match found.at {
            // A fork that loses one of its two children goes too, and the other takes its place.
            Place::Child(parent, bit) if self.is_fork(parent) && left == 0 && right == 0 => {
                let other = self.node(parent)[1 - bit].load(Ordering::Relaxed);
                self.link(found.above).store(other, Ordering::Release);
                self.free.push(0, parent);
            }
            Place::Root | Place::Child(_, _) => self.link(found.at).store(left | right, Ordering::Release),
        }
        self.free.push(0, node);
        Ok(())
    }

    /// `trie_get_next_key`: children before their node, those of bit 0 first; so the more specific ones first.
    fn next(&self, key: Option<&[u8]>) -> Option<u32> {
        let _writer = self.lock();
        let root = slot(self.root.load(Ordering::Relaxed))?;
        let Some((prefixlen, data)) =
            key.map(|key| self.split(key)).filter(|(len, _)| *len <= self.bits_max())
        else {
            return Some(self.first_of(root));
        };
        let mut path = Vec::new();
        let mut next = Some(root);
        let mut exact = false;
        while let Some(node) = next {
            path.push(node);
            let len = self.prefixlen(node);
            let common = self.common_bits(node, len, prefixlen, data);
            if len != common || len == prefixlen {
                exact = len == common && !self.is_fork(node);
                break;
            }
            next = slot(self.node(node)[self.bit(data, len)].load(Ordering::Relaxed));
        }
        let Some(mut node) = path.pop().filter(|_| exact) else { return Some(self.first_of(root)) };
        while let Some(parent) = path.pop() {
            let [left, right] = [0, 1].map(|child| slot(self.node(parent)[child].load(Ordering::Relaxed)));
            if left == Some(node)
                && let Some(right) = right
            {
                return Some(self.first_of(right));
            }
            if !self.is_fork(parent) {
                return Some(parent);
            }
            node = parent;
        }
        None
    }

    /// The first node of a subtree that is in the map.
    fn first_of(&self, mut node: u32) -> u32 {
        loop {
            let [left, right] = [0, 1].map(|child| slot(self.node(node)[child].load(Ordering::Relaxed)));
            match left.or(right) {
                Some(child) => node = child,
                None => return node,
            }
        }
    }

    /// Fills a node that nobody can see yet.
    fn write(&self, node: u32, head: u64, data: impl Fn(usize) -> u64, links: [u64; 2]) {
        let words = self.node(node);
        words[PREFIX].store(head, Ordering::Relaxed);
        for i in 0..self.data_words {
            words[DATA + i].store(data(i), Ordering::Relaxed);
        }
        for (word, link) in words.iter().zip(links) {
            word.store(link, Ordering::Relaxed);
        }
    }

    fn set(&self, place: Place, node: u32) {
        self.link(place).store(u64::from(node) + 1, Ordering::Release);
    }

    fn link(&self, place: Place) -> &AtomicU64 {
        match place {
            Place::Root => &self.root,
            Place::Child(node, bit) => &self.node(node)[bit],
        }
    }

    fn take(&self) -> Result<u32, Errno> {
        self.free.pop(0).ok_or(Errno::ENOMEM)
    }

    /// How many bits a node of `len` bits and a key of `prefixlen` begin with in common.
    fn common_bits(&self, node: u32, len: u32, prefixlen: u32, data: &[u8]) -> u32 {
        let limit = len.min(prefixlen);
        let stored = &self.node(node)[DATA..DATA + self.data_words];
        let mut common = 0;
        for (i, stored) in stored.iter().enumerate() {
            let differ = (stored.load(Ordering::Relaxed) ^ word(data, i)).swap_bytes().leading_zeros();
            common += differ;
            if differ < 64 || common >= limit {
                break;
            }
        }
        common.min(limit)
    }

    fn prefixlen(&self, node: u32) -> u32 {
        self.node(node)[PREFIX].load(Ordering::Relaxed) as u32
    }

    fn is_fork(&self, node: u32) -> bool {
        self.node(node)[PREFIX].load(Ordering::Relaxed) & FORK != 0
    }

    /// A bit of a key.
    fn bit(&self, data: &[u8], at: u32) -> usize {
        data.get(at as usize / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1))
    }

    fn node_bit(&self, node: u32, at: u32) -> usize {
        let word = self.node(node)[DATA + at as usize / 64].load(Ordering::Relaxed).swap_bytes();
        (word >> (63 - at % 64) & 1) as usize
    }

    fn node(&self, node: u32) -> &[AtomicU64] {
        &self.nodes[node as usize * self.stride..][..self.stride]
    }

    fn value_words(&self, node: u32) -> &[AtomicU64] {
        &self.node(node)[DATA + self.data_words..]
    }

    fn split<'k>(&self, key: &'k [u8]) -> (u32, &'k [u8]) {
        key.split_first_chunk().map_or((u32::MAX, key), |(len, data)| (u32::from_le_bytes(*len), data))
    }

    fn bits_max(&self) -> u32 {
        self.data_size as u32 * 8
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ops for LpmTrie {
    fn lookup(&self, key: &[u8], value: &mut [u8], _: u64) -> Result<(), Errno> {
        let _writer = self.lock();
        let node = self.find(key).ok_or(Errno::ENOENT)?;
        read_words(self.value_words(node), value);
        Ok(())
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.put(key, value, flags)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        self.remove(key)
    }

    fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        let node = self.next(key).ok_or(Errno::ENOENT)?;
        let mut next = self.prefixlen(node).to_le_bytes().to_vec();
        next.resize(PREFIXLEN_BYTES + self.data_size, 0);
        read_words(&self.node(node)[DATA..], &mut next[PREFIXLEN_BYTES..]);
        Ok(next)
    }

    fn entries(&self) -> u32 {
        self.entries.load(Ordering::Relaxed)
    }

    fn value_address(&self, key: &[u8], _: u32) -> Option<u64> {
        let node = self.find(key)?;
        Some(self.nodes.addr() + (node as usize * self.stride + DATA + self.data_words) as u64 * 8)
    }

    fn extent(&self) -> Option<(u64, u64)> {
        Some((self.nodes.addr(), self.nodes.bytes()))
    }

    fn room_at(&self, addr: u64) -> Option<u64> {
        let off = addr.checked_sub(self.nodes.addr()).filter(|off| *off < self.nodes.bytes())?;
        let off = (off % (self.stride as u64 * 8)).checked_sub((DATA + self.data_words) as u64 * 8)?;
        (self.value_size as u64).checked_sub(off)
    }
}

/// The node a link leads to.
fn slot(link: u64) -> Option<u32> {
    (link as u32).checked_sub(1)
}

/// Word `i` of a key's data, padded with zeroes.
fn word(data: &[u8], i: usize) -> u64 {
    let rest = &data[i * 8..];
    rest.first_chunk().map_or_else(|| padded(rest), |word| u64::from_le_bytes(*word))
}
