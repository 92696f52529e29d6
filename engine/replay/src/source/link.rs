use std::fmt;

use pcap_file::DataLink;

use crate::frame::Refusal;

/// What a frame begins with: a number of the tcpdump.org registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: the address family in the byte order of the capturing machine.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet.
    pub const ETHERNET: LinkType = LinkType(1);
    /// OpenBSD loopback: the address family in network order.
    pub const LOOP: LinkType = LinkType(108);
    /// Linux cooked v1.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// Linux cooked v2.
    pub const LINUX_SLL2: LinkType = LinkType(276);
    /// IPv4 or IPv6 without anything before it.
    pub const RAW: LinkType = LinkType(101);
    /// [`LinkType::RAW`] as files of BSD systems number it.
    pub const DLT_RAW: LinkType = LinkType(12);
    /// [`LinkType::RAW`] as files of OpenBSD number it.
    pub const DLT_RAW_OPENBSD: LinkType = LinkType(14);
    /// IPv4.
    pub const IPV4: LinkType = LinkType(228);
    /// IPv6.
    pub const IPV6: LinkType = LinkType(229);
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, DataLink::from(u32::from(self.0))) {
            (LinkType::DLT_RAW | LinkType::DLT_RAW_OPENBSD, _) => write!(f, "RAW ({})", self.0),
            (_, DataLink::Unknown(_)) => write!(f, "number {}", self.0),
            (_, known) => write!(f, "{known:?} ({})", self.0),
        }
    }
}

/// Bytes of an Ethernet header.
pub(crate) const ETH_HLEN: usize = 14;
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
/// Below it, the field after the addresses is a length (linux: `ETH_P_802_3_MIN`).
const ETH_P_802_3_MIN: u16 = 0x0600;
/// Values the cooked header has instead of a length (linux: `ETH_P_802_3`, `ETH_P_802_2`).
const ETH_P_802_3: u16 = 0x0001;
const ETH_P_802_2: u16 = 0x0004;
/// Devices whose cooked frames are not packets, or whose protocol field is not an EtherType.
const ARPHRD_NETLINK: u16 = 824;
const ARPHRD_FRAD: u16 = 770;
const ARPHRD_IEEE80211_RADIOTAP: u16 = 803;
const ARPHRD_ETHER: u16 = 1;

/// `PACKET_*` of the cooked headers: the same numbers as `skb->pkt_type`.
const PACKET_BROADCAST: u8 = 1;
const PACKET_MULTICAST: u8 = 2;
const PACKET_OTHERHOST: u8 = 3;
const PACKET_OUTGOING: u8 = 4;

/// A frame as Ethernet: the form tc programs expect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EthernetView<'a> {
    /// The header to put in front; None: the frame has one.
    pub header: Option<[u8; ETH_HLEN]>,
    /// The frame, or what follows the header.
    pub rest: &'a [u8],
    /// `skb->pkt_type`, where the capture says it.
    pub pkt_type: Option<u8>,
}

/// Shows a frame of any supported link type as Ethernet.
///
/// Ethernet is taken as it is. To all others an Ethernet header is given: the EtherType from what the capture says of
/// the protocol, the addresses where it has them, else zeroes.
///
/// | link type | destination | source | EtherType | `pkt_type` |
/// |---|---|---|---|---|
/// | raw IP, IPv4, IPv6 | zeroes | zeroes | the IP version | as computed: host |
/// | null, loop | zeroes | zeroes | the address family | as computed: host |
/// | Linux cooked v1, v2 | zeroes; broadcast, multicast and another host by the packet type | the sender, of Ethernet devices | the protocol | the packet type (outgoing reads as host) |
///
/// # Errors
///
/// A link type that is not supported, or a frame that has no Ethernet form.
#[inline]
pub fn as_ethernet(link: LinkType, frame: &[u8]) -> Result<EthernetView<'_>, Refusal> {
    match link {
        LinkType::ETHERNET => Ok(EthernetView { header: None, rest: frame, pkt_type: None }),
        other => with_header(other, frame),
    }
}

