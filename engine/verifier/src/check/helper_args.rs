//! Arguments of helpers by their prototype, and of global functions by BTF (linux: check_func_arg(),
//! btf_check_subprog_call()).

use bpfreplay_isa::Reg;
use bpfreplay_program::{ArgKind, FuncInfo};
use bpfreplay_uapi::limits::MAX_VAR_OFF;
use bpfreplay_uapi::map::create_flags;
use bpfreplay_uapi::{ArgType, HelperId, MapType, MemAccess};

use super::context;
use super::memory::writes_packets;
use super::region::{self, Empty, Region};
use super::stack::{self, Purpose, StackRange};
use super::{map_args, sock, special};
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{Lock, MemSort, RegState, RegType, State};

/// The map a helper is given, and where its key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MapArgument {
    pub(crate) map: u32,
    pub(crate) key: Option<Reg>,
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
}

/// What a call does to what it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    ReadsStack(StackRange),
    FillsStack(StackRange),
    /// A size that varies: some of the bytes.
    MayFillStack(StackRange),
    FillsPacket,
    /// A number whose range was checked.
    DependsOn(Reg),
    /// The lock is this from now on.
    SetsLock(Option<Lock>),
}

/// A piece of memory a function is given.
#[derive(Clone, Copy)]
struct Piece {
    size: i64,
    empty: Empty,
    access: MemAccess,
    /// Whether the size is certain.
    exact: bool,
}

