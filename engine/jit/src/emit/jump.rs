//! Jumps within a program (RFC 9669 section 4.3).

use bpfreplay_isa::{JmpOp, Width};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

use crate::x64::{Assembler, Gpr, Source, by_width, x64};

/// `goto target`.
pub(crate) fn always(asm: &mut Assembler, target: DynamicLabel) {
    x64!(asm; jmp =>target);
}

/// `if dst op src goto target`: a compare and the jump of the condition.
pub(crate) fn conditional(
    asm: &mut Assembler,
    width: Width,
    op: JmpOp,
    dst: Gpr,
    src: Source,
    target: DynamicLabel,
) {
    compare(asm, width, op, dst, src);
    match op {
        JmpOp::Eq => x64!(asm; je =>target),
        JmpOp::Ne | JmpOp::Set => x64!(asm; jne =>target),
        JmpOp::Gt => x64!(asm; ja =>target),
        JmpOp::Ge => x64!(asm; jae =>target),
        JmpOp::Lt => x64!(asm; jb =>target),
        JmpOp::Le => x64!(asm; jbe =>target),
        JmpOp::Sgt => x64!(asm; jg =>target),
        JmpOp::Sge => x64!(asm; jge =>target),
        JmpOp::Slt => x64!(asm; jl =>target),
        JmpOp::Sle => x64!(asm; jle =>target),
    }
}

/// Sets the flags: `dst & src` for [`JmpOp::Set`], else `dst - src`.
fn compare(asm: &mut Assembler, width: Width, op: JmpOp, dst: Gpr, src: Source) {
    match (op == JmpOp::Set, src) {
        (true, Source::Reg(src)) => by_width!(asm, width, test dst, reg src),
        (true, Source::Imm(imm)) => by_width!(asm, width, test dst, imm32 imm),
        (false, Source::Reg(_) | Source::Imm(_)) => asm.compare(width, dst, src),
    }
}

/// `may_goto +off`: the budget lies `budget` bytes from r10.
///
/// ```text
/// if *(u64 *)(r10 + budget) == 0 goto target
/// *(u64 *)(r10 + budget) -= 1
/// ```
pub(crate) fn may_goto(asm: &mut Assembler, budget: i32, target: DynamicLabel) {
    x64!(asm
        ; cmp QWORD [rbp + budget], BYTE 0
        ; je =>target
        ; dec QWORD [rbp + budget]
    );
}
