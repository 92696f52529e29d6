//! Which worker a frame goes to: the same for both directions of a flow.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use crate::source::{LinkType, as_ethernet};

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
const ETH_P_8021Q: u16 = 0x8100;
const ETH_P_8021AD: u16 = 0x88a8;
/// VLAN tags looked behind.
const MAX_TAGS: usize = 2;

/// Spreads frames over workers by a symmetric hash of addresses, protocol and ports.
///
/// Fragments have no ports to read (but the first), so a fragmented packet goes by addresses and protocol alone, all
/// of it; a tunnel goes by its outer addresses; what is not IP by its MAC addresses. The hash is the same in every
/// run.
#[derive(Clone, Debug)]
pub struct Steering {
    workers: u32,
    hasher: FixedState,
}

impl Steering {
    /// Steering to this many workers, one at least.
    #[must_use]
    pub fn new(workers: usize) -> Steering {
        Steering {
            workers: u32::try_from(workers).unwrap_or(u32::MAX).max(1),
            hasher: FixedState::with_seed(0),
        }
    }

    /// The worker of a frame. Frames that will be refused go to the first.
    #[must_use]
    #[inline]
    pub fn worker(&self, link: LinkType, frame: &[u8]) -> usize {
        let Some(key) = Key::of(link, frame) else { return 0 };
        let (low, high) = if key.ends[0] <= key.ends[1] { (0, 1) } else { (1, 0) };
        let mut hash = self.hasher.build_hasher();
        hash.write_u128(key.ends[low].0);
        hash.write_u128(key.ends[high].0);
        hash.write_u64(
            u64::from(key.ends[low].1) << 32 | u64::from(key.ends[high].1) << 16 | u64::from(key.protocol),
        );
        // The high half of the product: hash / 2^32 of the workers.
        (((hash.finish() >> 32) * u64::from(self.workers)) >> 32) as usize
    }
}

/// What makes a flow: two ends (address and port) and a protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    ends: [(u128, u16); 2],
    protocol: u16,
}

impl Key {
    #[inline]
    fn of(link: LinkType, frame: &[u8]) -> Option<Key> {
        let view = as_ethernet(link, frame).ok()?;
        let (ethernet, mut rest) = match &view.header {
            Some(header) => (header, view.rest),
            None => view.rest.split_first_chunk()?,
        };
        let mut ethertype = u16::from_be_bytes([ethernet[12], ethernet[13]]);
        for _ in 0..MAX_TAGS {
            if let (ETH_P_8021Q | ETH_P_8021AD, Some((tag, after))) =
                (ethertype, rest.split_first_chunk::<4>())
            {
                ethertype = u16::from_be_bytes([tag[2], tag[3]]);
                rest = after;
            }
        }
        match ethertype {
            ETH_P_IP => ipv4(rest),
            ETH_P_IPV6 => ipv6(rest),
            _ => None,
        }
        .or_else(|| {
            let mac =
                |at: usize| ethernet[at..at + 6].iter().fold(0, |mac, byte| mac << 8 | u128::from(*byte));
            Some(Key { ends: [(mac(0), 0), (mac(6), 0)], protocol: 0 })
        })
    }
}

fn ipv4(packet: &[u8]) -> Option<Key> {
    let header = packet.first_chunk::<20>()?;
    let address = |at: usize| {
        u128::from(u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]))
    };
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    let transport = packet.get(usize::from(header[0] & 0xf) * 4..).filter(|_| !fragment);
    Some(key([address(12), address(16)], header[9], transport))
}

fn ipv6(packet: &[u8]) -> Option<Key> {
    let header = packet.first_chunk::<40>()?;
    let address = |at: usize| header[at..at + 16].iter().fold(0, |addr, byte| addr << 8 | u128::from(*byte));
    Some(key([address(8), address(24)], header[6], Some(&packet[40..])))
}

fn key(addresses: [u128; 2], protocol: u8, transport: Option<&[u8]>) -> Key {
    let ports = match (protocol, transport) {
        // TCP, UDP, DCCP, SCTP, UDP-Lite.
        (6 | 17 | 33 | 132 | 136, Some([a, b, c, d, ..])) => {
            [u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])]
        }
        _ => [0, 0],
    };
    Key { ends: [(addresses[0], ports[0]), (addresses[1], ports[1])], protocol: u16::from(protocol) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(source: [u8; 4], destination: [u8; 4], ports: [u16; 2], fragment: u16) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0];
        packet.extend(fragment.to_be_bytes());
        packet.extend([64, 6, 0, 0]);
        packet.extend(source);
        packet.extend(destination);
        packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        packet.resize(40, 0);
        packet
    }

    #[test]
    fn both_directions_and_all_fragments_meet() {
        let steering = Steering::new(64);
        let worker = |packet: &[u8]| steering.worker(LinkType::RAW, packet);
        let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        for port in 1..200 {
            let there = worker(&packet(a, b, [port, 443], 0));
            assert_eq!(there, worker(&packet(b, a, [443, port], 0)));
        }
        let fragments: Vec<usize> = [0x2000, 0x2001, 0x0002]
            .iter()
            .map(|offset| worker(&packet(a, b, [7, *offset], *offset)))
            .collect();
        assert!(fragments.iter().all(|other| *other == fragments[0]));
    }

    #[test]
    fn flows_spread_and_every_worker_is_in_range() {
        for workers in [1, 2, 3, 7] {
            let steering = Steering::new(workers);
            let mut frames = vec![0; workers];
            for port in 0..7000 {
                frames[steering.worker(LinkType::RAW, &packet([1, 2, 3, 4], [5, 6, 7, 8], [port, 80], 0))] +=
                    1;
            }
            let least = 7000 / workers * 4 / 5;
            assert!(frames.iter().all(|n| *n >= least), "{workers} workers: {frames:?}");
        }
    }

    #[test]
    fn what_cannot_be_parsed_has_a_worker_too() {
        let steering = Steering::new(3);
        for len in 0..60 {
            let mut frame = vec![0xff; len];
            for (link, ethertype) in [(1, 0x0800_u16), (1, 0x86dd), (1, 0x8100), (113, 0x0800), (105, 0)] {
                if len >= 16 {
                    frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
                    frame[14..16].copy_from_slice(&ethertype.to_be_bytes());
                }
                assert!(steering.worker(LinkType(link), &frame) < 3);
            }
        }
    }
}
