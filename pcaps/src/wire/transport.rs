//! TCP, UDP and ICMP over either IP version.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber, UdpPacket, UdpRepr, checksum,
};

use super::{Ends, Ipv4, Ipv6};

/// A plain IP header of the flow's family.
pub fn ip(ends: Ends, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match ends.src {
        IpAddress::Ipv4(_) => Ipv4::new(protocol).wrap(ends, payload),
        IpAddress::Ipv6(_) => Ipv6::new(protocol).wrap(ends, payload),
    }
}

/// A UDP datagram (RFC 768).
pub fn udp(ends: Ends, payload: &[u8]) -> Vec<u8> {
    let repr = UdpRepr { src_port: ends.src_port, dst_port: ends.dst_port };
    let mut bytes = vec![0; repr.header_len() + payload.len()];
    repr.emit(
        &mut UdpPacket::new_unchecked(&mut bytes[..]),
        &ends.src,
        &ends.dst,
        payload.len(),
        |buffer| buffer.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    bytes
}

/// A TCP segment to fill in further: no options, window 64240.
pub fn segment<'a>(
    ends: Ends,
    control: TcpControl,
    seq: u32,
    ack: Option<u32>,
    payload: &'a [u8],
) -> TcpRepr<'a> {
    TcpRepr {
        src_port: ends.src_port,
        dst_port: ends.dst_port,
        control,
        seq_number: TcpSeqNumber(seq.cast_signed()),
        ack_number: ack.map(|ack| TcpSeqNumber(ack.cast_signed())),
        window_len: 64_240,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload,
    }
}

/// A TCP segment (RFC 9293 section 3.1).
pub fn tcp(ends: Ends, segment: &TcpRepr<'_>) -> Vec<u8> {
    let mut bytes = vec![0; segment.buffer_len()];
    let mut packet = TcpPacket::new_unchecked(&mut bytes[..]);
    segment.emit(&mut packet, &ends.src, &ends.dst, &ChecksumCapabilities::default());
    bytes
}

/// A TCP segment with an options area of one's own, right or wrong: padded with end-of-list (0) to a
/// multiple of 4, at most 40 bytes; the checksum is right.
pub fn tcp_with_options(ends: Ends, segment: &TcpRepr<'_>, options: &[u8]) -> Vec<u8> {
    let mut bytes = tcp(ends, &TcpRepr { payload: &[], ..*segment });
    bytes.truncate(20);
    bytes.extend_from_slice(options);
    bytes.resize(20 + options.len().next_multiple_of(4), 0);
    let header_len = u8::try_from(bytes.len()).expect("options are at most 40 bytes");
    bytes.extend_from_slice(segment.payload);
    let mut packet = TcpPacket::new_unchecked(&mut bytes[..]);
    packet.set_header_len(header_len);
    packet.fill_checksum(&ends.src, &ends.dst);
    bytes
}

/// An ICMP or ICMPv6 echo request.
pub fn icmp_echo(ends: Ends, ident: u16, seq_no: u16, data: &[u8]) -> Vec<u8> {
    let caps = ChecksumCapabilities::default();
    match (ends.src, ends.dst) {
        (IpAddress::Ipv6(src), IpAddress::Ipv6(dst)) => {
            let repr = Icmpv6Repr::EchoRequest { ident, seq_no, data };
            let mut bytes = vec![0; repr.buffer_len()];
            repr.emit(&src, &dst, &mut Icmpv6Packet::new_unchecked(&mut bytes[..]), &caps);
            bytes
        }
        _ => {
            let repr = Icmpv4Repr::EchoRequest { ident, seq_no, data };
            let mut bytes = vec![0; repr.buffer_len()];
            repr.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes[..]), &caps);
            bytes
        }
    }
}

/// An ICMP message of any type that quotes `packet`, at most 548 bytes of it (RFC 1812 section
/// 4.3.2.3); `rest` is the second word of the header (unused, gateway, next-hop MTU).
pub fn icmp_error(kind: u8, code: u8, rest: u32, packet: &[u8]) -> Vec<u8> {
    let quoted = &packet[..packet.len().min(548)];
    let mut bytes = [&[kind, code, 0, 0][..], &rest.to_be_bytes(), quoted].concat();
    let sum = !checksum::data(&bytes);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}
