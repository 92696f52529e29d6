//! IPv4: options, fragments, every protocol number.

use smoltcp::wire::TcpControl;

use super::{eth_ip, ethernet_capture};
use crate::wire::{Ends, Ipv4, ethernet, ethertype, fragments, icmp_echo, protocol, segment, tcp, udp};

/// Every kind of option the parsers step over, at every header length from 24 to 60 bytes.
pub(crate) fn options() -> Vec<u8> {
    let record_route = |slots: usize| {
        let mut option = vec![7, u8::try_from(3 + 4 * slots).expect("at most 9 slots"), 4];
        option.resize(3 + 4 * slots, 0);
        option
    };
    let mut areas: Vec<Vec<u8>> = vec![
        vec![1, 1, 1, 1],                           // no operation
        vec![0, 0, 0, 0],                           // end of list
        vec![148, 4, 0, 0],                         // router alert (RFC 2113)
        vec![68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0], // timestamp
        vec![131, 7, 4, 203, 0, 113, 9, 1],         // loose source route
        vec![137, 7, 4, 203, 0, 113, 9, 1],         // strict source route
        vec![130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0],   // security
        vec![134, 10, 0, 0, 0, 1, 1, 4, 0, 1],      // CIPSO
        vec![1, 148, 4, 0, 0, 0],                   // alert behind a no-operation
        vec![30, 4, 0xab, 0xcd],                    // experimental
        vec![7, 3],                                 // a length without its pointer
        vec![7, 0, 0, 0],                           // length 0
        vec![7, 1, 0, 0],                           // length 1
        vec![7, 39, 4, 0],                          // length past the header
        vec![1, 1, 1, 7],                           // kind as the last byte
    ];
    areas.extend((1..=9).map(record_route));

    let mut frames = Vec::new();
    for (number, area) in areas.iter().enumerate() {
        let host = u8::try_from(number + 1).expect("a few dozen cases");
        let ends = Ends::v4(host, 1);
        let tcp_bytes = tcp(ends, &segment(ends, TcpControl::Syn, 1, None, b""));
        for (protocol, payload) in [
            (protocol::TCP, tcp_bytes),
            (protocol::UDP, udp(ends.ports(5000, 5001), b"optioned")),
            (protocol::ICMP, icmp_echo(ends, 7, 1, b"optioned")),
        ] {
            let packet = Ipv4::new(protocol).options(area).wrap(ends, &payload);
            frames.push(ethernet(ethertype::IPV4, &packet));
        }
    }
    ethernet_capture(&frames)
}

/// Whole trains of fragments, out of order, duplicated, overlapping, and with holes.
pub(crate) fn fragmented() -> Vec<u8> {
    let ends = Ends::v4(1, 2).ports(6000, 6001);
    let datagram = udp(ends, &[0x5a; 3000]);
    let header = Ipv4 { ident: 0x1234, dont_frag: false, ..Ipv4::new(protocol::UDP) };
    let in_order = fragments(&header, ends, &datagram, 1480);
    let train = |ident: u16, step: usize| fragments(&Ipv4 { ident, ..header.clone() }, ends, &datagram, step);
    let reversed = train(0x1235, 1000).into_iter().rev();
    let with_hole =
        train(0x1236, 800).into_iter().enumerate().filter(|(index, _)| *index != 1).map(|(_, f)| f);
    let tiny = fragments(&Ipv4 { ident: 0x1237, ..header.clone() }, ends, &datagram[..64], 8);

    let syn = tcp(ends, &segment(ends, TcpControl::Syn, 9, None, b""));
    let tcp_header = Ipv4 { ident: 0x1238, ..Ipv4::new(protocol::TCP) };
    let split_tcp_header = fragments(&tcp_header, ends, &syn, 8); // RFC 1858: a fragment inside the TCP header
    let echo = fragments(
        &Ipv4 { ident: 0x1239, ..Ipv4::new(protocol::ICMP) }.options(&[148, 4, 0, 0]),
        ends,
        &icmp_echo(ends, 1, 1, &[0xee; 2000]),
        1456,
    );
    let overlapping = [0u16, 16, 8].map(|frag_offset| {
        let more_frags = frag_offset != 16;
        Ipv4 { ident: 0x123a, more_frags, frag_offset, ..header.clone() }.wrap(ends, &datagram[..24])
    });
    let ping_of_death =
        Ipv4 { ident: 0x123b, frag_offset: 65_528, dont_frag: false, ..Ipv4::new(protocol::ICMP) }
            .wrap(ends, &[0; 64]);
    let both_flags = Ipv4 { more_frags: true, ..Ipv4::new(protocol::UDP) }.wrap(ends, &datagram[..64]);

    let packets = in_order
        .into_iter()
        .chain(reversed)
        .chain(with_hole)
        .chain(tiny)
        .chain(split_tcp_header)
        .chain(echo)
        .chain(overlapping)
        .chain([ping_of_death, both_flags]);
    let frames: Vec<_> = packets.map(|packet| ethernet(ethertype::IPV4, &packet)).collect();
    ethernet_capture(&frames)
}

/// All 256 protocol numbers over IPv4, then over IPv6, with sixteen bytes behind each header.
pub(crate) fn every_protocol() -> Vec<u8> {
    let payload: Vec<u8> = (0..16).collect();
    let over = |ends: Ends| (0..=255).map(move |protocol| (ends, protocol));
    let frames: Vec<_> = over(Ends::v4(1, 2))
        .chain(over(Ends::v6(1, 2)))
        .map(|(ends, protocol)| eth_ip(ends, protocol, &payload))
        .collect();
    ethernet_capture(&frames)
}
