//! Frames, layer by layer, from the inside out.
//!
//! Every function takes the bytes of the layer above and gives them back with one header in front,
//! so a frame reads like its picture:
//!
//! ```
//! use bpfreplay_pcaps::wire::{self, Ends, ethertype};
//!
//! let ends = Ends::v4(1, 2).ports(49_152, 53);
//! let frame = wire::ethernet(ethertype::VLAN, &wire::vlan(100, ethertype::IPV4, &wire::ip(ends, 17, &wire::udp(ends, b"?"))));
//! assert_eq!(frame.len(), 14 + 4 + 20 + 8 + 1);
//! ```
//!
//! Lengths and checksums are right; a case that wants them wrong spoils the finished bytes
//! (`cases::malformed`). smoltcp builds what smoltcp knows; VLAN, MPLS, GRE, VXLAN, SCTP, AH and
//! the link layers of tunnels are written here by hand.
//!
//! Addresses are those set aside for documentation: 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24
//! (RFC 5737), 2001:db8::/32 (RFC 3849), MAC 00-00-5E-00-53-xx (RFC 7042 section 2.1.1).

mod dns;
mod ends;
mod ethernet;
mod ipv4;
mod ipv6;
mod label;
mod sctp;
mod transport;
mod tunnel;

pub use dns::{DnsRecord, dns_name, dns_query, dns_response};
pub use ends::Ends;
pub use ethernet::{MacAddr, arp, ethernet, ethernet_to, ethertype, llc, snap};
pub use ipv4::{Ipv4, fragments};
pub use ipv6::{Ipv6, Last, authentication, extension, fragment_header, ndisc_advert, ndisc_solicit};
pub use label::{mpls, vlan};
pub use sctp::{sctp, sctp_chunk};
pub use transport::{icmp_echo, icmp_error, ip, segment, tcp, tcp_with_options, udp};
pub use tunnel::{Checksum, Gre, vxlan};

/// IP protocol numbers (IANA), as the parsers' jump table uses them.
pub mod protocol {
    #![allow(missing_docs, reason = "the names are the documentation")]
    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const IPIP: u8 = 4;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const IPV6: u8 = 41;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const GRE: u8 = 47;
    pub const ESP: u8 = 50;
    pub const AH: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const NO_NEXT_HEADER: u8 = 59;
    pub const DESTINATION_OPTIONS: u8 = 60;
    pub const SCTP: u8 = 132;
    pub const MOBILITY: u8 = 135;
    pub const HIP: u8 = 139;
    pub const SHIM6: u8 = 140;
}

/// A length as the 16 bits a header has for it.
pub(crate) fn len16(len: usize) -> u16 {
    u16::try_from(len).expect("generated packets are shorter than 64 KiB")
}
