//! Arguments that are dynptrs, or stack that becomes one (linux: process_dynptr_func()).

use bpfreplay_isa::Reg;
use bpfreplay_uapi::limits::{DYNPTR_SIZE, MAX_BPF_STACK};

use super::helper_args::expect;
use super::stack::StackRange;
use super::{context, stack};
use crate::error::{Checked, refuse};
use crate::state::{ByteKind, Dynptr, DynptrKind, DynptrSlot, RegState, RegType, State, locate};

/// Slots of a dynptr.
const SLOTS: usize = 2;

/// A dynptr as an argument, and where it is: nowhere if it is a caller's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DynptrArgument {
    pub(crate) dynptr: Dynptr,
    pub(crate) place: Option<StackRange>,
}

/// What a helper wants of a dynptr that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    Any,
    /// One of a ring buffer, with its reference, to end it.
    ReferencedRingbuf,
}

/// Whether a register may hold a dynptr, by its type alone.
pub(super) fn expected_by_helper(reg: Reg, value: &RegState) -> Checked {
    expect(reg, value, is_dynptr_pointer(value), "fp, dynptr_ptr")?;
    own_offset(reg, value)
}

/// The same for kernel functions and global functions, of which arguments are counted from 0.
pub(crate) fn expected_by_function(reg: Reg, value: &RegState) -> Checked {
    own_offset(reg, value)?;
    if !is_dynptr_pointer(value) {
        let n = reg.number() - 1;
        refuse!(Invalid, "arg#{n} expected pointer to stack or const struct bpf_dynptr");
    }
    Ok(())
}

fn is_dynptr_pointer(value: &RegState) -> bool {
    matches!(value.kind, RegType::Stack { .. } | RegType::Dynptr(_))
}

/// A caller's dynptr is handed on as it came.
fn own_offset(reg: Reg, value: &RegState) -> Checked {
    if matches!(value.kind, RegType::Dynptr(_)) { context::unmodified(reg, value) } else { Ok(()) }
}

/// A dynptr that is initialised. The register's type has been checked.
pub(crate) fn initialized(
    state: &State,
    (reg, value): (Reg, &RegState),
    wanted: Wanted,
) -> Checked<DynptrArgument> {
    let index = reg.number() - 1;
    let slot = match value.kind {
        RegType::Stack { frame } => slot_of(value, frame.into()),
        _ => Ok(None),
    };
    if wanted == Wanted::ReferencedRingbuf {
        owned(state, (reg, value), &slot)?;
    }
    if let RegType::Dynptr(kind) = value.kind {
        let dynptr = Dynptr { kind, id: value.id, ref_obj_id: 0 };
        return Ok(DynptrArgument { dynptr, place: None });
    }
    let expected = format!("Expected an initialized dynptr as arg #{index}");
    let place = match slot {
        Ok(place) => place,
        Err(message) => refuse!(Invalid, "{message}\n{expected}"),
    };
    let found = place.and_then(|place| Some((place, first_half(state, place)?)));
    let Some((place, dynptr)) = found else { refuse!(Invalid, "{expected}") };
    if wanted == Wanted::ReferencedRingbuf && dynptr.kind != DynptrKind::Ringbuf {
        refuse!(Invalid, "Expected a dynptr of type ringbuf as arg #{index}");
    }
    Ok(DynptrArgument { dynptr, place: Some(place) })
}

/// What is to be released holds a reference (linux: check_func_arg(), OBJ_RELEASE).
fn owned(
    state: &State,
    (reg, value): (Reg, &RegState),
    slot: &Result<Option<StackRange>, String>,
) -> Checked {
    if matches!(value.kind, RegType::Dynptr(_)) {
        refuse!(Invalid, "cannot release unowned const bpf_dynptr");
    }
    let unacquired = format!("arg {} is an unacquired reference", reg.number());
    match slot {
        Err(message) => refuse!(Invalid, "{message}\n{unacquired}"),
        Ok(None) => refuse!(Invalid, "{unacquired}"),
        Ok(Some(place)) => {
            let slot = state.frames[place.frame].stack.slot(locate(place.min).0);
            let referenced = slot.dynptr.is_some_and(|half| half.dynptr.ref_obj_id != 0)
                || slot.iter.is_some()
                || (slot.is_spill() && slot.spilled.ref_obj_id != 0);
            if referenced { Ok(()) } else { refuse!(Invalid, "{unacquired}") }
        }
    }
}

/// Stack that can become a dynptr. The register's type has been checked.
pub(crate) fn uninitialized((reg, value): (Reg, &RegState)) -> Checked<StackRange> {
    const REFUSED: &str = "Dynptr has to be an uninitialized dynptr";
    let RegType::Stack { frame } = value.kind else { refuse!(Invalid, "{REFUSED}") };
    match slot_of(value, frame.into()) {
        Err(message) => refuse!(Invalid, "{message}\n{REFUSED}"),
        Ok(Some(place)) => Ok(place),
        // It is written in two halves.
        Ok(None) => {
            let word = i64::from(DYNPTR_SIZE / 2);
            for off in [0, word] {
                stack::within_bounds(reg, value, frame.into(), off, word, stack::Purpose::Write)?;
            }
            refuse!(Invalid, "{REFUSED}")
        }
    }
}

/// The two slots the register points to; `None` if they are below the frame (linux: dynptr_get_spi()).
fn slot_of(value: &RegState, frame: usize) -> Result<Option<StackRange>, String> {
    let Some(var) = value.value.as_const() else {
        return Err("dynptr has to be at a constant offset".to_owned());
    };
    let at = i64::from(value.off).saturating_add(var as i64);
    let size = i64::from(DYNPTR_SIZE);
    if at % 8 != 0 || at > -size {
        return Err(format!("cannot pass in dynptr at an offset={at}"));
    }
    let inside = at >= -(MAX_BPF_STACK as i64);
    Ok(inside.then_some(StackRange { frame, min: at, max: at, size }))
}

/// The dynptr whose first half is at the place, if both halves are one's.
fn first_half(state: &State, place: StackRange) -> Option<Dynptr> {
    let stack = &state.frames[place.frame].stack;
    let (first, _) = locate(place.min);
    let whole = (first + 1 - SLOTS..=first).all(|slot| stack.slot(slot).bytes[0] == ByteKind::Dynptr);
    match stack.slot(first).dynptr {
        Some(DynptrSlot { dynptr, is_first: true }) if whole => Some(dynptr),
        Some(_) | None => None,
    }
}
