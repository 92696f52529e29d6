//! What goes with an object or a map's value: what its special fields own.
//!
//! An object that is dropped may own others, and those more. They wait in a chain that goes through what the pool keeps
//! of each block, so that neither stack nor heap grows with it.

use std::sync::atomic::{AtomicU64, Ordering};

use bpfreplay_program::{KptrKind, LocalType, SpecialField, SpecialKind};

use super::list::detach_list;
use super::rbtree::detach_tree;
use super::{Objects, Place, Pool};

/// Objects whose last reference is gone.
#[derive(Debug, Default)]
pub(super) struct Pending(Option<Place>);

impl Objects {
    /// `bpf_obj_new`: the object's address, or 0. All of it is 0 but its count of references, which is 1
    /// (linux: bpf_obj_init()).
    pub(crate) fn new_object(&self, stripe: usize, size: u64, meta: u32) -> u64 {
        let Some(pool) = &self.pool else { return 0 };
        let Some(object) = pool.allocate(stripe, size, meta) else { return 0 };
        if let Some(off) = self.type_of(meta).and_then(refcount) {
            pool.words(object)[off as usize / 8].fetch_add(one_at(off), Ordering::Relaxed);
        }
        pool.addr(object)
    }

    /// `bpf_obj_drop`: one reference less; with the last one goes the object and what it owns.
    pub(crate) fn drop_object(&self, stripe: usize, addr: u64) {
        let Some(pool) = &self.pool else { return };
        let Some(object) = pool.place_at(addr) else { return };
        let mut pending = Pending::default();
        self.release(pool, object, &mut pending);
        self.free_pending(pool, stripe, &mut pending);
    }

    /// `bpf_refcount_acquire`: the object again, or 0 if it has no reference left.
    pub(crate) fn acquire(&self, addr: u64, meta: u32) -> u64 {
        let Some(object) = self.pool.as_ref().and_then(|pool| Some((pool, pool.place_at(addr)?))) else {
            return 0;
        };
        let (pool, object) = object;
        let Some(off) = self.type_of(meta).and_then(refcount) else { return 0 };
        let not_zero = |word: u64| (count_at(word, off) != 0).then(|| word.wrapping_add(one_at(off)));
        let word = &pool.words(object)[off as usize / 8];
        word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, not_zero).map_or(0, |_| addr)
    }

    /// `bpf_percpu_obj_new`: an object for each CPU, all 0, by an address that only [`Objects::of_cpu`] can use.
    pub(crate) fn new_percpu(&self, stripe: usize, size: u64) -> u64 {
        let Some(pool) = &self.percpu else { return 0 };
        pool.allocate(stripe, size, 0).map_or(0, |object| pool.addr(object))
    }

    /// `bpf_percpu_obj_drop`.
    pub(crate) fn drop_percpu(&self, stripe: usize, addr: u64) {
        if let Some(pool) = &self.percpu
            && let Some(object) = pool.place_at(addr)
        {
            pool.free(stripe, object);
        }
    }

    /// `bpf_per_cpu_ptr`, `bpf_this_cpu_ptr`: a CPU's object, or 0 if there is no such CPU.
    pub(crate) fn of_cpu(&self, addr: u64, cpu: u32) -> u64 {
        let Some(pool) = &self.percpu else { return 0 };
        pool.place_at(addr).and_then(|object| pool.of_cpu(object, cpu)).map_or(0, |object| pool.addr(object))
    }

    /// Frees what special fields of a value own, and empties them (linux: bpf_obj_free_fields()).
    pub(crate) fn free_fields(&self, stripe: usize, special: &[SpecialField], value: &[AtomicU64]) {
        let Some(pool) = &self.pool else { return };
        let mut pending = Pending::default();
        self.release_fields((pool, stripe), special, value, &mut pending);
        self.free_pending(pool, stripe, &mut pending);
    }

    fn free_pending(&self, pool: &Pool, stripe: usize, pending: &mut Pending) {
        while let Some(object) = pending.pop(pool) {
            if let Some(ty) = self.type_of(pool.state(object).meta) {
                self.release_fields((pool, stripe), &ty.special, pool.words(object), pending);
            }
            pool.free(stripe, object);
        }
    }

    fn release_fields(
        &self,
        (pool, stripe): (&Pool, usize),
        special: &[SpecialField],
        value: &[AtomicU64],
        pending: &mut Pending,
    ) {
        let lock = special.iter().find(|field| field.kind == SpecialKind::SpinLock).map(|field| field.off);
        for field in special {
            let words = &value[field.off as usize / 8..];
            match field.kind {
                SpecialKind::Kptr { kind: KptrKind::Unref, .. } => words[0].store(0, Ordering::Relaxed),
                SpecialKind::Kptr { kind: KptrKind::Percpu, .. } => {
                    self.drop_percpu(stripe, words[0].swap(0, Ordering::AcqRel));
                }
                SpecialKind::Kptr { kind: KptrKind::Ref, .. } => {
                    if let Some(object) = pool.place_at(words[0].swap(0, Ordering::AcqRel)) {
                        self.release(pool, object, pending);
                    }
                }
                SpecialKind::ListHead { node_off, .. } => {
                    detach_list(pool, value, lock, field.off, |node| {
                        if let Some(object) = node.minus(node_off) {
                            self.release(pool, object, pending);
                        }
                    });
                }
                SpecialKind::RbRoot { node_off, .. } => {
                    detach_tree(pool, value, lock, field.off, |node| {
                        if let Some(object) = node.minus(node_off) {
                            self.release(pool, object, pending);
                        }
                    });
                }
                // A map's timers are freed with its elements; the others own nothing.
                SpecialKind::SpinLock
                | SpecialKind::Timer
                | SpecialKind::Workqueue
                | SpecialKind::Refcount
                | SpecialKind::ListNode
                | SpecialKind::RbNode => {}
            }
        }
    }

    /// One reference less.
    fn release(&self, pool: &Pool, object: Place, pending: &mut Pending) {
        if let Some(off) = self.type_of(pool.state(object).meta).and_then(refcount) {
            let was = pool.words(object)[off as usize / 8].fetch_sub(one_at(off), Ordering::AcqRel);
            if count_at(was, off) != 1 {
                return;
            }
        }
        pending.push(pool, object);
    }
}

impl Pending {
    fn push(&mut self, pool: &Pool, object: Place) {
        pool.set_pending(object, self.0);
        self.0 = Some(object);
    }

    fn pop(&mut self, pool: &Pool) -> Option<Place> {
        let object = self.0?;
        self.0 = pool.pending(object);
        Some(object)
    }
}

/// Where a type counts the references to its objects.
fn refcount(ty: &LocalType) -> Option<u32> {
    ty.special.iter().find(|field| field.kind == SpecialKind::Refcount).map(|field| field.off)
}

/// 1 in the half of a word that a count is in.
fn one_at(off: u32) -> u64 {
    1 << (off % 8 * 8)
}

fn count_at(word: u64, off: u32) -> u32 {
    (word >> (off % 8 * 8)) as u32
}
