//! Calls of helper functions (linux: check_helper_call()).

use bpfreplay_isa::Reg;
use bpfreplay_program::KptrKind;
use bpfreplay_uapi::map::create_flags;
use bpfreplay_uapi::sock::{BtfSock, SockKind};
use bpfreplay_uapi::{HelperId, MapType, RetType, helper_name};

use super::{call, callback, dynptr, forget_packet_pointers, object, reference, stack};
use crate::check::helper_args::{self, Call, Effect, MapArgument};
use crate::check::memory::writes_packets;
use crate::check::object::has_spin_lock;
use crate::error::{Checked, refuse};
use crate::explore::{Env, Next};
use crate::state::{DynptrKind, Hold, MemSort, RegState, RegType, State, locate};

pub(super) fn call(env: &mut Env<'_>, state: &mut State, id: u32) -> Checked<Next> {
    if state.held.lock().is_some() && id != HelperId::SpinUnlock.id() {
        refuse!(Invalid, "function calls are not allowed while holding a lock");
    }
    let helper = find(env, id)?;
    let proto = helper.proto();
    if matches!(helper, HelperId::SpinLock | HelperId::SpinUnlock) && callback::is_in_less(env, state) {
        refuse!(Access, "can't spin_{{lock,unlock}} in rbtree cb");
    }
    let mut call = Call::default();
    let checked = helper_args::check(env, state, helper, &mut call);
    let Call { map, effects, alloc_size, ref_obj_id, releases, dynptr: given, kptr, percpu } = call;
    if let Err(refusal) = checked {
        // What is wrong with the arguments before comes first.
        for effect in effects {
            apply(env, state, effect)?;
        }
        return Err(refusal);
    }

    let mut not_null = false;
    if let Some(MapArgument { map, key, .. }) = map {
        let key = key.and_then(|reg| constant_key(env, state, map, reg));
        let spec = env.map(map);
        not_null = helper == HelperId::MapLookupElem && key.is_some_and(|key| key < spec.max_entries);
        let (pc, known) = (env.pc(), env.program_map(map));
        env.notes[pc].map.learn(known);
        if helper != HelperId::TailCall {
            env.notes[pc].key.learn(key);
        }
    }
    for effect in effects {
        apply(env, state, effect)?;
    }
    if kptr.is_some_and(|kptr| kptr.kind == KptrKind::Percpu) {
        object::keep_percpu(state, ref_obj_id);
    }
    if releases && !reference::release(state, ref_obj_id) {
        refuse!(Invalid, "func {}#{id} reference has not been acquired before", proto.name);
    }
    match (helper, given) {
        (HelperId::DynptrFromMem, _) => from_mem(state)?,
        (HelperId::XdpStoreBytes, _) => {
            let pc = env.pc();
            env.notes[pc].writes_packet = true;
        }
        (HelperId::DynptrWrite, Some(given)) => {
            dynptr::note_write(env, given);
            // The packet may be moved to be written.
            if given.kind == DynptrKind::Skb {
                forget_packet_pointers(state);
            }
        }
        _ => {}
    }
    if helper == HelperId::TailCall {
        return tail_call(env, state, map.map(|argument| argument.map));
    }
    if helper.calls_back() {
        callback::call(env, state, helper, map.map(|argument| argument.map))?;
    }
    if helper == HelperId::TimerSetCallback {
        callback::set_timer(env, state, map.map(|argument| argument.map))?;
    }
    if helper == HelperId::GetLocalStorage {
        no_flags(env, state)?;
    }
    if proto.changes_pkt_data {
        forget_packet_pointers(state);
    }
    if proto.changes_pkt_data && writes_packets(env.program.prog_type) {
        let pc = env.pc();
        env.notes[pc].writes_packet = true;
    }
    call::clobber_caller_saved(state);
    let or_null =
        |env: &mut Env<'_>, kind| RegState { nullable: true, id: env.new_id(), ..RegState::pointer(kind) };
    let mut result = match (proto.ret, map) {
        (RetType::Integer, _) => RegState::UNKNOWN,
        (RetType::MapValueOrNull, Some(MapArgument { map, .. })) => {
            if not_null {
                map_value(env, map)
            } else {
                or_null(env, RegType::MapValue { map })
            }
        }
        (RetType::MapValue, Some(MapArgument { map, .. })) => map_value(env, map),
        (RetType::Void, _) | (RetType::MapValueOrNull | RetType::MapValue, None) => RegState::NOT_INIT,
        (RetType::SocketOrNull, _) => or_null(env, RegType::Sock(SockKind::Full)),
        (RetType::SockCommonOrNull, _) => or_null(env, RegType::Sock(SockKind::Common)),
        (RetType::TcpSockOrNull, _) => or_null(env, RegType::Sock(SockKind::Tcp)),
        (RetType::BtfSockOrNull, _) => {
            BtfSock::of(helper).map_or(RegState::UNKNOWN, |sock| or_null(env, RegType::BtfSock(sock)))
        }
        (RetType::RingbufMemOrNull, _) => {
            or_null(env, RegType::Mem { size: alloc_size.unwrap_or(0), sort: MemSort::Ringbuf })
        }
        (RetType::ObjectOrNull, _) => match kptr {
            Some(kptr) => or_null(env, kptr.taken()),
            None => RegState::UNKNOWN,
        },
        (RetType::ObjectOfCpu | RetType::ObjectOfCpuOrNull, _) => match percpu {
            Some(type_id) => {
                let kind = RegType::Object { type_id, hold: Hold::Rcu };
                if proto.ret == RetType::ObjectOfCpu { RegState::pointer(kind) } else { or_null(env, kind) }
            }
            None => RegState::UNKNOWN,
        },
        (RetType::DynptrDataOrNull, _) => match given {
            Some(given) => dynptr::data(env, given, alloc_size.unwrap_or(0)),
            None => RegState::UNKNOWN,
        },
    };
    if matches!(result.kind, RegType::MapValue { .. }) {
        result.map_uid = map.map_or(0, |argument| argument.uid);
    }
    result.ref_obj_id = match reference::of_result(env, helper, map) {
        reference::OfResult::None => result.ref_obj_id,
        reference::OfResult::Argument => ref_obj_id,
        reference::OfResult::New => {
            // Another number than the one its NULL check goes by had: so counts the kernel.
            result.id = env.new_id();
            state.held.acquire(result.id, env.pc());
            result.id
        }
    };
    state.set(Reg::R0, result);
    Ok(Next::Goto(env.pc() + 1))
}

