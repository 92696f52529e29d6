//! The block format in its variants.

use std::borrow::Cow;

use pcap_file::Endianness;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsBlock;
use pcap_file::pcapng::blocks::opt_common::CommonOption;

use super::formats::forty_frames;
use super::{eth_ip, greeting};
use crate::file::{Interface, PcapNgFile, linktype};
use crate::wire::{Ends, ip, protocol, udp};

const BINARY: u8 = 0x80;
const ENHANCED_PACKET: u32 = 6;

/// One section, one interface, one byte order.
pub(crate) fn plain(endianness: Endianness) -> Vec<u8> {
    let mut file = PcapNgFile::new(endianness);
    file.interface(Interface::new("eth0", linktype::ETHERNET));
    for frame in forty_frames() {
        file.frame(0, &frame);
    }
    file.finish()
}

/// Four interfaces of different link types and snaplens, the last described in mid-file.
pub(crate) fn interfaces() -> Vec<u8> {
    let ends = Ends::v4(1, 2);
    let packet = ip(ends, protocol::UDP, &udp(ends, b"over several interfaces"));
    let null = [&2u32.to_le_bytes()[..], &packet].concat();
    let mut file = PcapNgFile::new(Endianness::Little);
    file.interface(Interface::new("eth0", linktype::ETHERNET))
        .interface(Interface { snaplen: 40, ..Interface::new("tun0", linktype::RAW) })
        .interface(Interface::new("lo0", linktype::NULL));
    for _ in 0..10 {
        file.frame(0, &eth_ip(ends, protocol::UDP, &udp(ends, b"over several interfaces")));
        file.frame(1, &packet);
        file.frame(2, &null);
    }
    file.interface(Interface { tsresol: Some(9), ..Interface::new("eth1", linktype::ETHERNET) });
    for frame in forty_frames() {
        file.frame(3, &frame);
    }
    file.finish()
}

/// The same instants in ten time resolutions, decimal and binary, and with an offset.
pub(crate) fn resolutions() -> Vec<u8> {
    let decimal = [0, 3, 6, 9];
    let binary = [0, 10, 20, 29].map(|exponent| BINARY | exponent);
    let mut file = PcapNgFile::new(Endianness::Little);
    for tsresol in decimal.into_iter().chain(binary) {
        file.interface(Interface { tsresol: Some(tsresol), ..Interface::new("clock", linktype::ETHERNET) });
    }
    let year_2020 = 1_577_836_800;
    for (tsresol, tsoffset) in [(Some(9), year_2020), (None, -3600)] {
        file.interface(Interface {
            tsresol,
            tsoffset: Some(tsoffset),
            ..Interface::new("offset", linktype::ETHERNET)
        });
    }
    for (round, frame) in (0..5).zip(forty_frames()) {
        for interface in 0..10 {
            file.frame((interface + round) % 10, &frame);
        }
    }
    file.finish()
}

/// Simple packet blocks, whole and cut to the interface's snaplen; in between, an enhanced one.
pub(crate) fn simple_packets() -> Vec<u8> {
    let mut file = PcapNgFile::new(Endianness::Little);
    file.interface(Interface { snaplen: 60, ..Interface::new("eth0", linktype::ETHERNET) });
    for frame in forty_frames() {
        file.simple(&frame);
    }
    file.frame(0, &greeting(Ends::v4(1, 2)));
    file.finish()
}

/// Little-endian, big-endian and little-endian sections in one file, each with interfaces of its own.
pub(crate) fn sections() -> Vec<u8> {
    let mut file = PcapNgFile::new(Endianness::Little);
    file.interface(Interface::new("first", linktype::ETHERNET));
    for frame in forty_frames() {
        file.frame(0, &frame);
    }
    file.section(Endianness::Big)
        .interface(Interface { tsresol: Some(9), ..Interface::new("second", linktype::RAW) })
        .interface(Interface { tsresol: Some(9), ..Interface::new("third", linktype::ETHERNET) });
    for frame in forty_frames() {
        file.frame(0, &frame[14..]).frame(1, &frame);
    }
    file.section(Endianness::Little).interface(Interface::new("fourth", linktype::ETHERNET));
    for frame in forty_frames() {
        file.simple(&frame);
    }
    file.section(Endianness::Big); // and a section without anything
    file.finish()
}

