//! Helpers that call functions of the program: `bpf_loop`, `bpf_for_each_map_elem`, `bpf_user_ringbuf_drain`; and `bpf_timer_set_callback`, which
//! has one called later.
//!
//! How often they call is not known. A call is therefore explored as both: the program goes on behind it, and the
//! callback runs once, in a frame of its own, and comes back **to the call**, where the same choice is made again,
//! until a round adds nothing (see `explore::loops`).
//!
//! ```text
//!          ┌──────────── callback ◀───┐
//!          ▼                          │ pending
//!   ── call bpf_loop ─────────────────┴──▶ what follows
//! ```
//!
//! A timer's callback runs when the program is over: it is explored from a state of its own, with nothing below it.

use bpfreplay_isa::{CallTarget, Instruction, Reg};
use bpfreplay_program::Linkage;
use bpfreplay_uapi::{HelperId, Kfunc};

use super::call::new_frame;
use super::return_value;
use crate::check::static_args;
use crate::error::{Checked, refuse};
use crate::explore::{Env, Fact, Next};
use crate::state::{DynptrKind, Frame, FrameKind, RegState, RegType, State};

/// `ld_imm64` of a function's address (linux: check_ld_imm()).
pub(super) fn address(env: &Env<'_>, off: i32) -> Checked<RegState> {
    let target = env.pc() as i64 + 1 + i64::from(off);
    let function = env.code.function_at(target as usize);
    let Some(info) = env.program.funcs.get(function) else {
        refuse!(Invalid, "missing btf func_info");
    };
    if info.linkage != Linkage::Static {
        refuse!(Invalid, "callback function not static ({})", info.name);
    }
    Ok(RegState::pointer(RegType::Func { function: function as u32 }))
}

/// Leaves the callback pending, if the helper may call it (once more). The state is the caller's, before r0 to r5 are
/// lost (linux: push_callback_call()).
pub(super) fn call(env: &mut Env<'_>, state: &mut State, helper: HelperId, map: Option<u32>) -> Checked {
    let RegType::Func { function } = state.reg(Reg::R2).kind else { return Ok(()) };
    let rounds_left = match helper {
        HelperId::Loop => loop_goes_on(env, state)?,
        _ => true,
    };
    if !rounds_left {
        state.cur_mut().callback_depth = 0;
        env.log.rounds_are_over(state.depth());
        return Ok(());
    }
    let mut frame = frame(env, state, function)?;
    match (helper, map) {
        (HelperId::ForEachMapElem, Some(map)) => element_arguments(state, &mut frame, map),
        (HelperId::UserRingbufDrain, _) => {
            // callback(const struct bpf_dynptr *sample, void *ctx)
            let sample = RegState::pointer(RegType::Dynptr(DynptrKind::Local));
            frame.regs[Reg::R1.index()] = RegState { id: env.new_id(), ..sample };
            frame.regs[Reg::R2.index()] = *state.reg(Reg::R3);
        }
        _ => {
            // callback(u32 index, void *ctx)
            frame.regs[Reg::R1.index()] = RegState::UNKNOWN;
            frame.regs[Reg::R2.index()] = *state.reg(Reg::R3);
        }
    }
    enter(env, state, frame)
}

/// Leaves pending the function that says which of two nodes comes first: less(a, b), any number of times
/// (linux: set_rbtree_add_callback_state()).
pub(super) fn less(env: &mut Env<'_>, state: &mut State, function: u32, node: RegState) -> Checked {
    let mut frame = frame(env, state, function)?;
    frame.regs[Reg::R1.index()] = node;
    frame.regs[Reg::R2.index()] = node;
    enter(env, state, frame)
}

/// Whether the function that runs says which node of a tree comes first (linux: in_rbtree_lock_required_cb()).
pub(super) fn is_in_less(env: &Env<'_>, state: &State) -> bool {
    let FrameKind::Callback { callsite } = state.cur().kind else { return false };
    let call = env.code.decoded.get(callsite as usize);
    matches!(call, Some(Ok(Instruction::Call(CallTarget::Kfunc(id)))) if *id as u32 == Kfunc::RbtreeAdd.id())
}

