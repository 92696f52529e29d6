//! Label stacks.

use super::{ethernet_capture, greeting};
use crate::wire::ethertype::{MPLS, MPLS_MULTICAST, VLAN};
use crate::wire::{Ends, ethernet, ip, mpls, protocol, udp, vlan};

/// One to four labels to IPv4 and IPv6, the reserved labels, a pseudowire, and stacks without end.
pub(crate) fn labels() -> Vec<u8> {
    let (v4, v6) = (Ends::v4(1, 2), Ends::v6(1, 2));
    let packets = [v4, v6].map(|ends| ip(ends, protocol::UDP, &udp(ends, b"labelled")));
    let mut frames = Vec::new();
    for packet in &packets {
        for depth in 1..=4u32 {
            let stack: Vec<u32> = (0..depth).map(|level| 1000 + level).collect();
            frames.push(ethernet(MPLS, &mpls(&stack, packet)));
        }
        frames.push(ethernet(MPLS_MULTICAST, &mpls(&[2000], packet)));
        frames.push(ethernet(VLAN, &vlan(100, MPLS, &mpls(&[16], packet))));
        // Reserved labels (RFC 3032 section 2.1): IPv4 and IPv6 explicit null, router alert, implicit null.
        for label in [0, 1, 2, 3, 15] {
            frames.push(ethernet(MPLS, &mpls(&[label], packet)));
        }
        for depth in [5usize, 8, 16, 32] {
            frames.push(ethernet(MPLS, &mpls(&vec![16; depth], packet)));
        }
        let mut bottomless = mpls(&[16, 17, 18], packet);
        bottomless[10] &= !1;
        frames.push(ethernet(MPLS, &bottomless));
    }
    let inner = greeting(v4);
    frames.push(ethernet(MPLS, &mpls(&[3000], &inner))); // Ethernet over MPLS, no control word
    frames.push(ethernet(MPLS, &mpls(&[3001], &[&[0; 4][..], &inner].concat()))); // with one (RFC 4448)
    let three = ethernet(MPLS, &mpls(&[16, 17, 18], &packets[0]));
    frames.extend((14..=14 + 12 + 1).map(|len| three[..len].to_vec()));
    ethernet_capture(&frames)
}
