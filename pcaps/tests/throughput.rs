//! The benchmark's frames: sizes, shares, checksums, and that a seed fixes them all.

use std::collections::BTreeMap;

use bpfreplay_pcaps::{Mix, Throughput, inspect, write_throughput};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv6Packet, IpProtocol, Ipv4Packet, Ipv6Packet,
    TcpPacket, UdpPacket,
};

/// Checks every checksum of a frame and names its upper protocol.
fn protocol_of(frame: &[u8]) -> IpProtocol {
    let ethernet = EthernetFrame::new_checked(frame).unwrap();
    match ethernet.ethertype() {
        EthernetProtocol::Ipv4 => {
            let packet = Ipv4Packet::new_checked(ethernet.payload()).unwrap();
            assert!(packet.verify_checksum());
            let (src, dst) = (packet.src_addr().into(), packet.dst_addr().into());
            match packet.next_header() {
                IpProtocol::Tcp => {
                    assert!(TcpPacket::new_checked(packet.payload()).unwrap().verify_checksum(&src, &dst));
                }
                IpProtocol::Udp => {
                    assert!(UdpPacket::new_checked(packet.payload()).unwrap().verify_checksum(&src, &dst));
                }
                IpProtocol::Icmp => {
                    assert!(Icmpv4Packet::new_checked(packet.payload()).unwrap().verify_checksum());
                }
                other => panic!("{other} over IPv4"),
            }
            packet.next_header()
        }
        EthernetProtocol::Ipv6 => {
            let packet = Ipv6Packet::new_checked(ethernet.payload()).unwrap();
            let (src, dst) = (packet.src_addr(), packet.dst_addr());
            match packet.next_header() {
                IpProtocol::Tcp => {
                    assert!(
                        TcpPacket::new_checked(packet.payload())
                            .unwrap()
                            .verify_checksum(&src.into(), &dst.into())
                    );
                }
                IpProtocol::Udp => {
                    assert!(
                        UdpPacket::new_checked(packet.payload())
                            .unwrap()
                            .verify_checksum(&src.into(), &dst.into())
                    );
                }
                IpProtocol::Icmpv6 => {
                    assert!(Icmpv6Packet::new_checked(packet.payload()).unwrap().verify_checksum(&src, &dst));
                }
                other => panic!("{other} over IPv6"),
            }
            packet.next_header()
        }
        other => panic!("EtherType {other}"),
    }
}

fn percentages(mix: Mix, frames: usize) -> (BTreeMap<String, f64>, BTreeMap<usize, f64>) {
    let mut stream = Throughput::new(mix, 1);
    let (mut protocols, mut sizes) = (BTreeMap::new(), BTreeMap::new());
    let share = 100.0 / frames as f64;
    for _ in 0..frames {
        let frame = stream.next_frame();
        *protocols.entry(protocol_of(frame).to_string()).or_default() += share;
        *sizes.entry(frame.len()).or_default() += share;
    }
    (protocols, sizes)
}

#[test]
fn p64_is_80_19_1_of_64_bytes() {
    let (protocols, sizes) = percentages(Mix::P64, 50_000);
    assert!((protocols["TCP"] - 80.0).abs() < 1.0, "{protocols:?}");
    assert!((protocols["UDP"] - 19.0).abs() < 1.0, "{protocols:?}");
    assert!((protocols["ICMP"] - 1.0).abs() < 0.3, "{protocols:?}");
    assert_eq!(sizes.keys().copied().collect::<Vec<_>>(), [64]);
}

#[test]
fn imix_is_7_4_1_with_a_fifth_ipv6() {
    let (protocols, sizes) = percentages(Mix::Imix, 50_000);
    assert!((sizes[&594] - 33.3).abs() < 1.5, "{sizes:?}");
    assert!((sizes[&1518] - 8.3).abs() < 1.0, "{sizes:?}");
    assert!((sizes[&64] + sizes[&74] - 58.3).abs() < 1.5, "TCP over IPv6 needs 74 bytes: {sizes:?}");
    assert!(protocols["ICMPv6"] > 0.1, "{protocols:?}");
    // 74-byte frames are the small ones of TCP over IPv6: 58.3 % * 80 % * 20 %.
    assert!((sizes[&74] - 9.3).abs() < 1.0, "{sizes:?}");
}

#[test]
fn a_seed_fixes_the_file_and_another_changes_it() {
    let file = |seed| {
        let mut bytes = Vec::new();
        let written = write_throughput(&mut bytes, Mix::Imix, seed, 1000).unwrap();
        assert_eq!(bytes.len() as u64, 24 + 1000 * 16 + written);
        bytes
    };
    assert_eq!(inspect(&file(7)).unwrap().frames, 1000);
    assert_eq!(file(7), file(7));
    assert_ne!(file(7), file(8));
}
