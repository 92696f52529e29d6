//! IPv6 with extension headers, in the recommended order and in none.

use smoltcp::wire::TcpControl;

use super::ethernet_capture;
use crate::wire::{
    Ends, Ipv6, Last, authentication, ethernet, ethertype, extension, fragment_header, icmp_echo,
    ndisc_advert, ndisc_solicit, protocol, segment, tcp, udp,
};

/// Pads a hop-by-hop or destination options header to 8 bytes (RFC 8200 section 4.2, PadN).
const PADN: [u8; 6] = [1, 4, 0, 0, 0, 0];
/// Router alert, MLD (RFC 2711), and PadN.
const ROUTER_ALERT: [u8; 6] = [5, 2, 0, 0, 1, 0];

/// One header of a chain, outermost first.
#[derive(Clone, Copy)]
enum Header {
    HopByHop,
    Destination,
    Routing,
    Fragment { offset: u16, last: Last },
    Authentication,
    Mobility,
    Hip,
    Shim6,
}

impl Header {
    fn protocol(self) -> u8 {
        match self {
            Header::HopByHop => protocol::HOP_BY_HOP,
            Header::Destination => protocol::DESTINATION_OPTIONS,
            Header::Routing => protocol::ROUTING,
            Header::Fragment { .. } => protocol::FRAGMENT,
            Header::Authentication => protocol::AH,
            Header::Mobility => protocol::MOBILITY,
            Header::Hip => protocol::HIP,
            Header::Shim6 => protocol::SHIM6,
        }
    }

    fn wrap(self, next: u8, payload: &[u8]) -> Vec<u8> {
        match self {
            Header::HopByHop => extension(next, &ROUTER_ALERT, payload),
            Header::Destination => extension(next, &PADN, payload),
            // Type 4, segment routing with one segment (RFC 8754 section 2).
            Header::Routing => extension(next, &[&[4, 0, 0, 0, 0, 0][..], &[0x20; 16]].concat(), payload),
            Header::Fragment { offset, last } => fragment_header(next, offset, last, 0xfeed, payload),
            Header::Authentication => authentication(next, 1, payload),
            Header::Mobility | Header::Hip | Header::Shim6 => extension(next, &[0; 14], payload),
        }
    }
}

fn chain(ends: Ends, headers: &[Header], upper: u8, payload: &[u8]) -> Vec<u8> {
    let (next, bytes) = headers.iter().rev().fold((upper, payload.to_vec()), |(next, bytes), header| {
        (header.protocol(), header.wrap(next, &bytes))
    });
    ethernet(ethertype::IPV6, &Ipv6::new(next).wrap(ends, &bytes))
}

/// Chains in front of TCP, UDP, ICMPv6 and nothing.
pub(crate) fn extensions() -> Vec<u8> {
    use Header::{Authentication, Destination, Fragment, Hip, HopByHop, Mobility, Routing, Shim6};
    let whole = Fragment { offset: 0, last: Last::Yes }; // an atomic fragment (RFC 6946)
    let first = Fragment { offset: 0, last: Last::No };
    let later = Fragment { offset: 1232, last: Last::No };
    let end = Fragment { offset: 2464, last: Last::Yes };
    let chains: &[&[Header]] = &[
        &[],
        &[HopByHop],
        &[Destination],
        &[Routing],
        &[whole],
        &[first],
        &[later],
        &[end],
        &[Authentication],
        &[Mobility],
        &[Hip],
        &[Shim6],
        &[HopByHop, Destination],
        &[HopByHop, Routing, whole],
        &[HopByHop, Destination, Routing, whole, Authentication, Destination],
        &[HopByHop, first],
        &[HopByHop, later],
        &[Destination, HopByHop], // hop-by-hop is allowed first only (RFC 8200 section 4.1)
        &[HopByHop, HopByHop],
        &[whole, whole],
        &[Authentication, Authentication, Authentication],
        &[Destination, Destination, Destination, Destination],
    ];
    let ends = Ends::v6(1, 2);
    let uppers = [
        (protocol::TCP, tcp(ends, &segment(ends, TcpControl::Syn, 1, None, b""))),
        (protocol::UDP, udp(ends.ports(7000, 7001), b"extended")),
        (protocol::ICMPV6, icmp_echo(ends, 3, 1, b"extended")),
        (protocol::NO_NEXT_HEADER, Vec::new()),
    ];
    let mut frames: Vec<_> = chains
        .iter()
        .flat_map(|headers| uppers.iter().map(|(upper, payload)| chain(ends, headers, *upper, payload)))
        .collect();

    // Options that fill more than one unit, and the longest header there is (8 + 255 * 8 bytes).
    for units in [1usize, 2, 15, 31] {
        let body = vec![0; units * 8 + 6];
        let payload = extension(protocol::UDP, &body, &udp(ends, b"long"));
        frames
            .push(ethernet(ethertype::IPV6, &Ipv6::new(protocol::DESTINATION_OPTIONS).wrap(ends, &payload)));
    }
    let esp = [&0x1001u32.to_be_bytes()[..], &1u32.to_be_bytes(), &[0x77; 40]].concat();
    frames.push(chain(ends, &[], protocol::ESP, &esp));
    frames.push(chain(ends, &[HopByHop, Authentication], protocol::ESP, &esp));
    ethernet_capture(&frames)
}

/// Chains of 1 to 24 destination options: somewhere on the way every parser gives up.
pub(crate) fn long_chains() -> Vec<u8> {
    let ends = Ends::v6(3, 4);
    let frames: Vec<_> = (1..=24)
        .map(|length| chain(ends, &vec![Header::Destination; length], protocol::UDP, &udp(ends, b"deep")))
        .collect();
    ethernet_capture(&frames)
}

/// Neighbour discovery, echo, traffic class and flow label.
pub(crate) fn neighbours() -> Vec<u8> {
    let ends = Ends::v6(1, 2);
    let discovery = Ipv6 { hop_limit: 255, ..Ipv6::new(protocol::ICMPV6) }; // RFC 4861 section 7.1
    let packets = [
        discovery.wrap(ends, &ndisc_solicit(ends)),
        discovery.wrap(ends.reply(), &ndisc_advert(ends.reply())),
        Ipv6::new(protocol::ICMPV6).wrap(ends, &icmp_echo(ends, 1, 1, b"hello")),
        Ipv6 { traffic_class: 0xb8, flow_label: 0xf_edcb, ..Ipv6::new(protocol::UDP) }
            .wrap(ends, &udp(ends, b"marked")),
        Ipv6 { hop_limit: 0, ..Ipv6::new(protocol::UDP) }.wrap(ends, &udp(ends, b"expired")),
        Ipv6::new(protocol::UDP).wrap(ends, &[]),
    ];
    let frames: Vec<_> = packets.iter().map(|packet| ethernet(ethertype::IPV6, packet)).collect();
    ethernet_capture(&frames)
}
