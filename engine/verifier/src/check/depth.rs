//! The stack along every chain of calls (linux: check_max_stack_depth()).

use std::collections::BTreeSet;

use bpfreplay_uapi::limits::{MAX_BPF_STACK, MAX_CALL_FRAMES};

use crate::cfg::{is_local_call, throws};
use crate::error::{Checked, ErrorKind, Refusal, refuse};
use crate::explore::Env;

/// Frames are rounded up to this, as the kernel's JIT does.
const FRAME_ALIGN: u32 = 16;
/// Stack the frames above a function with a tail call may use: 33 programs times this stay within 8 KiB.
const TAIL_CALL_STACK: u32 = 256;

/// Checks all chains from the entry, and from every callback that runs later, on a stack of its own.
pub(crate) fn check(env: &Env<'_>) -> Checked {
    let mut roots = env.async_callbacks.iter().rev().chain([&0]);
    roots.try_for_each(|&root| check_from(env, root))?;
    env.callbacks.iter().try_for_each(|&callback| throws_nothing(env, callback))
}

/// Whoever calls a callback is not prepared to be left by it.
fn throws_nothing(env: &Env<'_>, callback: usize) -> Checked {
    let mut reached = BTreeSet::from([callback]);
    let mut pending = vec![callback];
    while let Some(index) = pending.pop() {
        let function = &env.code.functions[index];
        let at = (function.start..function.end).find(|&pc| throws(env.code.insns[pc]));
        if let Some(pc) = at {
            let message =
                format!("bpf_throw kfunc (insn {pc}) cannot be called from callback subprog {index}");
            return Err(Refusal::new(ErrorKind::Invalid, message).at(pc));
        }
        let callees = function.calls.iter().filter(|&&call| is_on_this_stack(env, call));
        pending.extend(callees.map(|&(_, callee)| callee).filter(|&callee| reached.insert(callee)));
    }
    Ok(())
}

/// Not the address of a function that is taken for later.
fn is_on_this_stack(env: &Env<'_>, (at, callee): (usize, usize)) -> bool {
    !env.async_callbacks.contains(&callee) || is_local_call(env.code.insns[at])
}

/// Checks all chains from a function, longest first: `above[f]` is the most stack that the frames above `f` can use
/// where `f` is the frame with that number.
fn check_from(env: &Env<'_>, root: usize) -> Checked {
    let code = env.code;
    let rounded = |function: usize| u32::from(env.stack_depth[function]).next_multiple_of(FRAME_ALIGN);
    let mut above: Vec<Option<u32>> = vec![None; code.functions.len()];
    above[root] = Some(0);
    for frame in 1..=MAX_CALL_FRAMES {
        let mut below = vec![None; code.functions.len()];
        for (index, function) in code.functions.iter().enumerate() {
            let Some(above) = above[index] else { continue };
            if index > 0 && function.has_tail_call && above >= TAIL_CALL_STACK {
                let message = format!(
                    "tail_calls are not allowed when call stack of previous frames is {above} bytes. Too large"
                );
                return Err(Refusal::new(ErrorKind::Access, message).at(function.start));
            }
            let sum = above + rounded(index);
            if sum as usize > MAX_BPF_STACK {
                let message = format!("combined stack size of {frame} calls is {sum}. Too large");
                return Err(Refusal::new(ErrorKind::Access, message).at(function.start));
            }
            for &(at, callee) in function.calls.iter().filter(|&&call| is_on_this_stack(env, call)) {
                if Some(callee) == code.exception_callback && is_local_call(code.insns[at]) {
                    let message = format!("insn {at} cannot call exception cb directly");
                    return Err(Refusal::new(ErrorKind::Invalid, message).at(at));
                }
                below[callee] = below[callee].max(Some(sum));
            }
        }
        above = below;
    }
    if above.iter().any(Option::is_some) {
        refuse!(TooBig, "the call stack of {} frames is too deep !", MAX_CALL_FRAMES);
    }
    Ok(())
}
