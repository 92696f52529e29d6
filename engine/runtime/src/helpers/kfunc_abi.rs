//! From registers to Rust: kernel functions.
#![allow(unsafe_code, reason = "registers hold addresses; the verifier has proved what lies there")]

use std::ptr::with_exposed_provenance_mut;

use bpfreplay_uapi::Kfunc;

use super::abi::entries;
use super::iter_num::IterNum;
use super::{HelperFn, dynptr_abi, object_abi, ret};
use crate::exec::ExecutionContext;

/// The function of a kernel function, called as a helper is; `None` for those this engine does not have.
#[must_use]
pub fn kfunc(kfunc: Kfunc) -> Option<HelperFn> {
    Some(match kfunc {
        Kfunc::IterNumNew => iter_num_new,
        Kfunc::IterNumNext => iter_num_next,
        Kfunc::IterNumDestroy => iter_num_destroy,
        Kfunc::DynptrFromSkb
        | Kfunc::DynptrFromSkbRdonly
        | Kfunc::DynptrFromXdp
        | Kfunc::DynptrSlice
        | Kfunc::DynptrSliceRdwr
        | Kfunc::DynptrAdjust
        | Kfunc::DynptrIsNull
        | Kfunc::DynptrIsRdonly
        | Kfunc::DynptrSize
        | Kfunc::DynptrClone
        | Kfunc::DynptrCopy
        | Kfunc::DynptrMemset => return dynptr_abi::kfunc(kfunc),
        // What a run holds on to stays until it ends, and nothing preempts it.
        Kfunc::RcuReadLock | Kfunc::RcuReadUnlock | Kfunc::PreemptDisable | Kfunc::PreemptEnable => no_op,
        // Engines do it themselves: it does not return.
        Kfunc::Throw => return None,
        Kfunc::ObjNew => object_abi::obj_new,
        Kfunc::ObjDrop => object_abi::obj_drop,
        Kfunc::RefcountAcquire => object_abi::refcount_acquire,
        Kfunc::ListPushFront => object_abi::list_push_front,
        Kfunc::ListPushBack => object_abi::list_push_back,
        Kfunc::ListPopFront => object_abi::list_pop_front,
        Kfunc::ListPopBack => object_abi::list_pop_back,
        Kfunc::ListFront => object_abi::list_front,
        Kfunc::ListBack => object_abi::list_back,
        Kfunc::RbtreeRemove => object_abi::rbtree_remove,
        Kfunc::RbtreeAdd => object_abi::rbtree_add,
        Kfunc::RbtreeFirst => object_abi::rbtree_first,
        Kfunc::RbtreeRoot => object_abi::rbtree_root,
        Kfunc::RbtreeLeft => object_abi::rbtree_left,
        Kfunc::RbtreeRight => object_abi::rbtree_right,
        Kfunc::PercpuObjNew => object_abi::percpu_obj_new,
        Kfunc::PercpuObjDrop => object_abi::percpu_obj_drop,
    })
}

entries! {
    registers r1 r2 r3 r4 r5 ctx;
    no_op() {
        0
    };
    iter_num_new() {
        let (iter, result) = IterNum::new(r2 as i32, r3 as i32);
        // SAFETY: r1 is 8 aligned bytes of the program's stack, by `HelperFn`'s contract.
        unsafe { with_exposed_provenance_mut::<IterNum>(r1 as usize).write(iter) };
        ret(result)
    };
    iter_num_next() {
        // SAFETY: r1 is an iterator that `iter_num_new` made, on the program's stack, by `HelperFn`'s contract.
        let iter = unsafe { &mut *with_exposed_provenance_mut::<IterNum>(r1 as usize) };
        if iter.next() { r1 } else { 0 }
    };
    iter_num_destroy() {
        // SAFETY: as for `iter_num_new`.
        unsafe { with_exposed_provenance_mut::<IterNum>(r1 as usize).write(IterNum::default()) };
        0
    };
}
