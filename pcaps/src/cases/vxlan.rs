//! VXLAN, and the neighbours a parser keyed by port must tell from it.

use smoltcp::wire::{ArpOperation, Ipv4Address};

use super::{eth_ip, ethernet_capture, greeting};
use crate::wire::ethertype::{ARP, IPV4, TRANSPARENT_ETHERNET, VLAN};
use crate::wire::{Ends, arp, ethernet, ip, protocol, udp, vlan, vxlan};

/// Inner frames of every sort over both families; wrong flags; cut headers; VXLAN-GPE and Geneve.
pub(crate) fn frames() -> Vec<u8> {
    let mut frames = Vec::new();
    for outer in [Ends::v4(101, 102), Ends::v6(101, 102)].map(|ends| ends.ports(50_123, 4789)) {
        let carry = |payload: &[u8]| eth_ip(outer, protocol::UDP, &udp(outer, payload));
        let v4 = Ends::v4(1, 2);
        let packet = ip(v4, protocol::UDP, &udp(v4, b"overlay"));
        let asked =
            arp(ArpOperation::Request, Ipv4Address::new(192, 0, 2, 1), Ipv4Address::new(192, 0, 2, 2));
        frames.extend([
            carry(&vxlan(0, &greeting(v4))),
            carry(&vxlan(0xff_ffff, &greeting(v4))),
            carry(&vxlan(42, &greeting(Ends::v6(1, 2)))),
            carry(&vxlan(42, &ethernet(ARP, &asked))),
            carry(&vxlan(42, &ethernet(VLAN, &vlan(100, IPV4, &packet)))),
            carry(&vxlan(42, &carry(&vxlan(43, &greeting(v4))))),
            carry(&vxlan(42, b"")),
        ]);

        let mut no_vni = vxlan(42, &greeting(v4));
        no_vni[0] = 0; // I flag clear: to be dropped (RFC 7348 section 5)
        frames.push(carry(&no_vni));
        let mut reserved = vxlan(42, &greeting(v4));
        reserved[0..4].copy_from_slice(&[0xff; 4]);
        reserved[7] = 0xff;
        frames.push(carry(&reserved));
        let whole = vxlan(42, &greeting(v4));
        frames.extend((0..=8 + 14).map(|len| carry(&whole[..len])));

        let gpe = outer.ports(50_123, 4790);
        let gpe_header = [0x0c, 0, 0, 1, 0, 0, 42, 0];
        frames.push(eth_ip(gpe, protocol::UDP, &udp(gpe, &[&gpe_header[..], &packet].concat())));
        let geneve = outer.ports(50_123, 6081);
        let geneve_header = [&[0, 0][..], &TRANSPARENT_ETHERNET.to_be_bytes(), &[0, 0, 42, 0]].concat();
        frames.push(eth_ip(geneve, protocol::UDP, &udp(geneve, &[geneve_header, greeting(v4)].concat())));
        let backwards = outer.ports(4789, 50_123); // the VXLAN port as source only
        frames.push(eth_ip(backwards, protocol::UDP, &udp(backwards, &whole)));
    }
    ethernet_capture(&frames)
}
