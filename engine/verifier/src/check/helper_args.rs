//! Arguments of helpers by their prototype (linux: check_func_arg()).

use bpfreplay_isa::Reg;
use bpfreplay_uapi::{ArgType, DynptrArg, HelperId, MapType, MemAccess};

use super::dynptr::{DynptrArgument, Wanted};
use super::helper_memory::{Piece, alignment_word, check_memory, expect_memory, size_argument, slice_fits};
use super::kptr::Kptr;
use super::region::Empty;
use super::stack::{self, StackRange};
use super::{context, dynptr, kptr, map_args, sock, special, string};
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{Dynptr, DynptrKind, Hold, Lock, MemSort, RegState, RegType, State};

/// The map a helper is given, and where its key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MapArgument {
    pub(crate) map: u32,
    pub(crate) key: Option<Reg>,
    /// Which of the inner maps that it may be.
    pub(crate) uid: u32,
}

/// What was found out about a call.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Call {
    /// The map it is about.
    pub(crate) map: Option<MapArgument>,
    /// What it does.
    pub(crate) effects: Vec<Effect>,
    /// How many bytes the result points to.
    pub(crate) alloc_size: Option<u32>,
    /// The reference among the arguments.
    pub(crate) ref_obj_id: u32,
    /// Whether the call ends it.
    pub(crate) releases: bool,
    /// The dynptr it is given.
    pub(crate) dynptr: Option<Dynptr>,
    /// The pointer to an object that it exchanges.
    pub(crate) kptr: Option<Kptr>,
    /// The type of the object, there for each CPU, that it is given.
    pub(crate) percpu: Option<u32>,
}

/// What a call does to what it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// Through the pointer in the register.
    ReadsStack(Reg, StackRange),
    FillsStack(Reg, StackRange),
    /// A size that varies: some of the bytes.
    MayFillStack(Reg, StackRange),
    FillsPacket,
    /// A number whose range was checked.
    DependsOn(Reg),
    /// A number that was found to be 0, for a pointer to nothing.
    IsNull(Reg),
    /// The lock is this from now on.
    SetsLock(Option<Lock>),
    ReadsDynptr(DynptrArgument),
    EndsDynptr(DynptrArgument),
    MakesDynptr(StackRange, DynptrKind),
}

