//! TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443), SCTP (RFC 9260).

use pnet_packet::icmpv6::Icmpv6Packet;
use pnet_packet::tcp::TcpPacket;
use pnet_packet::udp::UdpPacket;

use super::options;
use super::walk::{Next, Walk};
use crate::{Proto, Reason};

pub(super) fn tcp(walk: &mut Walk<'_>) -> Next {
    let Some(header) = TcpPacket::new(walk.rest()) else {
        return Next::End(Reason::TruncTcp);
    };
    walk.state.sport = header.get_source();
    walk.state.dport = header.get_destination();
    let header_len = 4 * usize::from(header.get_data_offset());
    if header_len < TcpPacket::minimum_packet_size() {
        return Next::End(Reason::BadTcpDoff);
    }
    let Some(whole) = walk.rest().get(..header_len) else {
        return Next::End(Reason::TruncTcp);
    };
    if !options::well_formed(&whole[TcpPacket::minimum_packet_size()..], tcp_option_fits) {
        return Next::End(Reason::BadTcpOptions);
    }
    transport(walk, Proto::Tcp, header_len);
    Next::End(Reason::Parsed)
}

/// Kinds whose length is fixed: IANA TCP parameters.
fn tcp_option_fits(kind: u8, len: usize) -> bool {
    match kind {
        2 => len == 4,                         // maximum segment size, RFC 9293
        3 => len == 3,                         // window scale, RFC 7323
        4 => len == 2,                         // SACK permitted, RFC 2018
        5 => matches!(len, 10 | 18 | 26 | 34), // SACK, one to four blocks, RFC 2018
        8 => len == 10,                        // timestamps, RFC 7323
        _ => true,
    }
}

pub(super) fn udp(walk: &mut Walk<'_>) -> Next {
    let Some(header) = UdpPacket::new(walk.rest()) else {
        return Next::End(Reason::TruncUdp);
    };
    let ports = (header.get_source(), header.get_destination());
    (walk.state.sport, walk.state.dport) = ports;
    match usize::from(header.get_length()) {
        0 => {} // a jumbogram (RFC 2675), or offload
        1..8 => return Next::End(Reason::BadUdpLength),
        len => walk.cut(len),
    }
    transport(walk, Proto::Udp, UdpPacket::minimum_packet_size());
    Next::UdpPorts(ports.0, ports.1)
}

/// Eight bytes for every type there is; pnet's view asks for four.
pub(super) fn icmp(walk: &mut Walk<'_>) -> Next {
    if walk.rest().len() < 8 {
        return Next::End(Reason::TruncIcmp);
    }
    transport(walk, Proto::Icmp, 8);
    Next::End(Reason::Parsed)
}

pub(super) fn icmpv6(walk: &mut Walk<'_>) -> Next {
    if Icmpv6Packet::new(walk.rest()).is_none() {
        return Next::End(Reason::TruncIcmpv6);
    }
    transport(walk, Proto::Icmpv6, Icmpv6Packet::minimum_packet_size());
    Next::End(Reason::Parsed)
}

/// pnet has no SCTP: ports, tag and checksum, then chunks of type, flags, length.
pub(super) fn sctp(walk: &mut Walk<'_>) -> Next {
    let Some((common, chunks)) = walk.rest().split_first_chunk::<12>() else {
        return Next::End(Reason::TruncSctp);
    };
    let Some(&[_, _, len0, len1]) = chunks.first_chunk::<4>() else {
        return Next::End(Reason::TruncSctp);
    };
    walk.state.sport = u16::from_be_bytes([common[0], common[1]]);
    walk.state.dport = u16::from_be_bytes([common[2], common[3]]);
    if u16::from_be_bytes([len0, len1]) < 4 {
        return Next::End(Reason::BadSctpChunk);
    }
    transport(walk, Proto::Sctp, common.len());
    Next::End(Reason::Parsed)
}

fn transport(walk: &mut Walk<'_>, proto: Proto, len: usize) {
    walk.state.l4_off = walk.at();
    walk.found(proto);
    walk.pass(len);
}
