//! What the parsers hand along in `skb->cb`.

use std::fmt;

use crate::Reason;

/// An offset that is not there: `OFF_NONE`.
pub const OFF_NONE: u16 = 0xffff;

/// What begins at [`State::offset`] when a tunnel is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Layer {
    /// An Ethernet frame.
    Ethernet,
    /// An MPLS label stack.
    Mpls,
    /// An IPv4 packet.
    Ipv4,
    /// An IPv6 packet.
    Ipv6,
}

/// `struct parse_state` of `bpf/parser.h`, where its picture is.
///
/// All but `hops` describe the innermost packet entered; offsets count from the
/// start of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Where parsing stopped: the first byte behind the last good header.
    pub offset: u16,
    /// What the innermost packet began with; or, if it could not be entered any
    /// more, would have begun with.
    pub layer: Layer,
    /// How the run ended.
    pub reason: Reason,
    /// The Ethernet header, if the packet has one.
    pub l2_off: Option<u16>,
    /// The IPv4, IPv6 or ARP header.
    pub l3_off: Option<u16>,
    /// The TCP, UDP, ICMP, ICMPv6, SCTP or GRE header.
    pub l4_off: Option<u16>,
    /// The first byte that is not the packet's, by its own length fields; at
    /// most 32767, beyond which no header is looked for.
    pub end: u16,
    /// Tail calls taken, 0 to 33.
    pub hops: u8,
    /// Tunnels entered.
    pub depth: u8,
    /// The IPv4 protocol, or IPv6's last next header.
    pub ip_proto: u8,
    /// 4, 6, or 0 without an IP header.
    pub ip_version: u8,
    /// Source port, there as soon as the fixed header is whole; 0 without ports.
    pub sport: u16,
    /// Destination port, likewise.
    pub dport: u16,
}

/// A `cb` that the parsers did not leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAState {
    /// `cb[0]` bits 16 to 23 name no layer.
    #[error("cb[0] names layer {0}, and there are 4")]
    Layer(u8),
    /// `cb[0]` bits 24 to 31 name no reason.
    #[error("cb[0] names reason {0}, and there are {max}", max = Reason::ALL.len())]
    Reason(u8),
}

impl State {
    /// Reads the five words of `cb` as they are after the run.
    ///
    /// # Errors
    /// If the words name a layer or a reason that does not exist, which means
    /// that something else wrote them.
    pub fn decode(cb: [u32; 5]) -> Result<Self, NotAState> {
        let mut bytes = [0; 20];
        for (to, word) in bytes.chunks_exact_mut(4).zip(cb) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let offset_at = |at: usize| Some(half(at)).filter(|offset| *offset != OFF_NONE);
        Ok(Self {
            offset: half(0),
            layer: match bytes[2] {
                0 => Layer::Ethernet,
                1 => Layer::Mpls,
                2 => Layer::Ipv4,
                3 => Layer::Ipv6,
                other => return Err(NotAState::Layer(other)),
            },
            reason: Reason::from_number(bytes[3]).ok_or(NotAState::Reason(bytes[3]))?,
            l2_off: offset_at(4),
            l3_off: offset_at(6),
            l4_off: offset_at(8),
            end: half(10),
            hops: bytes[12],
            depth: bytes[13],
            ip_proto: bytes[14],
            ip_version: bytes[15],
            sport: half(16),
            dport: half(18),
        })
    }

    /// The five words that [`State::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> [u32; 5] {
        let halves = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
        let offset = |offset: Option<u16>| offset.unwrap_or(OFF_NONE);
        [
            halves(self.offset, u16::from_le_bytes([self.layer as u8, self.reason.number()])),
            halves(offset(self.l2_off), offset(self.l3_off)),
            halves(offset(self.l4_off), self.end),
            u32::from_le_bytes([self.hops, self.depth, self.ip_proto, self.ip_version]),
            halves(self.sport, self.dport),
        ]
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = |offset: Option<u16>| offset.map_or("-".to_owned(), |at| at.to_string());
        write!(
            f,
            "{} at {} (l2 {} l3 {} l4 {} end {} depth {} hops {})",
            self.reason.text(),
            self.offset,
            offset(self.l2_off),
            offset(self.l3_off),
            offset(self.l4_off),
            self.end,
            self.depth,
            self.hops,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TCP over IPv6 in GRE in IPv4 in VXLAN, as Linux 6.18 left it.
    const CB: [u32; 5] = [0x0003_0098, 0x005c_ffff, 0x0098_0084, 0x0606_0206, 0x0002_0001];

    #[test]
    fn decodes_the_picture() {
        let state = State::decode(CB).unwrap();
        assert_eq!(
            state,
            State {
                offset: 152,
                layer: Layer::Ipv6,
                reason: Reason::Parsed,
                l2_off: None,
                l3_off: Some(92),
                l4_off: Some(132),
                end: 152,
                hops: 6,
                depth: 2,
                ip_proto: 6,
                ip_version: 6,
                sport: 1,
                dport: 2,
            }
        );
        assert_eq!(state.encode(), CB);
    }

    #[test]
    fn refuses_what_the_parsers_never_write() {
        assert_eq!(State::decode([0x0004_0000, 0, 0, 0, 0]), Err(NotAState::Layer(4)));
        assert_eq!(State::decode([0xff00_0000, 0, 0, 0, 0]), Err(NotAState::Reason(255)));
        assert_eq!(
            NotAState::Reason(255).to_string(),
            format!("cb[0] names reason 255, and there are {}", Reason::ALL.len())
        );
    }
}