/// Checks every argument; says which map the call is about and what it does, up to the argument that is refused.
pub(crate) fn check(env: &Env<'_>, state: &State, helper: HelperId, call: &mut Call) -> Checked {
    let proto = helper.proto();
    let Call { map, effects, alloc_size, ref_obj_id, releases, dynptr: known, kptr, percpu } = &mut *call;
    let args = proto.args.iter().zip(Reg::ARGS).enumerate();
    for (index, (&arg, reg)) in args {
        let value = *state.reg(reg);
        let n = reg.number();
        if value.kind == RegType::NotInit {
            refuse!(Access, "R{n} !read_ok");
        }
        slice_fits(reg, &value, arg)?;
        let memory = |piece: Piece, effects: &mut Vec<Effect>| {
            check_memory(env, helper, (reg, &value), piece, effects)
        };
        match arg {
            ArgType::Anything => {}
            ArgType::Ctx => {
                expect(reg, &value, value.kind == RegType::Ctx, "ctx")?;
                context::unmodified(reg, &value)?;
            }
            ArgType::CtxOrNull if value.is_null() => effects.push(Effect::IsNull(reg)),
            ArgType::CtxOrNull => {
                expect_or_null(reg, &value, value.kind == RegType::Ctx, "ctx")?;
                context::unmodified(reg, &value)?;
            }
            ArgType::ConstMapPtr => {
                let argument = map_args::argument(env, reg, &value)?;
                special::of_timer(*map, argument)?;
                *map = Some(argument);
            }
            ArgType::MapKey => {
                let Some(argument) = map.as_mut() else { continue };
                argument.key = Some(reg);
                let size = env.map(argument.map).key_size.into();
                memory(Piece { size, empty: Empty::Refused, access: MemAccess::Read, exact: true }, effects)?;
            }
            ArgType::MapValue(_) if map.is_some_and(|argument| is_sockmap(env, argument)) => {
                sock::argument(reg, &value, sock::Accepts::BtfToo)?;
            }
            ArgType::MapValueOrNull if value.is_null() => effects.push(Effect::IsNull(reg)),
            ArgType::MapValueOrNull => {
                let Some(argument) = map else { continue };
                let size = env.map(argument.map).value_size.into();
                memory(Piece { size, empty: Empty::Refused, access: MemAccess::Read, exact: true }, effects)?;
            }
            ArgType::MapValue(access) => {
                let Some(argument) = map else { continue };
                // What is looked for in a bloom filter is read.
                let is_bloom = env.map(argument.map).map_type == MapType::BloomFilter;
                let looks_up = is_bloom && helper == HelperId::MapPeekElem;
                let access = if looks_up { MemAccess::Read } else { access };
                let size = env.map(argument.map).value_size.into();
                memory(Piece { size, empty: Empty::Refused, access, exact: true }, effects)?;
            }
            // Checked with the size that follows; the type at once, as the kernel does.
            ArgType::Mem(_) => expect_memory(reg, &value)?,
            ArgType::MemOrNull(_) if value.is_null() => effects.push(Effect::IsNull(reg)),
            ArgType::MemOrNull(_) => expect_memory(reg, &value)?,
            ArgType::ConstSize | ArgType::ConstSizeOrZero => {
                let empty = if arg == ArgType::ConstSize { Empty::Refused } else { Empty::Allowed };
                let (size, exact) = size_argument(reg, &value, empty)?;
                let (ArgType::Mem(access) | ArgType::MemOrNull(access)) = proto.args[index - 1] else {
                    continue;
                };
                let base = Reg::ARGS[index - 1];
                let piece = Piece { size, empty, access, exact };
                check_memory(env, helper, (base, state.reg(base)), piece, effects)?;
                effects.push(Effect::DependsOn(reg));
            }
            ArgType::Func => {
                expect(reg, &value, matches!(value.kind, RegType::Func { .. }), "func")?;
                context::unmodified(reg, &value)?;
            }
            ArgType::StackOrNull if value.is_null() => effects.push(Effect::IsNull(reg)),
            ArgType::StackOrNull => {
                expect(reg, &value, matches!(value.kind, RegType::Stack { .. }), "fp")?;
            }
            ArgType::FixedMem(access, size) => {
                let piece = Piece { size: size.into(), empty: Empty::Refused, access, exact: true };
                memory(piece, effects)?;
                if access != MemAccess::Read {
                    stack::aligned(alignment_word(&value), &value, 0, size)?;
                }
            }
            ArgType::ConstAllocSize => {
                expect(reg, &value, value.is_scalar(), "scalar")?;
                let Some(size) = value.as_const() else {
                    refuse!(Access, "R{n} is not a known constant'");
                };
                *alloc_size = Some(size as u32);
                effects.push(Effect::DependsOn(reg));
            }
            ArgType::ConstStr => {
                string::constant(env, reg, &value)?;
            }
            ArgType::SpinLock => {
                effects.push(Effect::SetsLock(special::spin_lock(env, state, helper, (reg, &value))?));
            }
            ArgType::SockCommon => sock::argument(reg, &value, sock::Accepts::Plain)?,
            ArgType::BtfSockCommon => sock::argument(reg, &value, sock::Accepts::BtfToo)?,
            ArgType::BtfSockCommonRelease => {
                sock::argument(reg, &value, sock::Accepts::BtfToo)?;
                *releases = released(reg, &value)?;
            }
            ArgType::RingbufMem => {
                let is_record = matches!(value.kind, RegType::Mem { sort: MemSort::Ringbuf, .. });
                expect(reg, &value, is_record, "ringbuf_mem")?;
                *releases = released(reg, &value)?;
            }
            ArgType::Kptr => *kptr = Some(kptr::destination(env, (reg, &value))?),
            ArgType::ObjectOrNull => {
                let Some(kptr) = *kptr else { continue };
                if value.is_null() {
                    effects.push(Effect::DependsOn(reg));
                }
                *releases = kptr::source(env, kptr, (reg, &value))?;
            }
            ArgType::PercpuObject => {
                *percpu = match value.kind {
                    RegType::Object { type_id, hold: Hold::PercpuRcu } => Some(type_id),
                    _ => None,
                };
                expect(reg, &value, percpu.is_some(), "percpu_ptr_, percpu_rcu_ptr_, percpu_trusted_ptr_")?;
                context::unmodified(reg, &value)?;
            }
            ArgType::Timer => {
                *map = Some(special::timer(env, (reg, &value))?);
            }
            ArgType::Dynptr(wanted) => {
                let effect = dynptr_argument(state, (reg, &value), wanted)?;
                if let Effect::ReadsDynptr(argument) | Effect::EndsDynptr(argument) = effect {
                    *known = Some(argument.dynptr);
                }
                effects.push(effect);
            }
        }
        if value.ref_obj_id != 0 && !matches!(arg, ArgType::Anything | ArgType::Kptr) {
            if *ref_obj_id != 0 {
                let (this, other) = (value.ref_obj_id, *ref_obj_id);
                refuse!(Invalid, "more than one arg with ref_obj_id R{n} {this} {other}");
            }
            *ref_obj_id = value.ref_obj_id;
        }
    }
    if let Some(argument) = call.map {
        map_args::compatible(env, argument.map, helper)?;
    }
    if helper == HelperId::Snprintf {
        string::snprintf(env, state)?;
    }
    Ok(())
}

