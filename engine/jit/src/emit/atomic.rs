//! Atomic operations (RFC 9669 section 5.3), as the locked instructions of x86-64: sequentially consistent.

use bpfreplay_isa::{AtomicOp, Size, Width};
use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::x64::{Assembler, Gpr, Mem, by_width, to_mem, x64};

/// One locked instruction of the size.
macro_rules! locked {
    ($asm:expr, $size:expr, $($op:ident)+, $mem:expr, $src:expr) => {
        match width($size) {
            Width::W64 => to_mem!($asm, $($op)+, QWORD $mem, Rq($src)),
            Width::W32 => to_mem!($asm, $($op)+, DWORD $mem, Rd($src)),
        }
    };
}

/// `lock *(size *)(base + off) op= src`; fetching operations leave the old value in src, `cmpxchg` in r0.
pub(crate) fn atomic(asm: &mut Assembler, size: Size, op: AtomicOp, base: Gpr, off: i16, src: Gpr) {
    let mem = Mem { base, disp: i32::from(off) };
    match op {
        AtomicOp::Add => locked!(asm, size, lock add, mem, src),
        AtomicOp::Or => locked!(asm, size, lock or, mem, src),
        AtomicOp::And => locked!(asm, size, lock and, mem, src),
        AtomicOp::Xor => locked!(asm, size, lock xor, mem, src),
        AtomicOp::FetchAdd => locked!(asm, size, lock xadd, mem, src),
        AtomicOp::Xchg => locked!(asm, size, xchg, mem, src),
        AtomicOp::Cmpxchg => {
            locked!(asm, size, lock cmpxchg, mem, src);
            // On success the 32-bit form leaves rax alone, and r0 is the old value zero-extended.
            asm.mov(width(size), Gpr::Rax, Gpr::Rax);
        }
        AtomicOp::FetchOr | AtomicOp::FetchAnd | AtomicOp::FetchXor => fetch(asm, size, op, mem, src),
    }
}

/// The fetching bit operations have no instruction of their own.
///
/// ```text
/// r9 = rax
/// rax = *mem
/// do r10 = rax op src                    where base or src is rax, r9 stands in for it
/// while !cmpxchg(mem, rax, r10)          rax becomes what memory held
/// src = rax; rax = r9                    where src is rax, the old value stays there
/// ```
fn fetch(asm: &mut Assembler, size: Size, op: AtomicOp, mem: Mem, src: Gpr) {
    let width = width(size);
    let saved = |reg| if reg == Gpr::Rax { Gpr::R9 } else { reg };
    let mem = Mem { base: saved(mem.base), ..mem };
    x64!(asm; mov r9, rax);
    asm.load(size, false, Gpr::Rax, mem);
    x64!(asm; again: ; mov r10, rax);
    if op == AtomicOp::FetchOr {
        by_width!(asm, width, or Gpr::R10, reg saved(src));
    } else if op == AtomicOp::FetchAnd {
        by_width!(asm, width, and Gpr::R10, reg saved(src));
    } else {
        by_width!(asm, width, xor Gpr::R10, reg saved(src));
    }
    locked!(asm, size, lock cmpxchg, mem, Gpr::R10);
    x64!(asm; jne <again);
    if src != Gpr::Rax {
        asm.mov(Width::W64, src, Gpr::Rax);
        x64!(asm; mov rax, r9);
    }
}

/// Atomics are of size W or Dw: decode refuses the others.
fn width(size: Size) -> Width {
    match size {
        Size::B | Size::H | Size::W => Width::W32,
        Size::Dw => Width::W64,
    }
}
