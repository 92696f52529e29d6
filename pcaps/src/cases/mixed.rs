//! The capture of the README: a few thousand frames as a busy link carries them.

use smoltcp::wire::{ArpOperation, Ipv4Address, TcpControl, TcpRepr, TcpTimestampRepr};

use super::{eth_ip, ethertype_of};
use crate::file::{EPOCH_NS, PcapFile, linktype};
use crate::rng::Rng;
use crate::wire::ethertype::{ARP, EXPERIMENTAL, IPV4, MPLS, VLAN};
use crate::wire::{
    DnsRecord, Ends, Gre, arp, dns_query, dns_response, ethernet, icmp_echo, ip, mpls, protocol, sctp,
    sctp_chunk, segment, tcp, udp, vlan, vxlan,
};

const FRAMES: usize = 4000;
const FLOWS: u32 = 200;

/// 80 % TCP, 19 % UDP, 1 % ICMP over two hundred flows, a fifth of them IPv6; one frame in ten
/// through a VLAN, MPLS or a tunnel; a little ARP, SCTP and unknown traffic; one in a hundred broken.
pub(crate) fn traffic() -> Vec<u8> {
    let mut rng = Rng::new(0x6270_6672_6570_6c61);
    let mut sequence = vec![1u32; FLOWS as usize];
    let mut file = PcapFile::new(linktype::ETHERNET);
    let mut now = EPOCH_NS;
    for _ in 0..FRAMES {
        now += u64::from(5_000 + rng.below(400_000)); // bursts and gaps, about 200 µs apart
        let mut frame = one_frame(&mut rng, &mut sequence);
        if rng.chance(1) {
            spoil(&mut rng, &mut frame);
        }
        file.frame_at(now, &frame);
    }
    file.finish()
}

fn one_frame(rng: &mut Rng, sequence: &mut [u32]) -> Vec<u8> {
    if rng.chance(2) {
        return bystander(rng);
    }
    let flow = rng.below(FLOWS);
    let ends = ends_of(flow);
    let (protocol, payload) = match rng.below(100) {
        0..80 => (protocol::TCP, tcp_bytes(rng, ends, &mut sequence[flow as usize])),
        80..99 => udp_packet(rng, ends),
        _ => {
            let echo = icmp_echo(ends, 0x4242, 1, &[0x61; 56]);
            (if ethertype_of(ends) == IPV4 { protocol::ICMP } else { protocol::ICMPV6 }, echo)
        }
    };
    let ends =
        if protocol == protocol::UDP && payload[0..2] == 53u16.to_be_bytes() { ends.reply() } else { ends };
    deliver(rng, ends, &ip(ends, protocol, &payload))
}

fn ends_of(flow: u32) -> Ends {
    let host = u8::try_from(1 + flow % 250).expect("below 251");
    let server = u8::try_from(1 + flow % 7).expect("below 8");
    let ports = [443, 80, 22, 5432, 8080];
    let client_port = 49_152 + u16::try_from(flow).expect("a few hundred flows");
    let ends =
        if flow.is_multiple_of(5) { Ends::v6(host.into(), server.into()) } else { Ends::v4(host, server) };
    ends.ports(client_port, ports[flow as usize % ports.len()])
}

fn tcp_bytes(rng: &mut Rng, ends: Ends, sequence: &mut u32) -> Vec<u8> {
    let payload = match rng.below(10) {
        0..5 => Vec::new(), // acknowledgements
        5..8 => rng_text(rng, 200),
        _ => rng_text(rng, 1380),
    };
    let opening = *sequence == 1;
    let control = match (opening, payload.is_empty()) {
        (true, _) => TcpControl::Syn,
        (false, true) => *rng.pick(&[TcpControl::None, TcpControl::None, TcpControl::None, TcpControl::Fin]),
        (false, false) => TcpControl::Psh,
    };
    let payload = if opening { Vec::new() } else { payload };
    let acknowledged = if opening { None } else { Some(1000) };
    let plain = segment(ends, control, *sequence, acknowledged, &payload);
    let optioned = if opening {
        TcpRepr { max_seg_size: Some(1460), window_scale: Some(7), sack_permitted: true, ..plain }
    } else {
        TcpRepr { timestamp: Some(TcpTimestampRepr::new(*sequence, 1)), ..plain }
    };
    *sequence += 1 + u32::try_from(payload.len()).expect("segments are short");
    tcp(ends, &optioned)
}

