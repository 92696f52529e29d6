use std::ops::Range;

use bpfreplay_isa::Reg;
use bpfreplay_program::Program;
use bpfreplay_uapi::{ContextKind, ProgType, SkbField, SkbValue, XdpField, skb_load, skb_store, xdp_load};

use crate::check::memory::How;
use crate::error::{Checked, refuse};
use crate::state::RegState;

/// What a context access reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ContextAccess {
    /// A field of `struct __sk_buff`.
    Skb(SkbField),
    /// A field of `struct xdp_md`.
    Xdp(XdpField),
    /// Bytes of a plain read-only context.
    Plain,
}

impl ContextAccess {
    /// What a load gives.
    pub(crate) const fn value(self) -> SkbValue {
        match self {
            ContextAccess::Skb(field) => field.value(),
            ContextAccess::Xdp(field) => field.value(),
            ContextAccess::Plain => SkbValue::Scalar,
        }
    }
}

/// A pointer as programs get it: nothing added (linux: __check_ptr_off_reg()).
pub(crate) fn unmodified(reg: Reg, pointer: &RegState) -> Checked {
    let (n, name) = (reg.number(), pointer.type_name());
    if pointer.off < 0 {
        refuse!(Access, "negative offset {name} ptr R{n} off={} disallowed", pointer.off);
    }
    match pointer.value.as_const() {
        Some(0) if pointer.off == 0 => Ok(()),
        Some(var) => {
            let off = i64::from(pointer.off).wrapping_add(var as i64);
            refuse!(Access, "dereference of modified {name} ptr R{n} off={off} disallowed")
        }
        None => refuse!(Access, "variable {name} access var_off={} disallowed", pointer.value.known_bits()),
    }
}

/// An access at a constant offset of the context (linux: check_ctx_access()).
pub(crate) fn access(
    program: &Program,
    (reg, pointer): (Reg, &RegState),
    off: i32,
    size: u32,
    how: How,
) -> Checked<ContextAccess> {
    unmodified(reg, pointer)?;
    let found = match ContextKind::of(program.prog_type) {
        ContextKind::Skb => match how {
            How::Load | How::LoadSigned => skb_load(program.prog_type, off, size),
            How::Store => skb_store(program.prog_type, off, size),
        }
        .map(ContextAccess::Skb),
        ContextKind::Xdp => match how {
            How::Load | How::LoadSigned => xdp_load(off, size, program.expected_attach_type),
            How::Store => None,
        }
        .map(ContextAccess::Xdp),
        ContextKind::Plain => {
            let start = if program.prog_type == ProgType::Tracepoint { TRACE_HEADER } else { 0 };
            let end = program.prog_type.plain_context();
            end.and_then(|end| plain_access(off, size, how, start..end))
        }
    };
    // A pointer with its sign extended is none.
    let found = found.filter(|field| how != How::LoadSigned || field.value() == SkbValue::Scalar);
    let Some(found) = found else {
        refuse!(Access, "invalid bpf_context access off={off} size={size}");
    };
    Ok(found)
}

/// Bytes of a tracepoint's context that are the kernel's own: a pointer to the registers.
const TRACE_HEADER: u32 = 8;

/// `struct pt_regs` and the records of tracepoints: any aligned load (linux: kprobe_prog_is_valid_access(),
/// tp_prog_is_valid_access()).
fn plain_access(off: i32, size: u32, how: How, readable: Range<u32>) -> Option<ContextAccess> {
    let off = u32::try_from(off).ok()?;
    let inside = off.is_multiple_of(size) && readable.start <= off && off + size <= readable.end;
    (inside && how != How::Store).then_some(ContextAccess::Plain)
}
