use bpfreplay_isa::Reg;
use bpfreplay_uapi::ProgType;
use bpfreplay_uapi::map::create_flags;
use bpfreplay_uapi::sock::SockKind;

use super::context::{self, ContextAccess};
use super::kptr::Kptr;
use super::region::{self, Empty, Region};
use super::stack::{self, Purpose, StackRange};
use super::{map_args, object, sock, special};
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{Hold, RegState, RegType, State};

/// The sort of access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Load,
    /// A load with sign extension.
    LoadSigned,
    Store,
}

impl How {
    const fn is_load(self) -> bool {
        match self {
            How::Load | How::LoadSigned => true,
            How::Store => false,
        }
    }
}

/// What an allowed access reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    Stack(StackRange),
    Context(ContextAccess),
    /// Packet bytes.
    Packet,
    /// A map value, at an offset if that is known.
    MapValue {
        map: u32,
        off: Option<u32>,
    },
    Memory,
    /// A field of an object that is held so.
    Object(Hold),
    /// A pointer to an object, in a map value.
    Kptr(Kptr),
    /// A field of a socket.
    Sock(SockKind),
}

/// An access of `size` bytes, `off` bytes from the pointer in `reg` (linux: check_mem_access()).
pub(crate) fn access(
    env: &Env<'_>,
    state: &State,
    (reg, off): (Reg, i16),
    size: u32,
    how: How,
) -> Checked<Target> {
    let pointer = state.reg(reg);
    let n = reg.number();
    let (off, bytes) = (i64::from(off), i64::from(size));
    if pointer.nullable {
        refuse!(Access, "R{n} invalid mem access '{}'", pointer.type_name());
    }
    match pointer.kind {
        RegType::Stack { frame } => {
            stack::aligned("stack", pointer, off, size)?;
            let purpose = if how.is_load() { Purpose::Read } else { Purpose::Write };
            stack::within_bounds(reg, pointer, frame.into(), off, bytes, purpose).map(Target::Stack)
        }
        RegType::Ctx => {
            context::access(env.program, (reg, pointer), off as i32, size, how).map(Target::Context)
        }
        RegType::Packet | RegType::PacketMeta => {
            if how == How::Store && !writes_packets(env.program.prog_type) {
                refuse!(Access, "cannot write into packet");
            }
            region::packet(reg, pointer, off, bytes, Empty::Refused)?;
            Ok(Target::Packet)
        }
        RegType::MapValue { map } => {
            if let Some(kptr) = map_access(env, map, (reg, pointer), off, size, how)? {
                return Ok(Target::Kptr(kptr));
            }
            let at = pointer.value.as_const().map(|var| off + i64::from(pointer.off) + var as i64);
            Ok(Target::MapValue { map, off: at.and_then(|at| u32::try_from(at).ok()) })
        }
        RegType::Mem { sort, .. } if sort.is_read_only() && !how.is_load() => {
            refuse!(Access, "R{n} cannot write into {}", pointer.type_name())
        }
        RegType::Mem { size: mem, .. } => {
            region::variable(reg, pointer, off, bytes, Region { size: mem }, Empty::Refused)?;
            Ok(Target::Memory)
        }
        RegType::MapKey { .. } if !how.is_load() => {
            refuse!(Access, "write to change key R{n} not allowed")
        }
        RegType::MapKey { map } => {
            let key = Region { size: env.map(map).key_size };
            region::variable(reg, pointer, off, bytes, key, Empty::Refused)?;
            Ok(Target::Memory)
        }
        RegType::Object { type_id, hold } => {
            object::access(env, (reg, pointer), (type_id, hold), off, bytes, how)?;
            Ok(Target::Object(hold))
        }
        RegType::BtfSock(_) if !how.is_load() => refuse!(Access, "only read is supported"),
        RegType::BtfSock(sock) => {
            refuse!(Unsupported, "fields of struct {} are not supported (R{n})", sock.name())
        }
        RegType::Sock(kind) => sock::access((reg, pointer), kind, off as i32, size, how).map(Target::Sock),
        RegType::MapPtr { map } => {
            let structure = map_args::structure(env.map(map).map_type);
            let at = off.saturating_add(pointer.off.into());
            if at < 0 {
                refuse!(Access, "R{n} is {structure} invalid negative access: off={at}");
            }
            if !how.is_load() {
                refuse!(Access, "only read from {structure} is supported");
            }
            // Where they are depends on the kernel; the engine's maps have no such struct.
            refuse!(Unsupported, "fields of struct {structure} are not supported (R{n} is a map pointer)")
        }
        RegType::NotInit
        | RegType::Scalar
        | RegType::PacketEnd
        | RegType::Func { .. }
        | RegType::Dynptr(_) => {
            refuse!(Access, "R{n} invalid mem access '{}'", pointer.type_name())
        }
    }
}

/// Whether programs of the type may write packet bytes (linux: may_access_direct_pkt_data()).
pub(crate) fn writes_packets(prog_type: ProgType) -> bool {
    match prog_type {
        ProgType::SchedCls | ProgType::SchedAct | ProgType::Xdp | ProgType::LwtXmit => true,
        ProgType::SocketFilter
        | ProgType::Kprobe
        | ProgType::Tracepoint
        | ProgType::CgroupSkb
        | ProgType::LwtIn
        | ProgType::LwtOut
        | ProgType::LwtSeg6local => false,
    }
}

fn map_access(
    env: &Env<'_>,
    map: u32,
    (reg, pointer): (Reg, &RegState),
    off: i64,
    size: u32,
    how: How,
) -> Checked<Option<Kptr>> {
    let spec = env.map(map);
    let forbidden = match how {
        How::Store => map_args::is_read_only(spec).then_some("write into"),
        How::Load | How::LoadSigned => {
            (spec.map_flags & create_flags::WRONLY_PROG != 0).then_some("read from")
        }
    };
    if let Some(what) = forbidden {
        let off = off + i64::from(pointer.off);
        refuse!(Access, "{what} map forbidden, value_size={} off={off} size={size}", spec.value_size);
    }
    let region = Region { size: spec.value_size };
    region::variable(reg, pointer, off, i64::from(size), region, Empty::Refused)?;
    special::untouched(spec, pointer, off + i64::from(pointer.off), size.into(), special::Source::Direct)
}
