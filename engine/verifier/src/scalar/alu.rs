use bpfreplay_isa::{AluOp, Size, Width};

use super::bounds::{Bounds32, Bounds64};
use super::tnum::Tnum;
use super::value::Scalar;

/// The result of a binary operation on members of `a` and `b`.
pub(crate) fn alu(width: Width, op: AluOp, a: &Scalar, b: &Scalar) -> Scalar {
    if !is_computed(width, op, b) {
        return Scalar::UNKNOWN;
    }
    let low = |x: &Scalar| (x.tnum.low(32), x.b32);
    match width {
        Width::W32 => {
            let (tnum, b32) = Bounds32::alu(op, low(a), low(b));
            Scalar::from_low_half(tnum, b32)
        }
        Width::W64 => {
            let (tnum, b64) = Bounds64::alu(op, (a.tnum, a.b64), (b.tnum, b.b64));
            let b32 =
                if low_half_is_separate(op) { Bounds32::alu(op, low(a), low(b)).1 } else { Bounds32::ALL };
            Scalar { tnum, b64, b32 }.synced()
        }
    }
}

/// Whether anything is said of the result: of other operations not even that 32 bits are all of it
/// (linux: is_safe_to_compute_dst_reg_range()).
fn is_computed(width: Width, op: AluOp, b: &Scalar) -> bool {
    match op {
        AluOp::Add | AluOp::Sub | AluOp::Mul | AluOp::Or | AluOp::And | AluOp::Xor | AluOp::Mov => true,
        AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => match width {
            Width::W32 => b.b32.smin == b.b32.smax && b.b64.umax < 32,
            Width::W64 => b.as_const().is_some_and(|count| count < 64),
        },
        AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod => false,
    }
}

/// Whether the low half of the 64-bit result is the 32-bit result of the low halves.
const fn low_half_is_separate(op: AluOp) -> bool {
    match op {
        AluOp::Add | AluOp::Sub | AluOp::Mul | AluOp::Or | AluOp::And | AluOp::Xor | AluOp::Mov => true,
        AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod | AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => false,
    }
}

/// `-x`.
pub(crate) fn neg(width: Width, x: &Scalar) -> Scalar {
    alu(width, AluOp::Sub, &Scalar::constant(0), x)
}

/// The low `size` bytes sign-extended to 64 bits, and for a 32-bit destination cut to the low half again
/// (linux: coerce_reg_to_size_sx(), coerce_subreg_to_size_sx()).
pub(crate) fn sign_extend_from(size: Size, width: Width, x: &Scalar) -> Scalar {
    if size == Size::Dw {
        return *x;
    }
    let (min, max) = match width {
        Width::W64 => (x.b64.smin, x.b64.smax),
        Width::W32 => (i64::from(x.b32.smin), i64::from(x.b32.smax)),
    };
    let bits = size.bits();
    let extended = |x: i64| x << (64 - bits) >> (64 - bits);
    let (first, last) = (extended(min), extended(max));
    // Where all members agree on what is cut, and on the new sign, they stay in order.
    let in_order = min >> bits == max >> bits && (first < 0) == (last < 0);
    let (first, last) = if in_order { (first, last) } else { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) };
    let result = Scalar { b64: Bounds64::signed(first, last), ..Scalar::UNKNOWN }.synced();
    match width {
        Width::W64 => result,
        Width::W32 => result.low_half(),
    }
}

/// The low `size` bytes turned round, zero-extended: only known bits can be followed
/// (linux: scalar_byte_swap()).
pub(crate) fn swap_bytes(size: Size, x: &Scalar) -> Scalar {
    Scalar { tnum: x.tnum.swap_bytes(size.bits()), ..Scalar::UNKNOWN }.synced()
}

/// The known bits of `x`, for messages.
impl Scalar {
    pub(crate) const fn known_bits(&self) -> Tnum {
        self.tnum
    }
}
