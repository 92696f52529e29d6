//! Neighbouring instructions that are one instruction of the machine: what clang must spell out because BPF has no
//! three-operand addition and no unaligned loads it may assume.

use bpfreplay_isa::{AluOp, Instruction, Operand, Reg, Size, Width};

use crate::liveness::Liveness;

/// Several instructions in one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fused {
    /// `dst = left; dst += right`: a pointer moved on.
    Sum { dst: Reg, left: Reg, right: Operand },
    /// `low = *(u8 *)(base + off); dst = *(u8 *)(base + off + 1); dst <<= 8; dst |= low`, in either order of the
    /// loads: a field of 2 bytes in a packed struct.
    Half { dst: Reg, base: Reg, off: i16 },
}

/// The instructions at the front of `rest` as one, and how many they are. No jump may lead to any but the first, which
/// `is_target` tells.
pub(crate) fn fuse(
    rest: &[(usize, Instruction)],
    live: &Liveness,
    is_target: impl Fn(usize) -> bool,
) -> Option<(Fused, usize)> {
    let (fused, count) = match *rest {
        [(_, first), (_, second), ..] if sum(first, second).is_some() => (sum(first, second)?, 2),
        [(_, first), (_, second), (_, third), (pc, fourth), ..] => {
            let (fused, low) = half(first, second, third, fourth)?;
            if live.after(pc).contains(low) {
                return None;
            }
            (fused, 4)
        }
        [] | [_] | [_, _] | [_, _, _] => return None,
    };
    rest[1..count].iter().all(|&(pc, _)| !is_target(pc)).then_some((fused, count))
}

fn sum(first: Instruction, second: Instruction) -> Option<Fused> {
    let Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Operand::Reg(left) } = first else {
        return None;
    };
    let Instruction::Alu { width: Width::W64, op: AluOp::Add, dst: sum, src: right } = second else {
        return None;
    };
    (sum == dst && right != Operand::Reg(dst)).then_some(Fused::Sum { dst, left, right })
}

/// The load of a half, and the register that held the low byte.
fn half(
    first: Instruction,
    second: Instruction,
    third: Instruction,
    fourth: Instruction,
) -> Option<(Fused, Reg)> {
    let Instruction::Alu { op: AluOp::Lsh, dst, src: Operand::Imm(8), .. } = third else { return None };
    let Instruction::Alu { op: AluOp::Or, dst: result, src: Operand::Reg(low), .. } = fourth else {
        return None;
    };
    let (first, second) = (byte(first)?, byte(second)?);
    let (low_byte, high_byte) = if first.0 == low { (first, second) } else { (second, first) };
    let base = first.1;
    let one_half = low_byte.0 == low
        && high_byte.0 == dst
        && result == dst
        && dst != low
        && second.1 == base
        && base != first.0
        && low_byte.2.checked_add(1) == Some(high_byte.2);
    one_half.then_some((Fused::Half { dst, base, off: low_byte.2 }, low))
}

/// Destination, base and offset of a load of one byte.
fn byte(instruction: Instruction) -> Option<(Reg, Reg, i16)> {
    let Instruction::Load { size: Size::B, signed: false, dst, base, off } = instruction else {
        return None;
    };
    Some((dst, base, off))
}
