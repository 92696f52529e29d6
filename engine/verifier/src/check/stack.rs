use bpfreplay_isa::Reg;
use bpfreplay_uapi::limits::{MAX_BPF_STACK, MAX_VAR_OFF};

use crate::error::{Checked, refuse};
use crate::state::RegState;

/// The bytes an access to the stack may touch, from the frame pointer: `min .. max + size`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StackRange {
    pub(crate) frame: usize,
    /// The lowest offset the access can be at.
    pub(crate) min: i64,
    /// The highest; equal to `min` where the offset is known.
    pub(crate) max: i64,
    pub(crate) size: i64,
}

impl StackRange {
    pub(crate) const fn is_fixed(&self) -> bool {
        self.min == self.max
    }

    /// Whether a register stored here is kept as it is: at the start of a slot.
    pub(crate) const fn is_spill(&self) -> bool {
        self.is_fixed() && self.min % 8 == 0
    }
}

/// What messages call the access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Read,
    Write,
}

impl Purpose {
    const fn text(self) -> &'static str {
        match self {
            Purpose::Read => "read from",
            Purpose::Write => "write to",
        }
    }
}

/// An access of `size` bytes within the 512 bytes of its frame (linux: check_stack_access_within_bounds()).
pub(crate) fn within_bounds(
    reg: Reg,
    pointer: &RegState,
    frame: usize,
    off: i64,
    size: i64,
    purpose: Purpose,
) -> Checked<StackRange> {
    let n = reg.number();
    let what = purpose.text();
    let base = off + i64::from(pointer.off);
    let range = match pointer.value.as_const() {
        Some(var) => {
            let at = base.saturating_add(var as i64);
            StackRange { frame, min: at, max: at, size }
        }
        None => {
            let b = pointer.value.b64;
            if b.smax >= MAX_VAR_OFF || b.smin <= -MAX_VAR_OFF {
                refuse!(Access, "invalid unbounded variable-offset {what} stack R{n}");
            }
            StackRange { frame, min: base + b.smin, max: base + b.smax, size }
        }
    };
    let lowest = -(MAX_BPF_STACK as i64);
    // No bytes at all begin somewhere in the frame, too.
    if (lowest..0).contains(&range.min) && range.max.saturating_add(size) <= 0 && size >= 0 {
        return Ok(range);
    }
    if range.is_fixed() {
        refuse!(Access, "invalid {what} stack R{n} off={} size={size}", range.min);
    }
    refuse!(
        Access,
        "invalid variable-offset {what} stack R{n} var_off={} off={} size={size}",
        pointer.value.known_bits(),
        base
    );
}

/// Accesses aligned to their size: all to the stack, and atomics anywhere (linux: check_ptr_alignment(); an atomic
/// across a cache line would fault or stall). `what` is the kernel's word for the memory.
pub(crate) fn aligned(what: &str, pointer: &RegState, off: i64, size: u32) -> Checked {
    let var = pointer.value.known_bits();
    let at = var.add(crate::scalar::Tnum::constant((off + i64::from(pointer.off)) as u64));
    if (at.value | at.mask) & u64::from(size - 1) != 0 {
        let var = match pointer.value.as_const() {
            Some(x) => format!("{}", x as i64),
            None => format!("{var}"),
        };
        refuse!(Access, "misaligned {what} access off {var}+{}+{off} size {size}", pointer.off);
    }
    Ok(())
}
