//! Ethernet II, 802.3 with LLC, and ARP.

use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetAddress, Ipv4Address};

use super::len16;

/// Six bytes of hardware address.
pub type MacAddr = [u8; 6];

/// EtherTypes (IANA and IEEE 802).
pub mod ethertype {
    #![allow(missing_docs, reason = "the names are the documentation")]
    pub const IPV4: u16 = 0x0800;
    pub const ARP: u16 = 0x0806;
    pub const TRANSPARENT_ETHERNET: u16 = 0x6558;
    pub const VLAN: u16 = 0x8100;
    pub const RARP: u16 = 0x8035;
    pub const IPV6: u16 = 0x86dd;
    pub const MPLS: u16 = 0x8847;
    pub const MPLS_MULTICAST: u16 = 0x8848;
    pub const PPP: u16 = 0x880b;
    pub const PPPOE_DISCOVERY: u16 = 0x8863;
    pub const PPPOE_SESSION: u16 = 0x8864;
    pub const EAPOL: u16 = 0x888e;
    pub const PROVIDER_VLAN: u16 = 0x88a8;
    pub const LLDP: u16 = 0x88cc;
    pub const LOOPBACK: u16 = 0x9000;
    pub const QINQ_OLD: u16 = 0x9100;
    /// IEEE Std 802, local experimental EtherType 1.
    pub const EXPERIMENTAL: u16 = 0x88b5;
}

const SRC: MacAddr = [0x00, 0x00, 0x5e, 0x00, 0x53, 0x01];
const DST: MacAddr = [0x00, 0x00, 0x5e, 0x00, 0x53, 0x02];

/// An Ethernet II frame between the two documentation hosts, without padding and without FCS.
pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    ethernet_to(DST, ethertype, payload)
}

/// The same to a chosen destination (broadcast, multicast).
pub fn ethernet_to(dst: MacAddr, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&dst[..], &SRC, &ethertype.to_be_bytes(), payload].concat()
}

/// An 802.3 frame: the type field is the length of what follows (IEEE 802.3 section 3.2.6), which
/// is an LLC header (DSAP, SSAP, control) and `payload`.
pub fn llc(dst: MacAddr, sap: u8, payload: &[u8]) -> Vec<u8> {
    let pdu = [&[sap, sap, 0x03], payload].concat();
    ethernet_to(dst, len16(pdu.len()), &pdu)
}

/// LLC with SNAP (RFC 1042): an EtherType behind AA-AA-03 and an OUI.
pub fn snap(oui: [u8; 3], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    llc(DST, 0xaa, &[&oui[..], &ethertype.to_be_bytes(), payload].concat())
}

/// An ARP packet for IPv4 over Ethernet (RFC 826), asked and answered between the two hosts.
pub fn arp(operation: ArpOperation, sender: Ipv4Address, target: Ipv4Address) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: EthernetAddress(SRC),
        source_protocol_addr: sender,
        target_hardware_addr: EthernetAddress(if operation == ArpOperation::Request { [0; 6] } else { DST }),
        target_protocol_addr: target,
    };
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(&mut ArpPacket::new_unchecked(&mut bytes));
    bytes
}
