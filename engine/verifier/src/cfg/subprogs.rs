use std::collections::BTreeSet;

use bpfreplay_isa::{Class, Insn};
use bpfreplay_program::{ExceptionCallback, Program, ReturnKind};
use bpfreplay_uapi::limits::MAX_SUBPROGS;
use bpfreplay_uapi::{HelperId, Kfunc};

use super::kfuncs;
use crate::error::{Checked, ErrorKind, Refusal, refuse};

/// One function: the slots `start..end`.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) has_tail_call: bool,
    pub(crate) has_ld_abs: bool,
    /// Whether it calls a helper after which packet pointers are dead, itself or further down; a tail call counts.
    pub(crate) changes_pkt_data: bool,
    /// Functions it calls, or takes the address of to have them called, with the slot of each.
    pub(crate) calls: Vec<(usize, usize)>,
}

const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const JA: u8 = 0x05;
const GOTOL: u8 = 0x06;

pub(crate) fn is_local_call(insn: Insn) -> bool {
    insn.opcode == CALL && insn.src() == 1
}

pub(crate) fn is_func_address(insn: Insn) -> bool {
    insn.is_wide() && insn.src() == 4
}

fn helper(insn: Insn) -> Option<HelperId> {
    (insn.opcode == CALL && insn.src() == 0).then(|| HelperId::from_id(insn.imm as u32)).flatten()
}

pub(super) fn is_kfunc_call(insn: Insn) -> bool {
    insn.opcode == CALL && insn.src() == 2
}

/// A call of what calls a function of the program before it returns (linux: is_sync_callback_calling_insn()).
pub(crate) fn calls_back(insn: Insn) -> bool {
    let compares = is_kfunc_call(insn) && insn.imm as u32 == Kfunc::RbtreeAdd.id();
    compares || helper(insn).is_some_and(HelperId::calls_back)
}

/// A call of a helper that names a function of the program to be called later
/// (linux: is_async_callback_calling_function()).
pub(crate) fn calls_back_later(insn: Insn) -> bool {
    helper(insn) == Some(HelperId::TimerSetCallback)
}

/// A call after which nothing of the program runs but its exception callback.
pub(crate) fn throws(insn: Insn) -> bool {
    is_kfunc_call(insn) && insn.imm as u32 == Kfunc::Throw.id()
}

/// A call of a kernel function that a loop goes round by.
pub(crate) fn is_iter_next(insn: Insn) -> bool {
    is_kfunc_call(insn) && insn.imm as u32 == Kfunc::IterNumNext.id()
}

/// Where a jump leads, for slots that are jumps.
pub(crate) fn jump_target(insn: Insn, pc: usize) -> Option<i64> {
    let next = pc as i64 + 1;
    match insn.class() {
        Class::Jmp | Class::Jmp32 => match (insn.opcode, insn.opcode & 0xf0) {
            (GOTOL, _) => Some(next + i64::from(insn.imm)),
            (_, 0x80 | 0x90) => None,
            _ => Some(next + i64::from(insn.off)),
        },
        Class::Ld | Class::Ldx | Class::St | Class::Stx | Class::Alu | Class::Alu64 => None,
    }
}

/// Where the exception callback starts, if the program names one (linux: bpf_find_exception_callback_insn_off()).
pub(crate) fn exception_callback(program: &Program) -> Checked<Option<usize>> {
    match &program.exception_callback {
        ExceptionCallback::None => Ok(None),
        ExceptionCallback::Invalid(message) => refuse!(Invalid, "{message}"),
        ExceptionCallback::Function(index) => match program.funcs.get(*index as usize) {
            Some(function) if function.insn_off > 0 => Ok(Some(function.insn_off as usize)),
            Some(_) => refuse!(Invalid, "invalid exception callback insn_off in func_info: 0"),
            None => refuse!(Invalid, "exception callback type id not found in func_info"),
        },
    }
}

/// Where functions start, for the log, which comes before what they do is checked; none, if a call leads nowhere
/// (linux: add_subprog_and_kfunc(), which lists them when it is through).
pub(crate) fn function_starts(program: &Program) -> BTreeSet<usize> {
    starts(program).unwrap_or_default()
}

/// Calls in the order of the program, of kernel functions, too; where functions start.
fn starts(program: &Program) -> Checked<BTreeSet<usize>> {
    let insns = &program.insns[..];
    let mut starts = BTreeSet::from([0]);
    for (pc, &insn) in insns.iter().enumerate() {
        kfuncs::check(insn, program).map_err(|refusal| refusal.at(pc))?;
        if !is_local_call(insn) && !is_func_address(insn) {
            continue;
        }
        let target = pc as i64 + 1 + i64::from(insn.imm);
        match usize::try_from(target) {
            Ok(target) if target < insns.len() => starts.insert(target),
            _ => return Err(invalid(pc, format!("call to invalid destination {target}"))),
        };
        if starts.len() > MAX_SUBPROGS {
            refuse!(TooBig, "too many subprograms (limit {MAX_SUBPROGS})");
        }
    }
    // Nobody calls it.
    starts.extend(exception_callback(program)?.filter(|&start| start < insns.len()));
    Ok(starts)
}

