//! IPv6, its extension headers, and neighbour discovery.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, IPV6_HEADER_LEN, Icmpv6Packet, Icmpv6Repr, Ipv6Packet, NdiscNeighborFlags, NdiscRepr,
};

use super::{Ends, len16};

/// The fields of an IPv6 header (RFC 8200 section 3) beside addresses and length.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub struct Ipv6 {
    pub next_header: u8,
    pub hop_limit: u8,
    pub traffic_class: u8,
    pub flow_label: u32,
}

impl Ipv6 {
    /// A plain header, hop limit 64.
    pub fn new(next_header: u8) -> Self {
        Self { next_header, hop_limit: 64, traffic_class: 0, flow_label: 0 }
    }

    /// Header and payload.
    pub fn wrap(&self, ends: Ends, payload: &[u8]) -> Vec<u8> {
        let (src, dst) = ends.addresses_v6();
        let mut bytes = vec![0; IPV6_HEADER_LEN];
        bytes.extend_from_slice(payload);
        let mut packet = Ipv6Packet::new_unchecked(&mut bytes);
        packet.set_version(6);
        packet.set_traffic_class(self.traffic_class);
        packet.set_flow_label(self.flow_label);
        packet.set_payload_len(len16(payload.len()));
        packet.set_next_header(self.next_header.into());
        packet.set_hop_limit(self.hop_limit);
        packet.set_src_addr(src);
        packet.set_dst_addr(dst);
        bytes
    }
}

/// A hop-by-hop, destination options or routing header: `next`, a length in units of 8 bytes not
/// counting the first, and `body`, zero-padded (RFC 8200 sections 4.3, 4.4, 4.6).
pub fn extension(next: u8, body: &[u8], payload: &[u8]) -> Vec<u8> {
    let padded = (2 + body.len()).next_multiple_of(8);
    let units = u8::try_from(padded / 8 - 1).expect("an extension header has at most 2048 bytes");
    let mut bytes = vec![next, units];
    bytes.extend_from_slice(body);
    bytes.resize(padded, 0);
    bytes.extend_from_slice(payload);
    bytes
}

/// A fragment header (RFC 8200 section 4.5); `offset` in bytes, a multiple of 8.
pub fn fragment_header(next: u8, offset: u16, last: Last, ident: u32, payload: &[u8]) -> Vec<u8> {
    let more = u16::from(last == Last::No);
    [&[next, 0][..], &(offset | more).to_be_bytes(), &ident.to_be_bytes(), payload].concat()
}

/// Whether a fragment is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Last {
    Yes,
    No,
}

/// An authentication header with a 12-byte value (RFC 4302 section 2). Its length field counts
/// 4-byte units minus 2, unlike every other extension header.
pub fn authentication(next: u8, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let spi = 0x100u32;
    let units = 24 / 4 - 2;
    [&[next, units, 0, 0][..], &spi.to_be_bytes(), &sequence.to_be_bytes(), &[0xa5; 12], payload].concat()
}

/// An ICMPv6 neighbour solicitation for the other end (RFC 4861 section 4.3).
pub fn ndisc_solicit(ends: Ends) -> Vec<u8> {
    let (_, dst) = ends.addresses_v6();
    ndisc(ends, NdiscRepr::NeighborSolicit { target_addr: dst, lladdr: Some(HOST_MAC.into()) })
}

/// The answer: a neighbour advertisement of the sender (RFC 4861 section 4.4).
pub fn ndisc_advert(ends: Ends) -> Vec<u8> {
    let (src, _) = ends.addresses_v6();
    let flags = NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE;
    ndisc(ends, NdiscRepr::NeighborAdvert { flags, target_addr: src, lladdr: Some(HOST_MAC.into()) })
}

const HOST_MAC: EthernetAddress = EthernetAddress([0x00, 0x00, 0x5e, 0x00, 0x53, 0x01]);

fn ndisc(ends: Ends, message: NdiscRepr<'_>) -> Vec<u8> {
    let (src, dst) = ends.addresses_v6();
    let repr = Icmpv6Repr::Ndisc(message);
    let mut bytes = vec![0; repr.buffer_len()];
    let mut packet = Icmpv6Packet::new_unchecked(&mut bytes[..]);
    repr.emit(&src, &dst, &mut packet, &ChecksumCapabilities::default());
    bytes
}
