//! GRE (RFC 2784, RFC 2890), VXLAN (RFC 7348), IP in IP (RFC 2003, RFC 4213, RFC 2473).

use pnet_packet::ethernet::{EtherType, EtherTypes};
use pnet_packet::gre::GrePacket;
use pnet_packet::vxlan::VxlanPacket;

use super::walk::{Next, Walk};
use crate::{Layer, Proto, Reason};

/// Transparent Ethernet bridging.
const TEB: EtherType = EtherType(0x6558);

pub(super) fn gre(walk: &mut Walk<'_>) -> Next {
    let Some(header) = GrePacket::new(walk.rest()) else {
        return Next::End(Reason::TruncGre);
    };
    match header.get_version() {
        0 => {}
        1 => return Next::End(Reason::UnknownGre), // RFC 2637: PPP inside
        _ => return Next::End(Reason::BadGreVersion),
    }
    if header.get_routing_present() != 0 {
        return Next::End(Reason::BadGreRouting);
    }
    let optional = [header.get_checksum_present(), header.get_key_present(), header.get_sequence_present()];
    let len = 4 + 4 * optional.into_iter().map(usize::from).sum::<usize>();
    if walk.rest().len() < len {
        return Next::End(Reason::TruncGre);
    }
    walk.state.l4_off = walk.at();
    walk.found(Proto::Gre);
    walk.pass(len);

    match EtherType(header.get_protocol_type()) {
        TEB => Next::Inner(Layer::Ethernet),
        EtherTypes::Ipv4 => Next::Inner(Layer::Ipv4),
        EtherTypes::Ipv6 => Next::Inner(Layer::Ipv6),
        EtherTypes::Mpls | EtherTypes::MplsMcast => Next::Inner(Layer::Mpls),
        _ => Next::End(Reason::UnknownGre),
    }
}

pub(super) fn vxlan(walk: &mut Walk<'_>) -> Next {
    let Some(header) = VxlanPacket::new(walk.rest()) else {
        return Next::End(Reason::TruncVxlan);
    };
    // R|R|R|R|I|R|R|R: I says that the network identifier is valid.
    if header.get_flags() & 0b0000_1000 == 0 {
        return Next::End(Reason::BadVxlanFlags);
    }
    walk.found(Proto::Vxlan);
    walk.pass(VxlanPacket::minimum_packet_size());
    Next::Inner(Layer::Ethernet)
}

/// Nothing between the outer header and the inner packet.
pub(super) fn ip_in_ip(walk: &mut Walk<'_>, proto: Proto, inner: Layer) -> Next {
    walk.found(proto);
    Next::Inner(inner)
}
