//! Where a program is shown a packet, and what the kernel has done to it by then.

use super::test_run::TestRun;
use super::transport::PROBE_TRANSPORT_HEADER;
use super::{Header, Link, Ownership, SkBuff};

/// Bytes of an Ethernet header (`ETH_HLEN`).
pub(super) const ETH_HLEN: u32 = 14;
/// MTU of an Ethernet device (`ETH_DATA_LEN`).
const ETH_DATA_LEN: u32 = 1500;
/// Bytes of a VLAN tag (`VLAN_HLEN`).
pub(super) const VLAN_HLEN: u32 = 4;
/// Values below are lengths, not types (`ETH_P_802_3_MIN`).
const ETH_P_802_3_MIN: u16 = 0x0600;
/// Raw 802.3: a length, and a payload that begins with ffff (Novell).
const ETH_P_802_3: u16 = 0x0001;
/// 802.2 LLC.
const ETH_P_802_2: u16 = 0x0004;
const ETH_P_8021Q: u16 = 0x8100;
const ETH_P_8021AD: u16 = 0x88a8;
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
/// Tags the kernel follows to a network header (`VLAN_MAX_DEPTH`).
pub(super) const VLAN_MAX_DEPTH: usize = 8;

pub(super) const PACKET_HOST: u8 = 0;
pub(super) const PACKET_BROADCAST: u8 = 1;
pub(super) const PACKET_MULTICAST: u8 = 2;
pub(super) const PACKET_OTHERHOST: u8 = 3;

/// A hook of Linux.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hook {
    /// tc ingress (clsact, TCX): the frame came in from the wire.
    Ingress(Device),
    /// tc egress: the frame is about to go out, as sent on an AF_PACKET raw socket.
    Egress(Device),
    /// `BPF_PROG_TEST_RUN`.
    TestRun(TestRun),
}

/// The device a frame comes in by or goes out by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its number.
    pub ifindex: u32,
    /// Its address; without one every unicast frame is for this host.
    pub mac: Option<[u8; 6]>,
    /// What `tstamp` holds.
    pub stamp: Stamp,
    /// Bytes of the largest packet, without the link header.
    pub mtu: u32,
}

/// What `tstamp` holds at a live hook.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stamp {
    /// 0, as in Linux while nobody asks for receive time stamps.
    #[default]
    Zero,
    /// The time of capture.
    Capture,
}

/// Why Linux would not run a program on a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Refused {
    /// Shorter than its Ethernet header: no driver hands such a frame up, no socket sends it.
    #[error("shorter than the 14 bytes of an Ethernet header")]
    NoEthernetHeader,
    /// A VLAN tag without 2 bytes behind it (`skb_vlan_untag` frees it).
    #[error("a VLAN tag with nothing behind it")]
    TruncatedVlan,
    /// Without a link header, and neither IPv4 nor IPv6 (`tun_get_user`).
    #[error("neither IPv4 nor IPv6, and without a link header to tell")]
    NoProtocol,
    /// Without an Ethernet header, which `BPF_PROG_TEST_RUN` takes for granted.
    #[error("no Ethernet header, which BPF_PROG_TEST_RUN expects")]
    NotEthernet,
    /// Longer than `BPF_PROG_TEST_RUN` takes.
    #[error("longer than the {} bytes BPF_PROG_TEST_RUN takes", super::test_run::TEST_RUN_MAX)]
    TestRunTooLong,
    /// IPv4 or IPv6 by its EtherType, and too short for the header (`BPF_PROG_TEST_RUN`).
    #[error("too short for the IP header its EtherType announces")]
    TestRunShortIp,
    /// `TestRunContext::wire_len` is below the frame's length.
    #[error("wire_len of the context is below the frame's length")]
    TestRunWireLen,
    /// Longer than `BPF_PROG_TEST_RUN` takes for XDP.
    #[error("longer than the {} bytes BPF_PROG_TEST_RUN takes for XDP", crate::xdp::XDP_TEST_RUN_MAX)]
    XdpTestRunTooLong,
}

impl Refused {
    /// Every reason.
    pub const ALL: [Refused; 8] = [
        Refused::NoEthernetHeader,
        Refused::TruncatedVlan,
        Refused::NoProtocol,
        Refused::NotEthernet,
        Refused::TestRunTooLong,
        Refused::TestRunShortIp,
        Refused::TestRunWireLen,
        Refused::XdpTestRunTooLong,
    ];
}

impl Default for Device {
    /// Number 1, no address, no time stamps, Ethernet's MTU.
    fn default() -> Device {
        Device { ifindex: 1, mac: None, stamp: Stamp::default(), mtu: ETH_DATA_LEN }
    }
}

