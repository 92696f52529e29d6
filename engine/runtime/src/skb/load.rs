//! LD_ABS and LD_IND: packet bytes in host order (`bpf_skb_load_helper_8` and its kin).

use bpfreplay_isa::Size;

use super::{Header, SkBuff};

/// Offsets from here on count from the network header (`SKF_NET_OFF`). Classic BPF's ancillary data (`SKF_AD_OFF`,
/// -0x1000) lies in this range and is no more: such an offset is beyond any packet.
const SKF_NET_OFF: i32 = -0x10_0000;
/// Offsets from here on, up to [`SKF_NET_OFF`], count from the MAC header (`SKF_LL_OFF`).
const SKF_LL_OFF: i32 = -0x20_0000;

/// Reads `size` bytes of the packet, in network order; none if they are not in it, which ends the program (or
/// subprogram) with r0 = 0.
///
/// `offset` is the instruction's immediate, for LD_IND plus the low 32 bits of the register.
#[must_use]
#[inline]
pub fn load_packet(skb: &SkBuff, size: Size, offset: i32) -> Option<u64> {
    let from_data = if offset >= 0 {
        i64::from(offset)
    } else if offset >= SKF_NET_OFF {
        i64::from(offset - SKF_NET_OFF) + i64::from(skb.header_offset(Header::Net))
    } else if offset >= SKF_LL_OFF {
        i64::from(offset - SKF_LL_OFF) + i64::from(skb.header_offset(Header::Mac))
    } else {
        return None;
    };
    let bytes = skb.at_header(from_data, size.bytes())?;
    Some(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}
