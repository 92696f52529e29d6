use bpfreplay_isa::Insn;

use super::subprogs::{
    calls_back, calls_back_later, is_func_address, is_iter_next, is_local_call, jump_target,
};
use crate::error::{Checked, ErrorKind, Refusal};

/// Where paths part and meet.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// Slots at which states are compared with earlier ones: branches, their targets, calls, the slots
    /// behind and the functions called.
    pub(crate) is_join: Vec<bool>,
    /// Slots that are not only reached from the one before: the way here must be written down to be walked back.
    pub(crate) is_jump: Vec<bool>,
    /// Join points at which a state is always kept: loops the verifier cannot count go round through them.
    pub(crate) is_checkpoint: Vec<bool>,
    /// Calls of helpers that call functions of the program before they return.
    pub(crate) calls_back: Vec<bool>,
}

const CALL: u8 = 0x85;
const MAY_GOTO: u8 = 0xe5;

/// Every slot is reachable, and none is half an instruction (linux: check_cfg()).
pub(crate) fn check(insns: &[Insn], exception_callback: Option<usize>) -> Checked<Edges> {
    let none = || vec![false; insns.len()];
    let mut edges = Edges { is_join: none(), is_jump: none(), is_checkpoint: none(), calls_back: none() };
    let mut reached = vec![false; insns.len()];
    let mut pending = vec![0_usize];
    // Nobody calls it.
    pending.extend(exception_callback);
    while let Some(pc) = pending.pop() {
        // A jump past the end was refused before; falling past it means the last slot is the wide instruction's first.
        if pc >= insns.len() || std::mem::replace(&mut reached[pc], true) {
            continue;
        }
        let insn = insns[pc];
        let slots = if insn.is_wide() { 2 } else { 1 };
        let conditional = match insn.opcode {
            0x05 | 0x06 => false,
            0x95 => continue,
            _ => true,
        };
        if conditional {
            pending.push(pc + slots);
        }
        if is_local_call(insn) || is_func_address(insn) {
            let target = (pc as i64 + 1 + i64::from(insn.imm)) as usize;
            edges.mark_join(pc);
            edges.mark_join(target);
            edges.mark_jump(target);
            pending.push(target);
        }
        // What a function, or a helper, leaves behind is often the same whatever came before (linux:
        // visit_func_call_insn()).
        if insn.opcode == CALL || is_func_address(insn) {
            edges.mark_join(pc + slots);
            edges.mark_jump(pc + slots);
        }
        if is_iter_next(insn) {
            edges.mark_join(pc);
            edges.is_checkpoint[pc] = true;
        }
        if insn.opcode == MAY_GOTO {
            edges.is_checkpoint[pc] = true;
        }
        if calls_back(insn) {
            edges.calls_back[pc] = true;
            edges.is_checkpoint[pc] = true;
            edges.mark_join(pc);
            edges.mark_jump(pc);
        }
        // Compared before the callback is left pending: one that names itself would otherwise never end.
        if calls_back_later(insn) {
            edges.mark_join(pc);
        }
        if let Some(target) = jump_target(insn, pc) {
            let target = target as usize;
            if conditional {
                edges.mark_join(pc);
            }
            edges.mark_join(target);
            edges.mark_jump(target);
            pending.push(target);
        }
    }
    let invalid = |message: String, pc| Err(Refusal::new(ErrorKind::Invalid, message).at(pc));
    let mut pc = 0;
    while pc < insns.len() {
        if !reached[pc] {
            return invalid(format!("unreachable insn {pc}"), pc);
        }
        if insns[pc].is_wide() {
            if reached.get(pc + 1).copied().unwrap_or(false) {
                return invalid(format!("jump into the middle of ldimm64 insn {pc}"), pc);
            }
            pc += 1;
        }
        pc += 1;
    }
    Ok(edges)
}

impl Edges {
    fn mark_join(&mut self, pc: usize) {
        if let Some(mark) = self.is_join.get_mut(pc) {
            *mark = true;
        }
    }

    fn mark_jump(&mut self, pc: usize) {
        if let Some(mark) = self.is_jump.get_mut(pc) {
            *mark = true;
        }
    }
}
