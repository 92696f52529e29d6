//! Link types other than Ethernet.

use smoltcp::wire::TcpControl;

use super::ethertype_of;
use crate::file::{PcapFile, Resolution, linktype};
use crate::wire::ethertype::{ARP, IPV4, IPV6, VLAN};
use crate::wire::{Ends, icmp_echo, ip, protocol, segment, tcp, udp, vlan};
use pcap_file::Endianness;

/// A few packets of both families.
fn packets() -> Vec<(Ends, Vec<u8>)> {
    let mut packets = Vec::new();
    for (ends, icmp) in [(Ends::v4(1, 2), protocol::ICMP), (Ends::v6(1, 2), protocol::ICMPV6)] {
        let syn = tcp(ends, &segment(ends, TcpControl::Syn, 1, None, b""));
        packets.push((ends, ip(ends, protocol::TCP, &syn)));
        packets.push((ends, ip(ends, protocol::UDP, &udp(ends, b"no ethernet here"))));
        packets.push((ends, ip(ends, icmp, &icmp_echo(ends, 1, 1, b"nor here"))));
    }
    packets
}

fn capture(link_type: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = PcapFile::new(link_type);
    file.frames(frames);
    file.finish()
}

/// Raw IP: the version nibble tells the family. Ends with an empty frame and with version 5.
pub(crate) fn raw(link_type: u32) -> Vec<u8> {
    let mut frames: Vec<_> = packets().into_iter().map(|(_, packet)| packet).collect();
    frames.extend([vec![], vec![0x45], vec![0x55; 40]]);
    capture(link_type, &frames)
}

/// Raw IP of one family only.
pub(crate) fn raw_family(link_type: u32, ethertype: u16) -> Vec<u8> {
    let frames: Vec<_> = packets()
        .into_iter()
        .filter(|(ends, _)| ethertype_of(*ends) == ethertype)
        .map(|(_, packet)| packet)
        .collect();
    capture(link_type, &frames)
}

/// Linux cooked, version 1:
///
/// ```text
///  2 packet type | 2 ARPHRD | 2 address length | 8 address | 2 protocol
/// ```
pub(crate) fn sll() -> Vec<u8> {
    let header = |packet_type: u16, arphrd: u16, protocol: u16| {
        let address = [0, 0, 0x5e, 0, 0x53, 1, 0, 0];
        let fields = [packet_type, arphrd, 6].map(u16::to_be_bytes).concat();
        [&fields[..], &address, &protocol.to_be_bytes()].concat()
    };
    let mut frames = Vec::new();
    for (packet_type, (ends, packet)) in (0u16..).zip(packets()) {
        // To us, broadcast, multicast, to another host, from us.
        frames.push([header(packet_type % 5, 1, ethertype_of(ends)), packet].concat());
    }
    let (_, packet) = packets().swap_remove(0);
    frames.push([header(0, 1, VLAN), vlan(100, IPV4, &packet)].concat());
    frames.push([header(1, 1, ARP), vec![0; 28]].concat());
    frames.push([header(0, 1, 0x0004), vec![0x42; 38]].concat()); // LINUX_SLL_P_802_2
    frames.push([header(0, 772, IPV4), packet.clone()].concat()); // ARPHRD_LOOPBACK
    let whole = [header(0, 1, IPV4), packet].concat();
    frames.extend([0usize, 1, 15, 16, 17].map(|len| whole[..len].to_vec()));
    capture(linktype::LINUX_SLL, &frames)
}

/// Linux cooked, version 2, whose protocol comes first:
///
/// ```text
///  2 protocol | 2 reserved | 4 ifindex | 2 ARPHRD | 1 packet type | 1 address length | 8 address
/// ```
pub(crate) fn sll2() -> Vec<u8> {
    let header = |packet_type: u8, ifindex: u32, protocol: u16| {
        let address = [0, 0, 0x5e, 0, 0x53, 1, 0, 0];
        let arphrd_ethernet = 1u16.to_be_bytes();
        [
            &protocol.to_be_bytes()[..],
            &[0, 0],
            &ifindex.to_be_bytes(),
            &arphrd_ethernet,
            &[packet_type, 6],
            &address,
        ]
        .concat()
    };
    let mut frames = Vec::new();
    for (packet_type, (ends, packet)) in (0u8..).zip(packets()) {
        let ifindex = 2 + u32::from(packet_type % 2);
        frames.push([header(packet_type % 5, ifindex, ethertype_of(ends)), packet].concat());
    }
    let (_, packet) = packets().swap_remove(0);
    frames.push([header(0, 2, VLAN), vlan(100, IPV4, &packet)].concat());
    let whole = [header(0, 2, IPV4), packet].concat();
    frames.extend([0usize, 1, 19, 20, 21].map(|len| whole[..len].to_vec()));
    capture(linktype::LINUX_SLL2, &frames)
}

/// BSD null: the family as a 32-bit number in the byte order of the machine that captured, which is
/// the file's. IPv6 is 24, 28 or 30, depending on the system; 2 is IPv4 everywhere.
pub(crate) fn null(endianness: Endianness) -> Vec<u8> {
    let number = |family: u32| match endianness {
        Endianness::Little => family.to_le_bytes(),
        Endianness::Big => family.to_be_bytes(),
    };
    let mut file = PcapFile::with(linktype::NULL, endianness, Resolution::MicroSecond, 65_535);
    file.frames(&with_family(number));
    file.finish()
}

/// OpenBSD loop: the same in network byte order, whatever the machine.
pub(crate) fn looped() -> Vec<u8> {
    capture(linktype::LOOP, &with_family(u32::to_be_bytes))
}

fn with_family(number: impl Fn(u32) -> [u8; 4]) -> Vec<Vec<u8>> {
    const AF_INET: u32 = 2;
    const AF_INET6: [u32; 3] = [24, 28, 30];
    let mut frames = Vec::new();
    for (ends, packet) in packets() {
        let families: &[u32] = if ethertype_of(ends) == IPV6 { &AF_INET6 } else { &[AF_INET] };
        frames.extend(families.iter().map(|family| [&number(*family)[..], &packet].concat()));
    }
    let (_, packet) = packets().swap_remove(0);
    frames.push([&number(99)[..], &packet].concat());
    frames.extend([0usize, 1, 3, 4, 5].map(|len| [&number(AF_INET)[..], &packet].concat()[..len].to_vec()));
    frames
}
