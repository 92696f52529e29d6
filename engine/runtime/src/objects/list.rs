//! `struct bpf_list_head` and `struct bpf_list_node`: a list of objects, linked both ways.
//!
//! ```text
//!   head    │ first │ last │                      0 in an empty list, as in a map's fresh value
//!   node    │ next  │ previous │ owner │          owner: the address of the head, 0 outside of lists
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Place, Pool};
use crate::memory::with_lock;

const FIRST: usize = 0;
const LAST: usize = 1;

const NEXT: usize = 0;
const PREVIOUS: usize = 1;
const OWNER: usize = 2;

/// The owner of a node that is being put in somewhere: no address.
pub(super) const POISON: u64 = 1;

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The first node.
    Front,
    /// The last.
    Back,
}

impl End {
    /// The head's word for this end, and the node's word for the neighbour on the way to it.
    fn words(self) -> (usize, usize) {
        match self {
            End::Front => (FIRST, PREVIOUS),
            End::Back => (LAST, NEXT),
        }
    }

    fn other(self) -> End {
        match self {
            End::Front => End::Back,
            End::Back => End::Front,
        }
    }
}

/// `bpf_list_push_front`, `bpf_list_push_back`. False: the node is in a list already.
pub(crate) fn push(pool: &Pool, head: &[AtomicU64], node: Place, end: End) -> bool {
    // Whoever comes first, of those that have a reference to the object.
    let owner = pool.word(node, OWNER);
    if owner.compare_exchange(0, POISON, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return false;
    }
    let ((this, outward), (that, inward)) = (end.words(), end.other().words());
    let neighbour = get(&head[this]);
    set(pool.word(node, outward), None);
    set(pool.word(node, inward), neighbour);
    match neighbour {
        Some(neighbour) => set(pool.word(neighbour, outward), Some(node)),
        None => set(&head[that], Some(node)),
    }
    set(&head[this], Some(node));
    owner.store(address(head), Ordering::Release);
    true
}

/// `bpf_list_pop_front`, `bpf_list_pop_back`.
pub(crate) fn pop(pool: &Pool, head: &[AtomicU64], end: End) -> Option<Place> {
    let ((this, outward), (that, inward)) = (end.words(), end.other().words());
    let node = get(&head[this])?;
    let neighbour = get(pool.word(node, inward));
    set(&head[this], neighbour);
    match neighbour {
        Some(neighbour) => set(pool.word(neighbour, outward), None),
        None => set(&head[that], None),
    }
    set(pool.word(node, inward), None);
    pool.word(node, OWNER).store(0, Ordering::Release);
    Some(node)
}

/// `bpf_list_front`, `bpf_list_back`.
pub(crate) fn peek(head: &[AtomicU64], end: End) -> Option<Place> {
    get(&head[end.words().0])
}

/// Takes a value's list away from it under the value's lock, and then shows its nodes. Their owner stays as it was: an
/// object that somebody else has a reference to cannot be put into a list again (linux: bpf_list_head_free()).
pub(super) fn detach_list(
    pool: &Pool,
    value: &[AtomicU64],
    lock: Option<u32>,
    off: u32,
    mut show: impl FnMut(Place),
) {
    let head = &value[off as usize / 8..][..2];
    let detach = || {
        let first = get(&head[FIRST]);
        head.iter().for_each(|word| set(word, None));
        first
    };
    let mut next = match lock {
        Some(lock) => with_lock(value, lock, detach),
        None => detach(),
    };
    while let Some(node) = next {
        next = get(pool.word(node, NEXT));
        show(node);
    }
}

/// A link. Those who follow links hold the lock.
pub(super) fn get(link: &AtomicU64) -> Option<Place> {
    Place::from_word(link.load(Ordering::Relaxed))
}

pub(super) fn set(link: &AtomicU64, to: Option<Place>) {
    link.store(Place::to_word(to), Ordering::Relaxed);
}

/// Who owns what is in a list or tree with this head.
pub(super) fn address(head: &[AtomicU64]) -> u64 {
    head.as_ptr() as u64
}
