//! Objects that programs allocate, and the lists and trees they put them in (linux: check_kfunc_call()).
//!
//! ```text
//!   push, add    the reference goes into the list or tree; pointers to the object stay until the lock is released
//!   pop, remove  the other way round
//!   first, left  a look at what is in there, until the lock is released
//! ```

use bpfreplay_isa::Reg;
use bpfreplay_uapi::Kfunc;

use super::{call, callback, reference};
use crate::check::graph::{self, Given, Root};
use crate::check::object::{borrowed, has_spin_lock};
use crate::error::{Checked, refuse};
use crate::explore::{Env, ObjectCall};
use crate::state::{Hold, RegState, RegType, State};

/// A call of one of their functions.
pub(super) fn call(env: &mut Env<'_>, state: &mut State, kfunc: Kfunc) -> Checked {
    if state.held.lock().is_some() && !may_be_locked(kfunc) {
        refuse!(Invalid, "function calls are not allowed while holding a lock");
    }
    let in_less = callback::is_in_less(env, state);
    let given = graph::arguments(env, state, kfunc, in_less)?;
    if given.constant.is_some() {
        env.mark_precise(state, Reg::R1);
    }
    if let (Some(function), Some(root)) = (given.less, given.root) {
        callback::less(env, state, function, node(env, root))?;
    }
    match kfunc {
        Kfunc::ObjDrop | Kfunc::PercpuObjDrop => drop_object(env, state, kfunc, &given)?,
        Kfunc::ListPushFront | Kfunc::ListPushBack | Kfunc::RbtreeAdd => insert(env, state, kfunc, &given)?,
        _ => {}
    }
    call::clobber_caller_saved(state);
    let result = result(env, state, kfunc, &given)?;
    state.set(Reg::R0, result);
    Ok(())
}

/// Calls that are for the time a lock is held (linux: kfunc_spin_allowed()).
fn may_be_locked(kfunc: Kfunc) -> bool {
    !matches!(kfunc, Kfunc::ObjNew | Kfunc::ObjDrop | Kfunc::PercpuObjNew | Kfunc::PercpuObjDrop)
}

/// A pointer to a node in a list or tree whose lock is held (linux: mark_reg_graph_node(), ref_set_non_owning()).
fn node(env: &Env<'_>, root: Root) -> RegState {
    let hold = borrowed(env, root.value_type_id);
    let kind = RegType::Object { type_id: root.value_type_id, hold };
    RegState { off: root.node_off.cast_signed(), ..RegState::pointer(kind) }
}

fn drop_object(env: &mut Env<'_>, state: &mut State, kfunc: Kfunc, given: &Given) -> Checked {
    let Some(object) = given.object else { return Ok(()) };
    // What is dropped knows what it is.
    env.note_object(local_type(env, object.type_id, (0, 0)), true)?;
    if !reference::release(state, object.ref_obj_id) {
        refuse!(Invalid, "kfunc {}#{} reference has not been acquired before", kfunc.name(), kfunc.id());
    }
    Ok(())
}

/// The list or tree owns the object now (linux: ref_convert_owning_non_owning()).
fn insert(env: &mut Env<'_>, state: &mut State, kfunc: Kfunc, given: &Given) -> Checked {
    let Some(object) = given.object else { return Ok(()) };
    note(env, object.type_id, (0, object.off))?;
    let hold = borrowed(env, object.type_id);
    state.each_mut(|reg| {
        if reg.ref_obj_id == object.ref_obj_id
            && let RegType::Object { type_id, .. } = reg.kind
        {
            reg.ref_obj_id = 0;
            reg.kind = RegType::Object { type_id, hold };
        }
    });
    if !reference::release(state, object.ref_obj_id) {
        refuse!(Invalid, "kfunc {}#{} reference has not been acquired before", kfunc.name(), kfunc.id());
    }
    Ok(())
}