impl Hook {
    /// Sets the metadata of a packet whose bytes are attached.
    #[inline]
    pub(super) fn receive(
        &self,
        skb: &mut SkBuff,
        link: Link,
        wire_len: u32,
        time_ns: u64,
    ) -> Result<(), Refused> {
        match self {
            Hook::Ingress(device) => ingress(skb, device, link, wire_len, time_ns),
            Hook::Egress(device) => egress(skb, device, link, wire_len, time_ns),
            Hook::TestRun(run) => run.receive(skb, link),
        }
    }
}

/// The driver and `eth_type_trans`; `__netif_receive_skb_core` up to `sch_handle_ingress`, which pushes the link header
/// back for programs but has recorded the length without it.
#[inline]
fn ingress(
    skb: &mut SkBuff,
    device: &Device,
    link: Link,
    wire_len: u32,
    time_ns: u64,
) -> Result<(), Refused> {
    let wire_len = wire_len.max(skb.len);
    skb.ifindex = device.ifindex;
    skb.mtu = device.mtu;
    skb.ingress_ifindex = device.ifindex;
    skb.tstamp = stamp(device, time_ns);
    match link {
        Link::Ethernet => {
            let header = ethernet(skb)?;
            skb.pkt_type = pkt_type(header.dst, device.mac.map(address), BROADCAST);
            let proto = eth_type(skb, header.proto);
            skb.protocol = proto.to_be();
            skb.wire_len = wire_len - ETH_HLEN;
            if is_vlan(proto) {
                untag(skb, proto)?;
                skb.wire_len -= VLAN_HLEN;
            }
            skb.network_header = skb.mac_header + ETH_HLEN;
            // `__netif_receive_skb_core` resets them all.
            skb.transport_header = skb.network_header as i32;
            skb.mac_len = ETH_HLEN;
        }
        // An ARPHRD_NONE device has no link header: mac_len is 0, all headers are at data.
        Link::Ip | Link::Stripped { .. } => {
            bare(skb, link)?;
            skb.wire_len = wire_len;
        }
    }
    Ok(())
}

/// `packet_snd` and `packet_parse_headers`; `__dev_queue_xmit` up to `sch_handle_egress`.
#[inline]
fn egress(skb: &mut SkBuff, device: &Device, link: Link, wire_len: u32, time_ns: u64) -> Result<(), Refused> {
    skb.ifindex = device.ifindex;
    skb.mtu = device.mtu;
    skb.tstamp = stamp(device, time_ns);
    skb.wire_len = wire_len.max(skb.len);
    match link {
        Link::Ethernet => {
            let header = ethernet(skb)?;
            skb.protocol = header.proto.to_be();
            skb.network_header = skb.mac_header + network_depth(skb, header.proto);
            // `packet_snd` looks for it; so do we, once somebody asks.
            skb.transport_header = PROBE_TRANSPORT_HEADER;
        }
        Link::Ip | Link::Stripped { .. } => {
            bare(skb, link)?;
            skb.pkt_type = PACKET_HOST;
        }
    }
    Ok(())
}

/// What an Ethernet header says.
pub(super) struct Ethernet {
    /// An [`address`].
    pub(super) dst: u64,
    /// Type or length, host order.
    pub(super) proto: u16,
}

