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
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{RegState, RegType, State};

/// The map a helper is given, and where its key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MapArgument {
    pub(crate) map: u32,
    pub(crate) key: Option<Reg>,
}

/// What a call does to what it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    ReadsStack(StackRange),
    FillsStack(StackRange),
    /// A size that varies: some of the bytes.
    MayFillStack(StackRange),
    FillsPacket,
    /// A size whose range was checked.
    DependsOn(Reg),
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
pub(crate) fn check(
    env: &Env<'_>,
    state: &State,
    helper: HelperId,
    map: &mut Option<MapArgument>,
    effects: &mut Vec<Effect>,
) -> Checked {
    let proto = helper.proto();
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
            ArgType::ConstMapPtr => *map = Some(map_argument(env, helper, reg, &value)?),
            ArgType::MapKey => {
                let Some(argument) = map.as_mut() else { continue };
                argument.key = Some(reg);
                let size = env.program.maps[argument.map as usize].key_size.into();
                memory(Piece { size, empty: Empty::Refused, access: MemAccess::Read, exact: true }, effects)?;
            }
            ArgType::MapValue(access) => {
                let Some(argument) = map else { continue };
                let size = env.program.maps[argument.map as usize].value_size.into();
                memory(Piece { size, empty: Empty::Refused, access, exact: true }, effects)?;
            }
            // Checked with the size that follows; the type at once, as the kernel does.
            ArgType::Mem(_) => expect_memory(reg, &value)?,
            ArgType::MemOrNull(_) if value.is_null() => {}
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
            ArgType::CtxOrNull
            | ArgType::MapValueOrNull
            | ArgType::FixedMem(_, _)
            | ArgType::ConstAllocSize
            | ArgType::ConstStr
            | ArgType::SpinLock
            | ArgType::Timer
            | ArgType::RingbufMem
            | ArgType::SockCommon
            | ArgType::BtfSockCommon
            | ArgType::BtfSockCommonRelease
            | ArgType::Dynptr(_) => {
                refuse!(Unsupported, "helper {}#{} is not supported", proto.name, helper.id())
            }
        }
    }
    Ok(())
}

fn expect(reg: Reg, value: &RegState, ok: bool, expected: &str) -> Checked {
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
        | RegType::SockCommon
        | RegType::Func { .. } => false,
    };
    let expected = "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_";
    expect(reg, value, ok, expected)
}

/// A map that this helper takes (linux: check_map_func_compatibility()).
fn map_argument(env: &Env<'_>, helper: HelperId, reg: Reg, value: &RegState) -> Checked<MapArgument> {
    let RegType::MapPtr { map } = value.kind else {
        refuse!(Access, "R{} type={} expected=map_ptr", reg.number(), value.type_name());
    };
    let spec = &env.program.maps[map as usize];
    let (id, name) = (helper.id(), helper.proto().name);
    let is_tail_call = helper == HelperId::TailCall;
    let iterable = matches!(
        spec.map_type,
        MapType::Array
            | MapType::PercpuArray
            | MapType::Hash
            | MapType::PercpuHash
            | MapType::LruHash
            | MapType::LruPercpuHash
    );
    if helper == HelperId::ForEachMapElem && !iterable {
        refuse!(Unsupported, "callback function not allowed for map {}", spec.name);
    }
    match spec.map_type {
        MapType::Array | MapType::PercpuArray | MapType::Hash | MapType::PercpuHash if !is_tail_call => {}
        MapType::ProgArray if is_tail_call => {}
        _ if is_tail_call => refuse!(
            Invalid,
            "expected prog array map for tail call ({} is a {})",
            spec.name,
            spec.map_type.name()
        ),
        MapType::ProgArray => {
            refuse!(Invalid, "cannot pass map_type {} into func {name}#{id}", spec.map_type.id())
        }
        _ => refuse!(
            Unsupported,
            "maps of type {} are not supported (map {} in {name}#{id})",
            spec.map_type.name(),
            spec.name
        ),
    }
    Ok(MapArgument { map, key: None })
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
            let spec = &env.program.maps[map as usize];
            let (flag, what) = match access {
                MemAccess::Read => (create_flags::WRONLY_PROG, "read from"),
                MemAccess::Fill | MemAccess::Change => (create_flags::RDONLY_PROG, "write into"),
            };
            if spec.map_flags & flag != 0 || (access != MemAccess::Read && spec.frozen_bytes().is_some()) {
                let (value_size, off) = (spec.value_size, value.off);
                refuse!(Access, "{what} map forbidden, value_size={value_size} off={off} size={size}");
            }
            region::variable(reg, value, 0, size, Region { size: spec.value_size }, empty)?;
            Ok(None)
        }
        RegType::MapKey { .. } if access != MemAccess::Read => {
            refuse!(Access, "R{} cannot write into map_key", reg.number())
        }
        RegType::MapKey { map } => {
            let key = Region { size: env.program.maps[map as usize].key_size };
            region::variable(reg, value, 0, size, key, empty)?;
            Ok(None)
        }
        RegType::Mem { size: whole } => {
            region::variable(reg, value, 0, size, Region { size: whole }, empty)?;
            Ok(None)
        }
        RegType::NotInit
        | RegType::Scalar
        | RegType::Ctx
        | RegType::MapPtr { .. }
        | RegType::PacketEnd
        | RegType::SockCommon
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
