//! SCTP: common header, chunks, CRC32c (RFC 9260 section 3).

use super::{Ends, len16};

/// A packet of `chunks` under verification tag `tag`.
pub fn sctp(ends: Ends, tag: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    let ports = [ends.src_port.to_be_bytes(), ends.dst_port.to_be_bytes()].concat();
    let mut bytes = [&ports[..], &tag.to_be_bytes(), &[0; 4], &chunks.concat()].concat();
    // RFC 9260 appendix A: the sum is transmitted least significant byte first.
    let sum = crc32c(&bytes).to_le_bytes();
    bytes[8..12].copy_from_slice(&sum);
    bytes
}

/// A chunk: type, flags, a length that counts the header but not the padding, and the value.
pub fn sctp_chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = [&[kind, flags][..], &len16(4 + value.len()).to_be_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Castagnoli's polynomial, reflected, bit by bit: a capture has few SCTP packets.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc32c_check_value() {
        assert_eq!(super::crc32c(b"123456789"), 0xe306_9283);
    }
}
