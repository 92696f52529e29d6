//! Room in the packet: helpers 31, 38, 43, 50.

use bpfreplay_uapi::Errno;

use super::ret;
use crate::skb::{Checksum, Header, SkBuff};

/// Bytes of the longest packet these helpers make (`SKB_MAX_ALLOC` on x86-64).
const SKB_MAX_ALLOC: u32 = 16064;
/// Bytes `bpf_skb_adjust_room` inserts or removes at the most.
const ROOM_MAX: u32 = 0xfff;
/// Bytes that `kmalloc` gives at the most, which is all that limits a GSO packet.
const KMALLOC_MAX: u32 = 4 << 20;

const ETH_P_IP: u16 = 0x0800_u16.to_be();
const ETH_P_IPV6: u16 = 0x86dd_u16.to_be();
const ETH_HLEN: u64 = 14;
const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;

/// Flags of `bpf_skb_adjust_room` (`BPF_F_ADJ_ROOM_*`).
mod flag {
    pub(super) const FIXED_GSO: u64 = 1;
    pub(super) const ENCAP_L3_IPV4: u64 = 1 << 1;
    pub(super) const ENCAP_L3_IPV6: u64 = 1 << 2;
    pub(super) const ENCAP_L4_GRE: u64 = 1 << 3;
    pub(super) const ENCAP_L4_UDP: u64 = 1 << 4;
    pub(super) const NO_CSUM_RESET: u64 = 1 << 5;
    pub(super) const ENCAP_L2_ETH: u64 = 1 << 6;
    pub(super) const DECAP_L3_IPV4: u64 = 1 << 7;
    pub(super) const DECAP_L3_IPV6: u64 = 1 << 8;
    pub(super) const ENCAP_L2_SHIFT: u32 = 56;

    pub(super) const ENCAP_L3: u64 = ENCAP_L3_IPV4 | ENCAP_L3_IPV6;
    pub(super) const ENCAP_L4: u64 = ENCAP_L4_GRE | ENCAP_L4_UDP;
    pub(super) const DECAP_L3: u64 = DECAP_L3_IPV4 | DECAP_L3_IPV6;
    pub(super) const SHRINK: u64 = FIXED_GSO | DECAP_L3 | NO_CSUM_RESET;
    pub(super) const ALL: u64 = SHRINK | ENCAP_L3 | ENCAP_L4 | ENCAP_L2_ETH | 0xff << ENCAP_L2_SHIFT;
}

/// `bpf_skb_change_proto`: 20 bytes more or less behind the MAC header. The protocol is in network order.
pub(super) fn change_proto(skb: &mut SkBuff, proto: u16, flags: u64) -> u64 {
    const DIFFERENCE: u32 = IPV6_HEADER - IPV4_HEADER;
    if flags != 0 {
        return Errno::EINVAL.as_ret();
    }
    let offset = skb.mac_header_len();
    let result = match (skb.protocol, proto) {
        (ETH_P_IP, ETH_P_IPV6) => {
            skb.insert(offset, DIFFERENCE);
            Ok(())
        }
        (ETH_P_IPV6, ETH_P_IP) => skb.remove(offset, DIFFERENCE),
        _ => Err(Errno::ENOTSUPP),
    };
    ret(result.map(|()| {
        skb.protocol = proto;
        skb.clear_hash();
    }))
}

/// `bpf_skb_change_tail`.
pub(super) fn change_tail(skb: &mut SkBuff, len: u32, flags: u64) -> u64 {
    if flags != 0 || len > SKB_MAX_ALLOC || len < min_len(skb) {
        return Errno::EINVAL.as_ret();
    }
    if skb.encapsulation {
        return Errno::ENOTSUPP.as_ret();
    }
    skb.set_len(len);
    // `skb_gso_reset`
    (skb.gso_size, skb.gso_segs) = (0, 0);
    0
}

/// Up to where a packet may be cut: its network header, or its transport header where that is known
/// (`__bpf_skb_min_len`).
fn min_len(skb: &mut SkBuff) -> u32 {
    let transport = skb.transport_offset().filter(|offset| *offset > 0);
    transport.unwrap_or_else(|| skb.header_offset(Header::Net)).max(0) as u32
}

/// `bpf_skb_change_head`: zeroes before the packet, which the MAC header then begins with.
pub(super) fn change_head(skb: &mut SkBuff, room: u32, flags: u64) -> u64 {
    let Some(len) = skb.len().checked_add(room) else { return Errno::EINVAL.as_ret() };
    if flags != 0 || (!is_gso(skb) && len > SKB_MAX_ALLOC) {
        return Errno::EINVAL.as_ret();
    }
    if len > KMALLOC_MAX {
        return Errno::ENOMEM.as_ret();
    }
    skb.push_zeroes(room);
    skb.reset_mac_header();
    skb.reset_mac_len();
    0
}

