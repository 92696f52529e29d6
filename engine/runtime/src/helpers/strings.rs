//! Numbers and strings: helpers 105, 106, 165, 177, 182.

use std::ops::Range;

use bpfreplay_uapi::Errno;

use super::format;
use super::trace::{self, read_unchecked};
use crate::exec::ExecutionContext;

/// Bytes of the number that are looked at (`__bpf_strtoull`).
const NUMBER_MAX: usize = 63;
/// Arguments of one format (`MAX_BPRINTF_VARARGS`).
const VARARGS_MAX: usize = 12;

/// A number as it is written.
struct Number {
    negative: bool,
    value: u64,
    /// Bytes read.
    consumed: usize,
}

/// `bpf_strtol`: how many bytes the number takes; the result is 0 where there is none.
pub(super) fn strtol(text: &[u8], flags: u64, result: &mut [u8; 8]) -> u64 {
    let number = parse(text, flags).and_then(|number| {
        let value = number.value as i64;
        // -2^63 cannot be written without its sign, and 0 has none.
        let value = match number.negative {
            true if value.wrapping_neg() > 0 => return Err(Errno::ERANGE),
            true => value.wrapping_neg(),
            false if value < 0 => return Err(Errno::ERANGE),
            false => value,
        };
        Ok((value as u64, number.consumed))
    });
    give(number, result)
}

/// `bpf_strtoul`.
pub(super) fn strtoul(text: &[u8], flags: u64, result: &mut [u8; 8]) -> u64 {
    let number = parse(text, flags).and_then(|number| {
        if number.negative { Err(Errno::EINVAL) } else { Ok((number.value, number.consumed)) }
    });
    give(number, result)
}

fn give(number: Result<(u64, usize), Errno>, result: &mut [u8; 8]) -> u64 {
    *result = [0; 8];
    match number {
        Ok((value, consumed)) => {
            *result = value.to_le_bytes();
            consumed as u64
        }
        Err(errno) => errno.as_ret(),
    }
}

/// `__bpf_strtoull`: spaces, a minus, a number in the base that the flags say, or that its prefix says (0).
fn parse(text: &[u8], flags: u64) -> Result<Number, Errno> {
    if !matches!(flags, 0 | 8 | 10 | 16) {
        return Err(Errno::EINVAL);
    }
    let spaces = text.iter().take_while(|byte| is_space(**byte)).count();
    let negative = text.get(spaces) == Some(&b'-');
    let start = spaces + usize::from(negative);
    let digits = text.get(start..).filter(|digits| !digits.is_empty()).ok_or(Errno::EINVAL)?;
    let digits = &digits[..digits.len().min(NUMBER_MAX)];

    // `_parse_integer_fixup_radix`
    let is_hex = matches!(digits, [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit());
    let base = match flags {
        0 if is_hex => 16,
        0 if digits[0] == b'0' => 8,
        0 => 10,
        base => base as u32,
    };
    let prefix = if base == 16 && matches!(digits, [b'0', b'x' | b'X', ..]) { 2 } else { 0 };

    let mut value: u64 = 0;
    let mut count = 0;
    let mut overflow = false;
    for digit in digits[prefix..].iter().map_while(|byte| char::from(*byte).to_digit(base)) {
        match value.checked_mul(base.into()).and_then(|value| value.checked_add(digit.into())) {
            Some(longer) => value = longer,
            None => overflow = true,
        }
        count += 1;
    }
    match (overflow, count) {
        (true, _) => Err(Errno::ERANGE),
        (false, 0) => Err(Errno::EINVAL),
        (false, _) => Ok(Number { negative, value, consumed: start + prefix + count }),
    }
}

/// The kernel's `isspace`, which is Latin-1's.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0xa0)
}

/// `bpf_strncmp`: up to the first difference, the end of both, or the last of `first`; the second string by byte.
pub(super) fn strncmp(first: &[u8], second: impl Fn(usize) -> u8) -> u64 {
    for (at, a) in first.iter().enumerate() {
        let b = second(at);
        if *a != b {
            return if *a < b { -1_i64 as u64 } else { 1 };
        }
        if b == 0 {
            break;
        }
    }
    0
}

