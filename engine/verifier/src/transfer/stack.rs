//! Spills, fills, and bytes (linux: check_stack_write_fixed_off() and its kin).

use bpfreplay_isa::{Operand, Reg};

use super::dynptr;
use crate::check::stack::StackRange;
use crate::error::{Checked, ErrorKind, Refusal, refuse};
use crate::explore::Env;
use crate::scalar::Scalar;
use crate::state::{ByteKind, RegState, RegType, Slot, SlotSet, StackAccess, State, locate};

/// What a load of the bytes gives, before extension.
pub(super) fn read(
    env: &mut Env<'_>,
    state: &mut State,
    (base, range): (Reg, StackRange),
) -> Checked<RegState> {
    note_access(env, state, range);
    mark_read(env, state, range);
    readable(state, range, (!range.is_fixed()).then_some(base))?;
    if !range.is_fixed() {
        return Ok(read_variable(state, range));
    }
    let (slot_at, first) = locate(range.min);
    let slot = *state.frames[range.frame].stack.slot(slot_at);
    let size = range.size as usize;
    let spilled = slot.spill_size();
    let whole = size == 8 && spilled == 8;
    if slot.is_spill() {
        if !slot.spilled.is_scalar() {
            if !whole {
                refuse!(Access, "invalid size of register fill");
            }
            return Ok(slot.spilled);
        }
        if whole || (first == 0 && size <= spilled) {
            let access = StackAccess { frame: range.frame as u8, slot: slot_at as u8 };
            env.record(state, Some(access), Vec::new());
            return Ok(slot.spilled);
        }
    }
    let bytes = &slot.bytes[first..first + size];
    if bytes.iter().all(|&byte| byte == ByteKind::Zero) {
        return Ok(RegState::constant(0));
    }
    Ok(RegState::scalar(Scalar::UNKNOWN))
}

/// A function that fills memory leaves dynptrs alone: it may be using them (linux: check_stack_range_initialized()).
/// Where it may start anywhere in the range, iterators, too.
pub(super) fn spares_dynptrs(env: &mut Env<'_>, state: &State, (reg, range): (Reg, StackRange)) -> Checked {
    if !range.is_fixed() {
        mark_read(env, state, range);
        return readable(state, range, Some(reg));
    }
    let stack = &state.frames[range.frame].stack;
    let touched = (range.min..range.max + range.size).find(|&off| stack.byte(off) == ByteKind::Dynptr);
    match touched {
        Some(off) => refuse!(Access, "potential write to dynptr at off={off} disallowed"),
        None => Ok(()),
    }
}

/// Iterators and dynptrs are not for programs to look at (linux: check_stack_read_fixed_off()).
/// `through`: the register a function was handed.
pub(super) fn readable(state: &State, range: StackRange, through: Option<Reg>) -> Checked {
    let stack = &state.frames[range.frame].stack;
    let mut offsets = range.min..range.max + range.size;
    let Some(off) = offsets.find(|&off| matches!(stack.byte(off), ByteKind::Iter | ByteKind::Dynptr)) else {
        return Ok(());
    };
    let (at, byte, size) = (range.min, off - range.min, range.size);
    let message = match through {
        None => format!("invalid read from stack off {at}+{byte} size {size}"),
        Some(reg) if range.is_fixed() => {
            format!("invalid read from stack R{} off {at}+{byte} size {size}", reg.number())
        }
        Some(reg) => {
            let (n, var) = (reg.number(), state.reg(reg).value.known_bits());
            format!("invalid read from stack R{n} var_off {var}+{byte} size {size}")
        }
    };
    let help = if stack.byte(off) == ByteKind::Dynptr {
        "a struct bpf_dynptr is not for the program to look at: bpf_dynptr_read copies out what it is of, \
         bpf_dynptr_data and bpf_dynptr_slice point to it"
    } else {
        "a struct bpf_iter_num is not for the program to look at: bpf_iter_num_next points to the number"
    };
    Err(Refusal::new(ErrorKind::Access, message).help(help))
}

/// Somewhere in the range: zero if all of it is, else any number.
fn read_variable(state: &State, range: StackRange) -> RegState {
    let stack = &state.frames[range.frame].stack;
    let all_zero = (range.min..range.max + range.size).all(|off| stack.byte(off) == ByteKind::Zero);
    if all_zero { RegState::constant(0) } else { RegState::UNKNOWN }
}

/// What is read matters: at the join points since it was written, states must agree on it.
pub(super) fn mark_read(env: &mut Env<'_>, state: &State, range: StackRange) {
    if range.max + range.size <= range.min {
        return;
    }
    let slots = slots(range);
    env.log.reads_stack(range.frame, slots);
    env.mark_slots_read(state, range.frame, slots);
}

