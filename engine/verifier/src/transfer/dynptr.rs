//! Dynptrs: sixteen bytes of stack that only their functions may touch, and the memory they lend.
//!
//! ```text
//!   from_mem, from_skb, from_xdp ──▶ dynptr {id} ──data, slice──▶ memory with dynptr_id = id, or NULL
//!   reserve_dynptr ──▶ dynptr {id, ref_obj_id} ──clone──▶ dynptr {id', ref_obj_id}
//!
//!   overwritten     refused while it holds a reference; else it is gone, and what `data` gave
//!   submitted       gone with all its clones, and what any of them lent
//!   packet changed  it stays; what it lent of the packet is gone
//! ```
//! A dynptr that could not be made is empty, which only the run can tell: a reserved one has to be given back all the
//! same.

use bpfreplay_isa::Reg;
use bpfreplay_uapi::{Kfunc, KfuncArg};

use super::{call, helper, read, reference, stack};
use crate::check::context;
use crate::check::dynptr::{self, DynptrArgument, Wanted};
use crate::check::helper_memory::{optional_buffer, pair};
use crate::check::memory::writes_packets;
use crate::check::stack::StackRange;
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{
    ByteKind, Dynptr, DynptrKind, DynptrSlot, MemSort, RegState, RegType, Slot, State, locate,
};

/// The two slots are read: what they hold matters.
pub(super) fn mark_read(env: &mut Env<'_>, state: &State, argument: DynptrArgument) {
    if let Some(place) = argument.place {
        stack::mark_read(env, state, place);
    }
}

/// A new dynptr at the place (linux: mark_stack_slots_dynptr()). A clone has its original's reference.
pub(super) fn make(
    env: &mut Env<'_>,
    state: &mut State,
    place: StackRange,
    kind: DynptrKind,
    original: Option<Dynptr>,
) -> Checked {
    overwrite(env, state, place)?;
    stack::scramble(env, state, place, stack::Extent::Certain);
    let id = env.new_id();
    let ref_obj_id = match original {
        Some(original) => original.ref_obj_id,
        None if kind.is_referenced() => {
            let id = env.new_id();
            state.held.acquire(id, env.pc());
            id
        }
        None => 0,
    };
    let dynptr = Dynptr { kind, id, ref_obj_id };
    let (first, _) = locate(place.min);
    for (slot, is_first) in [(first, true), (first - 1, false)] {
        env.log.touch_slot(slot);
        env.log.writes_stack(place.frame, 1 << slot);
        *state.frames[place.frame].stack.slot_mut(slot) = Slot {
            bytes: [ByteKind::Dynptr; 8],
            dynptr: Some(DynptrSlot { dynptr, is_first }),
            ..Slot::EMPTY
        };
    }
    Ok(())
}

/// Bytes are about to be written where dynptrs may be: those are no more (linux: destroy_if_dynptr_stack_slot()).
pub(super) fn overwrite(env: &mut Env<'_>, state: &mut State, range: StackRange) -> Checked {
    if range.max + range.size <= range.min {
        return Ok(());
    }
    let ((deepest, _), (highest, _)) = (locate(range.min), locate(range.max + range.size - 1));
    for slot in highest..=deepest {
        let Some(half) = state.frames[range.frame].stack.slot(slot).dynptr else { continue };
        if half.dynptr.kind.is_referenced() {
            refuse!(Invalid, "cannot overwrite referenced dynptr");
        }
        let first = if half.is_first { slot } else { slot + 1 };
        // Another state may be like this one only if what is overwritten there is no reference, either.
        env.mark_slots_read(state, range.frame, 0b11 << (first - 1));
        forget(env, state, range.frame, first);
        state.each_mut(|reg| {
            let of_it = reg.dynptr_id == half.dynptr.id;
            if of_it && matches!(reg.kind, RegType::Mem { sort: MemSort::DynptrData, .. }) {
                *reg = RegState::UNKNOWN;
            }
        });
    }
    Ok(())
}

fn forget(env: &mut Env<'_>, state: &mut State, frame: usize, first: usize) {
    for slot in [first, first - 1] {
        env.log.touch_slot(slot);
        env.log.writes_stack(frame, 1 << slot);
        *state.frames[frame].stack.slot_mut(slot) = Slot::EMPTY;
    }
}

/// A ring buffer's record is submitted or discarded (linux: unmark_stack_slots_dynptr()). The kernel looks for clones in
/// the dynptr's own frame only; here they go in every frame.
pub(super) fn end(env: &mut Env<'_>, state: &mut State, argument: DynptrArgument) {
    mark_read(env, state, argument);
    let ref_obj_id = argument.dynptr.ref_obj_id;
    reference::release(state, ref_obj_id);
    for frame in 0..state.frames.len() {
        for slot in 0..state.frames[frame].stack.slots().len() {
            let half = state.frames[frame].stack.slot(slot).dynptr;
            if half.is_some_and(|half| half.is_first && half.dynptr.ref_obj_id == ref_obj_id) {
                forget(env, state, frame, slot);
            }
        }
    }
}

/// What `bpf_dynptr_data` gives.
pub(super) fn data(env: &mut Env<'_>, dynptr: Dynptr, size: u32) -> RegState {
    let memory = RegType::Mem { size, sort: MemSort::DynptrData };
    lent(env, dynptr, memory)
}

