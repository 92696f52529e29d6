//! The tail call: one rule, called by the interpreter and inlined by the JIT.

use bpfreplay_uapi::limits::MAX_TAIL_CALL_CNT;

/// Why a tail call fell through.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum TailCallError {
    /// `index >= max_entries`.
    OutOfRange,
    /// 33 tail calls were taken already.
    Limit,
    /// The slot holds no program.
    EmptySlot,
}

/// Decides a tail call: the slot's word and the count after it, or why it falls through.
///
/// ```text
/// index = (u32) r3
/// if index >= max_entries        fall through
/// if count >= 33                 fall through
/// target = slots[index]          one atomic load
/// if target == NULL              fall through (the count is untouched: the x86-64 JIT's rule since 6.12)
/// count++; goto *target
/// ```
///
/// # Errors
///
/// The first of the three tests that fails; the run goes on with the next instruction.
#[inline]
pub fn decide(
    r3: u64,
    max_entries: u32,
    count: u32,
    slot: impl FnOnce(u32) -> usize,
) -> Result<(usize, u32), TailCallError> {
    let index = r3 as u32;
    if index >= max_entries {
        return Err(TailCallError::OutOfRange);
    }
    if count >= MAX_TAIL_CALL_CNT {
        return Err(TailCallError::Limit);
    }
    match slot(index) {
        0 => Err(TailCallError::EmptySlot),
        target => Ok((target, count + 1)),
    }
}

/// Tail calls that fell through on one worker, by program, instruction, index and reason.
#[derive(Clone, Debug, Default)]
pub struct TailCallFailures {}
