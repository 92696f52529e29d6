//! Calls of kernel functions (linux: check_kfunc_call()).

use bpfreplay_uapi::Kfunc;

use super::{call, dynptr, iter_num, object, region};
use crate::error::{Checked, refuse};
use crate::explore::{Env, Next};
use crate::state::State;

pub(super) fn call(env: &mut Env<'_>, state: &mut State, id: i32) -> Checked<Next> {
    let Some(kfunc) = Kfunc::from_id(id as u32) else {
        refuse!(Invalid, "invalid kernel function call not eliminated in verifier pass (kfunc {id})");
    };
    if !kfunc.allowed(env.program.prog_type) {
        refuse!(Access, "calling kernel function {} is not allowed", kfunc.name());
    }
    match kfunc {
        Kfunc::Throw => return call::throw(env, state),
        Kfunc::IterNumNew => iter_num::new(env, state)?,
        Kfunc::IterNumNext => iter_num::next(env, state)?,
        Kfunc::IterNumDestroy => iter_num::destroy(env, state)?,
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
        | Kfunc::DynptrMemset => dynptr::call(env, state, kfunc)?,
        Kfunc::RcuReadLock | Kfunc::RcuReadUnlock | Kfunc::PreemptDisable | Kfunc::PreemptEnable => {
            region::call(state, kfunc)?;
        }
        Kfunc::ObjNew
        | Kfunc::ObjDrop
        | Kfunc::PercpuObjNew
        | Kfunc::PercpuObjDrop
        | Kfunc::RefcountAcquire
        | Kfunc::ListPushFront
        | Kfunc::ListPushBack
        | Kfunc::ListPopFront
        | Kfunc::ListPopBack
        | Kfunc::ListFront
        | Kfunc::ListBack
        | Kfunc::RbtreeRemove
        | Kfunc::RbtreeAdd
        | Kfunc::RbtreeFirst
        | Kfunc::RbtreeRoot
        | Kfunc::RbtreeLeft
        | Kfunc::RbtreeRight => object::call(env, state, kfunc)?,
    }
    Ok(Next::Goto(env.pc() + 1))
}
