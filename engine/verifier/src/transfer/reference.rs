//! References: objects that a program acquires, and has to give back on every path.

use bpfreplay_uapi::sock::SockKind;
use bpfreplay_uapi::{HelperId, MapType};

use crate::check::helper_args::MapArgument;
use crate::check::object::has_spin_lock;
use crate::check::special::has_timer;
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{MemSort, RegState, RegType, State};

/// The reference behind what a helper returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OfResult {
    None,
    /// The call acquires one (linux: is_acquire_function()).
    New,
    /// It is the argument, seen as something else (linux: is_ptr_cast_function()).
    Argument,
}

pub(super) fn of_result(env: &Env<'_>, helper: HelperId, map: Option<MapArgument>) -> OfResult {
    let map_type = map.map(|argument| env.map(argument.map).map_type);
    let acquires = matches!(
        helper,
        HelperId::SkLookupTcp
            | HelperId::SkLookupUdp
            | HelperId::SkcLookupTcp
            | HelperId::RingbufReserve
            | HelperId::KptrXchg
    );
    let holds_sockets = matches!(map_type, Some(MapType::Sockmap | MapType::Sockhash));
    if acquires || (helper == HelperId::MapLookupElem && holds_sockets) {
        OfResult::New
    } else if casts(helper) {
        OfResult::Argument
    } else {
        OfResult::None
    }
}

/// Whether it gives its argument back as something else. A socket of the unix family is not one that was looked up.
fn casts(helper: HelperId) -> bool {
    matches!(
        helper,
        HelperId::TcpSock
            | HelperId::SkFullsock
            | HelperId::SkcToTcp6Sock
            | HelperId::SkcToTcpSock
            | HelperId::SkcToTcpTimewaitSock
            | HelperId::SkcToTcpRequestSock
            | HelperId::SkcToUdp6Sock
            | HelperId::SkcToMptcpSock
    )
}

/// The reference ends: every pointer that lived by it becomes a number nobody knows. `false` if there was none.
pub(super) fn release(state: &mut State, ref_obj_id: u32) -> bool {
    if !state.held.release(ref_obj_id) {
        return false;
    }
    state.each_mut(|reg| {
        if reg.ref_obj_id == ref_obj_id {
            *reg = after_release(reg);
        }
    });
    true
}

/// What is left of a pointer whose reference has ended: a number. A slice stays a pointer, to no bytes: the kernel does
/// not know that it is dead, and as a number it could be compared in ways the kernel does not let a pointer.
fn after_release(reg: &RegState) -> RegState {
    match reg.kind {
        RegType::Mem { sort: sort @ MemSort::Slice { .. }, .. } => {
            RegState { kind: RegType::Mem { size: 0, sort }, ref_obj_id: 0, ..*reg }
        }
        _ => RegState::UNKNOWN,
    }
}

/// Where a program must not hold anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    TailCall,
    PacketLoad,
    Throw,
    Exit,
}

/// Nothing is held that would never be given back (linux: check_resource_leak()). Functions below the entry may hold
/// references for their callers to release.
pub(super) fn none_left(state: &State, place: Place) -> Checked {
    let what = match place {
        Place::TailCall => "tail_call",
        Place::PacketLoad => "BPF_LD_[ABS|IND]",
        Place::Throw => "bpf_throw",
        Place::Exit => "BPF_EXIT instruction in main prog",
    };
    let is_entry = state.depth() == 0;
    let ends_regions = is_entry || place != Place::Exit;
    if ends_regions && state.held.lock().is_some() {
        refuse!(Invalid, "{what} cannot be used inside bpf_spin_lock-ed region");
    }
    let references = state.held.references();
    if (is_entry || place == Place::Throw) && !references.is_empty() {
        let lines: Vec<_> = references
            .iter()
            .map(|reference| {
                format!("Unreleased reference id={} alloc_insn={}\n", reference.id, reference.pc)
            })
            .collect();
        refuse!(Invalid, "{}{what} would lead to reference leak", lines.concat());
    }
    if ends_regions && state.held.in_rcu {
        refuse!(Invalid, "{what} cannot be used inside bpf_rcu_read_lock-ed region");
    }
    if ends_regions && state.held.preempt_disabled > 0 {
        refuse!(Invalid, "{what} cannot be used inside bpf_preempt_disable-ed region");
    }
    Ok(())
}

/// Every holder of the identity is NULL, or none is (linux: mark_ptr_or_null_regs()). What was acquired with it is no
/// reference where it is NULL.
pub(super) fn decide_null(env: &Env<'_>, state: &mut State, id: u32, is_null: bool) {
    if is_null {
        state.held.release(id);
    }
    state.each_mut(|reg| {
        if !reg.nullable || reg.id != id {
            return;
        }
        if is_null {
            *reg = RegState::constant(0);
            return;
        }
        not_null(env, reg);
        // Of what has a lock, the identity says which.
        if !has_spin_lock(env, reg.kind) {
            reg.id = 0;
        }
    });
}

/// The pointer in this register, or slot, is none to NULL (linux: mark_ptr_not_null_reg()).
pub(super) fn not_null(env: &Env<'_>, reg: &mut RegState) {
    reg.nullable = false;
    reg.kind = found(env, reg.kind);
    if let RegType::MapPtr { map } = reg.kind
        && has_timer(env.map(map))
    {
        reg.map_uid = reg.id;
    }
}

/// What a lookup found, where that is not bytes (linux: mark_ptr_not_null_reg()).
fn found(env: &Env<'_>, kind: RegType) -> RegType {
    let RegType::MapValue { map } = kind else { return kind };
    let map_type = env.map(map).map_type;
    if matches!(map_type, MapType::ArrayOfMaps | MapType::HashOfMaps) {
        env.inner_map(map).map_or(kind, |inner| RegType::MapPtr { map: inner })
    } else if map_type == MapType::Xskmap {
        RegType::Sock(SockKind::Xdp)
    } else if matches!(map_type, MapType::Sockmap | MapType::Sockhash) {
        RegType::Sock(SockKind::Full)
    } else {
        kind
    }
}
