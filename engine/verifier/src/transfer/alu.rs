use bpfreplay_isa::{AluOp, EndianOp, Operand, Reg, Size, Width};

use super::{links, operand, pointer, read, writable};
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::scalar::{self, Scalar};
use crate::state::{RegState, State};

/// `dst op= src` (linux: check_alu_op(), adjust_reg_min_max_vals()).
pub(super) fn binary(
    env: &mut Env<'_>,
    state: &mut State,
    width: Width,
    op: AluOp,
    dst: Reg,
    src: Operand,
) -> Checked {
    if op == AluOp::Mov {
        return mov(env, state, width, dst, src);
    }
    let rhs = operand(state, src)?;
    let lhs = read(state, dst)?;
    if let Operand::Imm(imm) = src {
        check_immediate(width, op, imm)?;
    }
    writable(dst)?;
    let result = match (lhs.is_pointer(), rhs.is_pointer()) {
        (false, false) => scalars(width, op, &lhs, &rhs),
        (true, true) => pointer::pointers(op, dst)?,
        (true, false) => {
            if let Operand::Reg(src) = src {
                env.mark_precise(state, src);
            }
            pointer::arithmetic(env, (width, op), dst, &lhs, &rhs, pointer::Side::Left)?
        }
        (false, true) => {
            env.mark_precise(state, dst);
            pointer::arithmetic(env, (width, op), dst, &rhs, &lhs, pointer::Side::Right)?
        }
    };
    state.set(dst, result);
    Ok(())
}

fn check_immediate(width: Width, op: AluOp, imm: i32) -> Checked {
    match op {
        AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod => {
            if imm == 0 {
                refuse!(Invalid, "div by zero");
            }
        }
        AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => {
            let bits = match width {
                Width::W32 => 32,
                Width::W64 => 64,
            };
            if !(0..bits).contains(&imm) {
                refuse!(Invalid, "invalid shift {imm}");
            }
        }
        AluOp::Add | AluOp::Sub | AluOp::Mul | AluOp::Or | AluOp::And | AluOp::Xor | AluOp::Mov => {}
    }
    Ok(())
}

/// Arithmetic on numbers. The result is linked to nothing, except that `x += constant` and `x -= constant` stay linked
/// to what `x` was.
fn scalars(width: Width, op: AluOp, lhs: &RegState, rhs: &RegState) -> RegState {
    let mut result = RegState::scalar(scalar::alu(width, op, &lhs.value, &rhs.value));
    if let Some(distance) = links::distance(width, op, lhs, &rhs.value) {
        result.id = lhs.id;
        result.add_const = Some(width);
        result.off = distance;
    }
    result
}

fn mov(env: &mut Env<'_>, state: &mut State, width: Width, dst: Reg, src: Operand) -> Checked {
    let value = operand(state, src)?;
    writable(dst)?;
    let Operand::Reg(src) = src else {
        let result = match width {
            Width::W64 => value,
            Width::W32 => RegState::scalar(value.value.low_half()),
        };
        state.set(dst, result);
        return Ok(());
    };
    let result = match (width, value.is_scalar()) {
        (Width::W64, true) => link(env, state, src),
        (Width::W64, false) => value,
        (Width::W32, true) if value.value.width() <= 32 => link(env, state, src),
        (Width::W32, true) => RegState::scalar(value.value.low_half()),
        // Half of an address is a number nobody knows.
        (Width::W32, false) => RegState::scalar(Scalar::of_bits(32)),
    };
    state.set(dst, result);
    Ok(())
}

/// Gives the scalar in `src` an identity to share with its copy (linux: assign_scalar_id_before_mov()).
pub(super) fn link(env: &mut Env<'_>, state: &mut State, src: Reg) -> RegState {
    let reg = state.reg_mut(src);
    if reg.add_const.is_some() {
        reg.unlink();
    }
    if reg.id == 0 && reg.value.as_const().is_none() {
        reg.id = env.new_id();
    }
    *reg
}

pub(super) fn mov_sx(
    env: &mut Env<'_>,
    state: &mut State,
    width: Width,
    size: Size,
    dst: Reg,
    src: Reg,
) -> Checked {
    let value = read(state, src)?;
    writable(dst)?;
    let result = if value.is_scalar() {
        let extended = RegState::scalar(scalar::sign_extend_from(size, width, &value.value));
        if value.value.b64.umax < 1 << (size.bits() - 1) {
            // Not negative and small enough: a copy.
            RegState { value: extended.value, ..link(env, state, src) }
        } else {
            extended
        }
    } else {
        match width {
            Width::W64 => RegState::UNKNOWN,
            Width::W32 => RegState::scalar(Scalar::of_bits(32)),
        }
    };
    state.set(dst, result);
    Ok(())
}

/// `-dst`; of a pointer, a number nobody knows.
pub(super) fn neg(state: &mut State, width: Width, dst: Reg) -> Checked {
    let value = read(state, dst)?;
    writable(dst)?;
    let result = match (value.is_scalar(), width) {
        (true, _) => RegState::scalar(scalar::neg(width, &value.value)),
        (false, _) => RegState::UNKNOWN,
    };
    state.set(dst, result);
    Ok(())
}

/// `dst = be16 dst` and its kin (linux: scalar_byte_swap()). Of a pointer, a number nobody knows.
pub(super) fn endian(state: &mut State, op: EndianOp, size: Size, dst: Reg) -> Checked {
    let value = read(state, dst)?;
    writable(dst)?;
    let result = match (value.is_scalar(), op) {
        (false, _) => RegState::UNKNOWN,
        // All of it, as it is.
        (true, EndianOp::ToLe) if size == Size::Dw => value,
        (true, EndianOp::ToLe) => RegState::scalar(value.value.truncated(size.bits())),
        (true, EndianOp::ToBe | EndianOp::Swap) => RegState::scalar(scalar::swap_bytes(size, &value.value)),
    };
    state.set(dst, result);
    Ok(())
}
