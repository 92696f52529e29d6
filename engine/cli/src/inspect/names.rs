use bpfreplay_isa::{Insn, Names};
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::{Kfunc, helper_name};
use bpfreplay_verifier::VerifiedProgram;

use super::tag;

/// The opcode of a call, and its source where it is of a function of the program (`BPF_PSEUDO_CALL`).
const CALL: u8 = 0x85;
const PSEUDO_CALL: u8 = 1;

/// What an xlated instruction refers to, as bpftool names it: `map[id:1]`, `pc+3#bpf_prog_b639eb1a5954ddde_parse_tcp`.
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
        format!("{off:+}#{}", symbol(self.verified, target))
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

/// What the kernel calls the machine code of the function that starts at an xlated slot (`bpf_get_prog_name`).
pub(super) fn symbol(verified: &VerifiedProgram, start: usize) -> String {
    // Without BTF subprograms have no names: jit_subprogs() calls them F.
    let fallback = if start == 0 { verified.program().name.as_str() } else { "F" };
    let name = function_name(verified, start).unwrap_or(fallback);
    let tag = if start == 0 { tag::tag(&verified.program().insns) } else { tag_of_subprog(verified, start) };
    format!("bpf_prog_{tag}_{name}")
}

/// The tag of a subprogram is that of its xlated instructions (`jit_subprogs`): the kernel's own, where they name no
/// map, helper or field of the context, whose places are not the kernel's.
fn tag_of_subprog(verified: &VerifiedProgram, start: usize) -> String {
    let subprogs = verified.subprogs();
    let end = subprogs.iter().find(|subprog| subprog.start as usize == start).map(|subprog| subprog.end);
    let insns = &verified.xlated()[start..end.map_or(start, |end| end as usize)];
    let hashed = insns.iter().enumerate().map(|(at, &insn)| {
        if insn.opcode != CALL || insn.src() != PSEUDO_CALL {
            return insn;
        }
        // While subprograms are taken apart, a call holds the number of its callee.
        let target = (start + at) as i64 + 1 + i64::from(insn.imm);
        let callee = subprogs.iter().position(|subprog| i64::from(subprog.start) == target).unwrap_or(0);
        Insn::new(insn.opcode, insn.dst(), insn.src(), i16::try_from(callee).unwrap_or(i16::MAX), 1)
    });
    tag::tag(&hashed.collect::<Vec<_>>())
}

/// The name of a map as the kernel has it: cut.
pub(super) fn map_name(spec: &MapSpec) -> &str {
    cut(&spec.name)
}

/// The name of a program as bpftool finds it: whole in the BTF of its functions, else as the kernel has it.
pub(super) fn program_name(program: &Program) -> &str {
    if program.funcs.is_empty() { cut(&program.name) } else { &program.name }
}

/// What the kernel keeps of a name (`BPF_OBJ_NAME_LEN`, with the NUL).
fn cut(name: &str) -> &str {
    name.get(..15).unwrap_or(name)
}
