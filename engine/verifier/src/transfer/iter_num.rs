//! The numbers iterator: eight bytes of stack that only its three functions may touch.
//!
//! ```text
//!   new ──▶ active ──next──▶ a number, active            pending: one more round
//!              │  └────────▶ NULL, drained ──next──▶ NULL
//!              └──────────────────┴──destroy──▶ gone
//! ```
//! `next` says NULL at some time and then always: a loop over it ends by itself, and is explored until a round adds
//! nothing (see `explore::loops`; linux: process_iter_arg(), process_iter_next_call()).

use bpfreplay_isa::Reg;
use bpfreplay_uapi::limits::{ITER_NUM_SIZE, MAX_BPF_STACK};

use super::{call, dynptr, read, reference, stack};
use crate::check::stack::StackRange;
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{ByteKind, Iter, MemSort, RegState, RegType, Slot, State, locate};

/// Where an iterator is: frame and slot.
#[derive(Clone, Copy)]
struct Place {
    range: StackRange,
    slot: usize,
}

/// `bpf_iter_num_new(it, start, end)`.
pub(super) fn new(env: &mut Env<'_>, state: &mut State) -> Checked {
    const EXPECTED: &str = "expected uninitialized iter_num as arg #0";
    let place = on_stack(state, EXPECTED)?;
    let free = place.filter(|place| slot(state, *place).iter.is_none());
    let Some(place) = free else {
        refuse!(Invalid, "{EXPECTED}");
    };
    for reg in [Reg::R2, Reg::R3] {
        if !read(state, reg)?.is_scalar() {
            refuse!(Invalid, "R{} is not a scalar", reg.number());
        }
    }
    dynptr::overwrite(env, state, place.range)?;
    stack::scramble(env, state, place.range, stack::Extent::Certain);
    env.log.touch_slot(place.slot);
    env.log.writes_stack(place.range.frame, 1 << place.slot);
    let id = env.new_id();
    state.held.acquire(id, env.pc());
    let slot = state.frames[place.range.frame].stack.slot_mut(place.slot);
    slot.bytes = [ByteKind::Iter; 8];
    slot.iter = Some(Iter { id, drained: false, depth: 0 });
    call::clobber_caller_saved(state);
    state.set(Reg::R0, RegState::UNKNOWN);
    Ok(())
}

/// `bpf_iter_num_next(it)`: a pointer to the next number, or NULL.
pub(super) fn next(env: &mut Env<'_>, state: &mut State) -> Checked {
    let (place, iter) = initialized(env, state)?;
    // What a NULL check goes by, though it is decided here and now.
    let id = env.new_id();
    let mut round = state.clone();
    set(state, place, Iter { drained: true, ..iter });
    call::clobber_caller_saved(state);
    state.set(Reg::R0, RegState::constant(0));
    if iter.drained {
        return Ok(());
    }
    set(&mut round, place, Iter { depth: iter.depth + 1, ..iter });
    call::clobber_caller_saved(&mut round);
    let number = RegType::Mem { size: size_of::<i32>() as u32, sort: MemSort::ReadOnly };
    round.set(Reg::R0, RegState { id, ref_obj_id: iter.id, ..RegState::pointer(number) });
    let pc = env.pc();
    // The state kept at this call is this round's, not the last one's.
    env.widen_from_last_round(&mut round, pc, state.parent);
    env.push(round, pc + 1)
}

/// `bpf_iter_num_destroy(it)`.
pub(super) fn destroy(env: &mut Env<'_>, state: &mut State) -> Checked {
    let (place, iter) = initialized(env, state)?;
    stack::scramble(env, state, place.range, stack::Extent::Certain);
    *state.frames[place.range.frame].stack.slot_mut(place.slot) = Slot::EMPTY;
    env.log.writes_stack(place.range.frame, 1 << place.slot);
    reference::release(state, iter.id);
    call::clobber_caller_saved(state);
    Ok(())
}

/// The iterator r1 points to, read.
fn initialized(env: &mut Env<'_>, state: &State) -> Checked<(Place, Iter)> {
    const EXPECTED: &str = "expected an initialized iter_num as arg #0";
    let found = on_stack(state, EXPECTED)?.and_then(|place| Some((place, slot(state, place).iter?)));
    let Some((place, iter)) = found else {
        refuse!(Invalid, "{EXPECTED}");
    };
    stack::mark_read(env, state, place.range);
    env.log.touch_slot(place.slot);
    Ok((place, iter))
}

/// The slot r1 points to; `None` if that is none. `expected` is what the kernel adds of a pointer into the stack.
fn on_stack(state: &State, expected: &str) -> Checked<Option<Place>> {
    let pointer = read(state, Reg::R1)?;
    let RegType::Stack { frame } = pointer.kind else {
        refuse!(Invalid, "arg#0 expected pointer to an iterator on stack");
    };
    let Some(var) = pointer.value.as_const() else {
        refuse!(Invalid, "iter has to be at a constant offset\n{expected}");
    };
    let at = i64::from(pointer.off).saturating_add(var as i64);
    if at % 8 != 0 {
        refuse!(Invalid, "cannot pass in iter at an offset={at}\n{expected}");
    }
    if !(-(MAX_BPF_STACK as i64)..0).contains(&at) {
        return Ok(None);
    }
    let range = StackRange { frame: frame.into(), min: at, max: at, size: ITER_NUM_SIZE.into() };
    Ok(Some(Place { range, slot: locate(at).0 }))
}

fn slot(state: &State, place: Place) -> &Slot {
    state.frames[place.range.frame].stack.slot(place.slot)
}

fn set(state: &mut State, place: Place, iter: Iter) {
    state.frames[place.range.frame].stack.slot_mut(place.slot).iter = Some(iter);
}
