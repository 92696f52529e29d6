//! Tags in the bytes: 802.1Q, 802.1ad, QinQ of the old sort.

use smoltcp::wire::{ArpOperation, Ipv4Address};

use super::{ethernet_capture, ethertype_of};
use crate::wire::ethertype::{ARP, EXPERIMENTAL, IPV4, IPV6, MPLS, PROVIDER_VLAN, QINQ_OLD, VLAN};
use crate::wire::{Ends, arp, ethernet, ip, mpls, protocol, udp, vlan};

/// One to five tags in front of IPv4, IPv6, ARP and others.
pub(crate) fn tags() -> Vec<u8> {
    let (v4, v6) = (Ends::v4(1, 2), Ends::v6(1, 2));
    let asked = arp(ArpOperation::Request, Ipv4Address::new(192, 0, 2, 1), Ipv4Address::new(192, 0, 2, 2));
    let inner: Vec<(u16, Vec<u8>)> = vec![
        (IPV4, ip(v4, protocol::UDP, &udp(v4, b"tagged"))),
        (IPV6, ip(v6, protocol::UDP, &udp(v6, b"tagged"))),
        (ARP, asked),
        (MPLS, mpls(&[16, 17], &ip(v4, protocol::UDP, &udp(v4, b"tagged")))),
        (EXPERIMENTAL, vec![0xee; 46]),
        (38, [&[0x42, 0x42, 3][..], &[0; 35]].concat()), // a length: LLC behind a tag
    ];
    // (TPID, TCI) outermost first; TCI is priority, drop eligible, VLAN id.
    let stacks: &[&[(u16, u16)]] = &[
        &[(VLAN, 100)],
        &[(VLAN, 0)],      // priority-tagged
        &[(VLAN, 0xe000)], // priority 7, VLAN 0
        &[(VLAN, 0x1fff)], // drop eligible, reserved VLAN 4095
        &[(PROVIDER_VLAN, 200)],
        &[(QINQ_OLD, 300)],
        &[(PROVIDER_VLAN, 200), (VLAN, 100)],
        &[(VLAN, 200), (VLAN, 100)],
        &[(QINQ_OLD, 200), (VLAN, 100)],
        &[(PROVIDER_VLAN, 1), (PROVIDER_VLAN, 2)],
        &[(PROVIDER_VLAN, 3), (VLAN, 2), (VLAN, 1)],
        &[(VLAN, 4), (VLAN, 3), (VLAN, 2), (VLAN, 1)],
        &[(VLAN, 5), (VLAN, 4), (VLAN, 3), (VLAN, 2), (VLAN, 1)],
    ];
    let frames: Vec<_> = stacks
        .iter()
        .flat_map(|stack| inner.iter().map(|(ethertype, payload)| tagged(stack, *ethertype, payload)))
        .collect();
    ethernet_capture(&frames)
}

/// Frames that end in or right behind a tag, and tags followed by the wrong thing.
pub(crate) fn cut_tags() -> Vec<u8> {
    let ends = Ends::v4(1, 2);
    let packet = ip(ends, protocol::UDP, &udp(ends, b"cut"));
    let double = tagged(&[(PROVIDER_VLAN, 200), (VLAN, 100)], IPV4, &packet);
    let mut frames: Vec<_> = (12..=22 + 20).map(|len| double[..len].to_vec()).collect();
    frames.push(tagged(&[(VLAN, 100)], ethertype_of(Ends::v6(1, 2)), &packet)); // IPv6 by name, IPv4 inside
    frames.push(tagged(&[(VLAN, 100)], 0, &packet));
    frames.push(tagged(&[(VLAN, 100)], VLAN, &[]));
    ethernet_capture(&frames)
}

fn tagged(stack: &[(u16, u16)], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let (outermost, bytes) = stack
        .iter()
        .rev()
        .fold((ethertype, payload.to_vec()), |(next, bytes), (tpid, tci)| (*tpid, vlan(*tci, next, &bytes)));
    ethernet(outermost, &bytes)
}
