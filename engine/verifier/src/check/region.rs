//! Accesses to memory with a beginning and an end: packet, map values, plain memory.

use bpfreplay_isa::Reg;
use bpfreplay_uapi::limits::MAX_VAR_OFF;

use crate::error::{Checked, refuse};
use crate::state::{PacketRange, RegState, RegType};

/// How many bytes from the pointer's base are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Region {
    pub(crate) size: u32,
}

/// Whether an access of no bytes at the end is one (helper arguments).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Empty {
    Allowed,
    Refused,
}

/// Bytes `off .. off + size` of the region, for an `off` that is certain (linux: __check_mem_access()).
fn fixed(reg: Reg, pointer: &RegState, off: i64, size: i64, region: Region, empty: Empty) -> Checked {
    let n = reg.number();
    let size_ok = size > 0 || (size == 0 && empty == Empty::Allowed);
    if off >= 0 && size_ok && off + size <= i64::from(region.size) {
        return Ok(());
    }
    match pointer.kind {
        RegType::MapValue { .. } => {
            refuse!(Access, "invalid access to map value, value_size={} off={off} size={size}", region.size)
        }
        RegType::MapKey { .. } => {
            refuse!(Access, "invalid access to map key, key_size={} off={off} size={size}", region.size)
        }
        RegType::Packet | RegType::PacketMeta => refuse!(
            Access,
            "invalid access to packet, off={off} size={size}, R{n}(id={},off={off},r={})",
            pointer.id,
            pointer.range.bytes()
        ),
        RegType::NotInit
        | RegType::Scalar
        | RegType::Ctx
        | RegType::MapPtr { .. }
        | RegType::Stack { .. }
        | RegType::PacketEnd
        | RegType::Sock(_)
        | RegType::BtfSock(_)
        | RegType::Func { .. }
        | RegType::Dynptr(_)
        | RegType::Object { .. }
        | RegType::Mem { .. } => {
            refuse!(Access, "invalid access to memory, mem_size={} off={off} size={size}", region.size)
        }
    }
}

/// An access at `off` bytes from where the pointer points, with a variable part (linux: check_mem_region_access()).
///
/// The variable lies between `smin` and `umax`; the bytes at both ends must be there, so all between them are.
pub(crate) fn variable(
    reg: Reg,
    pointer: &RegState,
    off: i64,
    size: i64,
    region: Region,
    empty: Empty,
) -> Checked {
    let n = reg.number();
    let off = off + i64::from(pointer.off);
    let (smin, umax) = (pointer.value.b64.smin, pointer.value.b64.umax);
    if smin < 0 && (smin == i64::MIN || smin + off < 0 || i32::try_from(smin + off).is_err()) {
        refuse!(
            Access,
            "R{n} min value is negative, either use unsigned index or do a if (index >=0) check."
        );
    }
    if let Err(refusal) = fixed(reg, pointer, smin.saturating_add(off), size, region, empty) {
        refuse!(Access, "{}\nR{n} min value is outside of the allowed memory range", refusal.message);
    }
    if umax >= MAX_VAR_OFF as u64 {
        refuse!(Access, "R{n} unbounded memory access, make sure to bounds check any such access");
    }
    if let Err(refusal) = fixed(reg, pointer, umax as i64 + off, size, region, empty) {
        refuse!(Access, "{}\nR{n} max value is outside of the allowed memory range", refusal.message);
    }
    Ok(())
}

/// An access to packet bytes (linux: check_packet_access()). The proved range counts from the base with its
/// variables, so only the constant part of the offset is compared with it; the variables cannot be negative, and
/// they were bounded when the range was proved.
pub(crate) fn packet(reg: Reg, pointer: &RegState, off: i64, size: i64, empty: Empty) -> Checked {
    let n = reg.number();
    if pointer.value.b64.smin < 0 {
        refuse!(
            Access,
            "R{n} min value is negative, either use unsigned index or do a if (index >=0) check."
        );
    }
    if matches!(pointer.range, PacketRange::AtEnd | PacketRange::BeyondEnd) {
        refuse!(Invalid, "R{n} offset is outside of the packet");
    }
    let region = Region { size: pointer.range.bytes() };
    if let Err(refusal) = fixed(reg, pointer, off + i64::from(pointer.off), size, region, empty) {
        refuse!(Access, "{}\nR{n} offset is outside of the packet", refusal.message);
    }
    Ok(())
}
