//! Arithmetic that is one machine instruction or nearly so (RFC 9669 section 4.1, 4.2). A 32-bit instruction of
//! x86-64 zero-extends its result as BPF wants it.

use bpfreplay_isa::{AluOp, EndianOp, Size, Width};
use dynasmrt::DynasmApi;

use crate::emit::{divide, shift};
use crate::x64::{Assembler, Gpr, Source, by_width, x64};

/// `dst op= src`.
pub(crate) fn binary(asm: &mut Assembler, width: Width, op: AluOp, dst: Gpr, src: Source) {
    match op {
        AluOp::Add => by_width!(asm, width, add dst, source src),
        AluOp::Sub => by_width!(asm, width, sub dst, source src),
        AluOp::Or => by_width!(asm, width, or dst, source src),
        AluOp::And => by_width!(asm, width, and dst, source src),
        AluOp::Xor => by_width!(asm, width, xor dst, source src),
        AluOp::Mov => mov(asm, width, dst, src),
        AluOp::Mul => multiply(asm, width, dst, src),
        AluOp::Lsh => shift::shift(asm, width, shift::Direction::Left, dst, src),
        AluOp::Rsh => shift::shift(asm, width, shift::Direction::Right, dst, src),
        AluOp::Arsh => shift::shift(asm, width, shift::Direction::ArithmeticRight, dst, src),
        AluOp::Div => divide::unsigned(asm, width, divide::Want::Quotient, dst, src),
        AluOp::Mod => divide::unsigned(asm, width, divide::Want::Remainder, dst, src),
        AluOp::Sdiv => divide::signed(asm, width, divide::Want::Quotient, dst, src),
        AluOp::Smod => divide::signed(asm, width, divide::Want::Remainder, dst, src),
    }
}

/// `dst = left + right`, in 64 bits.
pub(crate) fn sum(asm: &mut Assembler, dst: Gpr, left: Gpr, right: Source) {
    match right {
        Source::Reg(right) => x64!(asm; lea Rq(dst), [Rq(left) + Rq(right)]),
        Source::Imm(imm) => match i8::try_from(imm) {
            Ok(imm) => x64!(asm; lea Rq(dst), [BYTE Rq(left) + imm]),
            Err(_) => x64!(asm; lea Rq(dst), [Rq(left) + imm]),
        },
    }
}

/// `dst = -dst`.
pub(crate) fn negate(asm: &mut Assembler, width: Width, dst: Gpr) {
    by_width!(asm, width, neg dst);
}

/// `dst = src`.
fn mov(asm: &mut Assembler, width: Width, dst: Gpr, src: Source) {
    match src {
        Source::Reg(src) => asm.mov(width, dst, src),
        Source::Imm(imm) => asm.mov_imm64(dst, extend(width, imm)),
    }
}

/// An immediate as a register of the width holds it.
pub(crate) fn extend(width: Width, imm: i32) -> u64 {
    match width {
        Width::W64 => i64::from(imm) as u64,
        Width::W32 => u64::from(imm as u32),
    }
}

/// `dst *= src`.
fn multiply(asm: &mut Assembler, width: Width, dst: Gpr, src: Source) {
    match (width, src) {
        (Width::W64 | Width::W32, Source::Reg(src)) => by_width!(asm, width, imul dst, reg src),
        (Width::W64, Source::Imm(imm)) => x64!(asm; imul Rq(dst), Rq(dst), DWORD imm),
        (Width::W32, Source::Imm(imm)) => x64!(asm; imul Rd(dst), Rd(dst), DWORD imm),
    }
}

/// `dst = (s8|s16|s32)src`.
pub(crate) fn move_sign_extended(asm: &mut Assembler, width: Width, size: Size, dst: Gpr, src: Gpr) {
    match (width, size) {
        (Width::W64, Size::B) => x64!(asm; movsx Rq(dst), Rb(src)),
        (Width::W64, Size::H) => x64!(asm; movsx Rq(dst), Rw(src)),
        (Width::W64, Size::W) => x64!(asm; movsxd Rq(dst), Rd(src)),
        (Width::W32, Size::B) => x64!(asm; movsx Rd(dst), Rb(src)),
        (Width::W32, Size::H) => x64!(asm; movsx Rd(dst), Rw(src)),
        // Nothing to extend: a move of that width.
        (Width::W32, Size::W | Size::Dw) | (Width::W64, Size::Dw) => asm.mov(width, dst, src),
    }
}

/// `dst = le16 dst`, `be16`, `bswap16` and so on; this machine is little-endian.
pub(crate) fn endian(asm: &mut Assembler, op: EndianOp, size: Size, dst: Gpr) {
    match op {
        EndianOp::ToLe => truncate(asm, size, dst),
        EndianOp::ToBe | EndianOp::Swap => swap(asm, size, dst),
    }
}

/// Zeroes what is above the low `size` bytes.
fn truncate(asm: &mut Assembler, size: Size, dst: Gpr) {
    match size {
        Size::B => x64!(asm; movzx Rd(dst), Rb(dst)),
        Size::H => x64!(asm; movzx Rd(dst), Rw(dst)),
        Size::W => asm.mov(Width::W32, dst, dst),
        Size::Dw => {}
    }
}

/// Reverses the low `size` bytes and zeroes what is above them; a byte by itself has no order and is left alone.
pub(crate) fn swap(asm: &mut Assembler, size: Size, dst: Gpr) {
    match size {
        Size::B => {}
        Size::H => x64!(asm; bswap Rd(dst); shr Rd(dst), 16),
        Size::W => x64!(asm; bswap Rd(dst)),
        Size::Dw => x64!(asm; bswap Rq(dst)),
    }
}
