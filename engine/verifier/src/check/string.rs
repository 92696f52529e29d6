//! Strings that helpers are given, and what is in them.

use bpfreplay_isa::Reg;
use bpfreplay_uapi::format;

use super::helper_args::expect;
use super::region::{self, Empty, Region};
use crate::error::{Checked, ErrorKind, Refusal, refuse};
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
    let given = bytes / BYTES_OF_ARGUMENT;
    let mut taken = 0;
    let mut pieces = format::conversions(constant(env, Reg::R3, state.reg(Reg::R3))?);
    loop {
        let rest = pieces.rest();
        let invalid = |help: String| {
            Err(Refusal::new(ErrorKind::Invalid, "Invalid format string".to_owned()).help(help))
        };
        match pieces.next() {
            None => return Ok(()),
            Some(Ok(piece)) => {
                taken += u64::from(piece.takes_argument());
                if taken > given {
                    return invalid(format!(
                        "argument {taken} is missing, which '{}' is for: data_len is {bytes} for certain, 8 bytes for each",
                        shown(rest)
                    ));
                }
            }
            Some(Err(_)) if rest.first() == Some(&b'%') => {
                return invalid(format!(
                    "'{}' begins with no conversion there is: those are %c, %s, %d, %i, %u, %x, %X with l or ll, %p and \
                     %pks, %pus, %px, %pK, %ps, %pS, %pB, %pI4, %pi4, %pI6, %pi6; behind %s and %p only white space or \
                     punctuation may stand, and no precision",
                    shown(rest)
                ));
            }
            Some(Err(_)) => return invalid(format!("'{}' begins with a byte that is no text", shown(rest))),
        }
    }
}

/// The first bytes, fit to be printed: to where the next conversion begins.
fn shown(rest: &[u8]) -> String {
    const LONGEST: usize = 12;
    let rest = &rest[..rest.len().min(LONGEST)];
    let len = rest.iter().skip(1).position(|&byte| byte == b'%').map_or(rest.len(), |at| at + 1);
    rest[..len].escape_ascii().to_string()
}