/// Checks every argument; says which map the call is about and what it does.
pub(crate) fn check(env: &Env<'_>, state: &State, helper: HelperId) -> Checked<Call> {
    let proto = helper.proto();
    let mut call = Call::default();
    let Call { map, effects, alloc_size, ref_obj_id, releases } = &mut call;
    let args = proto.args.iter().zip(Reg::ARGS).enumerate();
    for (index, (&arg, reg)) in args {
        let value = *state.reg(reg);
        let n = reg.number();
        if value.kind == RegType::NotInit {
            refuse!(Access, "R{n} !read_ok");
        }
        let memory = |piece: Piece, effects: &mut Vec<Effect>| {
            check_memory(env, helper, (reg, &value), piece, effects)
        };
        match arg {
            ArgType::Anything => {}
            ArgType::Ctx => {
                expect(reg, &value, value.kind == RegType::Ctx, "ctx")?;
                context::unmodified(reg, &value)?;
            }
            ArgType::CtxOrNull if value.is_null() => effects.push(Effect::DependsOn(reg)),
            ArgType::CtxOrNull => {
                expect_or_null(reg, &value, value.kind == RegType::Ctx, "ctx")?;
                context::unmodified(reg, &value)?;
            }
            ArgType::ConstMapPtr => *map = Some(map_args::argument(env, reg, &value)?),
            ArgType::MapKey => {
                let Some(argument) = map.as_mut() else { continue };
                argument.key = Some(reg);
                let size = env.map(argument.map).key_size.into();
                memory(Piece { size, empty: Empty::Refused, access: MemAccess::Read, exact: true }, effects)?;
            }
            ArgType::MapValue(_) if map.is_some_and(|argument| is_sockmap(env, argument)) => {
                sock::argument(reg, &value, sock::Accepts::BtfToo)?;
            }
            ArgType::MapValueOrNull if value.is_null() => effects.push(Effect::DependsOn(reg)),
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
            ArgType::MemOrNull(_) if value.is_null() => effects.push(Effect::DependsOn(reg)),
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
            ArgType::StackOrNull if value.is_null() => effects.push(Effect::DependsOn(reg)),
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
            ArgType::ConstStr => const_str(env, reg, &value)?,
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
            ArgType::Timer | ArgType::Dynptr(_) => {
                refuse!(Unsupported, "helper {}#{} is not supported", proto.name, helper.id())
            }
        }
        if value.ref_obj_id != 0 && arg != ArgType::Anything {
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
    Ok(call)
}

/// A pointer whose reference the call ends: as it was acquired (linux: check_func_arg_reg_off()).
fn released(reg: Reg, value: &RegState) -> Checked<bool> {
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

/// The kernel's word for memory in messages on alignment.
const fn alignment_word(value: &RegState) -> &'static str {
    match value.kind {
        RegType::MapValue { .. } => "value",
        RegType::Stack { .. } => "stack",
        RegType::NotInit
        | RegType::Scalar
        | RegType::Ctx
        | RegType::MapPtr { .. }
        | RegType::Packet
        | RegType::PacketMeta
        | RegType::PacketEnd
        | RegType::Sock(_)
        | RegType::Mem { .. }
        | RegType::MapKey { .. }
        | RegType::Func { .. } => "",
    }
}

/// A string that cannot change: in a frozen read-only map, to its NUL (linux: check_reg_const_str()).
fn const_str(env: &Env<'_>, reg: Reg, value: &RegState) -> Checked {
    let n = reg.number();
    let RegType::MapValue { map } = value.kind else {
        refuse!(Access, "R{n} type={} expected=map_value", value.type_name());
    };
    expect(reg, value, true, "map_value")?;
    let spec = env.map(map);
    let Some(bytes) = spec.frozen_bytes() else {
        refuse!(Access, "R{n} does not point to a readonly map'");
    };
    let Some(var) = value.value.as_const() else {
        refuse!(Access, "R{n} is not a constant address'");
    };
    let rest = i64::from(spec.value_size) - i64::from(value.off);
    region::variable(reg, value, 0, rest, Region { size: spec.value_size }, Empty::Refused)?;
    let from = usize::try_from(i64::from(value.off).wrapping_add(var as i64)).unwrap_or(usize::MAX);
    if !bytes.get(from..).is_some_and(|rest| rest.contains(&0)) {
        refuse!(Invalid, "string is not zero-terminated");
    }
    Ok(())
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

/// Any pointer to bytes.
fn expect_memory(reg: Reg, value: &RegState) -> Checked {
    let ok = match value.kind {
        RegType::Stack { .. }
        | RegType::Packet
        | RegType::PacketMeta
        | RegType::MapValue { .. }
        | RegType::MapKey { .. }
        | RegType::Mem { .. } => true,
        RegType::NotInit
        | RegType::Scalar
        | RegType::Ctx
        | RegType::MapPtr { .. }
        | RegType::PacketEnd
        | RegType::Sock(_)
        | RegType::Func { .. } => false,
    };
    let expected = "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_";
    expect(reg, value, ok, expected)
}

/// A size: its largest value, and whether it is the only one (linux: check_mem_size_reg()).
fn size_argument(reg: Reg, value: &RegState, empty: Empty) -> Checked<(i64, bool)> {
    let n = reg.number();
    expect(reg, value, value.is_scalar(), "scalar")?;
    let b = value.value.b64;
    if b.smin < 0 {
        refuse!(Access, "R{n} min value is negative, either use unsigned or 'var &= const'");
    }
    if b.umin == 0 && empty == Empty::Refused {
        refuse!(Access, "R{n} invalid zero-sized read: u64=[{},{}]", b.umin, b.umax);
    }
    if b.umax >= MAX_VAR_OFF as u64 {
        refuse!(Access, "R{n} unbounded memory access, use 'var &= const' or 'if (var < const)'");
    }
    Ok((b.umax as i64, value.value.as_const().is_some()))
}

/// Memory a function reads or fills (linux: check_helper_mem_access()).
fn check_memory(
    env: &Env<'_>,
    helper: HelperId,
    (reg, value): (Reg, &RegState),
    piece: Piece,
    effects: &mut Vec<Effect>,
) -> Checked {
    if value.is_null() && piece.size == 0 && piece.empty == Empty::Allowed {
        return Ok(());
    }
    if value.is_null() {
        refuse!(Access, "R{} type=scalar expected=fp", reg.number());
    }
    expect_memory(reg, value)?;
    let fills = piece.access != MemAccess::Read;
    if value.kind.is_packet() {
        if !helper.proto().pkt_access {
            refuse!(Access, "helper access to the packet is not allowed");
        }
        if fills && !writes_packets(env.program.prog_type) {
            refuse!(Access, "cannot write into packet");
        }
    }
    effects.extend(memory(env, (reg, value), piece)?);
    Ok(())
}

/// The piece is there.
fn memory(env: &Env<'_>, (reg, value): (Reg, &RegState), piece: Piece) -> Checked<Option<Effect>> {
    let Piece { size, empty, access, exact } = piece;
    match value.kind {
        RegType::Stack { .. } if size == 0 && empty == Empty::Refused => {
            refuse!(Access, "invalid zero-sized read")
        }
        RegType::Stack { frame } => {
            let purpose = match access {
                MemAccess::Read => Purpose::Read,
                MemAccess::Fill | MemAccess::Change => Purpose::Write,
            };
            let range = stack::within_bounds(reg, value, frame.into(), 0, size, purpose)?;
            Ok(Some(match access {
                MemAccess::Read => Effect::ReadsStack(range),
                MemAccess::Fill if exact => Effect::FillsStack(range),
                MemAccess::Fill | MemAccess::Change => Effect::MayFillStack(range),
            }))
        }
        RegType::Packet | RegType::PacketMeta => {
            region::packet(reg, value, 0, size, empty)?;
            Ok((access != MemAccess::Read).then_some(Effect::FillsPacket))
        }
        RegType::MapValue { map } => {
            let spec = env.map(map);
            let (forbidden, what) = match access {
                MemAccess::Read => (spec.map_flags & create_flags::WRONLY_PROG != 0, "read from"),
                MemAccess::Fill | MemAccess::Change => (map_args::is_read_only(spec), "write into"),
            };
            if forbidden {
                let (value_size, off) = (spec.value_size, value.off);
                refuse!(Access, "{what} map forbidden, value_size={value_size} off={off} size={size}");
            }
            region::variable(reg, value, 0, size, Region { size: spec.value_size }, empty)?;
            special::untouched(spec, value, value.off.into(), size, special::Source::Helper)?;
            Ok(None)
        }
        RegType::MapKey { .. } if access != MemAccess::Read => {
            refuse!(Access, "R{} cannot write into map_key", reg.number())
        }
        RegType::MapKey { map } => {
            let key = Region { size: env.map(map).key_size };
            region::variable(reg, value, 0, size, key, empty)?;
            Ok(None)
        }
        RegType::Mem { size: whole, .. } => {
            region::variable(reg, value, 0, size, Region { size: whole }, empty)?;
            Ok(None)
        }
        RegType::NotInit
        | RegType::Scalar
        | RegType::Ctx
        | RegType::MapPtr { .. }
        | RegType::PacketEnd
        | RegType::Sock(_)
        | RegType::Func { .. } => expect_memory(reg, value).map(|()| None),
    }
}

/// The arguments of a call to a global function; what it does with memory it is handed is not known.
pub(crate) fn check_global_call(env: &Env<'_>, state: &State, info: &FuncInfo) -> Checked<Vec<Effect>> {
    let mut effects = Vec::new();
    if info.args.len() > Reg::ARGS.len() {
        refuse!(Invalid, "global function {} has {} arguments, limit 5", info.name, info.args.len());
    }
    for (index, (arg, reg)) in info.args.iter().zip(Reg::ARGS).enumerate() {
        let value = *state.reg(reg);
        let n = reg.number();
        if value.kind == RegType::NotInit {
            refuse!(Access, "R{n} !read_ok");
        }
        match arg {
            ArgKind::Scalar if value.is_scalar() => {}
            ArgKind::Scalar => refuse!(Invalid, "R{n} is not a scalar"),
            ArgKind::Ctx if value.kind == RegType::Ctx => context::unmodified(reg, &value)?,
            ArgKind::Ctx => refuse!(Invalid, "arg#{index} expects pointer to ctx"),
            ArgKind::Mem { nonnull: false, .. } if value.is_null() => {}
            ArgKind::Mem { size, nonnull } => {
                if *nonnull && (value.nullable || value.is_null()) {
                    refuse!(Invalid, "arg#{index} is expected to be non-NULL");
                }
                // A pointer that may be NULL is checked as if it were not; NULL is always allowed.
                let value = RegState { nullable: false, ..value };
                let piece = Piece {
                    size: (*size).into(),
                    empty: Empty::Refused,
                    access: MemAccess::Fill,
                    exact: false,
                };
                expect_memory(reg, &value)?;
                memory(env, (reg, &value), Piece { access: MemAccess::Read, ..piece })?;
                if value.kind.is_packet() && !writes_packets(env.program.prog_type) {
                    refuse!(Access, "cannot write into packet");
                }
                effects.extend(memory(env, (reg, &value), piece)?);
            }
            ArgKind::Other(what) => {
                refuse!(Unsupported, "arg#{index} of global function {}: {what} is not supported", info.name)
            }
        }
    }
    Ok(effects)
}
