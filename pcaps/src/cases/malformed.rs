//! Damage: frames cut at every byte, lengths that lie, bits flipped at random.

use smoltcp::wire::{ArpOperation, Ipv4Address, Ipv4Packet, TcpControl};

use super::{eth_ip, ethernet_capture, greeting};
use crate::file::{PcapFile, linktype};
use crate::rng::Rng;
use crate::wire::ethertype::{ARP, IPV4, IPV6, MPLS, PROVIDER_VLAN, VLAN};
use crate::wire::{
    Ends, Gre, Ipv4, Ipv6, arp, authentication, ethernet, extension, icmp_echo, ip, mpls, protocol, sctp,
    sctp_chunk, segment, tcp_with_options, udp, vlan, vxlan,
};

/// One whole frame of every chain of headers the parsers know, a few bytes of payload each.
fn specimens() -> Vec<Vec<u8>> {
    let (v4, v6) = (Ends::v4(1, 2), Ends::v6(1, 2));
    let syn_options = [2, 4, 5, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2];
    let tcp4 = tcp_with_options(v4, &segment(v4, TcpControl::Syn, 1, None, b"data"), &syn_options);
    let tcp6 = tcp_with_options(v6, &segment(v6, TcpControl::Syn, 1, None, b"data"), &syn_options);
    let optioned = Ipv4::new(protocol::TCP).options(&[148, 4, 0, 0, 1, 1, 1, 1]).wrap(v4, &tcp4);
    let chained = extension(
        protocol::ROUTING,
        &[1, 4, 0, 0, 0, 0],
        &extension(protocol::AH, &[0; 22], &authentication(protocol::TCP, 1, &tcp6)),
    );
    let six = Ipv6::new(protocol::HOP_BY_HOP).wrap(v6, &chained);
    let overlay = v4.ports(50_000, 4789);
    let question = v4.ports(50_000, 53);
    vec![
        ethernet(PROVIDER_VLAN, &vlan(200, VLAN, &vlan(100, IPV4, &optioned))),
        ethernet(IPV6, &six),
        ethernet(MPLS, &mpls(&[16, 17], &ip(v4, protocol::UDP, &udp(v4, b"data")))),
        eth_ip(v4, protocol::GRE, &Gre { key: Some(1), ..Gre::new(IPV6) }.wrap(&six)),
        eth_ip(v4, protocol::IPIP, &optioned),
        eth_ip(v6, protocol::IPV6, &ip(v6, protocol::ICMPV6, &icmp_echo(v6, 1, 1, b"data"))),
        eth_ip(overlay, protocol::UDP, &udp(overlay, &vxlan(42, &greeting(v4)))),
        eth_ip(question, protocol::UDP, &udp(question, &crate::wire::dns_query(1, "example.com", 1))),
        eth_ip(v4, protocol::SCTP, &sctp(v4, 1, &[sctp_chunk(10, 0, b"cookie")])),
        ethernet(
            ARP,
            &arp(ArpOperation::Request, Ipv4Address::new(192, 0, 2, 1), Ipv4Address::new(192, 0, 2, 2)),
        ),
    ]
}

/// Every specimen cut after every byte: short on the wire, so the headers promise more than there is.
pub(crate) fn truncated_on_wire() -> Vec<u8> {
    let frames: Vec<_> = specimens()
        .iter()
        .flat_map(|whole| (0..=whole.len()).map(|len| whole[..len].to_vec()).collect::<Vec<_>>())
        .collect();
    ethernet_capture(&frames)
}

/// Every specimen cut after every fourth byte by the capture: whole on the wire, short in the file.
pub(crate) fn truncated_by_snaplen() -> Vec<u8> {
    let mut file = PcapFile::new(linktype::ETHERNET);
    for whole in specimens() {
        for len in (14..whole.len()).step_by(4) {
            file.cut_frame(&whole[..len], whole.len());
        }
    }
    file.finish()
}

/// Versions, header lengths, total lengths, payload lengths and UDP lengths that cannot be.
pub(crate) fn lying_lengths() -> Vec<u8> {
    let (v4, v6) = (Ends::v4(1, 2), Ends::v6(1, 2));
    let udp4 = eth_ip(v4, protocol::UDP, &udp(v4, b"sixteen bytes ok"));
    let udp6 = eth_ip(v6, protocol::UDP, &udp(v6, b"sixteen bytes ok"));
    let (l3, udp4_at, udp6_at) = (14, 14 + 20, 14 + 40);
    let set16 = |frame: &[u8], at: usize, value: u16| {
        let mut frame = frame.to_vec();
        frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
        frame
    };
    // IPv4 checksums are put right again: only the length is to be wrong.
    let summed = |mut frame: Vec<u8>| {
        if Ipv4Packet::new_unchecked(&frame[l3..]).header_len() >= 20 {
            let mut header = frame[l3..l3 + 20].to_vec();
            Ipv4Packet::new_unchecked(&mut header).set_checksum(0);
            let sum = !smoltcp::wire::checksum::data(&header);
            frame[l3 + 10..l3 + 12].copy_from_slice(&sum.to_be_bytes());
        }
        frame
    };
    let mut frames = Vec::new();
    for version_and_ihl in (0x40..=0x4f).chain([0x00, 0x05, 0x55, 0x65, 0xf5]) {
        let mut frame = udp4.clone();
        frame[l3] = version_and_ihl;
        frames.push(frame);
    }
    for version in [0x00, 0x40, 0x50, 0x70, 0xf0] {
        let mut frame = udp6.clone();
        frame[l3] = version;
        frames.push(frame);
    }
    let whole = 20 + 8 + 16;
    for total_len in [0, 1, 19, 20, 21, 27, 28, 29, whole - 1, whole + 1, 1500, 0xffff] {
        frames.push(summed(set16(&udp4, l3 + 2, total_len)));
    }
    for payload_len in [0, 1, 7, 8, 9, 23, 25, 1500, 0xffff] {
        frames.push(set16(&udp6, l3 + 4, payload_len));
    }
    for udp_len in [0, 1, 7, 8, 9, 23, 25, 1500, 0xffff] {
        frames.push(set16(&udp4, udp4_at + 4, udp_len));
        frames.push(set16(&udp6, udp6_at + 4, udp_len));
    }
    for frame in [&udp4, &udp6] {
        let at = if frame.len() == udp4.len() { udp4_at } else { udp6_at };
        frames.push(set16(frame, at + 6, 0)); // no UDP checksum: allowed over IPv4 only (RFC 8200 section 8.1)
        frames.push(set16(frame, at + 6, 0xdead));
        frames.push(set16(frame, at, 0));
        frames.push(set16(frame, at + 2, 0));
    }
    frames.push(set16(&udp4, l3 + 10, 0xdead)); // IPv4 header checksum
    ethernet_capture(&frames)
}

/// Two thousand specimens with one to four random bytes changed, and one in four also cut.
pub(crate) fn mutated() -> Vec<u8> {
    let mut rng = Rng::new(0x6d75_7461_7465);
    let specimens = specimens();
    let frames: Vec<_> = (0..2000)
        .map(|_| {
            let mut frame = rng.pick(&specimens).clone();
            let len = u32::try_from(frame.len()).expect("specimens are short");
            for _ in 0..=rng.below(4) {
                let at = rng.below(len) as usize;
                frame[at] = rng.bytes(1)[0];
            }
            if rng.chance(25) {
                frame.truncate(rng.below(len) as usize);
            }
            frame
        })
        .collect();
    ethernet_capture(&frames)
}
