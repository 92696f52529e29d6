//! Memory that functions are given: pieces of it, their sizes, constant strings.

use bpfreplay_isa::Reg;
use bpfreplay_uapi::limits::MAX_VAR_OFF;
use bpfreplay_uapi::map::create_flags;
use bpfreplay_uapi::{ArgType, HelperId, MemAccess};

use super::helper_args::{Effect, expect};
use super::memory::writes_packets;
use super::region::{self, Empty, Region};
use super::stack::{self, Purpose};
use super::{context, map_args, special};
use crate::error::{Checked, Refusal, refuse};
use crate::explore::Env;
use crate::state::{MemSort, RegState, RegType, State};

/// A piece of memory a function is given.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) size: i64,
    pub(super) empty: Empty,
    pub(super) access: MemAccess,
    /// Whether the size is certain.
    pub(super) exact: bool,
}

/// The kernel's list of pointers to bytes.
const MEMORY: &str = "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_";

/// Any pointer to bytes, of an argument whose prototype says so.
pub(super) fn expect_memory(reg: Reg, value: &RegState) -> Checked {
    expect(reg, value, is_memory(value), MEMORY)
}

/// Any pointer to bytes (linux: check_helper_mem_access()).
pub(super) fn any_memory(reg: Reg, value: &RegState) -> Checked {
    expect(reg, value, is_memory(value), "fp")
}

fn is_memory(value: &RegState) -> bool {
    match value.kind {
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
        | RegType::BtfSock(_)
        | RegType::Func { .. }
        | RegType::Dynptr(_)
        | RegType::Object { .. } => false,
    }
}

/// A size: its largest value, and whether it is the only one (linux: check_mem_size_reg()).
pub(super) fn size_argument(reg: Reg, value: &RegState, empty: Empty) -> Checked<(i64, bool)> {
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
pub(super) fn check_memory(
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

/// Memory that is read and written, or NULL, with its size (linux: check_kfunc_mem_size_reg()). What it does, up to where
/// it is refused, goes to `effects`.
pub(crate) fn optional_buffer(
    env: &Env<'_>,
    state: &State,
    (reg, size): (Reg, &RegState),
    buffer: Reg,
    effects: &mut Vec<Effect>,
) -> Checked {
    let value = *state.reg(buffer);
    if value.is_null() {
        effects.push(Effect::IsNull(buffer));
        return Ok(());
    }
    own_start(buffer, &value)?;
    // One that may be NULL is none then, and checked as if it were not.
    let value = RegState { nullable: false, ..value };
    let mut both = || {
        let (size, exact) = size_argument(reg, size, Empty::Allowed)?;
        for access in [MemAccess::Read, MemAccess::Change] {
            any_memory(buffer, &value)?;
            effects.extend(memory(
                env,
                (buffer, &value),
                Piece { size, empty: Empty::Allowed, access, exact },
            )?);
            effects.push(Effect::DependsOn(reg));
        }
        Ok(())
    };
    both().map_err(|refusal| pair(refusal, buffer, reg))?;
    if value.kind.is_packet() && !writes_packets(env.program.prog_type) {
        refuse!(Access, "cannot write into packet");
    }
    Ok(())
}

/// What the kernel adds to a refusal of memory with its size.
pub(crate) fn pair(mut refusal: Refusal, buffer: Reg, size: Reg) -> Refusal {
    let (first, second) = (buffer.number() - 1, size.number() - 1);
    refusal.message += &format!("\narg#{first} arg#{second} memory, len pair leads to invalid memory access");
    refusal
}

/// A slice is memory, but no key and no value, and one that is only read is nothing to fill (linux: check_reg_type()).
pub(super) fn slice_fits(reg: Reg, value: &RegState, arg: ArgType) -> Checked {
    let RegType::Mem { sort: MemSort::Slice { writable, .. }, .. } = value.kind else { return Ok(()) };
    let fits = match arg {
        ArgType::MapKey | ArgType::MapValue(_) | ArgType::MapValueOrNull => false,
        ArgType::Mem(access) | ArgType::MemOrNull(access) | ArgType::FixedMem(access, _) => {
            writable || access == MemAccess::Read
        }
        _ => return Ok(()),
    };
    expect(reg, value, fits, MEMORY)?;
    own_start(reg, value)
}

/// Slices are handed on as they came (linux: check_func_arg_reg_off(), which knows none with a dynptr's type).
pub(super) fn own_start(reg: Reg, value: &RegState) -> Checked {
    if matches!(value.kind, RegType::Mem { sort: MemSort::Slice { .. }, .. }) {
        context::unmodified(reg, value)?;
    }
    Ok(())
}

/// The piece is there.
pub(super) fn memory(env: &Env<'_>, (reg, value): (Reg, &RegState), piece: Piece) -> Checked<Option<Effect>> {
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
                MemAccess::Read => Effect::ReadsStack(reg, range),
                MemAccess::Fill if exact => Effect::FillsStack(reg, range),
                MemAccess::Fill | MemAccess::Change => Effect::MayFillStack(reg, range),
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
        RegType::Mem { sort, .. } if sort.is_read_only() && access != MemAccess::Read => {
            refuse!(Access, "R{} cannot write into {}", reg.number(), value.type_name())
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
        | RegType::BtfSock(_)
        | RegType::Func { .. }
        | RegType::Dynptr(_)
        | RegType::Object { .. } => expect_memory(reg, value).map(|()| None),
    }
}

/// The kernel's word for memory in messages on alignment.
pub(super) const fn alignment_word(value: &RegState) -> &'static str {
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
        | RegType::BtfSock(_)
        | RegType::Mem { .. }
        | RegType::MapKey { .. }
        | RegType::Func { .. }
        | RegType::Dynptr(_)
        | RegType::Object { .. } => "",
    }
}
