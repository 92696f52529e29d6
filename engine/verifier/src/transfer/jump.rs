use bpfreplay_isa::{JmpOp, Operand, Reg, Width};
use bpfreplay_uapi::sock::SockKind;

use super::{links, operand, packet_range, read, reference};
use crate::check::object::is_trusted;
use crate::error::Checked;
use crate::explore::{Env, Next};
use crate::scalar::{self, Branch};
use crate::state::{RegState, RegType, State};

/// `if dst op src goto +off` (linux: check_cond_jmp_op()).
///
/// Where the outcome is certain only that way is explored. Else the taken branch is left pending, and both states
/// learn what their outcome says.
pub(super) fn conditional(
    env: &mut Env<'_>,
    state: &mut State,
    (width, op): (Width, JmpOp),
    dst: Reg,
    src: Operand,
    off: i16,
) -> Checked<Next> {
    let rhs = operand(state, src)?;
    let lhs = read(state, dst)?;
    let pc = env.pc();
    let target = (pc as i64 + 1 + i64::from(off)) as usize;

    if let Some(branch) = predict(width, op, &lhs, &rhs) {
        // Later states are only like this one if they decide alike.
        env.mark_precise(state, dst);
        if let Operand::Reg(src) = src {
            env.mark_precise(state, src);
        }
        return Ok(Next::Goto(match branch {
            Branch::Taken => target,
            Branch::FallThrough => pc + 1,
        }));
    }

    let id = |reg: &RegState| if reg.is_scalar() { reg.id } else { 0 };
    let linked = links::collect(env, state, [id(&rhs), id(&lhs)]);
    if linked.len() > 1 {
        env.record(state, None, linked.clone());
    }
    let mut taken = state.clone();
    for (state, branch) in [(&mut *state, Branch::FallThrough), (&mut taken, Branch::Taken)] {
        learn(env, state, (width, op), branch, dst, src, &linked);
    }
    env.push(taken, target)?;
    Ok(Next::Goto(pc + 1))
}

/// `may_goto +off`: a jump that is taken at the latest when the function's budget of rounds is spent. Both ways are
/// explored, the fall through as one more round of a loop that ends by itself (linux: check_cond_jmp_op()).
pub(super) fn may_goto(env: &mut Env<'_>, state: &mut State, off: i16) -> Checked<Next> {
    let pc = env.pc();
    let mut round = state.clone();
    round.rounds.may_goto += 1;
    env.widen_from_last_round(&mut round, pc, state.parent);
    env.push(round, pc + 1)?;
    Ok(Next::Goto((pc as i64 + 1 + i64::from(off)) as usize))
}

/// The way it goes, if that is certain.
fn predict(width: Width, op: JmpOp, lhs: &RegState, rhs: &RegState) -> Option<Branch> {
    match (lhs.is_pointer(), rhs.is_pointer()) {
        (false, false) => scalar::branch_taken(width, op, &lhs.value, &rhs.value),
        (true, false) if width == Width::W64 && rhs.is_null() => predict_null(op, lhs),
        (false, true) if width == Width::W64 && lhs.is_null() => predict_null(op, rhs),
        (true, true) if width == Width::W64 => packet_range::predict(op, lhs, rhs),
        (true, _) | (_, true) => None,
    }
}

/// A comparison of a pointer with 0.
fn predict_null(op: JmpOp, pointer: &RegState) -> Option<Branch> {
    // The kernel's reg_not_null() does not know sockets of XDP.
    if !is_there(pointer) || pointer.kind == RegType::Sock(SockKind::Xdp) {
        return None;
    }
    match op {
        JmpOp::Eq => Some(Branch::FallThrough),
        JmpOp::Ne => Some(Branch::Taken),
        JmpOp::Gt
        | JmpOp::Ge
        | JmpOp::Set
        | JmpOp::Sgt
        | JmpOp::Sge
        | JmpOp::Lt
        | JmpOp::Le
        | JmpOp::Slt
        | JmpOp::Sle => None,
    }
}

