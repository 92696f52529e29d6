//! VLAN tags: helpers 18, 19.

use super::ret;
use crate::skb::SkBuff;

const ETH_P_8021Q: u16 = 0x8100_u16.to_be();
const ETH_P_8021AD: u16 = 0x88a8_u16.to_be();

/// `bpf_skb_vlan_push`: a protocol (network order) that is none of the two becomes 802.1Q.
pub(super) fn push(skb: &mut SkBuff, proto: u16, tci: u16) -> u64 {
    let proto = if proto == ETH_P_8021AD { proto } else { ETH_P_8021Q };
    let result = skb.vlan_push(proto, tci);
    skb.reset_mac_len();
    ret(result)
}

/// `bpf_skb_vlan_pop`.
pub(super) fn pop(skb: &mut SkBuff) -> u64 {
    ret(skb.vlan_pop())
}
