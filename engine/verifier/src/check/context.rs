use bpfreplay_isa::Reg;
use bpfreplay_uapi::limits::PT_REGS_SIZE;
use bpfreplay_uapi::{ProgType, SkbField, SkbValue, skb_load, skb_store};

use crate::check::memory::How;
use crate::error::{Checked, refuse};
use crate::state::RegState;

/// What a context access reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ContextAccess {
    /// A field of `struct __sk_buff`.
    Skb(SkbField),
    /// Bytes of a plain read-only context.
    Plain,
}

impl ContextAccess {
    /// What a load gives.
    pub(crate) const fn value(self) -> SkbValue {
        match self {
            ContextAccess::Skb(field) => field.value(),
            ContextAccess::Plain => SkbValue::Scalar,
        }
    }
}

/// The context pointer as programs get it: nothing added (linux: __check_ptr_off_reg()).
pub(crate) fn unmodified(reg: Reg, pointer: &RegState) -> Checked {
    let n = reg.number();
    match pointer.value.as_const() {
        Some(0) if pointer.off == 0 => Ok(()),
        Some(var) => {
            let off = i64::from(pointer.off).wrapping_add(var as i64);
            refuse!(Access, "dereference of modified ctx ptr R{n} off={off} disallowed")
        }
        None => refuse!(Access, "variable ctx access var_off={} disallowed", pointer.value.known_bits()),
    }
}

/// An access at a constant offset of the context (linux: check_ctx_access()).
pub(crate) fn access(
    prog_type: ProgType,
    (reg, pointer): (Reg, &RegState),
    off: i32,
    size: u32,
    how: How,
) -> Checked<ContextAccess> {
    unmodified(reg, pointer)?;
    let found = if prog_type.has_skb() {
        let field = match how {
            How::Load | How::LoadSigned => skb_load(prog_type, off, size),
            How::Store => skb_store(prog_type, off, size),
        };
        field
            .filter(|field| !(how == How::LoadSigned && field.value() != SkbValue::Scalar))
            .map(ContextAccess::Skb)
    } else {
        plain_access(off, size, how)
    };
    let Some(found) = found else {
        refuse!(Access, "invalid bpf_context access off={off} size={size}");
    };
    Ok(found)
}

/// `struct pt_regs`: any aligned load (linux: kprobe_prog_is_valid_access()).
fn plain_access(off: i32, size: u32, how: How) -> Option<ContextAccess> {
    let off = u32::try_from(off).ok()?;
    let inside = off.is_multiple_of(size) && off + size <= PT_REGS_SIZE;
    (inside && how != How::Store).then_some(ContextAccess::Plain)
}
