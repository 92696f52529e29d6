use bpfreplay_isa::{Instruction, Width, encode};

use super::{Replacement, Xlated};
use crate::error::{Checked, refuse};

const CALL: u8 = 0x85;
const LD_IMM64: u8 = 0x18;

/// Joins the replacements and gives every jump the offset to where its target is now.
pub(super) fn link(replacements: Vec<Replacement>) -> Checked<Xlated> {
    let mut new_pc = Vec::with_capacity(replacements.len() + 1);
    let mut at = 0_u32;
    for replacement in &replacements {
        new_pc.push(at);
        at += replacement.insns.len() as u32;
    }
    new_pc.push(at);

    let prologues: Vec<u32> = replacements.iter().map(|replacement| replacement.prologue as u32).collect();
    let mut insns = Vec::with_capacity(at as usize);
    let mut orig_pc = Vec::with_capacity(at as usize);
    for (pc, mut replacement) in replacements.into_iter().enumerate() {
        if let Some(jump) = replacement.jump {
            let from = i64::from(new_pc[pc]) + jump.at as i64 + 1;
            let insn = &mut replacement.insns[jump.at];
            let enters = matches!(insn.opcode, CALL | LD_IMM64);
            let skipped = if enters { 0 } else { prologues.get(jump.target).copied().unwrap_or(0) };
            let off = i64::from(new_pc[jump.target] + skipped) - from;
            match insn.opcode {
                // Calls, gotol and addresses of functions have 32 bits.
                CALL | 0x06 | LD_IMM64 => insn.imm = off as i32,
                0x05 => match i16::try_from(off) {
                    Ok(off) => insn.off = off,
                    Err(_) => (*insn, _) = encode(Instruction::Jump { width: Width::W32, off: off as i32 }),
                },
                _ => match i16::try_from(off) {
                    Ok(off) => insn.off = off,
                    Err(_) => refuse!(
                        Unsupported,
                        "the branch at insn {pc} is {off} instructions long after context conversion (limit 32767)"
                    ),
                },
            }
        }
        for insn in replacement.insns {
            insns.push(insn);
            orig_pc.push(pc as u32);
        }
    }
    Ok(Xlated { insns, orig_pc, new_pc })
}
