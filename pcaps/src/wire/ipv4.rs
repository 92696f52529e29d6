//! IPv4 with everything smoltcp's `Ipv4Repr` leaves out: options, identification, fragments.

use smoltcp::wire::{IPV4_HEADER_LEN, Ipv4Packet};

use super::{Ends, len16};

/// The fields of an IPv4 header (RFC 791 section 3.1) beside addresses, lengths and checksum.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub struct Ipv4 {
    pub protocol: u8,
    pub ttl: u8,
    pub dscp: u8,
    pub ident: u16,
    pub dont_frag: bool,
    pub more_frags: bool,
    /// In bytes, a multiple of 8.
    pub frag_offset: u16,
    /// Padded with end-of-list (0) to a multiple of 4; at most 40 bytes.
    pub options: Vec<u8>,
}

impl Ipv4 {
    /// A plain header: no options, no fragment, don't-fragment set, TTL 64.
    pub fn new(protocol: u8) -> Self {
        Self {
            protocol,
            ttl: 64,
            dscp: 0,
            ident: 0,
            dont_frag: true,
            more_frags: false,
            frag_offset: 0,
            options: Vec::new(),
        }
    }

    /// The same with options.
    #[must_use]
    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    /// Header and payload, checksum filled.
    pub fn wrap(&self, ends: Ends, payload: &[u8]) -> Vec<u8> {
        let (src, dst) = ends.addresses_v4();
        let header_len = IPV4_HEADER_LEN + self.options.len().next_multiple_of(4);
        let mut bytes = vec![0; header_len];
        bytes[IPV4_HEADER_LEN..][..self.options.len()].copy_from_slice(&self.options);
        bytes.extend_from_slice(payload);

        let total_len = len16(bytes.len());
        let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
        packet.set_version(4);
        packet.set_header_len(u8::try_from(header_len).expect("options are at most 40 bytes"));
        packet.set_total_len(total_len);
        packet.set_dscp(self.dscp);
        packet.set_ident(self.ident);
        packet.set_dont_frag(self.dont_frag);
        packet.set_more_frags(self.more_frags);
        packet.set_frag_offset(self.frag_offset);
        packet.set_hop_limit(self.ttl);
        packet.set_next_header(self.protocol.into());
        packet.set_src_addr(src);
        packet.set_dst_addr(dst);
        packet.fill_checksum();
        bytes
    }
}

/// The IPv4 fragments of `payload`, each carrying `step` bytes of it (a multiple of 8) but the last.
pub fn fragments(header: &Ipv4, ends: Ends, payload: &[u8], step: usize) -> Vec<Vec<u8>> {
    let last = payload.len().div_ceil(step) - 1;
    let piece = |(index, bytes): (usize, &[u8])| {
        let header = Ipv4 {
            dont_frag: false,
            more_frags: index < last,
            frag_offset: len16(index * step),
            ..header.clone()
        };
        header.wrap(ends, bytes)
    };
    payload.chunks(step).enumerate().map(piece).collect()
}