fn with_header(link: LinkType, frame: &[u8]) -> Result<EthernetView<'_>, Refusal> {
    match link {
        LinkType::RAW | LinkType::DLT_RAW | LinkType::DLT_RAW_OPENBSD => {
            match frame.first().map(|byte| byte >> 4) {
                Some(4) => Ok(bare(ETH_P_IP, frame)),
                Some(6) => Ok(bare(ETH_P_IPV6, frame)),
                Some(_) => Err(Refusal::IpVersion),
                None => Err(Refusal::Short),
            }
        }
        LinkType::IPV4 => Ok(bare(ETH_P_IP, frame)),
        LinkType::IPV6 => Ok(bare(ETH_P_IPV6, frame)),
        LinkType::NULL | LinkType::LOOP => loopback(frame),
        LinkType::LINUX_SLL => cooked_v1(frame),
        LinkType::LINUX_SLL2 => cooked_v2(frame),
        other => Err(Refusal::LinkType(other)),
    }
}

fn bare(ethertype: u16, rest: &[u8]) -> EthernetView<'_> {
    EthernetView { header: Some(header([0; 6], [0; 6], ethertype)), rest, pkt_type: None }
}

/// The address family is below 256, so its byte order shows; `AF_INET6` is 24, 28 or 30 on the BSDs and macOS, 10 on
/// Linux.
fn loopback(frame: &[u8]) -> Result<EthernetView<'_>, Refusal> {
    let (family, rest) = frame.split_first_chunk::<4>().ok_or(Refusal::Short)?;
    let family = u32::from_le_bytes(*family);
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    match family {
        2 => Ok(bare(ETH_P_IP, rest)),
        10 | 24 | 28 | 30 => Ok(bare(ETH_P_IPV6, rest)),
        _ => Err(Refusal::AddressFamily),
    }
}

/// ```text
///  0          2        4              6          14         16
///  │ pkt type │ ARPHRD │ address len  │ address  │ protocol │ payload
/// ```
fn cooked_v1(frame: &[u8]) -> Result<EthernetView<'_>, Refusal> {
    let (head, rest) = frame.split_first_chunk::<16>().ok_or(Refusal::Short)?;
    let half = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let pkt_type = u8::try_from(half(0)).map_err(|_| Refusal::CookedProtocol)?;
    let address = [head[6], head[7], head[8], head[9], head[10], head[11]];
    cooked(&Cooked { pkt_type, device: half(2), address_len: half(4), address, protocol: half(14) }, rest)
}

/// ```text
///  0          2          4         8        10         11            12         20
///  │ protocol │ reserved │ ifindex │ ARPHRD │ pkt type │ address len │ address  │ payload
/// ```
fn cooked_v2(frame: &[u8]) -> Result<EthernetView<'_>, Refusal> {
    let (head, rest) = frame.split_first_chunk::<20>().ok_or(Refusal::Short)?;
    let half = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let address = [head[12], head[13], head[14], head[15], head[16], head[17]];
    let cooked_header = Cooked {
        pkt_type: head[10],
        device: half(8),
        address_len: u16::from(head[11]),
        address,
        protocol: half(0),
    };
    cooked(&cooked_header, rest)
}

/// What both cooked headers say.
struct Cooked {
    pkt_type: u8,
    device: u16,
    address_len: u16,
    address: [u8; 6],
    protocol: u16,
}

