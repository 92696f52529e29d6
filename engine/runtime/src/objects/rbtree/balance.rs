//! Nodes in and out of a tree, and what keeps it balanced.
//!
//! ```text
//!        x                 y         rotate(x, Left): x goes down to the left
//!      ┌─┴─┐             ┌─┴─┐
//!      a   y     ──▶     x   c
//!        ┌─┴─┐         ┌─┴─┐
//!        b   c         a   b
//! ```

use std::sync::atomic::Ordering;

use super::{PARENT, Place, RED, ROOT, Side, Tree, set};

impl Tree<'_> {
    /// Puts a node in as a leaf.
    pub(super) fn link(self, node: Place, parent: Option<(Place, Side)>) {
        self.set_child(node, Side::Left, None);
        self.set_child(node, Side::Right, None);
        self.set_parent(node, parent.map(|(parent, _)| parent));
        self.paint(node, true);
        match parent {
            Some((parent, side)) => self.set_child(parent, side, Some(node)),
            None => set(&self.root[ROOT], Some(node)),
        }
        self.after_link(node);
    }

    /// Two red nodes in a row go up or are rotated away.
    fn after_link(self, mut node: Place) {
        loop {
            let Some(mut parent) = self.parent(node) else { return self.paint(node, false) };
            let Some(grand) = self.parent(parent).filter(|_| self.is_red(Some(parent))) else { return };
            let side = self.side_of(parent, grand);
            let uncle = self.child(grand, side.other());
            if let Some(uncle) = uncle.filter(|_| self.is_red(uncle)) {
                self.paint(parent, false);
                self.paint(uncle, false);
                self.paint(grand, true);
                node = grand;
                continue;
            }
            if self.side_of(node, parent) != side {
                self.rotate(parent, side);
                parent = node;
            }
            self.rotate(grand, side.other());
            self.paint(parent, false);
            return self.paint(grand, true);
        }
    }

    /// Takes a node out.
    pub(super) fn unlink(self, node: Place) {
        let (left, right) = (self.child(node, Side::Left), self.child(node, Side::Right));
        let (gap, child, was_red) = match (left, right) {
            (Some(_), Some(right)) => self.put_successor(node, right),
            (child, None) | (None, child) => {
                let (parent, was_red) = (self.parent(node), self.is_red(Some(node)));
                self.replace(node, child);
                (parent, child, was_red)
            }
        };
        match (child, gap) {
            // Alone below a black node it was red.
            (Some(child), _) => self.paint(child, false),
            (None, Some(gap)) if !was_red => self.after_unlink(gap),
            (None, _) => {}
        }
    }

    /// Puts the node behind this one, which has two children, in its place. Where that was missing a node: its parent,
    /// what is there now, and whether it was red.
    fn put_successor(self, node: Place, right: Place) -> (Option<Place>, Option<Place>, bool) {
        let successor = self.outermost(right, Side::Left);
        let (child, was_red) = (self.child(successor, Side::Right), self.is_red(Some(successor)));
        let mut gap = successor;
        if successor != right {
            gap = self.parent(successor).unwrap_or(right);
            self.replace(successor, child);
            self.adopt(successor, Side::Right, Some(right));
        }
        self.adopt(successor, Side::Left, self.child(node, Side::Left));
        self.replace(node, Some(successor));
        self.paint(successor, self.is_red(Some(node)));
        (Some(gap), child, was_red)
    }

    /// A black node is missing under this one, on the side that has fewer.
    fn after_unlink(self, mut parent: Place) {
        let mut node = None;
        loop {
            let side = if self.child(parent, Side::Right) == node { Side::Right } else { Side::Left };
            let away = side.other();
            let Some(mut sibling) = self.child(parent, away) else { return };
            if self.is_red(Some(sibling)) {
                self.rotate(parent, side);
                self.paint(sibling, false);
                self.paint(parent, true);
                let Some(next) = self.child(parent, away) else { return };
                sibling = next;
            }
            let near = self.child(sibling, side);
            if !self.is_red(self.child(sibling, away)) {
                let Some(near) = near.filter(|_| self.is_red(near)) else {
                    self.paint(sibling, true);
                    if self.is_red(Some(parent)) {
                        return self.paint(parent, false);
                    }
                    node = Some(parent);
                    let Some(next) = self.parent(parent) else { return };
                    parent = next;
                    continue;
                };
                self.rotate(sibling, away);
                self.paint(sibling, true);
                sibling = near;
            }
            self.paint(sibling, self.is_red(Some(parent)));
            if let Some(far) = self.child(sibling, away) {
                self.paint(far, false);
            }
            self.paint(parent, false);
            return self.rotate(parent, side);
        }
    }

    fn rotate(self, node: Place, down: Side) {
        let Some(up) = self.child(node, down.other()) else { return };
        self.replace(node, Some(up));
        self.adopt(node, down.other(), self.child(up, down));
        self.adopt(up, down, Some(node));
    }

    /// In the place of a node under its parent.
    fn replace(self, node: Place, new: Option<Place>) {
        let parent = self.parent(node);
        match parent {
            Some(parent) => self.set_child(parent, self.side_of(node, parent), new),
            None => set(&self.root[ROOT], new),
        }
        if let Some(new) = new {
            self.set_parent(new, parent);
        }
    }

    fn adopt(self, node: Place, side: Side, child: Option<Place>) {
        self.set_child(node, side, child);
        if let Some(child) = child {
            self.set_parent(child, Some(node));
        }
    }

    fn side_of(self, node: Place, parent: Place) -> Side {
        if self.child(parent, Side::Left) == Some(node) { Side::Left } else { Side::Right }
    }

    fn set_child(self, node: Place, side: Side, child: Option<Place>) {
        set(self.pool.word(node, side.word()), child);
    }

    fn set_parent(self, node: Place, parent: Option<Place>) {
        let word = self.pool.word(node, PARENT);
        let colour = word.load(Ordering::Relaxed) & RED;
        word.store(Place::to_word(parent) << 1 | colour, Ordering::Relaxed);
    }

    fn paint(self, node: Place, red: bool) {
        let word = self.pool.word(node, PARENT);
        let parent = word.load(Ordering::Relaxed) & !RED;
        word.store(parent | if red { RED } else { 0 }, Ordering::Relaxed);
    }

    /// What is not there is black.
    pub(super) fn is_red(self, node: Option<Place>) -> bool {
        node.is_some_and(|node| self.pool.word(node, PARENT).load(Ordering::Relaxed) & RED != 0)
    }
}
