//! ICMP and ICMPv6 messages of every common type.

use super::{eth_ip, ethernet_capture};
use crate::wire::{Ends, icmp_echo, icmp_error, ip, ndisc_solicit, protocol, udp};

/// Echoes of many sizes, errors that quote a packet, unknown types, wrong sums, cut headers.
pub(crate) fn messages() -> Vec<u8> {
    let mut frames = Vec::new();
    let v4 = Ends::v4(1, 2);
    for (ends, protocol) in [(v4, protocol::ICMP), (Ends::v6(1, 2), protocol::ICMPV6)] {
        for len in [0usize, 1, 8, 56, 1400] {
            frames.push(eth_ip(ends, protocol, &icmp_echo(ends, 1, 1, &vec![0x61; len])));
        }
        let echo = icmp_echo(ends, 2, 1, b"cut here");
        frames.extend((0..=echo.len()).map(|len| eth_ip(ends, protocol, &echo[..len])));
        let mut wrong_sum = echo;
        wrong_sum[2] ^= 0xff;
        frames.push(eth_ip(ends, protocol, &wrong_sum));
        // By number the other family's protocol.
        let other = if protocol == protocol::ICMP { protocol::ICMPV6 } else { protocol::ICMP };
        frames.push(eth_ip(ends, other, &icmp_echo(ends, 3, 1, b"misplaced")));
    }

    let quoted = ip(v4.reply(), protocol::UDP, &udp(v4.reply(), b"what you sent"));
    // (type, code, second word): unreachables with next-hop MTU, quench, redirect, time exceeded, parameter problem.
    let errors = [
        (3, 1, 0),
        (3, 3, 0),
        (3, 4, 1400),
        (4, 0, 0),
        (5, 1, 0xc000_0201),
        (11, 0, 0),
        (11, 1, 0),
        (12, 0, 0x1400_0000),
    ];
    frames.extend(
        errors.map(|(kind, code, rest)| eth_ip(v4, protocol::ICMP, &icmp_error(kind, code, rest, &quoted))),
    );
    // Router discovery, timestamp, information, mask, extended echo (RFC 8335), unassigned.
    for kind in [9, 10, 13, 14, 15, 16, 17, 18, 42, 43, 255] {
        frames.push(eth_ip(v4, protocol::ICMP, &icmp_error(kind, 0, 0x0001_0002, &[0; 12])));
    }

    let v6 = Ends::v6(1, 2);
    frames.push(eth_ip(v6, protocol::ICMPV6, &ndisc_solicit(v6)));
    // The sums are those of ICMPv4 (no pseudo-header), so these are messages with wrong sums as well.
    for kind in [1, 2, 3, 4, 127, 130, 131, 132, 133, 134, 137, 143, 200] {
        frames.push(eth_ip(v6, protocol::ICMPV6, &icmp_error(kind, 0, 1280, &[0; 40])));
    }
    ethernet_capture(&frames)
}
