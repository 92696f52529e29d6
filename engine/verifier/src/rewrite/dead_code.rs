use bpfreplay_isa::{Instruction, Width};

use super::{Jump, Replacement};
use crate::cfg::Code;
use crate::explore::Note;

/// The instruction at a slot as far as it was explored: nothing if no path came there; a jump if only one side of a
/// branch was explored (linux: opt_hard_wire_dead_code_branches(), opt_remove_dead_code()).
///
/// That no path took a side is a fact about all runs: states were pruned only where an explored state with the same
/// decisions stands for them.
pub(super) fn live_instruction(code: &Code, notes: &[Note], pc: usize) -> Option<Instruction> {
    if !notes[pc].seen {
        return None;
    }
    // Seen slots were executed, so they decode.
    let instruction = code.decoded[pc].ok()?;
    let Instruction::JumpIf { off, .. } = instruction else { return Some(instruction) };
    let seen = |pc: usize| notes.get(pc).is_some_and(|note| note.seen);
    let target = (pc as i64 + 1 + i64::from(off)) as usize;
    Some(match (seen(pc + 1), seen(target)) {
        (false, true) => Instruction::Jump { width: Width::W64, off: off.into() },
        (true, false) => Instruction::Jump { width: Width::W64, off: 0 },
        (true, true) | (false, false) => instruction,
    })
}

/// Removes jumps to the next live instruction (linux: opt_remove_nops()).
pub(super) fn remove_empty_jumps(replacements: &mut [Replacement]) {
    // From the back, so that a jump over nothing but such jumps is one itself.
    let mut next_live = replacements.len();
    for pc in (0..replacements.len()).rev() {
        let replacement = &mut replacements[pc];
        if is_goto(replacement)
            && let Some(Jump { target, .. }) = replacement.jump
            && pc < target
            && target <= next_live
        {
            *replacement = Replacement::default();
        }
        if !replacement.insns.is_empty() {
            next_live = pc;
        }
    }
}

fn is_goto(replacement: &Replacement) -> bool {
    matches!(replacement.insns.as_slice(), [insn] if matches!(insn.opcode, 0x05 | 0x06))
}
