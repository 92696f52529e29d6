//! GRE: every set of optional fields, other payloads, other versions.

use super::{eth_ip, ethernet_capture, greeting};
use crate::wire::ethertype::{ARP, IPV4, IPV6, MPLS, TRANSPARENT_ETHERNET};
use crate::wire::{Checksum, Ends, Gre, ip, mpls, protocol, udp};

/// The eight sets of flags around IPv4, IPv6, Ethernet and MPLS, over IPv4 and IPv6.
pub(crate) fn flags() -> Vec<u8> {
    let (v4, v6) = (Ends::v4(1, 2), Ends::v6(1, 2));
    let packets = [v4, v6].map(|ends| ip(ends, protocol::UDP, &udp(ends, b"inside")));
    let payloads: [(u16, Vec<u8>); 4] = [
        (IPV4, packets[0].clone()),
        (IPV6, packets[1].clone()),
        (TRANSPARENT_ETHERNET, greeting(Ends::v4(3, 4))),
        (MPLS, mpls(&[16], &packets[0])),
    ];
    let mut frames = Vec::new();
    for outer in [Ends::v4(101, 102), Ends::v6(101, 102)] {
        for flags in 0..8u8 {
            for (protocol, payload) in &payloads {
                let header = Gre {
                    protocol: *protocol,
                    checksum: (flags & 4 != 0).then_some(Checksum),
                    key: (flags & 2 != 0).then_some(0xcafe),
                    sequence: (flags & 1 != 0).then_some(7),
                };
                frames.push(eth_ip(outer, protocol::GRE, &header.wrap(payload)));
            }
        }
    }
    ethernet_capture(&frames)
}

/// What a parser of GRE version 0 has to refuse or pass by: PPTP, source routing, keepalives,
/// reserved bits, unknown payloads, headers cut at every byte.
pub(crate) fn oddities() -> Vec<u8> {
    let (outer, inner) = (Ends::v4(101, 102), Ends::v4(1, 2));
    let packet = ip(inner, protocol::UDP, &udp(inner, b"inside"));
    let with_first_word = |word: u16, protocol: u16| {
        let mut bytes = Gre { key: Some(1), ..Gre::new(protocol) }.wrap(&packet);
        bytes[..2].copy_from_slice(&word.to_be_bytes());
        eth_ip(outer, protocol::GRE, &bytes)
    };
    let mut frames = vec![
        with_first_word(0x3001, 0x880b), // version 1, key and sequence: PPTP (RFC 2637)
        with_first_word(0x2007, IPV4),   // version 7
        with_first_word(0x4000, IPV4),   // routing present (RFC 1701)
        with_first_word(0x0800, IPV4),   // strict source route
        with_first_word(0x2700, IPV4),   // recursion control
        with_first_word(0x20f8, IPV4),   // reserved bits
        eth_ip(outer, protocol::GRE, &Gre::new(0).wrap(b"")), // keepalive
        eth_ip(outer, protocol::GRE, &Gre::new(ARP).wrap(&[0; 28])),
        eth_ip(outer, protocol::GRE, &Gre::new(0x88be).wrap(&greeting(inner))), // ERSPAN type I
        eth_ip(outer, protocol::GRE, &Gre::new(IPV6).wrap(&packet)),            // IPv6 by name, IPv4 inside
    ];
    let full =
        Gre { protocol: IPV4, checksum: Some(Checksum), key: Some(1), sequence: Some(2) }.wrap(&packet);
    frames.extend((0..=20).map(|len| eth_ip(outer, protocol::GRE, &full[..len])));
    ethernet_capture(&frames)
}
