//! The classic format in its variants.

use pcap_file::Endianness;

use super::greeting;
use crate::file::{PcapFile, Resolution, linktype};
use crate::wire::Ends;

/// What every file of this family carries: forty small frames over eight flows.
pub(super) fn forty_frames() -> Vec<Vec<u8>> {
    (0..40)
        .map(|number: u8| {
            let flow = number % 8;
            let ends = if flow.is_multiple_of(2) { Ends::v4(flow, 1) } else { Ends::v6(flow.into(), 1) };
            greeting(ends.ports(50_000 + u16::from(flow), 7))
        })
        .collect()
}

/// One byte order, one resolution.
pub(crate) fn pcap(endianness: Endianness, resolution: Resolution) -> Vec<u8> {
    let mut file = PcapFile::with(linktype::ETHERNET, endianness, resolution, 65_535);
    file.frames(&forty_frames());
    file.finish()
}

/// Frames cut to 48 bytes by the capture.
pub(crate) fn snaplen() -> Vec<u8> {
    let mut file = PcapFile::with(linktype::ETHERNET, Endianness::Little, Resolution::MicroSecond, 48);
    file.frames(&forty_frames());
    file.finish()
}

/// A header that states no snaplen, as some writers leave it.
pub(crate) fn snaplen_zero() -> Vec<u8> {
    let mut file = PcapFile::with(linktype::ETHERNET, Endianness::Little, Resolution::MicroSecond, 0);
    file.frames(&forty_frames());
    file.finish()
}

/// Records whose lengths contradict each other: longer than the snaplen, and original length 0.
pub(crate) fn odd_lengths() -> Vec<u8> {
    let mut file = PcapFile::with(linktype::ETHERNET, Endianness::Little, Resolution::MicroSecond, 48);
    for frame in forty_frames() {
        file.cut_frame(&frame, frame.len());
        file.cut_frame(&frame, 0);
    }
    file.finish()
}

/// Fractions of a second that are a second or more, and times out of order.
pub(crate) fn odd_times() -> Vec<u8> {
    let mut file = PcapFile::new(linktype::ETHERNET);
    let frame = greeting(Ends::v4(1, 2));
    for (seconds, fraction) in [
        (1_767_225_600, 999_999),
        (1_767_225_600, 1_000_000),
        (1_767_225_599, 0),
        (0, 0),
        (u32::MAX, u32::MAX),
    ] {
        file.frame_with_fraction(seconds, fraction, &frame);
    }
    file.finish()
}

/// The file header and nothing else.
pub(crate) fn no_frames() -> Vec<u8> {
    PcapFile::new(linktype::ETHERNET).finish()
}

/// Frames with their check sequence, announced in the upper bits of the link-type field:
/// `0x4` says the length is given, the two bits below it hold it in 16-bit words
/// (pcap section 4, "FCS len").
pub(crate) fn fcs() -> Vec<u8> {
    const ETHERNET_WITH_4_BYTE_FCS: u32 = 0x2400_0000 | linktype::ETHERNET;
    let mut file = PcapFile::new(ETHERNET_WITH_4_BYTE_FCS);
    for mut frame in forty_frames() {
        frame.resize(frame.len().max(60), 0);
        frame.extend(crc32(&frame).to_le_bytes());
        file.frame(&frame);
    }
    file.finish()
}

/// IEEE 802.3 section 3.2.9, reflected, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn crc32_check_value() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
