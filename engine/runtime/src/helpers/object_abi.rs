//! From registers to Rust: kernel functions on objects that programs allocate, and `bpf_kptr_xchg`. Whoever calls one of
//! the former has put its program's [`Objects`] into the execution context.
#![allow(unsafe_code, reason = "registers hold addresses; the verifier has proved what lies there")]

use std::convert::Infallible;
use std::ptr::with_exposed_provenance;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bpfreplay_isa::AtomicOp;
use bpfreplay_uapi::Errno;

use super::abi::entries;
use super::callback_abi::call_back;
use crate::exec::ExecutionContext;
use crate::memory::atomic64;
use crate::objects::{End, Objects, Side, Tree, list};

/// Words of a `struct bpf_list_head` and of a `struct bpf_rb_root`.
const HEAD: usize = 2;

entries! {
    registers r1 r2 r3 r4 r5 ctx;
    /// Size and type.
    pub(super) obj_new(exec: exec) objects(exec).new_object(stripe(exec), r1, r2 as u32);
    pub(super) obj_drop(exec: exec) {
        objects(exec).drop_object(stripe(exec), r1);
        0
    };
    pub(super) percpu_obj_new(exec: exec) objects(exec).new_percpu(stripe(exec), r1);
    pub(super) percpu_obj_drop(exec: exec) {
        objects(exec).drop_percpu(stripe(exec), r1);
        0
    };
    pub(super) per_cpu_ptr(exec: exec) objects(exec).of_cpu(r1, r2 as u32);
    pub(super) this_cpu_ptr(exec: exec) objects(exec).of_cpu(r1, exec.cpu);
    pub(super) refcount_acquire(exec: exec) objects(exec).acquire(r1, r2 as u32);
    pub(super) list_push_front(exec: exec) {
        // SAFETY: r1 is a list head, by `HelperFn`'s contract.
        push(exec, unsafe { head(r1) }, (r2, r4), End::Front)
    };
    pub(super) list_push_back(exec: exec) {
        // SAFETY: as above.
        push(exec, unsafe { head(r1) }, (r2, r4), End::Back)
    };
    pub(super) list_pop_front(exec: exec) {
        // SAFETY: as above.
        pop(exec, unsafe { head(r1) }, End::Front)
    };
    pub(super) list_pop_back(exec: exec) {
        // SAFETY: as above.
        pop(exec, unsafe { head(r1) }, End::Back)
    };
    pub(super) list_front(exec: exec) {
        // SAFETY: as above.
        peek(exec, unsafe { head(r1) }, End::Front)
    };
    pub(super) list_back(exec: exec) {
        // SAFETY: as above.
        peek(exec, unsafe { head(r1) }, End::Back)
    };
    pub(super) rbtree_remove(exec: exec) {
        // SAFETY: r1 is a tree's root, by `HelperFn`'s contract.
        let root = unsafe { head(r1) };
        let Some(pool) = objects(exec).pool() else { return 0 };
        match pool.place_at(r2) {
            Some(node) if Tree::new(pool, root).remove(node) => r2,
            Some(_) | None => 0,
        }
    };
    pub(super) rbtree_add(exec: exec) {
        let objects = objects(exec);
        // SAFETY: r1 is a tree's root, by `HelperFn`'s contract.
        let root = unsafe { head(r1) };
        let less = |a, b| {
            // SAFETY: r3 is the address of a function of the program that takes two nodes, by `HelperFn`'s contract;
            // the context is handed on, nobody here uses it.
            Ok::<u64, Infallible>(unsafe { call_back(ctx, r3, [a, b, 0, 0]) })
        };
        match add(objects, root, (r2, r5), stripe(exec), less) {
            Ok(r0) => r0,
            Err(never) => match never {},
        }
    };
    pub(super) rbtree_first(exec: exec) {
        // SAFETY: r1 is a tree's root, by `HelperFn`'s contract.
        look(exec, unsafe { head(r1) }, |tree| tree.first())
    };
    pub(super) rbtree_root(exec: exec) {
        // SAFETY: as above.
        look(exec, unsafe { head(r1) }, |tree| tree.root())
    };
    pub(super) rbtree_left(exec: exec) {
        // SAFETY: as above.
        child(exec, unsafe { head(r1) }, r2, Side::Left)
    };
    pub(super) rbtree_right(exec: exec) {
        // SAFETY: as above.
        child(exec, unsafe { head(r1) }, r2, Side::Right)
    };
    /// r1 is a field that owns an object or nothing; what it owned is the caller's, and what the caller owned is its.
    pub(super) kptr_xchg() {
        // SAFETY: r1 is such a field, aligned to 8, by `HelperFn`'s contract.
        unsafe { atomic64(r1, AtomicOp::Xchg, r2, 0) }
    };
}

