//! Calls of helper functions (linux: check_helper_call()).

use bpfreplay_isa::Reg;
use bpfreplay_uapi::{HelperId, MapType, RetType, helper_name};

use super::{call, callback, forget_packet_pointers, stack};
use crate::check::helper_args::{self, Effect, MapArgument};
use crate::check::memory::writes_packets;
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{RegState, RegType, State, locate};

pub(super) fn call(env: &mut Env<'_>, state: &mut State, id: u32) -> Checked {
    let helper = find(env, id)?;
    let proto = helper.proto();
    let mut map = None;
    let mut effects = Vec::new();
    helper_args::check(env, state, helper, &mut map, &mut effects)?;

    let mut not_null = false;
    if let Some(MapArgument { map, key }) = map {
        let key = key.and_then(|reg| constant_key(env, state, map, reg));
        let spec = &env.program.maps[map as usize];
        not_null = helper == HelperId::MapLookupElem && key.is_some_and(|key| key < spec.max_entries);
        let pc = env.pc();
        env.notes[pc].map.learn(Some(map));
        if helper != HelperId::TailCall {
            env.notes[pc].key.learn(key);
        }
    }
    for effect in effects {
        apply(env, state, effect);
    }
    if helper == HelperId::TailCall {
        return tail_call(env, state, map.map(|argument| argument.map));
    }
    if matches!(helper, HelperId::Loop | HelperId::ForEachMapElem) {
        callback::call(env, state, helper, map.map(|argument| argument.map))?;
    }
    if proto.changes_pkt_data {
        forget_packet_pointers(state);
    }
    if proto.changes_pkt_data && writes_packets(env.program.prog_type) {
        let pc = env.pc();
        env.notes[pc].writes_packet = true;
    }
    call::clobber_caller_saved(state);
    let result = match (proto.ret, map) {
        (RetType::Integer, _) => RegState::UNKNOWN,
        (RetType::MapValueOrNull, Some(MapArgument { map, .. })) => {
            let value = RegState::pointer(RegType::MapValue { map });
            if not_null { value } else { RegState { nullable: true, id: env.new_id(), ..value } }
        }
        (RetType::Void, _) | (RetType::MapValueOrNull, None) => RegState::NOT_INIT,
        (
            RetType::MapValue
            | RetType::SocketOrNull
            | RetType::SockCommonOrNull
            | RetType::TcpSockOrNull
            | RetType::RingbufMemOrNull
            | RetType::DynptrDataOrNull,
            _,
        ) => refuse!(Unsupported, "helper {}#{id} is not supported", proto.name),
    };
    state.set(Reg::R0, result);
    Ok(())
}

/// The helper, if programs like this one may call it.
fn find(env: &Env<'_>, id: u32) -> Checked<HelperId> {
    let Some(helper) = HelperId::from_id(id) else {
        match helper_name(id) {
            _ if id == 0 => refuse!(Invalid, "program of this type cannot use helper bpf_unspec#0"),
            Some(name) => refuse!(Unsupported, "helper {name}#{id} is not supported"),
            None => refuse!(Invalid, "invalid func unknown#{}", id as i32),
        }
    };
    let proto = helper.proto();
    if !(proto.allowed)(env.program.prog_type) {
        refuse!(Invalid, "program of this type cannot use helper {}#{id}", proto.name);
    }
    if proto.gpl_only && !env.program.gpl_compatible() {
        refuse!(
            Invalid,
            "cannot call GPL-restricted function from non-GPL compatible program ({}#{id}, license {:?})",
            proto.name,
            env.program.license
        );
    }
    Ok(helper)
}

pub(super) fn apply(env: &mut Env<'_>, state: &mut State, effect: Effect) {
    match effect {
        Effect::ReadsStack(range) => stack::mark_read(env, state, range),
        Effect::FillsStack(range) => stack::scramble(env, state, range, stack::Extent::Certain),
        Effect::MayFillStack(range) => {
            stack::mark_read(env, state, range);
            stack::scramble(env, state, range, stack::Extent::Possible);
        }
        Effect::FillsPacket => {
            let pc = env.pc();
            env.notes[pc].writes_packet = true;
        }
        Effect::DependsOn(reg) => env.mark_precise(state, reg),
    }
}

/// The key of an array lookup, if it is a constant on the stack: zero bytes, or a spilled constant of the key's size
/// at the start of a slot (linux 6.18: get_constant_map_key()). The result is then known not to be NULL, so the
/// constant matters.
fn constant_key(env: &mut Env<'_>, state: &State, map: u32, reg: Reg) -> Option<u32> {
    let spec = &env.program.maps[map as usize];
    if !matches!(spec.map_type, MapType::Array | MapType::PercpuArray) {
        return None;
    }
    let pointer = state.reg(reg);
    let RegType::Stack { frame } = pointer.kind else { return None };
    let off = i64::from(pointer.off) + pointer.value.as_const()? as i64;
    let size = spec.key_size as usize;
    let (slot_at, first) = locate(off);
    let slot = *state.frames[usize::from(frame)].stack.slot(slot_at);
    if slot.bytes.get(first..first + size)?.iter().all(|&byte| byte == crate::state::ByteKind::Zero) {
        return Some(0);
    }
    if first != 0 || slot.spill_size() != size {
        return None;
    }
    let key = slot.spilled.as_const()?;
    env.mark_slot_precise(state, frame.into(), slot_at);
    // Only the key's bytes are in memory.
    Some(key as u32)
}

/// `bpf_tail_call`: taken, it ends the function; not taken, the program goes on without r0 to r5.
///
/// In a function below the entry the taken call returns to the caller with the result of another program, which may
/// have moved the packet.
fn tail_call(env: &mut Env<'_>, state: &mut State, map: Option<u32>) -> Checked {
    let pc = env.pc();
    let index = state.reg(Reg::R3).as_const().map(|index| index as u32);
    if index.is_some() {
        env.mark_precise(state, Reg::R3);
    }
    let slots = map.map_or(0, |map| env.program.maps[map as usize].max_entries);
    env.notes[pc].key.learn(index.filter(|&index| index < slots));

    let mut taken = state.clone();
    forget_packet_pointers(&mut taken);
    call::leave_early(env, taken, RegState::UNKNOWN)?;
    call::clobber_caller_saved(state);
    Ok(())
}
