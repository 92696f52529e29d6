//! `struct bpf_rb_root` and `struct bpf_rb_node`: a red-black tree of objects, ordered by a function of the program.
//!
//! ```text
//!   root    │ root │ first │                              0 in an empty tree, as in a map's fresh value
//!   node    │ parent, colour │ right │ left │ owner │     owner: the address of the root, 0 outside of trees
//! ```
//!
//! Programs see how a tree is built (`bpf_rbtree_root`, `_left`, `_right`), and so it is rebalanced as in Linux
//! (lib/rbtree.c, which is the textbook's way; what is removed from between two children is replaced by its successor).

mod balance;

use std::sync::atomic::{AtomicU64, Ordering};

use super::list::{POISON, address, get, set};
use super::{Place, Pool};
use crate::memory::with_lock;

const ROOT: usize = 0;
const FIRST: usize = 1;

const PARENT: usize = 0;
const RIGHT: usize = 1;
const LEFT: usize = 2;
const OWNER: usize = 3;
/// Words of a node that are links.
const LINKS: usize = 3;

/// In the word of the parent.
const RED: u64 = 1;

/// A side of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Left,
    Right,
}

impl Side {
    fn word(self) -> usize {
        match self {
            Side::Left => LEFT,
            Side::Right => RIGHT,
        }
    }

    fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

/// A tree, by the value's words of its root. Who has one holds the lock.
#[derive(Clone, Copy)]
pub(crate) struct Tree<'a> {
    pool: &'a Pool,
    root: &'a [AtomicU64],
}

impl<'a> Tree<'a> {
    pub(crate) fn new(pool: &'a Pool, root: &'a [AtomicU64]) -> Tree<'a> {
        Tree { pool, root }
    }

    /// `bpf_rbtree_add`: behind the nodes that are not greater; `less` is told of two nodes by their addresses. False:
    /// the node is in a tree already.
    ///
    /// # Errors
    ///
    /// Those of `less`; the node is then in no tree and cannot be put into one.
    pub(crate) fn add<E>(
        self,
        node: Place,
        mut less: impl FnMut(u64, u64) -> Result<bool, E>,
    ) -> Result<bool, E> {
        // Whoever comes first, of those that have a reference to the object.
        let owner = self.pool.word(node, OWNER);
        if owner.compare_exchange(0, POISON, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return Ok(false);
        }
        let (mut parent, mut next, mut is_first) = (None, self.root(), true);
        while let Some(at) = next {
            let side = if less(self.pool.addr(node), self.pool.addr(at))? { Side::Left } else { Side::Right };
            is_first &= side == Side::Left;
            parent = Some((at, side));
            next = self.child(at, side);
        }
        if is_first {
            set(&self.root[FIRST], Some(node));
        }
        self.link(node, parent);
        owner.store(address(self.root), Ordering::Release);
        Ok(true)
    }

    /// `bpf_rbtree_remove`: false if the node is not in this tree.
    pub(crate) fn remove(self, node: Place) -> bool {
        if !self.owns(node) {
            return false;
        }
        if self.first() == Some(node) {
            set(&self.root[FIRST], self.next(node));
        }
        self.unlink(node);
        self.clear(node);
        true
    }

    /// `bpf_rbtree_first`.
    pub(crate) fn first(self) -> Option<Place> {
        get(&self.root[FIRST])
    }

    /// `bpf_rbtree_root`.
    pub(crate) fn root(self) -> Option<Place> {
        get(&self.root[ROOT])
    }

    /// `bpf_rbtree_left`, `bpf_rbtree_right`: none of a node that is not in this tree.
    pub(crate) fn child_of(self, node: Place, side: Side) -> Option<Place> {
        if self.owns(node) { self.child(node, side) } else { None }
    }

    fn owns(self, node: Place) -> bool {
        self.pool.word(node, OWNER).load(Ordering::Acquire) == address(self.root)
    }

    /// In no tree.
    fn clear(self, node: Place) {
        (0..LINKS).for_each(|link| self.pool.word(node, link).store(0, Ordering::Relaxed));
        self.pool.word(node, OWNER).store(0, Ordering::Release);
    }

    /// The node behind one that has no left child.
    fn next(self, node: Place) -> Option<Place> {
        match self.child(node, Side::Right) {
            Some(right) => Some(self.outermost(right, Side::Left)),
            None => self.parent(node),
        }
    }

    fn outermost(self, mut node: Place, side: Side) -> Place {
        while let Some(child) = self.child(node, side) {
            node = child;
        }
        node
    }

    /// A leaf under this node, the leftmost way.
    fn deepest(self, mut node: Place) -> Place {
        while let Some(child) = self.child(node, Side::Left).or_else(|| self.child(node, Side::Right)) {
            node = child;
        }
        node
    }

    /// Children before their parents.
    fn next_postorder(self, node: Place) -> Option<Place> {
        let parent = self.parent(node)?;
        match self.child(parent, Side::Right) {
            Some(right) if right != node => Some(self.deepest(right)),
            Some(_) | None => Some(parent),
        }
    }

    fn child(self, node: Place, side: Side) -> Option<Place> {
        get(self.pool.word(node, side.word()))
    }

    fn parent(self, node: Place) -> Option<Place> {
        Place::from_word(self.pool.word(node, PARENT).load(Ordering::Relaxed) >> 1)
    }
}

/// Takes a value's tree away from it under the value's lock, and then shows its nodes, which are then in no tree; nobody
/// can put them into one before (linux: bpf_rb_root_free()).
pub(super) fn detach_tree(
    pool: &Pool,
    value: &[AtomicU64],
    lock: Option<u32>,
    off: u32,
    mut show: impl FnMut(Place),
) {
    let root = &value[off as usize / 8..][..2];
    let tree = Tree::new(pool, root);
    let detach = || {
        let first = tree.root().map(|root| tree.deepest(root));
        let mut at = first;
        while let Some(node) = at {
            pool.word(node, OWNER).store(POISON, Ordering::Relaxed);
            at = tree.next_postorder(node);
        }
        root.iter().for_each(|word| set(word, None));
        first
    };
    let mut at = match lock {
        Some(lock) => with_lock(value, lock, detach),
        None => detach(),
    };
    while let Some(node) = at {
        at = tree.next_postorder(node);
        tree.clear(node);
        show(node);
    }
}

#[cfg(test)]
mod tests;
