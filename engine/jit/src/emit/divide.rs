//! Division and remainder (RFC 9669 section 4.1): x86-64 divides rdx:rax and traps where BPF has a defined result.
//!
//! ```text
//!                      quotient      remainder
//!   divisor 0          0             dividend
//!   divisor -1         -dividend     0            signed; MIN / -1 traps on x86-64 and is MIN in BPF
//! ```

use bpfreplay_isa::Width;
use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::emit::alu::extend;
use crate::x64::{Assembler, Gpr, Source, by_width, x64};

/// Which of the two results.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    Quotient,
    Remainder,
}

/// `dst /= src`, `dst %= src`.
pub(crate) fn unsigned(asm: &mut Assembler, width: Width, want: Want, dst: Gpr, src: Source) {
    match src {
        Source::Imm(0) => by_zero(asm, width, want, dst),
        Source::Imm(imm) if imm > 0 && imm.count_ones() == 1 => by_power_of_two(asm, width, want, dst, imm),
        Source::Imm(_) => divide(asm, width, want, dst, src, Kind::Unsigned),
        Source::Reg(divisor) => {
            asm.compare(width, divisor, Source::Imm(0));
            x64!(asm; jz >zero);
            divide(asm, width, want, dst, src, Kind::Unsigned);
            x64!(asm; jmp >done; zero:);
            by_zero(asm, width, want, dst);
            x64!(asm; done:);
        }
    }
}

/// `dst s/= src`, `dst s%= src`.
pub(crate) fn signed(asm: &mut Assembler, width: Width, want: Want, dst: Gpr, src: Source) {
    match src {
        Source::Imm(0) => by_zero(asm, width, want, dst),
        Source::Imm(-1) => by_minus_one(asm, width, want, dst),
        Source::Imm(_) => divide(asm, width, want, dst, src, Kind::Signed),
        Source::Reg(divisor) => {
            asm.compare(width, divisor, Source::Imm(0));
            x64!(asm; jz >zero);
            asm.compare(width, divisor, Source::Imm(-1));
            x64!(asm; je >minus_one);
            divide(asm, width, want, dst, src, Kind::Signed);
            x64!(asm; jmp >done; zero:);
            by_zero(asm, width, want, dst);
            x64!(asm; jmp >done; minus_one:);
            by_minus_one(asm, width, want, dst);
            x64!(asm; done:);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
}

/// The division itself; the divisor is neither 0 nor, if signed, -1.
///
/// ```text
/// r9 = rax; r10 = rdx                     what is neither dst nor src need not be kept
/// rdx:rax = extend(dst)
/// rax, rdx = rdx:rax / divisor, rdx:rax % divisor
/// dst = rax or rdx; the rest of rax and rdx as they were
/// ```
fn divide(asm: &mut Assembler, width: Width, want: Want, dst: Gpr, src: Source, kind: Kind) {
    if dst != Gpr::Rax || src == Source::Reg(Gpr::Rax) {
        x64!(asm; mov r9, rax);
    }
    if dst != Gpr::Rdx || src == Source::Reg(Gpr::Rdx) {
        x64!(asm; mov r10, rdx);
    }
    asm.mov(Width::W64, Gpr::Rax, dst);
    let divisor = divisor(asm, width, dst, src);
    match kind {
        Kind::Unsigned => {
            x64!(asm; xor edx, edx);
            by_width!(asm, width, div divisor);
        }
        Kind::Signed => {
            match width {
                Width::W64 => x64!(asm; cqo),
                Width::W32 => x64!(asm; cdq),
            }
            by_width!(asm, width, idiv divisor);
        }
    }
    let result = match want {
        Want::Quotient => Gpr::Rax,
        Want::Remainder => Gpr::Rdx,
    };
    asm.mov(Width::W64, dst, result);
    if dst != Gpr::Rax {
        x64!(asm; mov rax, r9);
    }
    if dst != Gpr::Rdx {
        x64!(asm; mov rdx, r10);
    }
}

/// A register other than rax and rdx that holds the divisor; dst is in rax already, so that a constant can use dst
/// itself, or where dst is rax or rdx the copy that was not needed.
fn divisor(asm: &mut Assembler, width: Width, dst: Gpr, src: Source) -> Gpr {
    let outside = |reg| match reg {
        Gpr::Rax => Gpr::R9,
        Gpr::Rdx => Gpr::R10,
        other => other,
    };
    match src {
        Source::Reg(src) => outside(src),
        Source::Imm(imm) => {
            let register = outside(dst);
            asm.mov_imm64(register, extend(width, imm));
            register
        }
    }
}

fn by_zero(asm: &mut Assembler, width: Width, want: Want, dst: Gpr) {
    match want {
        Want::Quotient => asm.mov_imm64(dst, 0),
        Want::Remainder => asm.mov(width, dst, dst),
    }
}

fn by_minus_one(asm: &mut Assembler, width: Width, want: Want, dst: Gpr) {
    match want {
        Want::Quotient => by_width!(asm, width, neg dst),
        Want::Remainder => asm.mov_imm64(dst, 0),
    }
}

/// `dst >>= exponent`, or `dst &= 2^exponent - 1`.
fn by_power_of_two(asm: &mut Assembler, width: Width, want: Want, dst: Gpr, imm: i32) {
    let exponent = imm.trailing_zeros() as i8;
    match want {
        Want::Quotient if exponent == 0 => asm.mov(width, dst, dst),
        Want::Quotient => by_width!(asm, width, shr dst, imm8 exponent),
        Want::Remainder => by_width!(asm, width, and dst, source Source::Imm(imm - 1)),
    }
}
