//! IPv4 (RFC 791) and IPv6 with its extension headers (RFC 8200, RFC 4302).

use pnet_packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::{ExtensionPacket, FragmentPacket, Ipv6Packet};

use super::options;
use super::walk::{Next, Walk};
use crate::{Proto, Reason};

/// More than all kinds of extension headers, each once.
const IPV6_EXT_MAX: usize = 8;

pub(super) fn ipv4(walk: &mut Walk<'_>) -> Next {
    let Some(header) = Ipv4Packet::new(walk.rest()) else {
        return Next::End(Reason::TruncIpv4);
    };
    if header.get_version() != 4 {
        return Next::End(Reason::BadIpv4Version);
    }
    let header_len = 4 * usize::from(header.get_header_length());
    if header_len < Ipv4Packet::minimum_packet_size() {
        return Next::End(Reason::BadIpv4Ihl);
    }
    // Segmentation offload leaves a total length of 0; the frame's end holds then.
    let total_len = usize::from(header.get_total_length());
    if total_len != 0 {
        if total_len < header_len {
            return Next::End(Reason::BadIpv4Length);
        }
        walk.cut(total_len);
    }
    let Some(whole) = walk.rest().get(..header_len) else {
        return Next::End(Reason::TruncIpv4);
    };
    if !options::well_formed(&whole[Ipv4Packet::minimum_packet_size()..], |_, _| true) {
        return Next::End(Reason::BadIpv4Options);
    }

    let protocol = header.get_next_level_protocol().0;
    walk.state.l3_off = walk.at();
    walk.state.ip_version = 4;
    walk.state.ip_proto = protocol;
    walk.found(Proto::Ipv4);
    walk.pass(header_len);

    let more_fragments = header.get_flags() & 1 != 0;
    if more_fragments || header.get_fragment_offset() != 0 {
        walk.found(Proto::Ipv4Frag);
    }
    if header.get_fragment_offset() != 0 {
        return Next::End(Reason::Fragment);
    }
    Next::IpProtocol(protocol)
}

pub(super) fn ipv6(walk: &mut Walk<'_>) -> Next {
    let Some(header) = Ipv6Packet::new(walk.rest()) else {
        return Next::End(Reason::TruncIpv6);
    };
    if header.get_version() != 6 {
        return Next::End(Reason::BadIpv6Version);
    }
    // 0 for jumbograms (RFC 2675) and after offload; the frame's end holds then.
    let header_len = Ipv6Packet::minimum_packet_size();
    let payload_len = usize::from(header.get_payload_length());
    if payload_len != 0 {
        walk.cut(header_len + payload_len);
    }
    walk.state.l3_off = walk.at();
    walk.state.ip_version = 6;
    walk.found(Proto::Ipv6);
    walk.pass(header_len);
    extensions(walk, header.get_next_header())
}

fn extensions(walk: &mut Walk<'_>, first: IpNextHeaderProtocol) -> Next {
    let mut next = first;
    for passed in 0.. {
        walk.state.ip_proto = next.0;
        let kind = next;
        let len_of: fn(usize) -> usize = match kind {
            IpNextHeaderProtocols::Hopopt
            | IpNextHeaderProtocols::Ipv6Route
            | IpNextHeaderProtocols::Ipv6Opts => |units| 8 + 8 * units,
            IpNextHeaderProtocols::Ipv6Frag => |_reserved| 8,
            IpNextHeaderProtocols::Ah => |units| 8 + 4 * units,
            IpNextHeaderProtocols::Ipv6NoNxt => return Next::End(Reason::Parsed),
            _ => break,
        };
        if passed == IPV6_EXT_MAX {
            return Next::End(Reason::TooManyIpv6Ext);
        }
        // RFC 8200 section 4.1: hop-by-hop options only right behind the header.
        if kind == IpNextHeaderProtocols::Hopopt && passed != 0 {
            return Next::End(Reason::BadIpv6Ext);
        }
        let (Some(_), Some(header)) = (walk.rest().first_chunk::<8>(), ExtensionPacket::new(walk.rest()))
        else {
            return Next::End(Reason::TruncIpv6Ext);
        };
        let units = usize::from(header.get_hdr_ext_len());
        // RFC 4302: twelve bytes of fixed fields at least.
        if kind == IpNextHeaderProtocols::Ah && len_of(units) < 12 {
            return Next::End(Reason::BadIpv6Ext);
        }
        let Some(whole) = walk.rest().get(..len_of(units)) else {
            return Next::End(Reason::TruncIpv6Ext);
        };
        next = header.get_next_header();
        walk.found(Proto::Ipv6Ext);
        walk.pass(whole.len());

        if kind == IpNextHeaderProtocols::Ipv6Frag {
            walk.found(Proto::Ipv6Frag);
            if is_later_fragment(whole) {
                walk.state.ip_proto = next.0;
                return Next::End(Reason::Fragment);
            }
        }
    }
    Next::IpProtocol(next.0)
}

/// Thirteen bits of offset, two reserved, one that says whether more follow.
/// (pnet's own getter masks one bit too few.)
fn is_later_fragment(header: &[u8]) -> bool {
    FragmentPacket::new(header).is_some_and(|fragment| fragment.get_fragment_offset_with_flags() >> 3 != 0)
}