/// A call of `bpf_rbtree_add` by an interpreted program, whose arguments were checked.
#[derive(Debug)]
pub struct TreeAdd {
    objects: Arc<Objects>,
    root: u64,
    node: u64,
    off: u64,
    stripe: usize,
}

impl TreeAdd {
    /// # Safety
    ///
    /// `root` is the root of a tree of these objects in a map's value or an object, which lives while this does.
    pub(crate) unsafe fn new(objects: Arc<Objects>, (root, node, off): (u64, u64, u64), cpu: u32) -> TreeAdd {
        TreeAdd { objects, root, node, off, stripe: cpu as usize }
    }

    /// Puts the node in: r0. `less` is told of two nodes.
    ///
    /// # Errors
    ///
    /// Those of `less`.
    pub fn run<E>(&self, less: impl FnMut(u64, u64) -> Result<u64, E>) -> Result<u64, E> {
        // SAFETY: by what `new` was promised.
        let root = unsafe { head(self.root) };
        add(&self.objects, root, (self.node, self.off), self.stripe, less)
    }
}

/// A node that is in a list or tree already is dropped (linux: __bpf_list_add(), __bpf_rbtree_add()).
fn add<E>(
    objects: &Objects,
    root: &[AtomicU64],
    (node, off): (u64, u64),
    stripe: usize,
    mut less: impl FnMut(u64, u64) -> Result<u64, E>,
) -> Result<u64, E> {
    let Some((pool, place)) = objects.pool().and_then(|pool| Some((pool, pool.place_at(node)?))) else {
        return Ok(EINVAL);
    };
    if Tree::new(pool, root).add(place, |a, b| Ok(less(a, b)? != 0))? {
        return Ok(0);
    }
    objects.drop_object(stripe, node.wrapping_sub(off));
    Ok(EINVAL)
}

/// EINVAL of a kernel function that returns an `int`: the upper half is 0.
const EINVAL: u64 = Errno::EINVAL.as_ret() as u32 as u64;

fn push(exec: &ExecutionContext, head: &[AtomicU64], (node, off): (u64, u64), end: End) -> u64 {
    let objects = objects(exec);
    let Some((pool, place)) = objects.pool().and_then(|pool| Some((pool, pool.place_at(node)?))) else {
        return EINVAL;
    };
    if list::push(pool, head, place, end) {
        return 0;
    }
    objects.drop_object(stripe(exec), node.wrapping_sub(off));
    EINVAL
}

fn pop(exec: &ExecutionContext, head: &[AtomicU64], end: End) -> u64 {
    let Some(pool) = objects(exec).pool() else { return 0 };
    list::pop(pool, head, end).map_or(0, |node| pool.addr(node))
}

fn peek(exec: &ExecutionContext, head: &[AtomicU64], end: End) -> u64 {
    let Some(pool) = objects(exec).pool() else { return 0 };
    list::peek(head, end).map_or(0, |node| pool.addr(node))
}

fn look(
    exec: &ExecutionContext,
    root: &[AtomicU64],
    look: impl FnOnce(Tree<'_>) -> Option<crate::objects::Place>,
) -> u64 {
    let Some(pool) = objects(exec).pool() else { return 0 };
    look(Tree::new(pool, root)).map_or(0, |node| pool.addr(node))
}

fn child(exec: &ExecutionContext, root: &[AtomicU64], node: u64, side: Side) -> u64 {
    let place = objects(exec).pool().and_then(|pool| pool.place_at(node));
    look(exec, root, |tree| tree.child_of(place?, side))
}

/// Freed blocks of a worker are its own to use again.
fn stripe(exec: &ExecutionContext) -> usize {
    exec.cpu as usize
}

/// The objects of the program that calls.
fn objects<'a>(exec: &ExecutionContext) -> &'a Objects {
    // SAFETY: the engine has put the address of its program's objects there, by `HelperFn`'s contract; the program keeps
    // them while it runs.
    unsafe { &*with_exposed_provenance(exec.objects as usize) }
}

/// # Safety
///
/// `addr` is a list head or a tree's root in a map's value or an object: 16 bytes, aligned to 8, that are reached as
/// atomics only.
unsafe fn head<'a>(addr: u64) -> &'a [AtomicU64] {
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(with_exposed_provenance(addr as usize), HEAD) }
}
