//! Arithmetic with pointers (linux: adjust_ptr_min_max_vals()).
//!
//! A pointer is `base + off + value`: `off` a constant, `value` the sum of the variables added. Adding a constant
//! moves `off` and keeps identity and proved range; adding a variable makes a new base.

use bpfreplay_isa::{AluOp, Reg, Width};
use bpfreplay_uapi::limits::MAX_VAR_OFF;

use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::scalar::{self, Scalar};
use crate::state::{PacketRange, RegState, RegType};

/// Which operand is the pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Left,
    Right,
}

/// Two pointers: only their difference, and it is unknown, of 32 bits too.
pub(super) fn pointers(op: AluOp, dst: Reg) -> Checked<RegState> {
    if op == AluOp::Sub {
        return Ok(RegState::UNKNOWN);
    }
    refuse!(Access, "R{} pointer {} pointer prohibited", dst.number(), op.text());
}

/// `pointer op number`, or with [`Side::Right`] `number op pointer`.
pub(super) fn arithmetic(
    env: &mut Env<'_>,
    (width, op): (Width, AluOp),
    dst: Reg,
    pointer: &RegState,
    number: &RegState,
    side: Side,
) -> Checked<RegState> {
    let n = dst.number();
    if width == Width::W32 {
        if op == AluOp::Sub {
            return Ok(RegState::UNKNOWN);
        }
        refuse!(Access, "R{n} 32-bit pointer arithmetic prohibited");
    }
    let name = pointer.type_name();
    if pointer.nullable {
        refuse!(Access, "R{n} pointer arithmetic on {name} prohibited, null-check it first");
    }
    if matches!(pointer.kind, RegType::MapPtr { .. } | RegType::PacketEnd | RegType::Sock(_)) {
        let harmless = op == AluOp::Add && number.value.as_const() == Some(0);
        if !(harmless && matches!(pointer.kind, RegType::MapPtr { .. })) {
            refuse!(Access, "R{n} pointer arithmetic on {name} prohibited");
        }
    }
    if let RegType::BtfSock(sock) = pointer.kind {
        refuse!(Unsupported, "arithmetic on a struct {} is not supported (R{n})", sock.name());
    }
    check_offset(number, name)?;
    let number = &number.value;
    let result = match (op, side) {
        (AluOp::Add, _) => add(env, pointer, number),
        (AluOp::Sub, Side::Left) => {
            if matches!(pointer.kind, RegType::Stack { .. }) {
                refuse!(Access, "R{n} subtraction from stack pointer prohibited");
            }
            subtract(env, pointer, number)
        }
        (AluOp::Sub, Side::Right) => refuse!(Access, "R{n} tried to subtract pointer from scalar"),
        (AluOp::And | AluOp::Or | AluOp::Xor, _) => {
            refuse!(Access, "R{n} bitwise operator {} on pointer prohibited", op.text())
        }
        (
            AluOp::Mul
            | AluOp::Div
            | AluOp::Sdiv
            | AluOp::Mod
            | AluOp::Smod
            | AluOp::Lsh
            | AluOp::Rsh
            | AluOp::Arsh
            | AluOp::Mov,
            _,
        ) => refuse!(Access, "R{n} pointer arithmetic with {} operator prohibited", op.text()),
    };
    check_offset(&result, name)?;
    Ok(result)
}

fn add(env: &mut Env<'_>, pointer: &RegState, number: &Scalar) -> RegState {
    if let Some(moved) = moved_by_constant(pointer, number.as_const(), 1) {
        return moved;
    }
    let mut result = *pointer;
    result.value = scalar::alu(Width::W64, AluOp::Add, &pointer.value, number).without_low_bounds();
    new_base(env, &mut result);
    // What is proved of the packet is proved of the old base.
    result.range = PacketRange::NONE;
    result
}

fn subtract(env: &mut Env<'_>, pointer: &RegState, number: &Scalar) -> RegState {
    if let Some(moved) = moved_by_constant(pointer, number.as_const(), -1) {
        return moved;
    }
    let mut result = *pointer;
    result.value = scalar::alu(Width::W64, AluOp::Sub, &pointer.value, number).without_low_bounds();
    new_base(env, &mut result);
    // Going back, as many bytes or more are left in the packet; the number may be negative, though.
    if number.b64.smin < 0 {
        result.range = PacketRange::NONE;
    }
    forget_end_if_moved_back(&mut result, -1);
    result
}

fn moved_by_constant(pointer: &RegState, number: Option<u64>, sign: i64) -> Option<RegState> {
    let by = (number? as i64).checked_mul(sign)?;
    let off = i64::from(pointer.off).checked_add(by).and_then(|off| i32::try_from(off).ok())?;
    let mut moved = RegState { off, ..*pointer };
    forget_end_if_moved_back(&mut moved, by);
    Some(moved)
}

/// A pointer behind `data_end` stays there when it is moved forwards; moved backwards nothing is known.
fn forget_end_if_moved_back(pointer: &mut RegState, by: i64) {
    if by < 0 && pointer.range.bytes() == 0 {
        pointer.range = PacketRange::NONE;
    }
}

fn new_base(env: &mut Env<'_>, pointer: &mut RegState) {
    if pointer.kind.is_packet() {
        pointer.id = env.new_id();
    }
}

/// A number, or a pointer's offset, that is too large. A number that is linked to another is looked at by its distance,
/// too: Linux keeps that where pointers have their offset (linux: check_reg_sane_offset()).
fn check_offset(reg: &RegState, name: &str) -> Checked {
    let is_far = |x: i64| x >= MAX_VAR_OFF || x <= -MAX_VAR_OFF;
    let b64 = reg.value.b64;
    if let Some(x) = reg.value.as_const().map(u64::cast_signed).filter(|&x| is_far(x)) {
        refuse!(Invalid, "math between {name} pointer and {x} is not allowed");
    }
    if is_far(reg.off.into()) {
        refuse!(Invalid, "{name} pointer offset {} is not allowed", reg.off);
    }
    if b64.smin == i64::MIN {
        refuse!(Invalid, "math between {name} pointer and register with unbounded min value is not allowed");
    }
    if is_far(b64.smin) {
        refuse!(Invalid, "value {} makes {name} pointer be out of bounds", b64.smin);
    }
    Ok(())
}