/// The slots of a range that is not empty.
fn slots(range: StackRange) -> SlotSet {
    let ((deepest, _), (highest, _)) = (locate(range.min), locate(range.max + range.size - 1));
    (highest..=deepest).fold(0, |set, slot| set | 1 << slot)
}

/// Stores a value.
pub(super) fn write(
    env: &mut Env<'_>,
    state: &mut State,
    range: StackRange,
    value: &RegState,
    src: Operand,
) -> Checked {
    note_access(env, state, range);
    dynptr::overwrite(env, state, range)?;
    if !range.is_fixed() {
        return write_variable(env, state, range, value);
    }
    let (slot_at, first) = locate(range.min);
    let size = range.size as usize;
    if value.is_pointer() && !matches!(value.kind, RegType::Dynptr(_)) {
        if size != 8 {
            refuse!(Access, "invalid size of register spill");
        }
        if range.frame != state.depth() && matches!(value.kind, RegType::Stack { .. }) {
            refuse!(Access, "cannot spill pointers to stack into stack frame of the caller");
        }
    }
    if size == 8 {
        state.written[range.frame] |= 1 << slot_at;
        env.log.writes_stack(range.frame, 1 << slot_at);
    }
    // Of a dynptr that a global function was handed the kernel forgets what it was.
    let is_spill = first == 0 && !matches!(value.kind, RegType::Dynptr(_));
    let zero = value.is_null();
    if zero
        && !is_spill
        && let Operand::Reg(reg) = src
    {
        // The bytes count as zero from here on, whatever the register's precision.
        env.mark_precise(state, reg);
    }
    if is_spill {
        let access = StackAccess { frame: range.frame as u8, slot: slot_at as u8 };
        env.record(state, Some(access), Vec::new());
    }
    let slot = state.frames[range.frame].stack.slot_mut(slot_at);
    if is_spill {
        spill(slot, size, value);
    } else {
        slot.break_spill();
        slot.bytes[first..first + size].fill(if zero { ByteKind::Zero } else { ByteKind::Misc });
    }
    Ok(())
}

/// The register into the slot's first bytes; what else was spilled there is broken.
fn spill(slot: &mut Slot, size: usize, value: &RegState) {
    slot.break_spill();
    slot.bytes[..size].fill(ByteKind::Spill);
    slot.spilled = *value;
    if value.is_scalar() && value.value.width() > size as u32 * 8 {
        // Only part of it: no longer the same as the register.
        slot.spilled.unlink();
    }
}

/// Somewhere in the range: every byte may be the old or the new one.
fn write_variable(env: &mut Env<'_>, state: &mut State, range: StackRange, value: &RegState) -> Checked {
    if value.is_pointer() && matches!(value.kind, RegType::Stack { .. }) && range.frame != state.depth() {
        refuse!(Access, "cannot spill pointers to stack into stack frame of the caller");
    }
    // The old bytes may stay, so states before must agree on them.
    env.mark_slots_read(state, range.frame, slots(range));
    let stack = &mut state.frames[range.frame].stack;
    for off in range.min..range.max + range.size {
        let (slot_at, byte) = locate(off);
        let slot = stack.slot_mut(slot_at);
        slot.break_spill();
        if slot.bytes[byte] != ByteKind::Zero || !value.is_null() {
            slot.bytes[byte] = ByteKind::Misc;
        }
    }
    Ok(())
}

/// Whether all bytes of a range are written or only some.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// All of them.
    Certain,
    /// Up to all of them: a helper is given a size that varies.
    Possible,
}

/// The bytes become any numbers: a helper filled them, or an atomic did.
pub(super) fn scramble(env: &mut Env<'_>, state: &mut State, range: StackRange, extent: Extent) {
    note_access(env, state, range);
    let whole_is_known = range.is_fixed() && extent == Extent::Certain;
    for off in range.min..range.max + range.size {
        let (slot_at, byte) = locate(off);
        let covers = off % 8 == 0 && off + 8 <= range.max + range.size;
        if covers && whole_is_known {
            state.written[range.frame] |= 1 << slot_at;
        }
        let slot = state.frames[range.frame].stack.slot_mut(slot_at);
        slot.break_spill();
        slot.bytes[byte] = ByteKind::Misc;
    }
}

/// How deep the function's stack goes, for the 512 bytes of a chain of calls.
pub(super) fn note_depth(env: &mut Env<'_>, state: &State, range: StackRange) {
    env.note_stack_depth(state.frames[range.frame].subprog, range.min);
}

/// The same of an instruction's own access, or of what a helper writes; and that the slots are looked at.
fn note_access(env: &mut Env<'_>, state: &State, range: StackRange) {
    note_depth(env, state, range);
    env.note_stack_access(state.frames[range.frame].subprog, range.min);
}
