//! Frames that are not IP, or only say so.

use smoltcp::wire::{ArpOperation, Ipv4Address};

use super::{ethernet_capture, greeting};
use crate::file::{PcapFile, linktype};
use crate::wire::ethertype::{
    ARP, EAPOL, EXPERIMENTAL, IPV4, IPV6, LLDP, LOOPBACK, PPPOE_DISCOVERY, PPPOE_SESSION, RARP,
};
use crate::wire::{Ends, arp, ethernet, ethernet_to, ethertype, ip, llc, protocol, snap, udp};

const BROADCAST: [u8; 6] = [0xff; 6];
const BRIDGE_GROUP: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 0];

/// ARP in its uses, with odd lengths, and cut at every byte.
pub(crate) fn arps() -> Vec<u8> {
    let (one, two) = (Ipv4Address::new(192, 0, 2, 1), Ipv4Address::new(192, 0, 2, 2));
    let request = arp(ArpOperation::Request, one, two);
    let padded = |bytes: &[u8]| [bytes, &[0; 18]].concat();
    let with_byte = |index: usize, value: u8| {
        let mut bytes = request.clone();
        bytes[index] = value;
        bytes
    };
    let mut frames = vec![
        ethernet_to(BROADCAST, ARP, &padded(&request)),
        ethernet(ARP, &arp(ArpOperation::Reply, two, one)),
        ethernet_to(BROADCAST, ARP, &arp(ArpOperation::Request, one, one)), // announcement (RFC 5227)
        ethernet_to(BROADCAST, ARP, &arp(ArpOperation::Request, Ipv4Address::new(0, 0, 0, 0), two)), // probe
        ethernet_to(BROADCAST, RARP, &arp(ArpOperation::Unknown(3), one, two)),
        ethernet(ARP, &arp(ArpOperation::Unknown(0xffff), one, two)),
        ethernet(ARP, &with_byte(1, 6)),    // hardware type IEEE 802
        ethernet(ARP, &with_byte(2, 0x86)), // another protocol type
        ethernet(ARP, &with_byte(4, 0)),    // hardware length 0
        ethernet(ARP, &with_byte(4, 255)),  // hardware length past the end
        ethernet(ARP, &with_byte(5, 16)),   // protocol length of IPv6
    ];
    frames.extend((0..=request.len()).map(|len| ethernet(ARP, &request[..len])));
    ethernet_capture(&frames)
}

/// 802.3 with LLC and SNAP, control protocols, and EtherTypes nobody knows.
pub(crate) fn others() -> Vec<u8> {
    let v4 = Ends::v4(1, 2);
    let packet = ip(v4, protocol::UDP, &udp(v4, b"snapped"));
    let bpdu = [0u8; 35];
    let mut frames = vec![
        llc(BRIDGE_GROUP, 0x42, &bpdu),                               // spanning tree
        llc([0x09, 0, 0x2b, 0, 0, 5], 0xfe, &[0x83; 40]),             // IS-IS
        llc([0x00, 0x00, 0x5e, 0x00, 0x53, 0x02], 0xe0, &[0xff; 30]), // IPX over LLC
        ethernet(30, &[0xff; 30]),                                    // IPX, "raw 802.3"
        snap([0, 0, 0], IPV4, &packet),                               // IPv4 over SNAP (RFC 1042)
        snap([0, 0, 0x0c], 0x2000, &[2, 180, 0, 0]),                  // CDP
        snap([0, 0, 0], ARP, &[0; 28]),
        ethernet(1500, &[0xaa; 1500]),
        ethernet(1501, &[0xaa; 60]), // neither length nor type: 1501..1535 is undefined
        ethernet(1535, &[0xaa; 60]),
        ethernet(1536, &[0xaa; 60]), // the first EtherType
        ethernet(100, &[0xaa; 20]),  // a length past the end
        ethernet(0, &[0; 46]),
        ethernet(0xffff, &[0; 46]),
        ethernet_to([0x01, 0x80, 0xc2, 0, 0, 0x0e], LLDP, &[2, 7, 4, 0, 0, 0x5e, 0, 0x53, 1, 0, 0]),
        ethernet_to([0x01, 0x80, 0xc2, 0, 0, 3], EAPOL, &[2, 1, 0, 0]),
        ethernet(LOOPBACK, &[0; 46]),
        ethernet(PPPOE_DISCOVERY, &[0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0]),
        ethernet(PPPOE_SESSION, &[&[0x11, 0, 0, 1, 0, 2, 0, 0x21][..], &packet].concat()),
        ethernet(EXPERIMENTAL, &[0x5a; 46]),
        ethernet(IPV4, &ip(Ends::v6(1, 2), protocol::UDP, b"")), // IPv4 by name, IPv6 inside
        ethernet(IPV6, &packet),                                 // and the other way round
        [greeting(v4), vec![0; 9]].concat(),                     // padded to 60 bytes, as on the wire
        [greeting(v4), vec![0xee; 200]].concat(),                // a trailer longer than the packet
        ethernet_to([0x01, 0, 0x5e, 0, 0, 0xfb], IPV4, &packet), // multicast
        ethernet_to(BROADCAST, IPV4, &packet),
    ];
    let known = [ethertype::MPLS, ethertype::VLAN, ethertype::PROVIDER_VLAN];
    // A sweep over the upper byte: what is not known is counted as such.
    frames.extend(
        (6..=255u16)
            .map(|high| high << 8 | 0x42)
            .filter(|t| !known.contains(t))
            .map(|t| ethernet(t, &[0; 46])),
    );
    ethernet_capture(&frames)
}

/// Frames of 0 to 64 zero bytes, then of 0 to 64 bytes of a real frame.
pub(crate) fn tiny() -> Vec<u8> {
    let whole = greeting(Ends::v4(1, 2));
    let zeros = [0u8; 64];
    let frames: Vec<_> = (0..=64)
        .map(|len| zeros[..len].to_vec())
        .chain((0..=whole.len().min(64)).map(|len| whole[..len].to_vec()))
        .collect();
    ethernet_capture(&frames)
}

/// Jumbo frames, the largest IPv4 packet there is, and a frame of 256 KiB.
pub(crate) fn huge() -> Vec<u8> {
    let ends = Ends::v4(1, 2);
    let mut file = PcapFile::new(linktype::ETHERNET);
    for len in [1472usize, 1473, 3712 - 42, 3713 - 42, 8972, 65_507] {
        file.frame(&ethernet(IPV4, &ip(ends, protocol::UDP, &udp(ends, &vec![0x4a; len]))));
    }
    file.frame(&ethernet(EXPERIMENTAL, &vec![0; 262_144 - 14]));
    file.finish()
}
