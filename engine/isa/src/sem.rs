//! What each instruction computes, as pure and total functions.
//!
//! The bodies are the rows of [`crate::ops`]; this file only gives them widths. The interpreter calls these
//! functions; the JIT and the verifier's transfer functions are tested against them.

use crate::ops::{AluOp, AtomicOp, EndianOp, JmpOp, Size, Width};

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident $text:literal $code:literal $off:literal |$a:ident, $b:ident| $body:expr;)*) => {
        /// The result of a 64-bit operation on destination and source.
        #[must_use]
        #[inline]
        pub fn alu64(op: AluOp, dst: u64, src: u64) -> u64 {
            type U = u64;
            type S = i64;
            const MASK: u64 = 63;
            match op { $(AluOp::$name => { let f: fn(U, U) -> U = |$a, $b| $body; f(dst, src) })* }
        }

        /// The result of a 32-bit operation on the low halves. The destination's high half becomes zero.
        #[must_use]
        #[inline]
        pub fn alu32(op: AluOp, dst: u32, src: u32) -> u32 {
            type U = u32;
            type S = i32;
            const MASK: u32 = 31;
            match op { $(AluOp::$name => { let f: fn(U, U) -> U = |$a, $b| $body; f(dst, src) })* }
        }
    };
}
crate::for_each_alu_op!(binary);

macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident $text:literal $code:literal |$a:ident, $b:ident| $body:expr;)*) => {
        /// Whether a 64-bit jump is taken.
        #[must_use]
        #[inline]
        pub fn jmp64(op: JmpOp, dst: u64, src: u64) -> bool {
            type U = u64;
            type S = i64;
            match op { $(JmpOp::$name => { let f: fn(U, U) -> bool = |$a, $b| $body; f(dst, src) })* }
        }

        /// Whether a 32-bit jump is taken, on the low halves.
        #[must_use]
        #[inline]
        pub fn jmp32(op: JmpOp, dst: u32, src: u32) -> bool {
            type U = u32;
            type S = i32;
            match op { $(JmpOp::$name => { let f: fn(U, U) -> bool = |$a, $b| $body; f(dst, src) })* }
        }
    };
}
crate::for_each_jmp_op!(conditions);

macro_rules! atomics {
    ($($(#[$doc:meta])* $name:ident $text:literal $imm:literal $fetch:literal |$o:ident, $s:ident, $r:ident| $body:expr;)*) => {
        /// The memory value after a 64-bit atomic operation.
        #[must_use]
        #[inline]
        pub fn atomic64(op: AtomicOp, old: u64, src: u64, r0: u64) -> u64 {
            type U = u64;
            match op { $(AtomicOp::$name => { let f: fn(U, U, U) -> U = |$o, $s, $r| $body; f(old, src, r0) })* }
        }

        /// The memory value after a 32-bit atomic operation.
        #[must_use]
        #[inline]
        pub fn atomic32(op: AtomicOp, old: u32, src: u32, r0: u32) -> u32 {
            type U = u32;
            match op { $(AtomicOp::$name => { let f: fn(U, U, U) -> U = |$o, $s, $r| $body; f(old, src, r0) })* }
        }
    };
}
crate::for_each_atomic_op!(atomics);

/// A register value after a binary operation of either width.
#[must_use]
#[inline]
pub fn alu(width: Width, op: AluOp, dst: u64, src: u64) -> u64 {
    match width {
        Width::W64 => alu64(op, dst, src),
        Width::W32 => u64::from(alu32(op, dst as u32, src as u32)),
    }
}

/// Whether a conditional jump of either width is taken.
#[must_use]
#[inline]
pub fn jmp(width: Width, op: JmpOp, dst: u64, src: u64) -> bool {
    match width {
        Width::W64 => jmp64(op, dst, src),
        Width::W32 => jmp32(op, dst as u32, src as u32),
    }
}

/// Two's complement negation (RFC 9669 section 4.1, NEG).
#[must_use]
#[inline]
pub fn neg(width: Width, dst: u64) -> u64 {
    match width {
        Width::W64 => dst.wrapping_neg(),
        Width::W32 => u64::from((dst as u32).wrapping_neg()),
    }
}

/// Sign extension of the low `size` bytes to 64 bits: loads with MEMSX, and the first half of movsx.
#[must_use]
#[inline]
pub fn sign_extend(size: Size, value: u64) -> u64 {
    match size {
        Size::B => value as u8 as i8 as i64 as u64,
        Size::H => value as u16 as i16 as i64 as u64,
        Size::W => value as u32 as i32 as i64 as u64,
        Size::Dw => value,
    }
}

/// `movsx`: sign extension from `size` to the width; a 32-bit result zero-extends (RFC 9669 section 4.1, MOVSX).
#[must_use]
#[inline]
pub fn mov_sx(width: Width, size: Size, src: u64) -> u64 {
    match width {
        Width::W64 => sign_extend(size, src),
        Width::W32 => u64::from(sign_extend(size, src) as u32),
    }
}

/// Byte order conversion of the low 16, 32 or 64 bits on a little-endian host; the rest becomes zero.
/// `Size::B` is not an instruction; it gives the low byte.
#[must_use]
#[inline]
pub fn endian(op: EndianOp, size: Size, value: u64) -> u64 {
    match op {
        EndianOp::ToLe => match size {
            Size::B => u64::from(value as u8),
            Size::H => u64::from(value as u16),
            Size::W => u64::from(value as u32),
            Size::Dw => value,
        },
        EndianOp::ToBe | EndianOp::Swap => match size {
            Size::B => u64::from(value as u8),
            Size::H => u64::from((value as u16).swap_bytes()),
            Size::W => u64::from((value as u32).swap_bytes()),
            Size::Dw => value.swap_bytes(),
        },
    }
}
