//! What is known of a 64-bit number: known bits, and signed and unsigned intervals of the whole and of its low half.
//!
//! ```text
//!   Scalar = Tnum ∩ Bounds64 ∩ Bounds32(low half)
//! ```
//!
//! Soundness is one sentence, and the tests of this module check it against [`bpfreplay_isa::sem`]: if `x` is in `a`
//! and `y` is in `b`, then `sem(op, x, y)` is in `alu(op, a, b)`, and if the jump `x op y` goes the way the refinement
//! assumes, then `x` and `y` are in the refined values.

mod alu;
mod bounds;
mod branch;
#[cfg(test)]
mod tests;

mod tnum;
mod value;

pub(crate) use branch::{Branch, branch_taken, refine};
pub(crate) use tnum::Tnum;
pub(crate) use value::Scalar;

pub(crate) use alu::{alu, neg, sign_extend_from, swap_bytes};
