//! Strings that helpers are given, and what is in them.

use bpfreplay_isa::Reg;
use bpfreplay_uapi::format;

use super::helper_args::expect;
use super::region::{self, Empty, Region};
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{RegState, RegType, State};

/// A string that cannot change: in a frozen read-only map, to its NUL (linux: check_reg_const_str()).
pub(super) fn constant<'a>(env: &Env<'a>, reg: Reg, value: &RegState) -> Checked<&'a [u8]> {
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
    let mut parts = bytes.get(from..).unwrap_or_default().split(|&byte| byte == 0);
    match (parts.next(), parts.next()) {
        (Some(string), Some(_)) => Ok(string),
        _ => refuse!(Invalid, "string is not zero-terminated"),
    }
}

/// `bpf_snprintf` is told at load whether its format is one and has no more conversions than there are arguments: as
/// many as are certain (linux: check_bpf_snprintf_call()).
pub(super) fn snprintf(env: &Env<'_>, state: &State) -> Checked {
    const BYTES_OF_ARGUMENT: u64 = 8;
    let bytes = state.reg(Reg::R5).value.known_bits().value;
    if !bytes.is_multiple_of(BYTES_OF_ARGUMENT) {
        refuse!(Invalid, "the arguments of bpf_snprintf have 8 bytes each, {bytes} in all are given");
    }
    let mut arguments = bytes / BYTES_OF_ARGUMENT;
    for conversion in format::conversions(constant(env, Reg::R3, state.reg(Reg::R3))?) {
        let takes = conversion.map(|conversion| u64::from(conversion.takes_argument()));
        match takes.ok().and_then(|takes| arguments.checked_sub(takes)) {
            Some(left) => arguments = left,
            None => refuse!(Invalid, "Invalid format string"),
        }
    }
    Ok(())
}
