//! Internet checksums: helpers 10, 11, 28.
//!
//! A partial sum is 32 bits of one's complement; a checksum in a header is its folded complement (RFC 1071).

use bpfreplay_uapi::Errno;

use super::ret;
use crate::skb::SkBuff;

/// The size in the flags of both helpers (`BPF_F_HDR_FIELD_MASK`).
const FIELD_SIZE: u64 = 0xf;
/// The change affects the pseudo header too. Without hardware checksums it makes no difference.
const BPF_F_PSEUDO_HDR: u64 = 0x10;
/// A checksum of 0 means none: it stays, and a result of 0 is written as 0xffff (UDP).
const BPF_F_MARK_MANGLED_0: u64 = 0x20;
/// With [`BPF_F_MARK_MANGLED_0`]: update a checksum of 0 too.
const BPF_F_MARK_ENFORCE: u64 = 0x40;
/// The pseudo header is IPv6's.
const BPF_F_IPV6: u64 = 0x80;
/// `CSUM_MANGLED_0`.
const MANGLED_0: u16 = 0xffff;
/// Highest offset of a checksum.
const OFFSET_MAX: u32 = 0xffff;

/// `bpf_l3_csum_replace`.
pub(super) fn l3_replace(skb: &mut SkBuff, offset: u32, from: u64, to: u64, flags: u64) -> u64 {
    if flags & !FIELD_SIZE != 0 {
        return Errno::EINVAL.as_ret();
    }
    ret(field(skb, offset).and_then(|field| {
        let old = read(field);
        write(field, replace(old, from, to, flags & FIELD_SIZE)?);
        Ok(())
    }))
}

/// `bpf_l4_csum_replace`.
pub(super) fn l4_replace(skb: &mut SkBuff, offset: u32, from: u64, to: u64, flags: u64) -> u64 {
    const KNOWN: u64 = FIELD_SIZE | BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | BPF_F_MARK_ENFORCE | BPF_F_IPV6;
    if flags & !KNOWN != 0 {
        return Errno::EINVAL.as_ret();
    }
    let zero_is_none = flags & BPF_F_MARK_MANGLED_0 != 0;
    ret(field(skb, offset).and_then(|field| {
        let old = read(field);
        if zero_is_none && flags & BPF_F_MARK_ENFORCE == 0 && old == 0 {
            return Ok(());
        }
        let new = match flags & FIELD_SIZE {
            // `inet_proto_csum_replace2` goes through the sum of 4 bytes.
            2 => replace(old, u64::from(from as u16), u64::from(to as u16), 4)?,
            size => replace(old, from, to, size)?,
        };
        write(field, if zero_is_none && new == 0 { MANGLED_0 } else { new });
        Ok(())
    }))
}

/// `bpf_csum_diff` of 6.18: (~from, to) added to the seed, folded to 16 bits.
pub(super) fn diff(from: &[u8], to: &[u8], seed: u32) -> u64 {
    let sum = match (from, to) {
        ([], []) => seed,
        ([], to) => partial(to, seed),
        (from, []) => !partial(from, !seed),
        (from, to) => sub(partial(to, seed), partial(from, 0)),
    };
    u64::from(fold(sum))
}

fn field(skb: &mut SkBuff, offset: u32) -> Result<&mut [u8], Errno> {
    if offset > OFFSET_MAX || !offset.is_multiple_of(2) {
        return Err(Errno::EFAULT);
    }
    skb.at_mut(offset, 2)
}

/// A checksum as the kernel reads it: two bytes as they lie, little-endian. One's complement sums come out right in
/// either order.
fn read(field: &[u8]) -> u16 {
    field.iter().rev().fold(0, |sum, byte| sum << 8 | u16::from(*byte))
}

fn write(field: &mut [u8], sum: u16) {
    field.copy_from_slice(&sum.to_le_bytes());
}