/// The functions, from the calls to them; calls of kernel functions are looked at on the way
/// (linux: add_subprog_and_kfunc(), check_subprogs()).
pub(crate) fn find(program: &Program) -> Checked<Vec<Function>> {
    let insns = &program.insns[..];
    let starts: Vec<usize> = starts(program)?.into_iter().collect();
    let mut functions = Vec::with_capacity(starts.len());
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(insns.len());
        functions.push(function(insns, start, end, &starts)?);
    }
    spread_packet_changes(&mut functions);
    Ok(functions)
}

/// One function: every jump stays inside it and nothing falls out of it.
fn function(insns: &[Insn], start: usize, end: usize, starts: &[usize]) -> Checked<Function> {
    let mut out = Function {
        start,
        end,
        has_tail_call: false,
        has_ld_abs: false,
        changes_pkt_data: false,
        calls: Vec::new(),
    };
    for (pc, &insn) in insns.iter().enumerate().take(end).skip(start) {
        if let Some(target) = jump_target(insn, pc)
            && !(start as i64..end as i64).contains(&target)
        {
            return Err(invalid(pc, format!("jump out of range from insn {pc} to {target}")));
        }
        if pc == end - 1 && ![EXIT, JA, GOTOL].contains(&insn.opcode) {
            return Err(invalid(pc, "last insn is not an exit or jmp".to_owned()));
        }
        if insn.class() == Class::Ld && matches!(insn.opcode & 0xe0, 0x20 | 0x40) {
            out.has_ld_abs = true;
        }
        if (is_local_call(insn) || is_func_address(insn))
            && let Ok(callee) = starts.binary_search(&((pc as i64 + 1 + i64::from(insn.imm)) as usize))
        {
            out.calls.push((pc, callee));
        }
        if let Some(id) = helper(insn) {
            out.has_tail_call |= id == HelperId::TailCall;
            out.changes_pkt_data |= id == HelperId::TailCall || id.proto().changes_pkt_data;
        }
    }
    Ok(out)
}

/// A function changes packet data if one it calls does (linux: merge_callee_effects()).
fn spread_packet_changes(functions: &mut [Function]) {
    // Each round spreads at least one step, so there are at most as many rounds as functions.
    loop {
        let changing: Vec<bool> = functions.iter().map(|f| f.changes_pkt_data).collect();
        let mut spread = false;
        for function in functions.iter_mut().filter(|f| !f.changes_pkt_data) {
            if function.calls.iter().any(|&(_, callee)| changing[callee]) {
                function.changes_pkt_data = true;
                spread = true;
            }
        }
        if !spread {
            return;
        }
    }
}

/// What BTF must say of the functions (linux: check_btf_func(), check_abnormal_return()).
pub(crate) fn check_btf(functions: &[Function], program: &Program) -> Checked {
    if program.funcs.is_empty() {
        for function in functions.iter().skip(1) {
            if function.has_ld_abs {
                return Err(invalid(
                    function.start,
                    "LD_ABS is not allowed in subprogs without BTF".to_owned(),
                ));
            }
            if function.has_tail_call {
                let message = "tail_call is not allowed in subprogs without BTF".to_owned();
                return Err(invalid(function.start, message));
            }
        }
        return Ok(());
    }
    if program.funcs.len() != functions.len() {
        refuse!(
            Invalid,
            "number of funcs in func_info doesn't match number of subprogs ({} and {})",
            program.funcs.len(),
            functions.len()
        );
    }
    for (index, (function, info)) in functions.iter().zip(&program.funcs).enumerate() {
        if info.insn_off as usize != function.start {
            let message = "func_info BTF section doesn't match subprog layout in BPF program".to_owned();
            return Err(invalid(function.start, message));
        }
        if index == 0 || info.ret == ReturnKind::Scalar {
            continue;
        }
        if function.has_ld_abs {
            let message = "LD_ABS is only allowed in functions that return 'int'.".to_owned();
            return Err(invalid(function.start, message));
        }
        if function.has_tail_call {
            let message = "tail_call is only allowed in functions that return 'int'.".to_owned();
            return Err(invalid(function.start, message));
        }
    }
    Ok(())
}

fn invalid(pc: usize, message: String) -> Refusal {
    Refusal::new(ErrorKind::Invalid, message).at(pc)
}