fn cooked<'a>(from: &Cooked, rest: &'a [u8]) -> Result<EthernetView<'a>, Refusal> {
    if matches!(from.device, ARPHRD_NETLINK | ARPHRD_FRAD | ARPHRD_IEEE80211_RADIOTAP) {
        return Err(Refusal::CookedDevice);
    }
    let ethertype = match from.protocol {
        // An 802.3 frame: the length is what follows, as the sender wrote it.
        ETH_P_802_3 | ETH_P_802_2 => u16::try_from(rest.len())
            .ok()
            .filter(|len| *len < ETH_P_802_3_MIN)
            .ok_or(Refusal::CookedProtocol)?,
        protocol if protocol < ETH_P_802_3_MIN => return Err(Refusal::CookedProtocol),
        protocol => protocol,
    };
    let destination = match from.pkt_type {
        PACKET_BROADCAST => [0xff; 6],
        PACKET_MULTICAST => [0x01, 0, 0x5e, 0, 0, 0],
        // Locally administered, and not ours.
        PACKET_OTHERHOST => [0x02, 0, 0, 0, 0, 0x01],
        _ => [0; 6],
    };
    let source = if from.device == ARPHRD_ETHER && from.address_len == 6 { from.address } else { [0; 6] };
    let pkt_type = if from.pkt_type == PACKET_OUTGOING { 0 } else { from.pkt_type };
    Ok(EthernetView {
        header: Some(header(destination, source, ethertype)),
        rest,
        pkt_type: (pkt_type <= PACKET_OTHERHOST).then_some(pkt_type),
    })
}

fn header(destination: [u8; 6], source: [u8; 6], ethertype: u16) -> [u8; ETH_HLEN] {
    let mut header = [0; ETH_HLEN];
    header[..6].copy_from_slice(&destination);
    header[6..12].copy_from_slice(&source);
    header[12..].copy_from_slice(&ethertype.to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn ethertype(link: u16, frame: &str) -> Result<u16, Refusal> {
        let frame = hex(frame);
        let view = as_ethernet(LinkType(link), &frame)?;
        Ok(view.header.map_or(0, |header| u16::from_be_bytes([header[12], header[13]])))
    }

    #[test]
    fn every_link_type_gets_its_ethertype() {
        for (link, frame, expected) in [
            (1, "000000000000 000000000000 0800", Ok(0)),
            (1, "", Ok(0)),
            (101, "45", Ok(0x0800)),
            (12, "60", Ok(0x86dd)),
            (14, "60", Ok(0x86dd)),
            (101, "55", Err(Refusal::IpVersion)),
            (101, "", Err(Refusal::Short)),
            (228, "", Ok(0x0800)),
            (229, "00", Ok(0x86dd)),
            (0, "02000000 45", Ok(0x0800)),
            (0, "00000002 45", Ok(0x0800)),
            (0, "1e000000 60", Ok(0x86dd)),
            (108, "00000018 60", Ok(0x86dd)),
            (0, "07000000", Err(Refusal::AddressFamily)),
            (0, "020000", Err(Refusal::Short)),
            (113, "0000 0001 0006 020304050607 0000 0800 45", Ok(0x0800)),
            (113, "0004 0304 0000 000000000000 0000 86dd", Ok(0x86dd)),
            (113, "0003 0001 0006 020304050607 0000 0004 424203", Ok(3)),
            (113, "0003 0001 0006 020304050607 0000 000c", Err(Refusal::CookedProtocol)),
            (113, "0003 0338 0006 020304050607 0000 0000", Err(Refusal::CookedDevice)),
            (113, "0003 0001", Err(Refusal::Short)),
            (276, "0800 0000 00000002 0001 00 06 020304050607 0000 45", Ok(0x0800)),
            (276, "0800 0000", Err(Refusal::Short)),
            (105, "00", Err(Refusal::LinkType(LinkType(105)))),
        ] {
            assert_eq!(ethertype(link, frame), expected, "link type {link}: {frame}");
        }
    }

    #[test]
    fn cooked_frames_keep_sender_and_packet_type() {
        let frame = hex("0001 0001 0006 020304050607 0000 0806 aa");
        let view = as_ethernet(LinkType::LINUX_SLL, &frame).unwrap();
        assert_eq!(view.header.unwrap().to_vec(), hex("ffffffffffff 020304050607 0806"));
        assert_eq!((view.rest, view.pkt_type), (&[0xaa][..], Some(1)));
    }

    #[test]
    fn link_types_are_named() {
        assert_eq!(LinkType(105).to_string(), "IEEE802_11 (105)");
        assert_eq!(LinkType(14).to_string(), "RAW (14)");
        assert_eq!(LinkType(9999).to_string(), "number 9999");
    }
}