/// What the call leaves in r0.
fn result(env: &mut Env<'_>, state: &mut State, kfunc: Kfunc, given: &Given) -> Checked<RegState> {
    let owned = |type_id| RegState::pointer(RegType::Object { type_id, hold: Hold::Owned });
    let (found, may_fail, acquires) = match (kfunc, given.root, given.object) {
        (Kfunc::ObjNew | Kfunc::PercpuObjNew, ..) => (new_object(env, kfunc, given)?, true, true),
        (Kfunc::RefcountAcquire, _, Some(object)) => {
            note(env, object.type_id, (0, 0))?;
            // What somebody else owns may just have been dropped.
            (owned(object.type_id), object.hold != Hold::Owned, true)
        }
        (Kfunc::ListPopFront | Kfunc::ListPopBack | Kfunc::RbtreeRemove, Some(root), _) => {
            let off = root.node_off.cast_signed();
            (RegState { off, ..owned(root.value_type_id) }, true, true)
        }
        (
            Kfunc::ListFront
            | Kfunc::ListBack
            | Kfunc::RbtreeFirst
            | Kfunc::RbtreeRoot
            | Kfunc::RbtreeLeft
            | Kfunc::RbtreeRight,
            Some(root),
            _,
        ) => (node(env, root), true, false),
        (Kfunc::ListPushFront | Kfunc::ListPushBack | Kfunc::RbtreeAdd, ..) => return Ok(RegState::UNKNOWN),
        _ => return Ok(RegState::NOT_INIT),
    };
    let mut found = RegState { nullable: may_fail, ..found };
    if may_fail {
        found.id = env.new_id();
    }
    if acquires {
        let id = env.new_id();
        state.held.acquire(id, env.pc());
        found.ref_obj_id = id;
        if may_fail {
            found.id = id;
        }
    }
    if found.id == 0 && has_spin_lock(env, found.kind) {
        found.id = env.new_id();
    }
    Ok(found)
}

fn new_object(env: &mut Env<'_>, kfunc: Kfunc, given: &Given) -> Checked<RegState> {
    let Ok(type_id) = u32::try_from(given.constant.unwrap_or(0)) else {
        refuse!(Invalid, "local type ID argument must be in range [0, U32_MAX]");
    };
    if env.program.types.is_none() {
        refuse!(Invalid, "bpf_obj_new/bpf_percpu_obj_new requires prog BTF");
    }
    let Some(size) = env.structure_size(type_id) else {
        refuse!(Invalid, "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct");
    };
    let hold = if kfunc == Kfunc::PercpuObjNew {
        percpu(env, type_id, size)?;
        Hold::PercpuOwned
    } else {
        Hold::Owned
    };
    note(env, type_id, (size, 0))?;
    Ok(RegState::pointer(RegType::Object { type_id, hold }))
}

/// Bytes of an object for each CPU at the most (`BPF_GLOBAL_PERCPU_MA_MAX_SIZE`).
const PERCPU_SIZE_MAX: u32 = 512;

fn percpu(env: &Env<'_>, type_id: u32, size: u32) -> Checked {
    if size > PERCPU_SIZE_MAX {
        refuse!(Invalid, "bpf_percpu_obj_new type size ({size}) is greater than {PERCPU_SIZE_MAX}");
    }
    if !env.is_of_scalars(type_id) {
        refuse!(Invalid, "bpf_percpu_obj_new type ID argument must be of a struct of scalars");
    }
    if !env.fields_of_type(type_id).is_empty() {
        refuse!(Invalid, "bpf_percpu_obj_new type ID argument must not contain special fields");
    }
    Ok(())
}

/// For the rewriter, which puts it into the call.
fn note(env: &mut Env<'_>, type_id: u32, numbers: (u32, i32)) -> Checked {
    env.note_object(local_type(env, type_id, numbers), false)
}

fn local_type(env: &Env<'_>, type_id: u32, (size, node_off): (u32, i32)) -> ObjectCall {
    let local_type = env.program.local_type(type_id).map(|(index, _)| index as u32);
    ObjectCall { size, local_type, node_off }
}

/// The lock is released: what is in lists and trees may go (linux: invalidate_non_owning_refs()).
pub(super) fn end_borrowing(state: &mut State) {
    state.each_mut(|reg| {
        if matches!(reg.kind, RegType::Object { hold, .. } if hold.is_borrowed()) {
            *reg = RegState::UNKNOWN;
        }
    });
}

/// An object for each CPU that is put where somebody else may take it is still there while the program runs
/// (linux: check_helper_call(), bpf_kptr_xchg).
pub(super) fn keep_percpu(state: &mut State, ref_obj_id: u32) {
    state.each_mut(|reg| {
        if let RegType::Object { type_id, hold: Hold::PercpuOwned } = reg.kind
            && reg.ref_obj_id == ref_obj_id
            && ref_obj_id != 0
        {
            reg.ref_obj_id = 0;
            reg.kind = RegType::Object { type_id, hold: Hold::PercpuRcu };
        }
    });
}

/// An RCU region ends: what was loaded in it may go (linux: check_kfunc_call(), rcu_unlock).
///
/// What may be NULL still may: the kernel forgets that, and lets programs read there that never looked. Here nothing
/// catches the fault.
pub(super) fn end_rcu(state: &mut State) {
    state.each_mut(|reg| {
        if let RegType::Object { type_id, hold } = reg.kind
            && let Some(hold) = hold.after_rcu_unlock()
        {
            reg.kind = RegType::Object { type_id, hold };
        }
    });
}
