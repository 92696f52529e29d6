//! `may_goto` jumps when its function's budget is spent. The budget is the lowest word of the function's stack:
//!
//! ```text
//!   r10 ─▶ ┌──────────────────┐
//!          │ the function's   │ stack_depth - 8
//!          ├──────────────────┤
//!          │ budget           │ 8   set when the function is entered, counted down by each may_goto
//!          └──────────────────┘
//! ```
//!
//! The budget does not count against the 512 bytes of a chain of calls, so a frame may have as much more
//! ([`MAX_FRAME_EXTRA`]).
//!
//! It counts rounds ([`MAX_LOOPS`], the kernel's without a clock); the kernel on x86-64 counts a quarter of a second.

use bpfreplay_isa::{Instruction, Operand, Reg, Size, encode};
use bpfreplay_uapi::limits::{MAX_FRAME_EXTRA, MAX_LOOPS};

use super::Replacement;
use crate::cfg::{Code, Function};
use crate::explore::Note;

/// Bytes of a budget.
const BUDGET: u16 = 8;
const _: () = assert!(BUDGET as usize <= MAX_FRAME_EXTRA);

/// Bytes of stack a function uses, its budget included.
pub(crate) fn depth(code: &Code, notes: &[Note], function: &Function, stack_depth: u16) -> u16 {
    stack_depth.next_multiple_of(8) + if has_budget(code, notes, function) { BUDGET } else { 0 }
}

/// Whether a `may_goto` of the function is ever executed.
pub(crate) fn has_budget(code: &Code, notes: &[Note], function: &Function) -> bool {
    (function.start..function.end)
        .any(|pc| notes[pc].seen && matches!(code.decoded[pc], Ok(Instruction::MayGoto { .. })))
}

/// Sets the budget at the start of each function that has one.
pub(super) fn set_budgets(
    code: &Code,
    notes: &[Note],
    stack_depth: &[u16],
    replacements: &mut [Replacement],
) {
    for (index, function) in code.functions.iter().enumerate() {
        if !has_budget(code, notes, function) {
            continue;
        }
        let depth = depth(code, notes, function, stack_depth[index]);
        let set = Instruction::Store {
            size: Size::Dw,
            base: Reg::FP,
            off: -(depth as i16),
            src: Operand::Imm(MAX_LOOPS as i32),
        };
        let first = &mut replacements[function.start];
        first.insns.insert(0, encode(set).0);
        first.prologue = 1;
        if let Some(jump) = &mut first.jump {
            jump.at += 1;
        }
    }
}
