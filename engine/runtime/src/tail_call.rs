//! The tail call: one rule, called by the interpreter and inlined by the JIT; and the count of those that failed.

use std::fmt;

use bpfreplay_uapi::limits::MAX_TAIL_CALL_CNT;

use crate::executable::ProgramId;

/// Different failures one worker keeps apart; more are counted together, in [`TailCallFailures::overflow`].
pub const MAX_TAIL_CALL_FAILURES: usize = 1 << 14;

/// Why a tail call fell through.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u32)]
pub enum TailCallError {
    /// `index >= max_entries`.
    OutOfRange,
    /// 33 tail calls were taken already.
    Limit,
    /// The slot holds no program.
    EmptySlot,
}

impl TailCallError {
    /// Every reason, by number.
    pub const ALL: [TailCallError; 3] =
        [TailCallError::OutOfRange, TailCallError::Limit, TailCallError::EmptySlot];

    /// In words, for reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            TailCallError::OutOfRange => "out of range",
            TailCallError::Limit => "limit",
            TailCallError::EmptySlot => "empty slot",
        }
    }
}

impl fmt::Display for TailCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
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

/// A tail call that fell through: where, to which slot, and why.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TailCallFailure {
    /// The program.
    pub prog: ProgramId,
    /// The xlated slot of the tail call.
    pub insn: u32,
    /// The index, low 32 bits of r3.
    pub index: u32,
    /// Why.
    pub reason: TailCallError,
}

/// Tail calls that fell through on one worker, by program, instruction, index and reason.
///
/// A table of fixed size: counting allocates nothing, and what finds no place is counted all the same.
#[derive(Clone, Debug)]
pub struct TailCallFailures {
    slots: Box<[Option<(TailCallFailure, u64)>]>,
    /// The slots that are taken, so that forgetting costs no more than there is.
    used: Vec<u32>,
    overflow: u64,
}

impl Default for TailCallFailures {
    fn default() -> TailCallFailures {
        // Twice the limit: a search always meets an empty slot.
        TailCallFailures {
            slots: vec![None; 2 * MAX_TAIL_CALL_FAILURES].into(),
            used: Vec::with_capacity(MAX_TAIL_CALL_FAILURES),
            overflow: 0,
        }
    }
}

impl TailCallFailures {
    /// Counts one.
    #[cold]
    pub fn record(&mut self, failure: TailCallFailure) {
        self.add(failure, 1);
    }

    /// Counts what another worker counted.
    pub fn merge(&mut self, other: &TailCallFailures) {
        for (failure, count) in other.slots.iter().flatten() {
            self.add(*failure, *count);
        }
        self.overflow += other.overflow;
    }

    /// The failures and how often each, ascending.
    #[must_use]
    pub fn sorted(&self) -> Vec<(TailCallFailure, u64)> {
        let mut all: Vec<_> = self.slots.iter().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    /// How many were counted without their place, because there were more than [`MAX_TAIL_CALL_FAILURES`] places.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.slots.iter().flatten().map(|(_, count)| count).sum::<u64>() + self.overflow
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        for at in self.used.drain(..) {
            self.slots[at as usize] = None;
        }
        self.overflow = 0;
    }

    fn add(&mut self, failure: TailCallFailure, count: u64) {
        let mask = self.slots.len() - 1;
        let mut at = hash(failure) & mask;
        loop {
            match &mut self.slots[at] {
                Some((there, so_far)) if *there == failure => {
                    *so_far += count;
                    return;
                }
                Some(_) => at = (at + 1) & mask,
                None if self.used.len() == MAX_TAIL_CALL_FAILURES => {
                    self.overflow += count;
                    return;
                }
                empty @ None => {
                    *empty = Some((failure, count));
                    self.used.push(at as u32);
                    return;
                }
            }
        }
    }
}

fn hash(failure: TailCallFailure) -> usize {
    let place = u64::from(failure.prog) << 32 | u64::from(failure.insn);
    let call = u64::from(failure.index) << 2 | failure.reason as u64;
    let mixed = (place ^ call.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ call.wrapping_mul(0xc2b2_ae3d_27d4_eb4f)).wrapping_shr(40) as usize
}