fn frame(env: &mut Env<'_>, state: &State, function: u32) -> Checked<Frame> {
    static_args::remark(env, state, function as usize);
    env.log.touch_all();
    env.callbacks.insert(function as usize);
    new_frame(state, FrameKind::Callback { callsite: env.pc() as u32 }, function)
}

/// The callback's round is pending, in a copy of the state.
fn enter(env: &mut Env<'_>, state: &mut State, frame: Frame) -> Checked {
    let function = frame.subprog;
    let mut inside = state.clone();
    inside.rounds.callback += 1;
    inside.cur_mut().callback_depth += 1;
    inside.push_frame(frame);
    state.cur_mut().callback_depth = 0;
    let start = env.code.functions[function as usize].start;
    env.push(inside, start)
}

/// Leaves a timer's callback pending: callback(map, key, value) (linux: set_timer_callback_state()).
pub(super) fn set_timer(env: &mut Env<'_>, state: &State, map: Option<u32>) -> Checked {
    let (RegType::Func { function }, Some(map)) = (state.reg(Reg::R2).kind, map) else { return Ok(()) };
    static_args::remark(env, state, function as usize);
    env.log.touch_all();
    let mut frame = Frame::new(FrameKind::Async, function, 0);
    frame.regs[Reg::R1.index()] = RegState::pointer(RegType::MapPtr { map });
    frame.regs[Reg::R2.index()] = RegState::pointer(RegType::MapKey { map });
    frame.regs[Reg::R3.index()] = RegState::pointer(RegType::MapValue { map });
    env.push_async(frame)
}

/// Whether `bpf_loop` has rounds left: r1 of them at the most.
fn loop_goes_on(env: &mut Env<'_>, state: &State) -> Checked<bool> {
    let rounds = *state.reg(Reg::R1);
    if !rounds.is_scalar() {
        refuse!(Access, "R1 type={} expected=scalar", rounds.type_name());
    }
    flags_matter(env, state);
    env.mark_precise(state, Reg::R1);
    Ok(u64::from(state.cur().callback_depth) < rounds.value.b64.umax)
}

/// Linux puts a loop in line if its flags and its callback are the same on every path
/// (linux: update_loop_inline_state()); as long as they are, those flags are needed as they are.
fn flags_matter(env: &mut Env<'_>, state: &State) {
    let pc = env.pc();
    let RegType::Func { function } = state.reg(Reg::R2).kind else { return };
    if env.notes[pc].in_line == Fact::Varies {
        return;
    }
    let flags_are_zero = state.reg(Reg::R4).is_null();
    if flags_are_zero {
        env.mark_precise(state, Reg::R4);
    }
    env.notes[pc].in_line.learn(flags_are_zero.then_some(function));
}

/// callback(map, key, value, void *ctx) (linux: map_set_for_each_callback_args()).
fn element_arguments(state: &State, frame: &mut Frame, map: u32) {
    frame.regs[Reg::R1.index()] = RegState::pointer(RegType::MapPtr { map });
    frame.regs[Reg::R2.index()] = RegState::pointer(RegType::MapKey { map });
    frame.regs[Reg::R3.index()] = RegState::pointer(RegType::MapValue { map });
    frame.regs[Reg::R4.index()] = *state.reg(Reg::R3);
}

/// Back from a callback to the helper's call (linux: prepare_func_exit()).
pub(super) fn leave(
    env: &mut Env<'_>,
    state: &mut State,
    returned: &RegState,
    callsite: usize,
) -> Checked<Next> {
    if !returned.is_scalar() {
        refuse!(Access, "R0 not a scalar value");
    }
    state.set(Reg::R0, *returned);
    // 0 to go on, 1 to stop.
    return_value::check(env, state, "At callback return", Reg::R0, &(0..=1))?;
    let callee = env.log.known_in_callee(env.program, state);
    state.pop_frame();
    env.log.returned(env.program, callee, state, callsite);
    env.widen_from_last_round(state, callsite, None);
    Ok(Next::Goto(callsite))
}

/// Whether a callback is running, here or further up.
pub(super) fn is_inside(state: &State) -> bool {
    state.frames.iter().any(|frame| matches!(frame.kind, FrameKind::Callback { .. }))
}