fn lent(env: &mut Env<'_>, dynptr: Dynptr, memory: RegType) -> RegState {
    RegState {
        nullable: true,
        id: env.new_id(),
        ref_obj_id: dynptr.ref_obj_id,
        dynptr_id: dynptr.id,
        ..RegState::pointer(memory)
    }
}

/// The packet may be written through the dynptr, if programs of this type may.
pub(super) fn note_write(env: &mut Env<'_>, dynptr: Dynptr) {
    if dynptr.kind.may_be_packet() && writes_packets(env.program.prog_type) {
        let pc = env.pc();
        env.notes[pc].writes_packet = true;
    }
}

/// Calls of the kernel functions on dynptrs (linux: check_kfunc_args(), check_special_kfunc()).
pub(super) fn call(env: &mut Env<'_>, state: &mut State, kfunc: Kfunc) -> Checked {
    if state.held.lock().is_some() {
        refuse!(Invalid, "function calls are not allowed while holding a lock");
    }
    let mut given = None;
    let mut size = 0;
    for (index, (&arg, reg)) in kfunc.args().iter().zip(Reg::ARGS).enumerate() {
        let value = *state.reg(reg);
        let n = reg.number();
        let is_trusted = kfunc.args()[0] == KfuncArg::TrustedCtx && arg != KfuncArg::Scalar;
        if is_trusted && (value.is_null() || value.nullable) {
            refuse!(Access, "Possibly NULL pointer passed to trusted arg{index}");
        }
        match arg {
            KfuncArg::Ctx | KfuncArg::TrustedCtx => context_argument(index, (reg, &value))?,
            KfuncArg::Scalar | KfuncArg::ConstSize if !value.is_scalar() => {
                refuse!(Invalid, "R{n} is not a scalar")
            }
            KfuncArg::Scalar => {}
            KfuncArg::Dynptr => {
                dynptr::expected_by_function(reg, &value)?;
                let argument = dynptr::initialized(state, (reg, &value), Wanted::Any)?;
                mark_read(env, state, argument);
                given = Some(argument.dynptr);
                if matches!(kfunc, Kfunc::DynptrCopy | Kfunc::DynptrMemset) && index == 0 {
                    note_write(env, argument.dynptr);
                }
            }
            KfuncArg::NewDynptr => {
                dynptr::expected_by_function(reg, &value)?;
                let place = dynptr::uninitialized((reg, &value))?;
                make(env, state, place, new_kind(kfunc, given), given)?;
            }
            // Checked with the size that follows.
            KfuncArg::OptionalBuffer => {}
            // No function of dynptrs takes these.
            KfuncArg::LocalTypeId
            | KfuncArg::AllocObject
            | KfuncArg::RefcountedObject
            | KfuncArg::ListHead
            | KfuncArg::ListNode
            | KfuncArg::RbRoot
            | KfuncArg::RbNode
            | KfuncArg::Less
            | KfuncArg::Ignored => {}
            KfuncArg::ConstSize => size = slice_size(env, state, (reg, &value), Reg::ARGS[index - 1])?,
            // Of the iterator's functions.
            KfuncArg::Iter => read(state, reg).map(drop)?,
        }
    }
    let result = match (kfunc, given) {
        (Kfunc::DynptrSlice, Some(dynptr)) => slice(env, dynptr, size, false),
        (Kfunc::DynptrSliceRdwr, Some(dynptr)) => {
            if !writes_packets(env.program.prog_type) {
                refuse!(Invalid, "the prog does not allow writes to packet data");
            }
            note_write(env, dynptr);
            slice(env, dynptr, size, true)
        }
        (_, _) => RegState::UNKNOWN,
    };
    if kfunc == Kfunc::DynptrFromSkb && !writes_packets(env.program.prog_type) {
        let pc = env.pc();
        env.notes[pc].becomes = Some(Kfunc::DynptrFromSkbRdonly);
    }
    call::clobber_caller_saved(state);
    state.set(Reg::R0, result);
    Ok(())
}

fn context_argument(index: usize, (reg, value): (Reg, &RegState)) -> Checked {
    if value.kind != RegType::Ctx {
        refuse!(Invalid, "arg#{index} expected pointer to ctx, but got {}", value.type_name());
    }
    context::unmodified(reg, value)
}

fn new_kind(kfunc: Kfunc, original: Option<Dynptr>) -> DynptrKind {
    match (kfunc, original) {
        (Kfunc::DynptrFromXdp, _) => DynptrKind::Xdp,
        (_, Some(original)) => original.kind,
        (_, None) => DynptrKind::Skb,
    }
}

/// The size of a slice, and the buffer for one that is not in one piece.
fn slice_size(
    env: &mut Env<'_>,
    state: &mut State,
    (reg, size): (Reg, &RegState),
    buffer: Reg,
) -> Checked<u32> {
    let mut effects = Vec::new();
    let checked = optional_buffer(env, state, (reg, size), buffer, &mut effects);
    for effect in effects {
        helper::apply(env, state, effect).map_err(|refusal| pair(refusal, buffer, reg))?;
    }
    checked?;
    let Some(bytes) = size.as_const() else {
        refuse!(Invalid, "R{} must be a known constant", reg.number());
    };
    env.mark_precise_unsaid(state, reg);
    Ok(bytes as u32)
}

fn slice(env: &mut Env<'_>, dynptr: Dynptr, size: u32, writable: bool) -> RegState {
    lent(env, dynptr, RegType::Mem { size, sort: MemSort::Slice { of: dynptr.kind, writable } })
}
