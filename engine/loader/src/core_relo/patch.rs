//! The answer, put into the instruction (`bpf_core_patch_insn`).

use bpfreplay_isa::{Class, Insn};

use super::value::Answer;
use crate::error::CoreProblem;

/// A helper that does not exist, called where an instruction has no answer: the verifier then refuses the program
/// unless that instruction cannot be reached (libbpf's 0xbad2310 plus the number of the relocation).
pub const POISON: i32 = 195_896_080;

/// Bits of an opcode that say where an operand comes from: a register.
const SOURCE_X: u8 = 0x08;
/// Bits of an opcode that say how many bytes a load or store moves.
const SIZE_MASK: u8 = 0x18;

/// What one relocation makes of its instruction.
pub(super) struct Patch {
    /// By the object's own types: what the compiler put there.
    pub(super) expected: Answer,
    /// By the target's types.
    pub(super) wanted: Answer,
    /// Whether a load or store can be made the target's size.
    pub(super) sizes_agree: bool,
}

impl Patch {
    /// Patches the instruction at a slot; `index` is the number of the relocation in its section.
    pub(super) fn apply(&self, insns: &mut [Insn], slot: usize, index: usize) -> Result<(), CoreProblem> {
        let Some(&insn) = insns.get(slot) else { return Err(CoreProblem::Access) };
        let Some(value) = self.wanted.value else {
            poison(insns, slot, index);
            return Ok(());
        };
        match insn.class() {
            Class::Alu | Class::Alu64 if insn.opcode & SOURCE_X == 0 => {
                self.check(i64::from(insn.imm).cast_unsigned() & 0xffff_ffff, 0xffff_ffff)?;
                // Enumerators may be negative: the low word of either reading.
                let word = u32::try_from(value)
                    .or_else(|_| i32::try_from(value.cast_signed()).map(i32::cast_unsigned));
                insns[slot].imm = word.map_err(|_| CoreProblem::ValueRange(value))?.cast_signed();
                Ok(())
            }
            Class::Ldx | Class::St | Class::Stx => {
                self.check(u64::from(insn.off.cast_unsigned()), 0xffff)?;
                insns[slot].off = i16::try_from(value).map_err(|_| CoreProblem::ValueRange(value))?;
                self.resize(&mut insns[slot])
            }
            Class::Ld if insn.is_wide() && insn.src() == 0 && slot + 1 < insns.len() => {
                let (low, high) = (insn.imm.cast_unsigned(), insns[slot + 1].imm.cast_unsigned());
                self.check(u64::from(high) << 32 | u64::from(low), u64::MAX)?;
                insns[slot].imm = (value as u32).cast_signed();
                insns[slot + 1].imm = ((value >> 32) as u32).cast_signed();
                Ok(())
            }
            Class::Ld | Class::Alu | Class::Alu64 | Class::Jmp | Class::Jmp32 => {
                Err(CoreProblem::Instruction(insn.opcode))
            }
        }
    }

    /// The instruction holds what the object's own types say, in the bits it has.
    fn check(&self, found: u64, mask: u64) -> Result<(), CoreProblem> {
        match self.expected.value {
            Some(expected) if self.expected.validate && expected & mask != found => {
                Err(CoreProblem::Validation { found, expected })
            }
            _ => Ok(()),
        }
    }

    /// Makes a load or store the size of the target's field.
    fn resize(&self, insn: &mut Insn) -> Result<(), CoreProblem> {
        let (Some((old, _)), Some((new, _))) = (self.expected.field, self.wanted.field) else {
            return Ok(());
        };
        if old == new {
            return Ok(());
        }
        let size = match new {
            4 => 0x00,
            2 => 0x08,
            1 => 0x10,
            8 => 0x18,
            _ => return Err(CoreProblem::MemSize(new)),
        };
        if !self.sizes_agree {
            return Err(CoreProblem::MemSize(new));
        }
        insn.opcode = insn.opcode & !SIZE_MASK | size;
        Ok(())
    }
}

fn poison(insns: &mut [Insn], slot: usize, index: usize) {
    let wide = insns[slot].is_wide();
    let number = i32::try_from(index).unwrap_or(0);
    let call = Insn::new(0x85, 0, 0, 0, POISON.wrapping_add(number));
    insns[slot] = call;
    if let (true, Some(second)) = (wide, insns.get_mut(slot + 1)) {
        *second = call;
    }
}
