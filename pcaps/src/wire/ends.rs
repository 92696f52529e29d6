//! Who talks to whom.

use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};

/// The two ends of a flow, as one direction sees them. Addresses are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub struct Ends {
    pub src: IpAddress,
    pub dst: IpAddress,
    pub src_port: u16,
    pub dst_port: u16,
}

impl Ends {
    /// 192.0.2.`src` to 198.51.100.`dst`, ports 49152 to 80.
    pub fn v4(src: u8, dst: u8) -> Self {
        Self {
            src: Ipv4Address::new(192, 0, 2, src).into(),
            dst: Ipv4Address::new(198, 51, 100, dst).into(),
            src_port: 49_152,
            dst_port: 80,
        }
    }

    /// 2001:db8:1::`src` to 2001:db8:2::`dst`, ports 49152 to 80.
    pub fn v6(src: u16, dst: u16) -> Self {
        Self {
            src: Ipv6Address::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, src).into(),
            dst: Ipv6Address::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, dst).into(),
            src_port: 49_152,
            dst_port: 80,
        }
    }

    /// The same hosts with other ports.
    #[must_use]
    pub fn ports(self, src_port: u16, dst_port: u16) -> Self {
        Self { src_port, dst_port, ..self }
    }

    /// The way back.
    #[must_use]
    pub fn reply(self) -> Self {
        Self { src: self.dst, dst: self.src, src_port: self.dst_port, dst_port: self.src_port }
    }

    pub(crate) fn addresses_v4(self) -> (Ipv4Address, Ipv4Address) {
        match (self.src, self.dst) {
            (IpAddress::Ipv4(src), IpAddress::Ipv4(dst)) => (src, dst),
            (src, dst) => panic!("an IPv4 header between {src} and {dst}"),
        }
    }

    pub(crate) fn addresses_v6(self) -> (Ipv6Address, Ipv6Address) {
        match (self.src, self.dst) {
            (IpAddress::Ipv6(src), IpAddress::Ipv6(dst)) => (src, dst),
            (src, dst) => panic!("an IPv6 header between {src} and {dst}"),
        }
    }
}