/// `bpf_snprintf`: the bytes the text takes with its NUL, even where there is less room.
pub(super) fn snprintf(stack: &Range<u64>, out: &mut [u8], fmt: &[u8], args: &[u8]) -> u64 {
    let mut words = [0; VARARGS_MAX];
    let Some(args) = arguments(args, &mut words) else { return Errno::EINVAL.as_ret() };
    let reader = |addr, to: &mut [u8]| read_unchecked(stack, addr, to);
    let room = out.len().saturating_sub(1);
    match format::format(fmt, args, &reader, &mut out[..room]) {
        Ok(len) => {
            if let Some(end) = out.get_mut(len.min(room)) {
                *end = 0;
            }
            len as u64 + 1
        }
        Err(errno) => errno.as_ret(),
    }
}

/// `bpf_trace_vprintk`.
pub(super) fn trace_vprintk(exec: &mut ExecutionContext, fmt: &[u8], args: &[u8]) -> u64 {
    let mut words = [0; VARARGS_MAX];
    match arguments(args, &mut words) {
        Some(args) => trace::printk(exec, fmt, args),
        None => Errno::EINVAL.as_ret(),
    }
}

/// Arguments side by side in memory; none if that is no multiple of 8 bytes, or too much.
fn arguments<'w>(bytes: &[u8], words: &'w mut [u64; VARARGS_MAX]) -> Option<&'w [u64]> {
    let (whole, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() || whole.len() > VARARGS_MAX {
        return None;
    }
    for (word, bytes) in words.iter_mut().zip(whole) {
        *word = u64::from_le_bytes(*bytes);
    }
    Some(&words[..whole.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(text: &str, flags: u64) -> (i64, i64) {
        let mut result = [0xff; 8];
        let ret = strtol(text.as_bytes(), flags, &mut result) as i64;
        (ret, i64::from_le_bytes(result))
    }

    #[test]
    fn numbers() {
        for (text, flags, expected) in [
            ("12", 0, (2, 12)),
            (" \t-12x", 10, (5, -12)),
            ("0x1fg", 0, (4, 31)),
            ("0x1f", 16, (4, 31)),
            ("1f", 16, (2, 31)),
            ("017", 0, (3, 15)),
            ("0", 0, (1, 0)),
            ("-0", 0, (2, 0)),
            ("0x", 0, (1, 0)),
            ("0xg", 16, (-22, 0)),
            ("089", 0, (1, 0)),
            ("9223372036854775807", 0, (19, i64::MAX)),
            ("9223372036854775808", 0, (-34, 0)),
            ("-9223372036854775808", 0, (20, i64::MIN)),
            ("18446744073709551616", 0, (-34, 0)),
            ("+1", 0, (-22, 0)),
            ("", 0, (-22, 0)),
            ("-", 0, (-22, 0)),
            ("   ", 0, (-22, 0)),
            ("1", 2, (-22, 0)),
            ("1", 0x20, (-22, 0)),
        ] {
            assert_eq!(signed(text, flags), expected, "{text:?} {flags}");
        }
        let mut result = [0xff; 8];
        assert_eq!(strtoul(b"18446744073709551615", 0, &mut result), 20);
        assert_eq!(result, [0xff; 8]);
        assert_eq!(strtoul(b"-1", 0, &mut result) as i64, -22);
        assert_eq!(result, [0; 8]);
    }

    #[test]
    fn comparisons_end_with_either_string() {
        let against = |first: &[u8], second: &'static [u8]| {
            strncmp(first, |at| second.get(at).copied().unwrap_or(0)) as i64
        };
        assert_eq!(against(b"abc", b"abc"), 0);
        assert_eq!(against(b"abc", b"abcdef"), 0);
        assert_eq!(against(b"abcdef", b"abc"), 1);
        assert_eq!(against(b"abb\0zz", b"abc"), -1);
        assert_eq!(against(b"abc\0zz", b"abc"), 0);
        assert_eq!(against(b"\xff", b"a"), 1);
    }
}
