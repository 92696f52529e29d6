use bpfreplay_isa::Insn;
use bpfreplay_program::Program;
use bpfreplay_uapi::Kfunc;

use super::subprogs::is_kfunc_call;
use crate::error::{Checked, refuse};

/// What the kernel adds where a function's types are not found.
const NO_TYPES: &str = "failed to find BTF for kernel function";

/// Whether there is such a kernel function for this program, be it called or not (linux: add_kfunc_call()).
///
/// Number 0 is a function the loader did not find and the program hopes not to call: only where execution gets to it
/// is it refused.
pub(super) fn check(insn: Insn, program: &Program) -> Checked {
    if !is_kfunc_call(insn) {
        return Ok(());
    }
    if !program.gpl_compatible() {
        refuse!(
            Invalid,
            "cannot call kernel function from non-GPL compatible program (license {:?})",
            program.license
        );
    }
    let id = insn.imm as u32;
    if id == 0 && insn.off == 0 {
        return Ok(());
    }
    if insn.off < 0 {
        refuse!(Invalid, "negative offset disallowed for kernel module function call\n{NO_TYPES}");
    }
    if insn.off > 0 {
        refuse!(Invalid, "kfunc offset > 0 without fd_array is invalid\n{NO_TYPES}");
    }
    if Kfunc::from_id(id).is_none() {
        refuse!(Invalid, "kernel btf_id {id} is not a function");
    }
    Ok(())
}