fn udp_packet(rng: &mut Rng, ends: Ends) -> (u8, Vec<u8>) {
    let ident = u16::try_from(rng.below(0x1_0000)).expect("below 2^16");
    let name = ["www.example.com", "mail.example.net", "cdn.example.org"][rng.below(3) as usize];
    let asked = ends.ports(ends.src_port, 53);
    let bytes = match rng.below(4) {
        0 => udp(asked, &dns_query(ident, name, 1)),
        1 => {
            let answer = DnsRecord { kind: 1, ttl: 60, data: vec![203, 0, 113, 80] };
            udp(asked.reply(), &dns_response(ident, name, 1, &[answer]))
        }
        2 => udp(ends.ports(ends.src_port, 443), &rng_text(rng, 1200)),
        _ => udp(ends.ports(ends.src_port, 5004), &rng_text(rng, 172)),
    };
    (protocol::UDP, bytes)
}

/// Puts a packet on the link: nine in ten plainly, one in ten through something.
fn deliver(rng: &mut Rng, ends: Ends, packet: &[u8]) -> Vec<u8> {
    let kind = ethertype_of(ends);
    let outer = Ends::v4(254, 254);
    match rng.below(100) {
        0..5 => ethernet(VLAN, &vlan(100, kind, packet)),
        5..6 => ethernet(MPLS, &mpls(&[100, 200], packet)),
        6..7 => eth_ip(outer, protocol::GRE, &Gre::new(kind).wrap(packet)),
        7..8 => eth_ip(outer, if kind == IPV4 { protocol::IPIP } else { protocol::IPV6 }, packet),
        8..10 => {
            let overlay = outer.ports(50_000, 4789);
            eth_ip(overlay, protocol::UDP, &udp(overlay, &vxlan(7, &ethernet(kind, packet))))
        }
        _ => ethernet(kind, packet),
    }
}

/// What is neither TCP, UDP nor ICMP.
fn bystander(rng: &mut Rng) -> Vec<u8> {
    let ends = Ends::v4(1, 2).ports(36_412, 36_412);
    match rng.below(4) {
        0 | 1 => {
            let asked = u8::try_from(1 + rng.below(250)).expect("below 251");
            ethernet(
                ARP,
                &arp(
                    ArpOperation::Request,
                    Ipv4Address::new(192, 0, 2, 254),
                    Ipv4Address::new(192, 0, 2, asked),
                ),
            )
        }
        2 => eth_ip(ends, protocol::SCTP, &sctp(ends, 7, &[sctp_chunk(4, 0, &[0, 1, 0, 4])])),
        _ => ethernet(EXPERIMENTAL, &rng.bytes(46)),
    }
}

/// Cuts a frame or makes a header length lie.
fn spoil(rng: &mut Rng, frame: &mut Vec<u8>) {
    match rng.below(3) {
        0 => {
            let len = u32::try_from(frame.len()).expect("frames are short");
            frame.truncate(15 + rng.below(len - 15) as usize);
        }
        1 => frame[14] = frame[14] & 0xf0 | 0x03,
        _ => frame[16] = 0xff,
    }
}

fn rng_text(rng: &mut Rng, len_max: u32) -> Vec<u8> {
    let len = 1 + rng.below(len_max) as usize;
    b"the quick brown fox jumps over the lazy dog ".iter().copied().cycle().take(len).collect()
}
