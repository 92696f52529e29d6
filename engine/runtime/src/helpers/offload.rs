//! What devices and the stack know of a packet besides its bytes: helpers 32, 40, 97, 135, 192.

use bpfreplay_uapi::Errno;

use super::ret;
use crate::skb::{Checksum, Header, SkBuff};

/// Highest packet type programs may set (`PACKET_OTHERHOST`).
const PACKET_TYPE_MAX: u32 = 3;
/// `SKB_MAX_CSUM_LEVEL`
const CSUM_LEVEL_MAX: u8 = 3;
const ETH_P_IP: u16 = 0x0800_u16.to_be();
const ETH_P_IPV6: u16 = 0x86dd_u16.to_be();
/// Congestion experienced (RFC 3168 section 5).
const CE: u8 = 3;

/// `bpf_skb_change_type`.
pub(super) fn change_type(skb: &mut SkBuff, pkt_type: u32) -> u64 {
    match u8::try_from(pkt_type) {
        Ok(new) if pkt_type <= PACKET_TYPE_MAX && u32::from(skb.pkt_type) <= PACKET_TYPE_MAX => {
            skb.pkt_type = new;
            0
        }
        Ok(_) | Err(_) => Errno::EINVAL.as_ret(),
    }
}

/// `bpf_csum_update`: packets of a capture carry no sum of their bytes (`CHECKSUM_COMPLETE`).
pub(super) fn csum_update() -> u64 {
    Errno::ENOTSUPP.as_ret()
}

/// `bpf_csum_level`.
pub(super) fn csum_level(skb: &mut SkBuff, operation: u64) -> u64 {
    skb.checksum = match (operation, skb.checksum) {
        // BPF_CSUM_LEVEL_QUERY
        (0, Checksum::Unnecessary(level)) => return u64::from(level),
        (0, Checksum::None) => return Errno::EACCES.as_ret(),
        // BPF_CSUM_LEVEL_INC
        (1, Checksum::Unnecessary(level)) => Checksum::Unnecessary((level + 1).min(CSUM_LEVEL_MAX)),
        (1, Checksum::None) => Checksum::Unnecessary(0),
        // BPF_CSUM_LEVEL_DEC
        (2, Checksum::Unnecessary(level)) => {
            level.checked_sub(1).map_or(Checksum::None, Checksum::Unnecessary)
        }
        // BPF_CSUM_LEVEL_RESET
        (2 | 3, Checksum::None) | (3, Checksum::Unnecessary(_)) => Checksum::None,
        _ => return Errno::EINVAL.as_ret(),
    };
    0
}

/// `bpf_skb_set_tstamp`.
pub(super) fn set_tstamp(skb: &mut SkBuff, tstamp: u64, tstamp_type: u32) -> u64 {
    ret(match (skb.protocol, tstamp_type) {
        (ETH_P_IP | ETH_P_IPV6, 0) => Ok(()),
        (ETH_P_IP | ETH_P_IPV6, 1 | 2) if tstamp != 0 => Ok(()),
        (ETH_P_IP | ETH_P_IPV6, _) => Err(Errno::EINVAL),
        _ => Err(Errno::EOPNOTSUPP),
    }
    .map(|()| {
        skb.tstamp = tstamp;
        skb.tstamp_type = tstamp_type as u8;
    }))
}

/// `bpf_skb_ecn_set_ce`: 1 if the packet is marked now, 0 if it cannot be.
pub(super) fn ecn_set_ce(skb: &mut SkBuff) -> u64 {
    let header_len = match skb.network_protocol() {
        ETH_P_IP => 20,
        ETH_P_IPV6 => 40,
        _ => return 0,
    };
    let Ok(at) = u32::try_from(skb.header_offset(Header::Net)) else { return 0 };
    let Ok(header) = skb.at_mut(at, header_len) else { return 0 };
    u64::from(if header_len == 20 { set_ce_v4(header) } else { set_ce_v6(header) })
}

/// `IP_ECN_set_ce`, with the header checksum brought up to date (RFC 1624).
fn set_ce_v4(header: &mut [u8]) -> bool {
    let ecn = header[1] & CE;
    if ecn == 0 || ecn == CE {
        return ecn == CE;
    }
    header[1] |= CE;
    // The word grew by this much, so the checksum shrinks by it.
    let grown = u16::from(CE - ecn);
    let (sum, carry) = u16::from_be_bytes([header[10], header[11]]).overflowing_add(!grown);
    header[10..12].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
    true
}

/// `IP6_ECN_set_ce`: the traffic class lies across two bytes.
fn set_ce_v6(header: &mut [u8]) -> bool {
    let able = header[1] >> 4 & CE != 0;
    if able {
        header[1] |= CE << 4;
    }
    able
}