/// `bpf_dynptr_from_mem` is for map values.
fn from_mem(state: &State) -> Checked {
    let memory = state.reg(Reg::R1);
    if !matches!(memory.kind, RegType::MapValue { .. }) || memory.nullable {
        refuse!(Access, "Unsupported reg type {} for bpf_dynptr_from_mem data", memory.type_name());
    }
    Ok(())
}

/// A value that is there. One with a lock is told from the others by its identity.
fn map_value(env: &mut Env<'_>, map: u32) -> RegState {
    let kind = RegType::MapValue { map };
    let id = if has_spin_lock(env, kind) { env.new_id() } else { 0 };
    RegState { id, ..RegState::pointer(kind) }
}

/// `bpf_get_local_storage` cannot fail, so there is nothing its flags could ask for.
fn no_flags(env: &mut Env<'_>, state: &State) -> Checked {
    if !state.reg(Reg::R2).is_null() {
        refuse!(Invalid, "get_local_storage() doesn't support non-zero flags");
    }
    env.mark_precise_unsaid(state, Reg::R2);
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

pub(super) fn apply(env: &mut Env<'_>, state: &mut State, effect: Effect) -> Checked {
    match effect {
        Effect::ReadsStack(reg, range) => {
            stack::note_depth(env, state, range);
            stack::mark_read(env, state, range);
            stack::readable(state, range, Some(reg))?;
        }
        Effect::FillsStack(reg, range) => {
            stack::spares_dynptrs(env, state, (reg, range))?;
            if range.is_fixed() {
                env.log.touch_stack(range.min, range.max + range.size);
            }
            stack::scramble(env, state, range, stack::Extent::Certain);
        }
        Effect::MayFillStack(reg, range) => {
            stack::mark_read(env, state, range);
            stack::readable(state, range, Some(reg))?;
            stack::scramble(env, state, range, stack::Extent::Possible);
        }
        Effect::FillsPacket => {
            let pc = env.pc();
            env.notes[pc].writes_packet = true;
        }
        Effect::DependsOn(reg) => env.mark_precise(state, reg),
        Effect::IsNull(reg) => env.mark_precise_unsaid(state, reg),
        Effect::SetsLock(lock) => {
            state.held.set_lock(lock);
            if lock.is_none() {
                object::end_borrowing(state);
            }
        }
        Effect::ReadsDynptr(argument) => dynptr::mark_read(env, state, argument),
        Effect::EndsDynptr(argument) => dynptr::end(env, state, argument),
        Effect::MakesDynptr(place, kind) => dynptr::make(env, state, place, kind, None)?,
    }
    Ok(())
}

/// The key of an array lookup, if it is a constant on the stack: zero bytes, or a spilled constant of the key's size
/// at the start of a slot (linux 6.18: get_constant_map_key()). The result is then known not to be NULL, so the
/// constant matters.
fn constant_key(env: &mut Env<'_>, state: &State, map: u32, reg: Reg) -> Option<u32> {
    let spec = env.map(map);
    if !matches!(spec.map_type, MapType::Array | MapType::PercpuArray) {
        return None;
    }
    // Inner maps may be shorter than their shape, unless that is compared (linux: array_map_meta_equal()).
    let is_inner = env.program_map(map).is_none();
    let compared = spec.map_type == MapType::Array && spec.map_flags & create_flags::INNER_MAP == 0;
    if is_inner && !compared {
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
fn tail_call(env: &mut Env<'_>, state: &mut State, map: Option<u32>) -> Checked<Next> {
    let pc = env.pc();
    let index = state.reg(Reg::R3).as_const().map(|index| index as u32);
    if index.is_some() {
        env.mark_precise(state, Reg::R3);
    }
    reference::none_left(state, reference::Place::TailCall)?;
    let slots = map.map_or(0, |map| env.map(map).max_entries);
    env.notes[pc].key.learn(index.filter(|&index| index < slots));

    call::clobber_caller_saved(state);
    let mut taken = state.clone();
    forget_packet_pointers(&mut taken);
    call::leave_early(env, state, taken, RegState::UNKNOWN)
}
