//! The captures, one file of functions per family; every function gives one finished file.
//! `catalogue` says which function writes which file.

pub(crate) mod broken;
pub(crate) mod dns;
pub(crate) mod formats;
pub(crate) mod gre;
pub(crate) mod icmp;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
pub(crate) mod l2;
pub(crate) mod links;
pub(crate) mod malformed;
pub(crate) mod mixed;
pub(crate) mod mpls;
pub(crate) mod pcapng;
pub(crate) mod sctp;
pub(crate) mod session;
pub(crate) mod tcp;
pub(crate) mod tunnels;
pub(crate) mod vlan;
pub(crate) mod vxlan;

use smoltcp::wire::IpAddress;

use crate::file::{PcapFile, linktype};
use crate::wire::{Ends, ethernet, ethertype, ip, protocol, udp};

/// An ordinary little-endian microsecond pcap of Ethernet frames.
fn ethernet_capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = PcapFile::new(linktype::ETHERNET);
    file.frames(frames);
    file.finish()
}

/// The EtherType of a flow's family.
fn ethertype_of(ends: Ends) -> u16 {
    match ends.src {
        IpAddress::Ipv4(_) => ethertype::IPV4,
        IpAddress::Ipv6(_) => ethertype::IPV6,
    }
}

/// Ethernet, a plain IP header, `payload`.
fn eth_ip(ends: Ends, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(ethertype_of(ends), &ip(ends, protocol, payload))
}

/// Ethernet, IP, UDP, a short text: the frame of cases in which the upper layers do not matter.
fn greeting(ends: Ends) -> Vec<u8> {
    eth_ip(ends, protocol::UDP, &udp(ends, b"greetings"))
}