/// An Ethernet address as a number, the first byte lowest: compared at once.
#[inline]
pub(super) fn address([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

const BROADCAST: u64 = 0xffff_ffff_ffff;

#[inline]
pub(super) fn ethernet(skb: &SkBuff) -> Result<Ethernet, Refused> {
    let Some(header) = skb.packet().first_chunk::<{ ETH_HLEN as usize }>() else {
        return Err(Refused::NoEthernetHeader);
    };
    let &[a, b, c, d, e, f, g, h, .., hi, lo] = header;
    let dst = u64::from_le_bytes([a, b, c, d, e, f, g, h]) & BROADCAST;
    Ok(Ethernet { dst, proto: u16::from_be_bytes([hi, lo]) })
}

/// `eth_skb_pkt_type`: for the device's own address HOST, whatever it is; without an address every unicast one is its
/// own.
#[inline]
pub(super) fn pkt_type(dst: u64, mac: Option<u64>, broadcast: u64) -> u8 {
    let unicast = dst & 1 == 0;
    if mac.map_or(unicast, |mac| mac == dst) {
        PACKET_HOST
    } else if unicast {
        PACKET_OTHERHOST
    } else if dst == broadcast {
        PACKET_BROADCAST
    } else {
        PACKET_MULTICAST
    }
}

/// `eth_type_trans`: the type, or for a length what the payload begins with tells.
#[inline]
pub(super) fn eth_type(skb: &SkBuff, proto: u16) -> u16 {
    if proto >= ETH_P_802_3_MIN {
        return proto;
    }
    length_type(skb.at(ETH_HLEN, 2))
}

fn length_type(payload: Option<&[u8]>) -> u16 {
    if payload == Some(&[0xff, 0xff]) { ETH_P_802_3 } else { ETH_P_802_2 }
}

#[inline]
pub(super) fn is_vlan(proto: u16) -> bool {
    proto == ETH_P_8021Q || proto == ETH_P_8021AD
}

/// `skb_vlan_untag`: the outer tag goes to the metadata, the addresses move up over it.
///
/// ```text
///   dst src 8100 TCI type …    ▶    (4 bytes of headroom) dst src type …
/// ```
#[cold]
fn untag(skb: &mut SkBuff, proto: u16) -> Result<(), Refused> {
    let Some(&[t0, t1, p0, p1, q0, q1]) = skb.at(ETH_HLEN, 6).and_then(|tag| tag.first_chunk()) else {
        // 4 bytes of tag and 2 behind them (`pskb_may_pull(skb, VLAN_HLEN + sizeof(unsigned short))`).
        return Err(Refused::TruncatedVlan);
    };
    skb.vlan_present = 1;
    skb.vlan_proto = proto.to_be();
    skb.vlan_tci = u16::from_be_bytes([t0, t1]);
    // `vlan_set_encap_proto`
    skb.protocol = encapsulated_type([p0, p1], Some(&[q0, q1])).to_be();
    if skb.ownership == Ownership::Shared {
        skb.unshare();
    }
    skb.packet_mut().copy_within(0..12, VLAN_HLEN as usize);
    skb.trim_front(VLAN_HLEN);
    skb.mac_header += VLAN_HLEN;
    Ok(())
}

/// The protocol behind a VLAN tag (`vlan_set_encap_proto`).
pub(super) fn encapsulated_type(proto: [u8; 2], payload: Option<&[u8]>) -> u16 {
    let proto = u16::from_be_bytes(proto);
    if proto >= ETH_P_802_3_MIN { proto } else { length_type(payload) }
}

/// Where the network header of a frame to be sent is.
#[inline]
fn network_depth(skb: &SkBuff, proto: u16) -> u32 {
    if is_vlan(proto) { tagged_depth(skb, proto) } else { ETH_HLEN }
}

/// `vlan_get_protocol_and_depth`: where the network header is, in-band tags skipped. A tag cut off leaves it behind
/// the Ethernet header. (6.18.44, raw frames with 0 to 3 tags: 14, 18, 22, 26.)
#[cold]
fn tagged_depth(skb: &SkBuff, mut proto: u16) -> u32 {
    let mut depth = ETH_HLEN;
    for _ in 0..VLAN_MAX_DEPTH {
        if !is_vlan(proto) {
            // Type 0 is also how that function says that it found nothing.
            return if proto == 0 { ETH_HLEN } else { depth };
        }
        let Some(&[_, _, hi, lo]) = skb.at(depth, VLAN_HLEN).and_then(|tag| tag.first_chunk()) else {
            return ETH_HLEN;
        };
        proto = u16::from_be_bytes([hi, lo]);
        depth += VLAN_HLEN;
    }
    ETH_HLEN
}

/// A packet without a link header.
#[inline]
fn bare(skb: &mut SkBuff, link: Link) -> Result<(), Refused> {
    let protocol = match link {
        Link::Stripped { protocol, pkt_type } => {
            skb.pkt_type = pkt_type;
            protocol
        }
        Link::Ip | Link::Ethernet => match skb.packet().first().map(|first| first >> 4) {
            Some(4) => ETH_P_IP,
            Some(6) => ETH_P_IPV6,
            Some(_) | None => return Err(Refused::NoProtocol),
        },
    };
    skb.protocol = protocol.to_be();
    Ok(())
}

#[inline]
fn stamp(device: &Device, time_ns: u64) -> u64 {
    match device.stamp {
        Stamp::Zero => 0,
        Stamp::Capture => time_ns,
    }
}

/// Where the network header of a packet with an Ethernet header is, for hooks that do not look further.
#[inline]
pub(super) fn network_after_ethernet(skb: &mut SkBuff) {
    skb.network_header = skb.mac_header + ETH_HLEN;
    debug_assert_eq!(skb.header_offset(Header::Net), ETH_HLEN as i32);
}
