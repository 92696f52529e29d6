//! Files that are wrong in one way each: a reader has to say what and where.

use pcap_file::Endianness;

use super::formats::{self, forty_frames};
use super::{greeting, pcapng};
use crate::file::{Interface, PcapFile, PcapNgFile, Resolution, linktype};
use crate::wire::Ends;

const PCAP_HEADER_LEN: usize = 24;
const SECTION_HEADER_LEN: usize = 28;
const ENHANCED_PACKET: u32 = 6;

fn pcap_bytes() -> Vec<u8> {
    formats::pcap(Endianness::Little, Resolution::MicroSecond)
}

fn pcapng_bytes() -> Vec<u8> {
    pcapng::plain(Endianness::Little)
}

fn patched(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

/// Nothing.
pub(crate) fn empty() -> Vec<u8> {
    Vec::new()
}

/// Not a capture.
pub(crate) fn text() -> Vec<u8> {
    b"This is a text file, and it has been given the wrong name.\n".to_vec()
}

/// A pcap whose first four bytes are nobody's.
pub(crate) fn bad_magic() -> Vec<u8> {
    patched(pcap_bytes(), 0, &[0xde, 0xad, 0xbe, 0xef])
}

/// Kuznetzov's variant with longer record headers; readable only by those who know it.
pub(crate) fn modified_magic() -> Vec<u8> {
    patched(pcap_bytes(), 0, &0xa1b2_cd34u32.to_le_bytes())
}

/// A file header cut in half.
pub(crate) fn cut_header() -> Vec<u8> {
    pcap_bytes()[..PCAP_HEADER_LEN / 2].to_vec()
}

/// A record header cut in half, after three good frames.
pub(crate) fn cut_record_header() -> Vec<u8> {
    let mut file = PcapFile::new(linktype::ETHERNET);
    file.frames(&forty_frames()[..3]);
    [file.finish(), vec![0; 8]].concat()
}

/// The last frame stops short: what a full disk or a killed tcpdump leaves.
pub(crate) fn cut_tail() -> Vec<u8> {
    let mut bytes = pcap_bytes();
    bytes.truncate(bytes.len() - 7);
    bytes
}

/// The second record claims 4 GiB.
pub(crate) fn record_length() -> Vec<u8> {
    let first = PCAP_HEADER_LEN + 16 + forty_frames()[0].len();
    patched(pcap_bytes(), first + 8, &[0xff; 4])
}

/// A link type the engine does not take (147, reserved for private use).
pub(crate) fn link_type() -> Vec<u8> {
    let mut file = PcapFile::new(linktype::USER0);
    file.frames(&forty_frames()[..3]);
    file.finish()
}

/// A pcap of a version that never was.
pub(crate) fn version() -> Vec<u8> {
    patched(pcap_bytes(), 4, &[99, 0])
}

/// A section header whose byte-order magic is neither order.
pub(crate) fn byte_order() -> Vec<u8> {
    patched(pcapng_bytes(), 8, &[0x11, 0x22, 0x33, 0x44])
}

/// A section header cut in half.
pub(crate) fn cut_section() -> Vec<u8> {
    pcapng_bytes()[..SECTION_HEADER_LEN / 2].to_vec()
}

/// The last block stops short.
pub(crate) fn cut_block() -> Vec<u8> {
    let mut bytes = pcapng_bytes();
    bytes.truncate(bytes.len() - 7);
    bytes
}

/// One good frame, then a packet block whose total length field holds `length`.
pub(crate) fn block_length(length: u32) -> Vec<u8> {
    let mut file = with_interface();
    file.frame(0, &greeting(Ends::v4(1, 2)));
    let mut bytes = file.finish();
    bytes.extend(ENHANCED_PACKET.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend([0; 64]);
    bytes
}

/// The total length behind a block differs from the one in front.
pub(crate) fn trailer() -> Vec<u8> {
    let mut bytes = pcapng_bytes();
    let last = bytes.len() - 4;
    bytes[last] ^= 4;
    bytes
}

/// A packet of an interface never described.
pub(crate) fn no_interface() -> Vec<u8> {
    let frame = greeting(Ends::v4(1, 2));
    let mut file = with_interface();
    file.frame(0, &frame);
    file.raw_block(ENHANCED_PACKET, &pcapng::enhanced_packet(7, &frame, frame.len(), &[]));
    file.finish()
}

/// A simple packet in a section without any interface.
pub(crate) fn no_interface_at_all() -> Vec<u8> {
    let frame = greeting(Ends::v4(1, 2));
    let mut file = PcapNgFile::new(Endianness::Little);
    let len = u32::try_from(frame.len()).expect("a short frame");
    file.raw_block(3, &[&len.to_le_bytes()[..], &frame].concat());
    file.finish()
}

/// A packet block whose captured length runs past the block.
pub(crate) fn captured_length() -> Vec<u8> {
    let frame = greeting(Ends::v4(1, 2));
    let mut body = pcapng::enhanced_packet(0, &frame, frame.len(), &[]);
    body[12..16].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    let mut file = with_interface();
    file.frame(0, &frame).raw_block(ENHANCED_PACKET, &body);
    file.finish()
}

/// A packet option whose length runs past the block.
pub(crate) fn option_length() -> Vec<u8> {
    let frame = greeting(Ends::v4(1, 2));
    let overrun = [1, 0, 0xff, 0xff, b'x', b'x', b'x', b'x'];
    let mut file = with_interface();
    file.frame(0, &frame);
    file.raw_block(ENHANCED_PACKET, &pcapng::enhanced_packet(0, &frame, frame.len(), &overrun));
    file.frame(0, &frame);
    file.finish()
}

/// An interface option whose length runs past the block.
pub(crate) fn interface_option_length() -> Vec<u8> {
    interface_with(&[2, 0, 0xff, 0xff, b'e', b't', b'h', b'0'])
}

/// A time resolution of 10^-127 seconds.
pub(crate) fn resolution() -> Vec<u8> {
    interface_with(&[9, 0, 1, 0, 127, 0, 0, 0, 0, 0, 0, 0])
}

// Written by hand: pcap-file decodes every interface block before it writes it, and refuses these.
fn interface_with(options: &[u8]) -> Vec<u8> {
    const INTERFACE_DESCRIPTION: u32 = 1;
    let body = [&[1, 0, 0, 0][..], &65_535u32.to_le_bytes(), options].concat();
    let len = u32::try_from(body.len() + 12).expect("a short block").to_le_bytes();
    let section = PcapNgFile::new(Endianness::Little).finish();
    [&section[..], &INTERFACE_DESCRIPTION.to_le_bytes(), &len, &body, &len].concat()
}

fn with_interface() -> PcapNgFile {
    let mut file = PcapNgFile::new(Endianness::Little);
    file.interface(Interface::new("eth0", linktype::ETHERNET));
    file
}