/// Blocks a reader steps over and options it may use: comments, flags, drop counts, statistics, an
/// unknown block, a custom block, secrets.
pub(crate) fn blocks() -> Vec<u8> {
    const OUTBOUND: u32 = 2;
    const DECRYPTION_SECRETS: u32 = 10;
    const CUSTOM: u32 = 0xbad;
    const UNKNOWN: u32 = 0x0000_7777;
    let mut file = PcapNgFile::new(Endianness::Little);
    file.interface(Interface::new("eth0", linktype::ETHERNET));
    file.raw_block(UNKNOWN, b"nobody knows this block");
    for (number, frame) in forty_frames().iter().enumerate() {
        let comment =
            EnhancedPacketOption::Common(CommonOption::Comment(Cow::Owned(format!("frame {number}"))));
        let options = match number % 4 {
            0 => vec![],
            1 => vec![comment],
            2 => vec![EnhancedPacketOption::Flags(OUTBOUND), EnhancedPacketOption::DropCount(3)],
            _ => vec![EnhancedPacketOption::Hash(Cow::Borrowed(&[2, 1, 2, 3, 4])), comment.clone(), comment],
        };
        file.frame_with(0, frame, options);
    }
    let private_enterprise_number = 32_473u32; // example use (RFC 5612)
    file.raw_block(CUSTOM, &[&private_enterprise_number.to_le_bytes()[..], b"custom data"].concat());
    let tls_key_log = [&0x544c_534bu32.to_le_bytes()[..], &0u32.to_le_bytes()].concat();
    file.raw_block(DECRYPTION_SECRETS, &tls_key_log);
    file.block(InterfaceStatisticsBlock {
        interface_id: 0,
        timestamp: std::time::Duration::ZERO,
        options: vec![],
    });
    file.finish()
}

/// Options that stop at the end of the block without an end-of-options, and a comment that is not
/// UTF-8: both are seen in the wild and both are readable.
pub(crate) fn loose_options() -> Vec<u8> {
    let comment = |text: &[u8]| {
        let len = u16::try_from(text.len()).expect("a short text");
        let mut option = [&1u16.to_le_bytes()[..], &len.to_le_bytes(), text].concat();
        option.resize(option.len().next_multiple_of(4), 0);
        option
    };
    let mut file = PcapNgFile::new(Endianness::Little);
    file.interface(Interface::new("eth0", linktype::ETHERNET));
    let frame = greeting(Ends::v4(1, 2));
    for options in [comment(b"no end"), [comment(b"caf\xe9"), vec![0; 4]].concat(), vec![]] {
        file.raw_block(ENHANCED_PACKET, &enhanced_packet(0, &frame, frame.len(), &options));
        file.frame(0, &frame);
    }
    file.raw_block(ENHANCED_PACKET, &enhanced_packet(0, &frame, 0, &[])); // original length 0
    file.finish()
}

/// The body of a little-endian enhanced packet block (pcapng section 4.3).
pub(super) fn enhanced_packet(interface: u32, data: &[u8], original_len: usize, options: &[u8]) -> Vec<u8> {
    let time_us = 1_767_225_600_000_000u64;
    let len32 = |len: usize| u32::try_from(len).expect("frames here are short").to_le_bytes();
    let [high, low] = [time_us >> 32, time_us & 0xffff_ffff]
        .map(|half| u32::try_from(half).expect("32 bits of a 64-bit time").to_le_bytes());
    let mut body =
        [&interface.to_le_bytes()[..], &high, &low, &len32(data.len()), &len32(original_len), data].concat();
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend_from_slice(options);
    body
}
