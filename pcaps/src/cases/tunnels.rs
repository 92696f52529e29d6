//! IP in IP in IP: deep enough to use up 33 tail calls.

use super::{eth_ip, ethernet_capture, ethertype_of};
use crate::wire::ethertype::{IPV4, TRANSPARENT_ETHERNET};
use crate::wire::{Ends, Gre, ethernet, ip, protocol, udp, vxlan};

/// A way to put one IP packet into another.
#[derive(Clone, Copy)]
enum Layer {
    InV4,
    InV6,
    InGre,
}

/// Wraps `layers` (outermost first) around a UDP datagram of `inner`.
fn nested(inner: Ends, layers: &[Layer]) -> Vec<u8> {
    let start = (inner, ip(inner, protocol::UDP, &udp(inner, b"innermost")));
    let (outermost, packet) = layers.iter().rev().fold(start, |(carried, packet), layer| {
        let plain = if ethertype_of(carried) == IPV4 { protocol::IPIP } else { protocol::IPV6 };
        match layer {
            Layer::InV4 => (Ends::v4(101, 102), ip(Ends::v4(101, 102), plain, &packet)),
            Layer::InV6 => (Ends::v6(101, 102), ip(Ends::v6(101, 102), plain, &packet)),
            Layer::InGre => {
                let bytes = Gre::new(ethertype_of(carried)).wrap(&packet);
                (Ends::v4(103, 104), ip(Ends::v4(103, 104), protocol::GRE, &bytes))
            }
        }
    });
    ethernet(ethertype_of(outermost), &packet)
}

/// IPIP, 6in4, 4in6, 6in6, mixed with each other and with GRE, two to four deep.
pub(crate) fn mixed() -> Vec<u8> {
    use Layer::{InGre, InV4, InV6};
    let stacks: &[&[Layer]] = &[
        &[InV4],
        &[InV6],
        &[InV4, InV4],
        &[InV4, InV6],
        &[InV6, InV4],
        &[InV6, InV6],
        &[InGre, InV4],
        &[InV4, InGre],
        &[InV6, InGre],
        &[InGre, InGre],
        &[InV4, InV6, InGre],
        &[InGre, InV6, InV4, InV6],
    ];
    let inners = [Ends::v4(1, 2), Ends::v6(1, 2)];
    let mut frames: Vec<_> =
        inners.iter().flat_map(|inner| stacks.iter().map(|layers| nested(*inner, layers))).collect();

    // By name one version, inside the other.
    let v4 = Ends::v4(1, 2);
    let packet = ip(v4, protocol::UDP, &udp(v4, b"liar"));
    frames.push(eth_ip(Ends::v4(101, 102), protocol::IPV6, &packet));
    frames.push(eth_ip(Ends::v6(101, 102), protocol::IPV6, &packet));
    frames.push(eth_ip(Ends::v4(101, 102), protocol::IPIP, b""));
    ethernet_capture(&frames)
}

/// 1 to 48 levels of IPIP, of 6in6, and of GRE. The kernel's limit is 33 tail calls in a run
/// (`MAX_TAIL_CALL_CNT`), so each family crosses it, at one call a level and at two.
pub(crate) fn deep() -> Vec<u8> {
    let levels = (1..=20).chain(30..=36).chain([40, 48]);
    let mut frames = Vec::new();
    for depth in levels {
        frames.push(nested(Ends::v4(1, 2), &vec![Layer::InV4; depth]));
        frames.push(nested(Ends::v6(1, 2), &vec![Layer::InV6; depth]));
        frames.push(nested(Ends::v4(1, 2), &vec![Layer::InGre; depth]));
    }
    // Frames in frames: GRE carrying Ethernet, and VXLAN in VXLAN.
    let mut ethernet_in_gre = nested(Ends::v4(1, 2), &[]);
    let mut vxlan_in_vxlan = ethernet_in_gre.clone();
    let (gre_ends, vxlan_ends) = (Ends::v4(103, 104), Ends::v4(105, 106).ports(50_000, 4789));
    for _ in 0..24 {
        ethernet_in_gre =
            eth_ip(gre_ends, protocol::GRE, &Gre::new(TRANSPARENT_ETHERNET).wrap(&ethernet_in_gre));
        vxlan_in_vxlan = eth_ip(vxlan_ends, protocol::UDP, &udp(vxlan_ends, &vxlan(42, &vxlan_in_vxlan)));
        frames.push(ethernet_in_gre.clone());
        frames.push(vxlan_in_vxlan.clone());
    }
    ethernet_capture(&frames)
}
