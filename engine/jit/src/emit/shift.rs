//! Shifts (RFC 9669 section 4.1): the count is the source's low 5 or 6 bits, which is what x86-64 does by itself.

use bpfreplay_isa::Width;
use dynasmrt::DynasmApi;

use crate::x64::{Assembler, Gpr, Source, x64};

/// Which way, and what comes in at the top.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// `<<=`.
    Left,
    /// `>>=`, zeroes come in.
    Right,
    /// `s>>=`, the sign comes in.
    ArithmeticRight,
}

/// `dst <<= src` and its kin.
pub(crate) fn shift(asm: &mut Assembler, width: Width, direction: Direction, dst: Gpr, src: Source) {
    match src {
        Source::Imm(imm) => by_constant(asm, width, direction, dst, imm),
        Source::Reg(src) if asm.cpu.bmi2 => by_register(asm, width, direction, dst, src),
        Source::Reg(src) => by_cl(asm, width, direction, dst, src),
    }
}

fn by_constant(asm: &mut Assembler, width: Width, direction: Direction, dst: Gpr, imm: i32) {
    let count = match width {
        Width::W64 => imm & 63,
        Width::W32 => imm & 31,
    } as i8;
    if count == 0 {
        return asm.mov(width, dst, dst);
    }
    match (width, direction) {
        (Width::W64, Direction::Left) => x64!(asm; shl Rq(dst), BYTE count),
        (Width::W64, Direction::Right) => x64!(asm; shr Rq(dst), BYTE count),
        (Width::W64, Direction::ArithmeticRight) => x64!(asm; sar Rq(dst), BYTE count),
        (Width::W32, Direction::Left) => x64!(asm; shl Rd(dst), BYTE count),
        (Width::W32, Direction::Right) => x64!(asm; shr Rd(dst), BYTE count),
        (Width::W32, Direction::ArithmeticRight) => x64!(asm; sar Rd(dst), BYTE count),
    }
}

/// BMI2: the count in any register, flags untouched.
fn by_register(asm: &mut Assembler, width: Width, direction: Direction, dst: Gpr, src: Gpr) {
    match (width, direction) {
        (Width::W64, Direction::Left) => x64!(asm; shlx Rq(dst), Rq(dst), Rq(src)),
        (Width::W64, Direction::Right) => x64!(asm; shrx Rq(dst), Rq(dst), Rq(src)),
        (Width::W64, Direction::ArithmeticRight) => x64!(asm; sarx Rq(dst), Rq(dst), Rq(src)),
        (Width::W32, Direction::Left) => x64!(asm; shlx Rd(dst), Rd(dst), Rd(src)),
        (Width::W32, Direction::Right) => x64!(asm; shrx Rd(dst), Rd(dst), Rd(src)),
        (Width::W32, Direction::ArithmeticRight) => x64!(asm; sarx Rd(dst), Rd(dst), Rd(src)),
    }
}

/// Without BMI2 the count must be in cl, and rcx is r4.
///
/// ```text
/// r10 = rcx; rcx = src; dst <<= cl; rcx = r10        where dst is rcx, its copy in r10 is shifted
/// ```
fn by_cl(asm: &mut Assembler, width: Width, direction: Direction, dst: Gpr, src: Gpr) {
    x64!(asm; mov r10, rcx);
    asm.mov(Width::W64, Gpr::Rcx, src);
    let shifted = if dst == Gpr::Rcx { Gpr::R10 } else { dst };
    match (width, direction) {
        (Width::W64, Direction::Left) => x64!(asm; shl Rq(shifted), cl),
        (Width::W64, Direction::Right) => x64!(asm; shr Rq(shifted), cl),
        (Width::W64, Direction::ArithmeticRight) => x64!(asm; sar Rq(shifted), cl),
        (Width::W32, Direction::Left) => x64!(asm; shl Rd(shifted), cl),
        (Width::W32, Direction::Right) => x64!(asm; shr Rd(shifted), cl),
        (Width::W32, Direction::ArithmeticRight) => x64!(asm; sar Rd(shifted), cl),
    }
    if width == Width::W32 {
        // A count of 0 writes no result, and BPF zero-extends all the same.
        asm.mov(Width::W32, shifted, shifted);
    }
    x64!(asm; mov rcx, r10);
}