/// Whether the pointer is none to NULL for certain.
fn is_there(pointer: &RegState) -> bool {
    match pointer.kind {
        RegType::Object { .. } => !pointer.nullable && is_trusted(pointer),
        RegType::MapValue { .. }
        | RegType::MapKey { .. }
        | RegType::MapPtr { .. }
        | RegType::Sock(_)
        | RegType::Mem { .. } => !pointer.nullable,
        RegType::NotInit
        | RegType::Scalar
        | RegType::Ctx
        | RegType::Stack { .. }
        | RegType::Packet
        | RegType::PacketMeta
        | RegType::PacketEnd
        | RegType::BtfSock(_)
        | RegType::Func { .. }
        | RegType::Dynptr(_) => false,
    }
}

/// What one outcome says of the operands and of all that is linked to them.
fn learn(
    env: &Env<'_>,
    state: &mut State,
    (width, op): (Width, JmpOp),
    branch: Branch,
    dst: Reg,
    src: Operand,
    linked: &[(u8, u8)],
) {
    let lhs = *state.reg(dst);
    let rhs = match src {
        Operand::Imm(imm) => RegState::constant(i64::from(imm) as u64),
        Operand::Reg(src) => *state.reg(src),
    };
    if lhs.is_scalar() && rhs.is_scalar() {
        let (mut a, mut b) = (lhs, rhs);
        scalar::refine(width, op, branch, &mut a.value, &mut b.value);
        if let Operand::Reg(src) = src
            && src != dst
        {
            state.reg_mut(src).value = b.value;
            links::spread(state, linked, &b);
        }
        state.reg_mut(dst).value = a.value;
        links::spread(state, linked, &a);
        return;
    }
    if width == Width::W32 {
        return;
    }
    let equal = match (op, branch) {
        (JmpOp::Eq, Branch::Taken) | (JmpOp::Ne, Branch::FallThrough) => Some(true),
        (JmpOp::Eq, Branch::FallThrough) | (JmpOp::Ne, Branch::Taken) => Some(false),
        (
            JmpOp::Gt
            | JmpOp::Ge
            | JmpOp::Set
            | JmpOp::Sgt
            | JmpOp::Sge
            | JmpOp::Lt
            | JmpOp::Le
            | JmpOp::Slt
            | JmpOp::Sle,
            _,
        ) => None,
    };
    if let Some(equal) = equal {
        learn_pointer_equality(env, state, equal, (dst, &lhs), (src, &rhs));
    }
    if let Operand::Reg(src) = src {
        packet_range::learn(state, op, branch, (dst, src));
    }
}

/// A pointer that may be NULL, compared with 0 or with one that cannot be. Of the copies of that one the kernel learns
/// nothing.
fn learn_pointer_equality(
    env: &Env<'_>,
    state: &mut State,
    equal: bool,
    (dst, lhs): (Reg, &RegState),
    (src, rhs): (Operand, &RegState),
) {
    match src {
        Operand::Imm(0) if lhs.nullable => reference::decide_null(env, state, lhs.id, equal),
        // Pointers of BTF types may be NULL all the same.
        Operand::Reg(_) if [lhs, rhs].into_iter().any(is_of_btf) => {}
        Operand::Reg(src) if equal && lhs.is_pointer() && rhs.is_pointer() => {
            if lhs.nullable && is_there(rhs) {
                reference::not_null(env, state.reg_mut(dst));
            } else if rhs.nullable && is_there(lhs) {
                reference::not_null(env, state.reg_mut(src));
            }
        }
        Operand::Imm(_) | Operand::Reg(_) => {}
    }
}

fn is_of_btf(reg: &RegState) -> bool {
    matches!(reg.kind, RegType::Object { .. } | RegType::BtfSock(_))
}