/// `bpf_skb_adjust_room`.
pub(super) fn adjust_room(skb: &mut SkBuff, difference: i32, mode: u32, flags: u64) -> u64 {
    let result = try_adjust_room(skb, difference, mode, flags);
    if result.is_ok() && flags & flag::NO_CSUM_RESET == 0 {
        skb.checksum = Checksum::None;
    }
    ret(result)
}

fn try_adjust_room(skb: &mut SkBuff, difference: i32, mode: u32, flags: u64) -> Result<(), Errno> {
    if flags & !flag::ALL != 0 {
        return Err(Errno::EINVAL);
    }
    let (shrink, difference) = (difference < 0, difference.unsigned_abs());
    if difference > ROOM_MAX {
        return Err(Errno::EFAULT);
    }
    let base_len = match skb.protocol {
        ETH_P_IP => IPV4_HEADER,
        ETH_P_IPV6 => IPV6_HEADER,
        _ => return Err(Errno::ENOTSUPP),
    };
    let offset = match mode {
        // BPF_ADJ_ROOM_NET
        0 => skb.mac_header_len().wrapping_add(base_len),
        // BPF_ADJ_ROOM_MAC
        1 => skb.mac_header_len(),
        _ => return Err(Errno::ENOTSUPP),
    };
    let min_len = match flags & flag::DECAP_L3 {
        0 => base_len,
        _ if !shrink => return Err(Errno::EINVAL),
        flag::DECAP_L3_IPV4 => IPV4_HEADER,
        flag::DECAP_L3_IPV6 => IPV6_HEADER,
        _ => return Err(Errno::EINVAL),
    };
    if shrink {
        // A network header behind the end makes this very long; then there are no bytes to remove.
        let len = skb.len().wrapping_sub(skb.header_offset(Header::Net) as u32);
        if difference >= len || len - difference < min_len {
            return Err(Errno::ENOTSUPP);
        }
        remove_room(skb, offset, difference, flags)
    } else {
        if skb.len() + difference > SKB_MAX_ALLOC && !is_gso(skb) {
            return Err(Errno::ENOTSUPP);
        }
        insert_room(skb, offset, difference, flags)
    }
}

/// `bpf_skb_net_shrink`.
fn remove_room(skb: &mut SkBuff, offset: u32, count: u32, flags: u64) -> Result<(), Errno> {
    if flags & !flag::SHRINK != 0 {
        return Err(Errno::EINVAL);
    }
    // A GSO packet of a capture has no type, and only TCP may be resized.
    if is_gso(skb) {
        return Err(Errno::ENOTSUPP);
    }
    skb.remove(offset, count)?;
    match skb.protocol {
        ETH_P_IP if flags & flag::DECAP_L3_IPV6 != 0 => skb.protocol = ETH_P_IPV6,
        ETH_P_IPV6 if flags & flag::DECAP_L3_IPV4 != 0 => skb.protocol = ETH_P_IP,
        _ => {}
    }
    Ok(())
}

/// `bpf_skb_net_grow`: with an encapsulation flag the room is an outer header's.
fn insert_room(skb: &mut SkBuff, offset: u32, count: u32, flags: u64) -> Result<(), Errno> {
    if is_gso(skb) {
        return Err(Errno::ENOTSUPP);
    }
    let has = |flag| flags & flag == flag;
    if flags & flag::ENCAP_L3 == 0 {
        skb.insert(offset, count);
        return Ok(());
    }
    let inner_mac_len = flags >> flag::ENCAP_L2_SHIFT;
    if has(flag::ENCAP_L3) || has(flag::ENCAP_L4) {
        return Err(Errno::EINVAL);
    }
    if has(flag::ENCAP_L2_ETH) && inner_mac_len < ETH_HLEN {
        return Err(Errno::EINVAL);
    }
    if skb.encapsulation {
        return Err(Errno::EALREADY);
    }
    if inner_mac_len > u64::from(count) {
        return Err(Errno::EINVAL);
    }
    let mac_len = skb.mac_header_len();
    skb.insert(offset, count);
    skb.encapsulation = true;
    skb.set_network_header(mac_len);
    if flags & flag::ENCAP_L4 != 0 {
        let outer = if has(flag::ENCAP_L3_IPV6) { IPV6_HEADER } else { IPV4_HEADER };
        skb.set_transport_header(mac_len + outer);
    }
    skb.protocol = if has(flag::ENCAP_L3_IPV6) { ETH_P_IPV6 } else { ETH_P_IP };
    Ok(())
}

fn is_gso(skb: &SkBuff) -> bool {
    skb.gso_size != 0
}
