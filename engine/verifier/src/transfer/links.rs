//! Scalars that are equal, or a constant apart, learn from each other's comparisons
//! (linux: collect_linked_regs(), sync_linked_regs()).
//!
//! ```text
//!   r2 = r1              r2 is r1            id=1
//!   r3 = r1; r3 += 4     r3 is r1 + 4        id=1+4, modulo 2^64
//!   w4 = w1; w4 -= 4     r4 is r1 - 4        id=1-4, modulo 2^32; r1 is known to have 32 bits at the most
//! ```
//! From each of them the others follow, save that of a sum modulo 2^32 nothing is concluded on one modulo 2^64, nor the
//! other way round.

use bpfreplay_isa::{AluOp, Reg, Width};

use crate::explore::Env;
use crate::scalar::{self, Scalar};
use crate::state::{RegState, State};

/// Scalars that learn from one comparison at the most; the rest lose their link (the kernel's limit).
const LINKED_MAX: usize = 6;

/// Slots are numbered behind registers in history.
const FIRST_SLOT: u8 = 16;

/// How far `lhs op rhs` is from what `lhs` is linked to, if it can stay linked to that
/// (linux: adjust_reg_min_max_vals()).
pub(super) fn distance(width: Width, op: AluOp, lhs: &RegState, rhs: &Scalar) -> Option<i32> {
    // One constant only, of 32 bits, so that distances cannot overflow.
    if lhs.id == 0 || lhs.add_const.is_some() {
        return None;
    }
    let constant = match width {
        Width::W64 => i32::try_from(rhs.as_const()? as i64).ok()?,
        // The sum is of the low half; it must be all there is.
        Width::W32 if lhs.value.width() > 32 => return None,
        Width::W32 => rhs.low_half().as_const()? as i32,
    };
    match op {
        AluOp::Add => Some(constant),
        AluOp::Sub => constant.checked_neg(),
        AluOp::Mul
        | AluOp::Div
        | AluOp::Sdiv
        | AluOp::Mod
        | AluOp::Smod
        | AluOp::Or
        | AluOp::And
        | AluOp::Xor
        | AluOp::Lsh
        | AluOp::Rsh
        | AluOp::Arsh
        | AluOp::Mov => None,
    }
}

/// Where the scalars with one of these identities are: (frame, register) or (frame, 16 + slot). Registers that nobody
/// reads any more stay as they are and do not count against the limit.
pub(super) fn collect(env: &Env<'_>, state: &mut State, ids: [u32; 2]) -> Vec<(u8, u8)> {
    let mut found = Vec::new();
    if ids == [0, 0] {
        return found;
    }
    let mut visit = |reg: &mut RegState, frame: usize, at: u8| {
        if !reg.is_scalar() || reg.id == 0 || !ids.contains(&reg.id) {
            return;
        }
        if found.len() < LINKED_MAX {
            found.push((frame as u8, at));
        } else {
            reg.unlink();
        }
    };
    // The function that runs comes first.
    for index in (0..state.frames.len()).rev() {
        let live = env.live_registers(state, index);
        let frame = &mut state.frames[index];
        for reg in Reg::ALL.into_iter().filter(|&reg| live.contains(reg)) {
            visit(&mut frame.regs[reg.index()], index, reg.number());
        }
        frame.stack.each_spill_mut(|at, spilled| visit(spilled, index, FIRST_SLOT + at as u8));
    }
    found
}

/// All linked scalars become what `known` says of them.
pub(super) fn spread(state: &mut State, linked: &[(u8, u8)], known: &RegState) {
    if known.id == 0 || !known.is_scalar() {
        return;
    }
    for &(frame, at) in linked {
        let frame = &mut state.frames[usize::from(frame)];
        let reg: &mut RegState = match at.checked_sub(FIRST_SLOT) {
            None => &mut frame.regs[usize::from(at)],
            Some(slot) => &mut frame.stack.slot_mut(usize::from(slot)).spilled,
        };
        if reg.is_scalar() && reg.id == known.id {
            follow(reg, known);
        }
    }
}

/// `reg` is linked to what `known` is linked to.
fn follow(reg: &mut RegState, known: &RegState) {
    let width = match (reg.add_const, known.add_const) {
        (Some(a), Some(b)) if a != b => return,
        (Some(Width::W32), _) | (_, Some(Width::W32)) => Width::W32,
        (Some(Width::W64) | None, Some(Width::W64) | None) => Width::W64,
    };
    let apart = i64::from(reg.off) - i64::from(known.off);
    if apart == 0 {
        reg.value = known.value;
        reg.add_const = known.add_const;
    } else {
        reg.value = scalar::alu(width, AluOp::Add, &known.value, &Scalar::constant(apart as u64));
    }
}