/// The checksum after a change of what it covers: of `size` bytes from `from` to `to`, or (size 0) by the difference
/// `to`.
fn replace(old: u16, from: u64, to: u64, size: u64) -> Result<u16, Errno> {
    match size {
        // `csum_replace_by_diff`
        0 if from != 0 => Err(Errno::EINVAL),
        0 => Ok(!fold(add(to as u32, !u32::from(old)))),
        // `csum_replace2`
        2 => Ok(!add16(add16(!old, !(from as u16)), to as u16)),
        // `csum_replace4`
        4 => Ok(!fold(add(sub(!u32::from(old), from as u32), to as u32))),
        _ => Err(Errno::EINVAL),
    }
}

/// `csum_partial`: the sum of 16-bit words as they lie, an odd last byte as a word.
fn partial(bytes: &[u8], seed: u32) -> u32 {
    let mut sum = u64::from(seed);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        sum += u64::from(u32::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut word = [0; 4];
        word[..rest.len()].copy_from_slice(rest);
        sum += u64::from(u32::from_le_bytes(word));
    }
    // 2^30 bytes sum to less than 2^60, so two folds are enough.
    add(sum as u32, (sum >> 32) as u32)
}

/// Addition with the carry added back (`csum_add`).
fn add(a: u32, b: u32) -> u32 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u32::from(carry)
}

fn sub(a: u32, b: u32) -> u32 {
    add(a, !b)
}

fn add16(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

/// To 16 bits, not complemented (`csum_from32to16`).
fn fold(sum: u32) -> u16 {
    add16(sum as u16, (sum >> 16) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skb::{Bytes, Frame, Hook, Link, Packet, TestRun};

    fn number(text: &str) -> u64 {
        text.strip_prefix("0x")
            .map_or_else(|| text.parse().unwrap(), |hex| u64::from_str_radix(hex, 16).unwrap())
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn cases(text: &str) -> impl Iterator<Item = Vec<&str>> {
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect())
    }

    #[test]
    fn diff_as_the_kernel_did() {
        let mut count = 0;
        for case in cases(include_str!("../../testdata/csum_diff.txt")) {
            let [from, to, seed, expected] = case[..] else { panic!("{case:?}") };
            assert_eq!(diff(&hex(from), &hex(to), number(seed) as u32), number(expected), "{case:?}");
            count += 1;
        }
        assert_eq!(count, 165);
    }

    #[test]
    fn replace_as_the_kernel_did() {
        let mut count = 0;
        let mut packet = Packet::new();
        for case in cases(include_str!("../../testdata/csum_replace.txt")) {
            let [layer, before, from, to, flags, result, after] = case[..] else { panic!("{case:?}") };
            let mut bytes = [0; 60];
            write(&mut bytes[24..26], number(before) as u16);
            let frame =
                Frame { bytes: Bytes::Copied(&bytes), link: Link::Ethernet, wire_len: 60, time_ns: 0 };
            let skb = packet.load(frame, &Hook::TestRun(TestRun::new())).unwrap();
            let replace = if layer == "l3" { l3_replace } else { l4_replace };
            let ret = replace(skb, 24, number(from), number(to), number(flags));
            assert_eq!(ret as i64, result.parse::<i64>().unwrap(), "{case:?}");
            assert_eq!(u64::from(read(&skb.packet()[24..26])), number(after), "{case:?}");
            count += 1;
        }
        assert_eq!(count, 483);
    }

    #[test]
    fn offsets_end_where_the_packet_does() {
        let mut packet = Packet::new();
        let bytes = [0; 60];
        let frame = Frame { bytes: Bytes::Copied(&bytes), link: Link::Ethernet, wire_len: 60, time_ns: 0 };
        let skb = packet.load(frame, &Hook::TestRun(TestRun::new())).unwrap();
        for (offset, expected) in [(58, 0), (59, -14), (60, -14), (25, -14), (0xffff, -14), (0x10000, -14)] {
            assert_eq!(l3_replace(skb, offset, 0, 0, 2) as i64, expected, "{offset}");
            assert_eq!(l4_replace(skb, offset, 0, 0, 2) as i64, expected, "{offset}");
        }
        assert_eq!(l3_replace(skb, 59, 0, 0, 0x10) as i64, -22);
    }
}