fn dynptr_argument(state: &State, (reg, value): (Reg, &RegState), wanted: DynptrArg) -> Checked<Effect> {
    dynptr::expected_by_helper(reg, value)?;
    Ok(match wanted {
        DynptrArg::Initialized => Effect::ReadsDynptr(dynptr::initialized(state, (reg, value), Wanted::Any)?),
        DynptrArg::ReleaseRingbuf => {
            Effect::EndsDynptr(dynptr::initialized(state, (reg, value), Wanted::ReferencedRingbuf)?)
        }
        DynptrArg::NewLocal => Effect::MakesDynptr(dynptr::uninitialized((reg, value))?, DynptrKind::Local),
        DynptrArg::NewRingbuf => {
            Effect::MakesDynptr(dynptr::uninitialized((reg, value))?, DynptrKind::Ringbuf)
        }
    })
}

/// A pointer whose reference the call ends: as it was acquired (linux: check_func_arg_reg_off()).
pub(super) fn released(reg: Reg, value: &RegState) -> Checked<bool> {
    let n = reg.number();
    if value.off != 0 {
        refuse!(Invalid, "R{n} must have zero offset when passed to release func or trusted arg to kfunc");
    }
    context::unmodified(reg, value)?;
    if value.ref_obj_id == 0 {
        refuse!(Invalid, "R{n} must be referenced when passed to release function");
    }
    Ok(true)
}

fn is_sockmap(env: &Env<'_>, argument: MapArgument) -> bool {
    matches!(env.map(argument.map).map_type, MapType::Sockmap | MapType::Sockhash)
}

/// As [`expect`], and the pointer may be NULL.
fn expect_or_null(reg: Reg, value: &RegState, ok: bool, expected: &str) -> Checked {
    expect(reg, &RegState { nullable: false, ..*value }, ok, expected)
}

pub(super) fn expect(reg: Reg, value: &RegState, ok: bool, expected: &str) -> Checked {
    if ok && !value.nullable {
        return Ok(());
    }
    refuse!(Access, "R{} type={} expected={expected}", reg.number(), value.type_name());
}
