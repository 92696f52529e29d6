use std::collections::BTreeSet;

use bpfreplay_isa::{Insn, Names};
use bpfreplay_program::Program;
use bpfreplay_uapi::{Kfunc, helper_name};
use bpfreplay_verifier::VerifiedProgram;

/// What an xlated instruction refers to, as bpftool names it: `map[id:1]`, `pc+3#parse_tcp`.
pub(super) struct XlatedNames<'a> {
    pub(super) verified: &'a VerifiedProgram,
    /// The slot the instruction is in.
    pub(super) pc: usize,
}

impl Names for XlatedNames<'_> {
    fn helper(&self, id: u32) -> Option<String> {
        helper_name(id).map(str::to_owned)
    }

    fn kfunc(&self, btf_id: i32) -> Option<String> {
        Kfunc::from_id(u32::try_from(btf_id).ok()?).map(|kfunc| kfunc.name().to_owned())
    }

    fn local(&self, off: i32) -> String {
        let target = usize::try_from(self.pc as i64 + 1 + i64::from(off)).unwrap_or(usize::MAX);
        match function_name(self.verified, target) {
            Some(name) => format!("{off:+}#{name}"),
            None => format!("{off:+}"),
        }
    }

    fn imm64(&self, src: u8, imm: u64) -> Option<String> {
        let (low, high) = (imm & 0xffff_ffff, imm >> 32);
        match src {
            1 => Some(format!("map[id:{}]", low + 1)),
            2 => Some(format!("map[id:{}][0]+{high}", low + 1)),
            4 => Some(format!("subprog[{:+}]", low as u32 as i32)),
            _ => None,
        }
    }
}

/// The function that starts at an xlated slot.
pub(super) fn function_name(verified: &VerifiedProgram, start: usize) -> Option<&str> {
    let orig = *verified.orig_pc().get(start)?;
    let func = verified.program().func_at(orig as usize)?;
    Some(&func.name)
}

/// The numbers of the maps a program names, in the order in which it does.
pub(super) fn maps_used(program: &Program) -> Vec<usize> {
    let is_map = |insn: &&Insn| insn.is_wide() && matches!(insn.src(), 1 | 2);
    let mut seen = BTreeSet::new();
    let used = program.insns.iter().filter(is_map).map(|insn| insn.imm as u32 as usize + 1);
    used.filter(|id| seen.insert(*id)).collect()
}
