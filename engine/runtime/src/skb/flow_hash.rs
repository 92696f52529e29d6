//! The flow hash of `bpf_get_hash_recalc`: addresses, protocol and ports, the same in both directions.
//!
//! The kernel's is keyed by a random number drawn at boot; ours is not, so that a replay repeats.

use super::{HashState, Header, SkBuff};

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// In-band VLAN tags that are looked behind.
const MAX_TAGS: usize = 2;
/// Protocols whose header begins with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

impl SkBuff {
    /// The hash, computed if there is none (`skb_get_hash`). Never 0.
    pub(crate) fn flow_hash(&mut self) -> u32 {
        if self.hash_state == HashState::Unset {
            self.hash = hash(self).max(1);
            self.hash_state = HashState::Set;
        }
        self.hash
    }

    /// Sets the hash (`__skb_set_sw_hash`): what is asked for from now on, 0 too.
    pub(crate) fn set_hash(&mut self, hash: u32) {
        self.hash = hash;
        self.hash_state = HashState::Set;
    }
}

fn hash(skb: &SkBuff) -> u32 {
    let mut at = u32::try_from(skb.header_offset(Header::Net)).unwrap_or(0);
    let mut protocol = u16::from_be(skb.protocol);
    for _ in 0..MAX_TAGS {
        if !matches!(protocol, 0x8100 | 0x88a8) {
            break;
        }
        let Some(&[_, _, hi, lo]) = skb.at(at, 4).and_then(|tag| tag.first_chunk()) else { break };
        protocol = u16::from_be_bytes([hi, lo]);
        at += 4;
    }
    let flow = match protocol {
        0x0800 => ipv4(skb, at),
        0x86dd => ipv6(skb, at),
        _ => None,
    };
    let (a, b, proto, ports) = flow.unwrap_or((0, 0, 0, 0));
    // Symmetric: addresses and ports enter ordered (`__flow_hash_consistentify`).
    let mut hash = mix(u64::from(protocol) << 8 | u64::from(proto), FACTOR);
    hash = mix(hash ^ a.min(b), FACTOR);
    hash = mix(hash ^ a.max(b), FACTOR);
    hash = mix(hash ^ u64::from(ports), FACTOR);
    (hash ^ (hash >> 32)) as u32
}

/// Both addresses folded, the protocol, the ports.
type Flow = (u64, u64, u8, u32);

fn ipv4(skb: &SkBuff, at: u32) -> Option<Flow> {
    let header: &[u8; 20] = skb.at(at, 20)?.first_chunk()?;
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    let length = u32::from(header[0] & 0x0f) * 4;
    let ports = if fragment { 0 } else { ports(skb, header[9], at + length) };
    Some((word(&header[12..16]), word(&header[16..20]), header[9], ports))
}

fn ipv6(skb: &SkBuff, at: u32) -> Option<Flow> {
    let header: &[u8; 40] = skb.at(at, 40)?.first_chunk()?;
    let fold = |addr: &[u8]| mix(word(&addr[..8]), FACTOR) ^ word(&addr[8..]);
    Some((fold(&header[8..24]), fold(&header[24..40]), header[6], ports(skb, header[6], at + 40)))
}

/// The ports, the lower first; 0 where there are none.
fn ports(skb: &SkBuff, proto: u8, at: u32) -> u32 {
    match skb.at(at, 4) {
        Some(&[a, b, c, d]) if WITH_PORTS.contains(&proto) => {
            let (source, dest) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            u32::from(source.min(dest)) << 16 | u32::from(source.max(dest))
        }
        Some(_) | None => 0,
    }
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x243f_6a88_85a3_08d3) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
