//! Where the transport header is, for packets whose sender did not say: what `skb_probe_transport_header` finds.

use super::{Header, NO_TRANSPORT_HEADER, SkBuff};

/// `transport_header` of a packet to be looked into when somebody asks.
pub(super) const PROBE_TRANSPORT_HEADER: i32 = NO_TRANSPORT_HEADER + 1;
/// Headers that are looked behind (`MAX_FLOW_DISSECT_HDRS`).
const HEADERS_MAX: usize = 15;

const IPPROTO_HOPOPTS: u8 = 0;
const IPPROTO_IPIP: u8 = 4;
const IPPROTO_IPV6: u8 = 41;
const IPPROTO_ROUTING: u8 = 43;
const IPPROTO_DSTOPTS: u8 = 60;

impl SkBuff {
    /// Where the transport header begins, in bytes behind `data`, if it is known.
    pub(crate) fn transport_offset(&mut self) -> Option<i32> {
        if self.transport_header == PROBE_TRANSPORT_HEADER {
            let found = u32::try_from(self.header_offset(Header::Net)).ok().and_then(|at| self.probe(at));
            match found {
                Some(offset) => self.set_transport_header(offset),
                None => self.transport_header = NO_TRANSPORT_HEADER,
            }
        }
        (self.transport_header != NO_TRANSPORT_HEADER)
            .then(|| self.transport_header - (self.data - self.head) as i32)
    }

    /// Says where the transport header is (`skb_set_transport_header`).
    pub(crate) fn set_transport_header(&mut self, offset: u32) {
        self.transport_header = (self.data - self.head) as i32 + offset as i32;
    }

    /// Whether `transport_header` is a place, and not one of the words for none.
    pub(super) fn has_transport_header(&self) -> bool {
        self.transport_header > PROBE_TRANSPORT_HEADER
    }

    /// Behind IP headers, IP in IP and IPv6 extension headers (`skb_flow_dissect_flow_keys_basic`, which also looks
    /// into GRE, PPPoE and MPLS).
    fn probe(&self, mut at: u32) -> Option<u32> {
        let mut protocol = match self.at(at, 1)? {
            [first] if first >> 4 == 4 => IPPROTO_IPIP,
            [first] if first >> 4 == 6 => IPPROTO_IPV6,
            _ => return None,
        };
        for _ in 0..HEADERS_MAX {
            match protocol {
                IPPROTO_IPIP => {
                    let header = self.at(at, 20)?;
                    let length = u32::from(header[0] & 0x0f) * 4;
                    if length < 20 {
                        return None;
                    }
                    at += length;
                    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
                        break;
                    }
                    protocol = header[9];
                }
                IPPROTO_IPV6 => {
                    protocol = self.at(at, 40)?[6];
                    at += 40;
                }
                IPPROTO_HOPOPTS | IPPROTO_ROUTING | IPPROTO_DSTOPTS => {
                    let header = self.at(at, 2)?;
                    protocol = header[0];
                    at += (u32::from(header[1]) + 1) * 8;
                }
                _ => break,
            }
        }
        Some(at.min(self.len))
    }
}
