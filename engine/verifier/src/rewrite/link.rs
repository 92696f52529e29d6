use bpfreplay_isa::{Instruction, Width, encode};

use super::{Replacement, Xlated};
use crate::error::{Checked, refuse};

/// Joins the replacements and gives every jump the offset to where its target is now.
pub(super) fn link(replacements: Vec<Replacement>) -> Checked<Xlated> {
    let mut new_pc = Vec::with_capacity(replacements.len() + 1);
    let mut at = 0_u32;
    for replacement in &replacements {
        new_pc.push(at);
        at += replacement.insns.len() as u32;
    }
    new_pc.push(at);

    let mut insns = Vec::with_capacity(at as usize);
    let mut orig_pc = Vec::with_capacity(at as usize);
    for (pc, mut replacement) in replacements.into_iter().enumerate() {
        if let Some(jump) = replacement.jump {
            let from = i64::from(new_pc[pc]) + jump.at as i64 + 1;
            let off = i64::from(new_pc[jump.target]) - from;
            let insn = &mut replacement.insns[jump.at];
            match insn.opcode {
                // Calls, gotol and addresses of functions have 32 bits.
                0x85 | 0x06 | 0x18 => insn.imm = off as i32,
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
