use bpfreplay_isa::{JmpOp, Width};

use super::bounds::{Bounds32, Bounds64};
use super::tnum::Tnum;
use super::value::Scalar;

/// Which way a conditional jump goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Branch {
    /// The condition holds.
    Taken,
    /// It does not.
    FallThrough,
}

/// The way the jump goes for every member of `a` and `b`, if it is one (linux: is_branch_taken()). Whether two numbers have
/// a bit in common is only asked where one of them is known, as in the kernel: what is dead there is not looked at here.
pub(crate) fn branch_taken(width: Width, op: JmpOp, a: &Scalar, b: &Scalar) -> Option<Branch> {
    let is_known = |x: &Scalar| match width {
        Width::W64 => x.tnum.is_const(),
        Width::W32 => x.tnum.low(32).is_const(),
    };
    if op == JmpOp::Set && !is_known(a) && !is_known(b) {
        return None;
    }
    let holds = match width {
        Width::W64 => Bounds64::compare(op, (a.tnum, a.b64), (b.tnum, b.b64)),
        Width::W32 => Bounds32::compare(op, (a.tnum.low(32), a.b32), (b.tnum.low(32), b.b32)),
    }?;
    Some(if holds { Branch::Taken } else { Branch::FallThrough })
}

/// What is left of `a` and `b` on one side of the jump (linux: regs_refine_cond_op()).
pub(crate) fn refine(width: Width, op: JmpOp, way: Branch, a: &mut Scalar, b: &mut Scalar) {
    match (op, way) {
        (JmpOp::Set, Branch::Taken) => refine_any_bit(width, a, b),
        (JmpOp::Set, Branch::FallThrough) => refine_no_bit(width, a, b),
        (_, Branch::Taken) => refine_holds(width, op, a, b),
        (_, Branch::FallThrough) => refine_holds(width, negated(op), a, b),
    }
    *a = a.synced();
    *b = b.synced();
}

fn refine_holds(width: Width, op: JmpOp, a: &mut Scalar, b: &mut Scalar) {
    match width {
        Width::W64 => Bounds64::refine(op, &mut a.b64, &mut b.b64),
        Width::W32 => Bounds32::refine(op, &mut a.b32, &mut b.b32),
    }
    if op == JmpOp::Eq {
        match width {
            Width::W64 => {
                let b32 = a.b32.intersect(b.b32);
                (a.b32, b.b32) = (b32, b32);
                if let Some(both) = a.tnum.intersect(b.tnum) {
                    (a.tnum, b.tnum) = (both, both);
                }
            }
            Width::W32 => {
                if let Some(both) = a.tnum.low(32).intersect(b.tnum.low(32)) {
                    a.tnum = a.tnum.with_low_half(both);
                    b.tnum = b.tnum.with_low_half(both);
                }
            }
        }
    }
}

/// `a & b != 0` against one known bit: that bit is set in the other.
fn refine_any_bit(width: Width, a: &mut Scalar, b: &mut Scalar) {
    let bits = match width {
        Width::W64 => 64,
        Width::W32 => 32,
    };
    let one_bit = |x: &Scalar| {
        let low = x.tnum.low(bits);
        (low.is_const() && low.value.is_power_of_two()).then_some(low.value)
    };
    let set = |x: &mut Scalar, bit: u64| {
        x.tnum = Tnum { value: x.tnum.value | bit, mask: x.tnum.mask & !bit };
    };
    if let Some(bit) = one_bit(b) {
        set(a, bit);
    } else if let Some(bit) = one_bit(a) {
        set(b, bit);
    }
}

/// `a & b == 0` against a constant: its bits are clear in the other. That is all that stays known of it: the kernel
/// forgets the ranges here, since they may contradict the bits where the branch is never taken.
fn refine_no_bit(width: Width, a: &mut Scalar, b: &mut Scalar) {
    let bits = match width {
        Width::W64 => 64,
        Width::W32 => 32,
    };
    let constant = |x: &Scalar| {
        let low = x.tnum.low(bits);
        low.is_const().then_some(low.value)
    };
    let clear = |x: &mut Scalar, bits: u64| {
        (x.b64, x.b32) = (Bounds64::ALL, Bounds32::ALL);
        x.tnum = Tnum { value: x.tnum.value & !bits, mask: x.tnum.mask & !bits };
    };
    if let Some(bits) = constant(b) {
        clear(a, bits);
    } else if let Some(bits) = constant(a) {
        clear(b, bits);
    }
}

/// The condition that holds where `op` does not.
const fn negated(op: JmpOp) -> JmpOp {
    match op {
        JmpOp::Eq => JmpOp::Ne,
        JmpOp::Ne => JmpOp::Eq,
        JmpOp::Gt => JmpOp::Le,
        JmpOp::Le => JmpOp::Gt,
        JmpOp::Ge => JmpOp::Lt,
        JmpOp::Lt => JmpOp::Ge,
        JmpOp::Sgt => JmpOp::Sle,
        JmpOp::Sle => JmpOp::Sgt,
        JmpOp::Sge => JmpOp::Slt,
        JmpOp::Slt => JmpOp::Sge,
        JmpOp::Set => JmpOp::Set,
    }
}
