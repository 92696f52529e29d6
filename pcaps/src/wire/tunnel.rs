//! GRE and VXLAN.

use smoltcp::wire::checksum;

/// A GRE header (RFC 2784, RFC 2890); the optional fields appear where they are `Some`.
///
/// ```text
///  C 0 K S 0000 00000 ver | protocol
///  [ checksum | reserved ]   C
///  [ key ]                   K
///  [ sequence number ]       S
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub struct Gre {
    pub protocol: u16,
    pub checksum: Option<Checksum>,
    pub key: Option<u32>,
    pub sequence: Option<u32>,
}

/// Asks for a GRE checksum, which is computed.
#[derive(Clone, Copy, Debug)]
pub struct Checksum;

impl Gre {
    /// A bare 4-byte header.
    pub fn new(protocol: u16) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// Header and payload.
    pub fn wrap(&self, payload: &[u8]) -> Vec<u8> {
        let flag = |bit: u16, present: bool| if present { bit } else { 0 };
        let flags = flag(0x8000, self.checksum.is_some())
            | flag(0x2000, self.key.is_some())
            | flag(0x1000, self.sequence.is_some());
        let mut bytes = [flags.to_be_bytes(), self.protocol.to_be_bytes()].concat();
        if self.checksum.is_some() {
            bytes.extend_from_slice(&[0; 4]);
        }
        for word in [self.key, self.sequence].into_iter().flatten() {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes.extend_from_slice(payload);
        if self.checksum.is_some() {
            let sum = !checksum::data(&bytes);
            bytes[4..6].copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    }
}

/// A VXLAN header with the I flag in front of an Ethernet frame (RFC 7348 section 5).
pub fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    [&[0x08, 0, 0, 0][..], &(vni << 8).to_be_bytes(), frame].concat()
}
