//! Calls of program-local functions, and returns.

use bpfreplay_isa::Reg;
use bpfreplay_program::Linkage;
use bpfreplay_uapi::limits::MAX_CALL_FRAMES;

use super::{callback, forget_packet_pointers, helper, read, reference, return_value};
use crate::check::{global_args, static_args};
use crate::error::{Checked, refuse};
use crate::explore::{Env, Next};
use crate::state::{Frame, FrameKind, RegState, RegType, State};

/// `call local`: a static function is explored here and now with these arguments; a global one was or will be
/// verified by its prototype, so only the arguments are checked (linux: check_func_call()).
pub(super) fn local(env: &mut Env<'_>, state: &mut State, off: i32) -> Checked<Next> {
    let pc = env.pc();
    let target = (pc as i64 + 1 + i64::from(off)) as usize;
    let callee = env.code.function_at(target);
    let info = env.program.funcs.get(callee);
    if let Some(info) = info.filter(|info| info.linkage == Linkage::Global && callee != 0) {
        if state.held.lock().is_some() {
            refuse!(
                Invalid,
                "global function calls are not allowed while holding a lock,\nuse static function instead"
            );
        }
        for effect in global_args::check(env, state, callee, info)? {
            helper::apply(env, state, effect)?;
        }
        env.log.assumed_valid(&info.name, callee);
        env.globals.insert(callee);
        if env.code.functions[callee].changes_pkt_data {
            forget_packet_pointers(state);
        }
        clobber_caller_saved(state);
        state.set(Reg::R0, RegState::UNKNOWN);
        return Ok(Next::Goto(pc + 1));
    }
    static_args::remark(env, state, callee);
    let mut frame = new_frame(state, FrameKind::Call { callsite: pc as u32 }, callee as u32)?;
    for reg in Reg::ARGS {
        frame.regs[reg.index()] = *state.reg(reg);
    }
    clobber_caller_saved(state);
    state.push_frame(frame);
    env.log.entered(env.program, state);
    Ok(Next::Goto(target))
}

/// A frame to push, if there may be one more.
pub(super) fn new_frame(state: &State, kind: FrameKind, function: u32) -> Checked<Frame> {
    if state.frames.len() >= MAX_CALL_FRAMES {
        refuse!(TooBig, "the call stack of {} frames is too deep", state.frames.len() + 1);
    }
    Ok(Frame::new(kind, function, state.frames.len() as u8))
}

/// r0 to r5 are the callee's: nothing is known of them, not even that they may be read.
pub(super) fn clobber_caller_saved(state: &mut State) {
    state.set(Reg::R0, RegState::NOT_INIT);
    for reg in Reg::ARGS {
        state.set(reg, RegState::NOT_INIT);
    }
}

/// `exit` (linux: check_return_code(), prepare_func_exit()).
pub(super) fn exit(env: &mut Env<'_>, state: &mut State) -> Checked<Next> {
    reference::none_left(state, reference::Place::Exit)?;
    let result = *state.reg(Reg::R0);
    match state.cur().kind {
        FrameKind::Call { .. } | FrameKind::Callback { .. } => {
            let next = leave(env, state, result)?;
            env.log.exited();
            Ok(next)
        }
        FrameKind::Main | FrameKind::Global | FrameKind::Exception | FrameKind::Async => {
            of_outermost(env, state, Reg::R0)?;
            Ok(Next::End)
        }
    }
}

/// What the outermost function returns, which is in `reg` (linux: check_return_code()).
fn of_outermost(env: &mut Env<'_>, state: &State, reg: Reg) -> Checked {
    let result = read(state, reg)?;
    match state.frames[0].kind {
        FrameKind::Async => return_value::check(env, state, "At async callback return", reg, &(0..=0)),
        FrameKind::Global if !result.is_scalar() => refuse!(
            Invalid,
            "At subprogram exit the register R{} is not a scalar value ({})",
            reg.number(),
            result.type_name()
        ),
        FrameKind::Global => Ok(()),
        FrameKind::Main | FrameKind::Exception | FrameKind::Call { .. } | FrameKind::Callback { .. } => {
            match return_value::of_program(env.program) {
                Some(range) => return_value::check(env, state, "At program exit", reg, &range),
                None => Ok(()),
            }
        }
    }
}

/// `bpf_throw`: ends all functions at once. The cookie in r1 is what the program returns, unless there is a callback
/// for it.
pub(super) fn throw(env: &mut Env<'_>, state: &mut State) -> Checked<Next> {
    if state.held.lock().is_some() {
        refuse!(Invalid, "function calls are not allowed while holding a lock");
    }
    if !state.reg(Reg::R1).is_scalar() {
        refuse!(Invalid, "R1 is not a scalar");
    }
    env.throws = true;
    if env.code.exception_callback.is_none() {
        of_outermost(env, state, Reg::R1)?;
    }
    reference::none_left(state, reference::Place::Throw)?;
    Ok(Next::End)
}

/// Back to the caller with `result` in r0; or from a callback to the helper that called it.
fn leave(env: &mut Env<'_>, state: &mut State, result: RegState) -> Checked<Next> {
    env.log.stack_is_known(env.code, state);
    if matches!(result.kind, RegType::Stack { .. }) {
        refuse!(Invalid, "cannot return stack pointer to the caller");
    }
    if let FrameKind::Callback { callsite } = state.cur().kind {
        return callback::leave(env, state, &result, callsite as usize);
    }
    let callee = env.log.known_in_callee(env.program, state);
    let Some(FrameKind::Call { callsite }) = state.pop_frame().map(|frame| frame.kind) else {
        return Ok(Next::End);
    };
    state.set(Reg::R0, result);
    let to = callsite as usize + 1;
    env.log.returned(env.program, callee, state, to);
    Ok(Next::Goto(to))
}

/// A tail call that is taken, or a packet load that fails, ends the function there and then: the caller goes on with
/// `result`. That way is explored first, the one behind the instruction later, from `state` as it is. In the entry
/// function it ends the program, and there is nothing to explore.
pub(super) fn leave_early(
    env: &mut Env<'_>,
    state: &mut State,
    mut left: State,
    result: RegState,
) -> Checked<Next> {
    let behind = env.pc() + 1;
    match state.cur().kind {
        FrameKind::Main | FrameKind::Global | FrameKind::Exception | FrameKind::Async => {
            Ok(Next::Goto(behind))
        }
        FrameKind::Call { .. } | FrameKind::Callback { .. } => {
            clobber_caller_saved(&mut left);
            left.set(Reg::R0, result);
            env.push(std::mem::replace(state, left), behind)?;
            leave(env, state, result)
        }
    }
}
