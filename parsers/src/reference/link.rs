//! Ethernet, VLAN tags (IEEE 802.1Q), MPLS label stacks (RFC 3032), ARP (RFC 826).

use pnet_packet::ethernet::{EtherType, EtherTypes, EthernetPacket};
use pnet_packet::vlan::VlanPacket;

use super::network;
use super::walk::{Next, Walk};
use crate::{Proto, Reason};

/// Twice the two tags of a QinQ frame.
const VLAN_TAGS_MAX: usize = 4;
/// Deeper than service providers' stacks.
const MPLS_LABELS_MAX: usize = 8;
/// EtherTypes begin here (IEEE 802.3: 1536); below is a length.
const ETHERTYPE_MIN: u16 = 0x0600;

/// A frame, `tags` of whose VLAN tags are already off.
pub(super) fn ethernet(walk: &mut Walk<'_>, mut tags: usize) -> Next {
    let Some(frame) = EthernetPacket::new(walk.rest()) else {
        return Next::End(Reason::TruncEthernet);
    };
    walk.state.l2_off = walk.at();
    walk.found(Proto::Ethernet);
    walk.pass(EthernetPacket::minimum_packet_size());

    let mut ethertype = frame.get_ethertype();
    while ethertype == EtherTypes::Vlan || ethertype == EtherTypes::PBridge {
        if tags == VLAN_TAGS_MAX {
            return Next::End(Reason::TooManyVlan);
        }
        let Some(tag) = VlanPacket::new(walk.rest()) else {
            return Next::End(Reason::TruncVlan);
        };
        ethertype = tag.get_ethertype();
        tags += 1;
        walk.found(Proto::Vlan);
        walk.pass(VlanPacket::minimum_packet_size());
    }
    payload(walk, ethertype)
}

fn payload(walk: &mut Walk<'_>, ethertype: EtherType) -> Next {
    match ethertype {
        EtherTypes::Ipv4 => network::ipv4(walk),
        EtherTypes::Ipv6 => network::ipv6(walk),
        EtherTypes::Arp => arp(walk),
        EtherTypes::Mpls | EtherTypes::MplsMcast => mpls(walk),
        EtherType(length) if length < ETHERTYPE_MIN => Next::End(Reason::UnknownLlc),
        _ => Next::End(Reason::UnknownEthertype),
    }
}

/// Labels of 20 bits label, 3 bits class, 1 bit bottom of stack, 8 bits TTL.
pub(super) fn mpls(walk: &mut Walk<'_>) -> Next {
    for _ in 0..MPLS_LABELS_MAX {
        let Some(label) = walk.rest().first_chunk::<4>() else {
            return Next::End(Reason::TruncMpls);
        };
        walk.found(Proto::Mpls);
        walk.pass(label.len());
        if u32::from_be_bytes(*label) & 0x100 != 0 {
            return below_labels(walk);
        }
    }
    Next::End(Reason::TooManyMpls)
}

/// The version field of IP is all there is to go by (RFC 4928 section 3).
fn below_labels(walk: &mut Walk<'_>) -> Next {
    match walk.rest().first() {
        None => Next::End(Reason::TruncMpls),
        Some(0x40..=0x4f) => network::ipv4(walk),
        Some(0x60..=0x6f) => network::ipv6(walk),
        Some(_) => Next::End(Reason::UnknownMpls),
    }
}

/// pnet's view is for Ethernet and IPv4 only; the lengths are in the packet.
fn arp(walk: &mut Walk<'_>) -> Next {
    let Some(&[hrd0, hrd1, pro0, pro1, hln, pln, _, _]) = walk.rest().first_chunk::<8>() else {
        return Next::End(Reason::TruncArp);
    };
    let ethernet = u16::from_be_bytes([hrd0, hrd1]) == 1;
    let ipv4 = u16::from_be_bytes([pro0, pro1]) == EtherTypes::Ipv4.0;
    if (ethernet && hln != 6) || (ipv4 && pln != 4) {
        return Next::End(Reason::BadArp);
    }
    let len = 8 + 2 * usize::from(hln) + 2 * usize::from(pln);
    if walk.rest().len() < len {
        return Next::End(Reason::TruncArp);
    }
    walk.state.l3_off = walk.at();
    walk.found(Proto::Arp);
    walk.pass(len);
    Next::End(Reason::Parsed)
}
