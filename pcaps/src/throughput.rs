//! Frames for benchmarks: endless, seeded, every flow its own, nothing allocated per frame.
//!
//! Two mixes, as `bench` names them:
//!
//! | mix | sizes | families |
//! |---|---|---|
//! | `p64` | 64 bytes | IPv4 |
//! | `imix` | 64, 594, 1518 bytes at 7:4:1 | one flow in five is IPv6 |
//!
//! Sizes are those of the bytes in the capture (no FCS). A TCP header over IPv6 needs 74 bytes, so
//! that is the smallest such frame. Of the 65 536 flows 80 % are TCP, 19 % UDP, 1 % ICMP, and 10 %
//! have destination port 22; frames take a flow at random, so that branch predictors learn nothing.
//! All checksums are right.

use std::io::{self, BufWriter, Write};

use pcap_file::pcap::{PcapHeader, PcapWriter, RawPcapPacket};
use pcap_file::{DataLink, Endianness};
use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address, TcpControl};

use crate::rng::{Rng, mix};
use crate::wire::{Ends, ethernet, ethertype, icmp_echo, ip, protocol, segment, tcp, udp};

/// Which sizes and families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// 64-byte IPv4 frames.
    P64,
    /// The simple Internet mix of sizes, a fifth of the flows IPv6.
    Imix,
}

/// Flows of a mix.
pub const FLOWS: u32 = 65_536;

/// The stream of frames. It lends each frame until the next is asked for, so it cannot be an
/// `Iterator`; that is what saves the allocation.
#[derive(Clone, Debug)]
pub struct Throughput {
    rng: Rng,
    mix: Mix,
    templates: Vec<Template>,
}

/// Appends `frames` frames of a mix to `writer` as a little-endian microsecond pcap, ten a
/// microsecond; returns the bytes of frames written, headers not counted.
///
/// # Errors
///
/// What `writer` fails with.
pub fn write_throughput(writer: impl Write, mix: Mix, seed: u64, frames: u64) -> io::Result<u64> {
    const BUFFER_LEN: usize = 1 << 20; // pcap-file makes five writes a record and buffers none
    const FRAMES_PER_US: u64 = 10;
    let header = PcapHeader {
        datalink: DataLink::ETHERNET,
        endianness: Endianness::Little,
        snaplen: 65_535,
        ..PcapHeader::default()
    };
    let buffered = BufWriter::with_capacity(BUFFER_LEN, writer);
    let mut file = PcapWriter::with_header(buffered, header).map_err(io::Error::other)?;
    let mut stream = Throughput::new(mix, seed);
    let mut written = 0;
    for index in 0..frames {
        let frame = stream.next_frame();
        let len = u32::try_from(frame.len()).expect("1518 at most");
        let time_us = index / FRAMES_PER_US;
        let record = RawPcapPacket {
            ts_sec: START_S.saturating_add(u32::try_from(time_us / 1_000_000).unwrap_or(u32::MAX)),
            ts_frac: u32::try_from(time_us % 1_000_000).expect("below a million"),
            incl_len: len,
            orig_len: len,
            data: frame.into(),
        };
        file.write_raw_packet(&record).map_err(io::Error::other)?;
        written += u64::from(len);
    }
    file.flush().map_err(io::Error::other)?;
    Ok(written)
}

const START_S: u32 = 1_767_225_600; // 2026-01-01

impl Throughput {
    /// Starts the stream of `seed`.
    pub fn new(mix: Mix, seed: u64) -> Self {
        let templates = Family::ALL
            .iter()
            .flat_map(|family| Upper::ALL.iter().map(move |upper| (*family, *upper)))
            .flat_map(|(family, upper)| SIZES.map(|size| Template::new(family, upper, size)))
            .collect();
        Self { rng: Rng::new(seed), mix, templates }
    }

    /// The next frame, good until the one after it.
    pub fn next_frame(&mut self) -> &[u8] {
        let bits = self.rng.bits();
        let size_class = match self.mix {
            Mix::P64 => 0,
            Mix::Imix => IMIX_CLASS[(bits >> 48) as usize % IMIX_CLASS.len()],
        };
        let flow = Flow::numbered((bits & 0xffff) as u16, self.mix);
        let template =
            (flow.family as usize * Upper::ALL.len() + flow.upper as usize) * SIZES.len() + size_class;
        let template = &mut self.templates[template];
        template.fill(&flow, (bits >> 16) as u32);
        &template.frame
    }
}

const SIZES: [usize; 3] = [64, 594, 1518];
/// Indices into `SIZES` at 7:4:1.
const IMIX_CLASS: [usize; 12] = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upper {
    Tcp,
    Udp,
    Icmp,
}

impl Family {
    const ALL: [Self; 2] = [Self::V4, Self::V6];
}

impl Upper {
    const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Icmp];
}

/// What is the same in every frame of a flow: a pure function of its number.
struct Flow {
    family: Family,
    upper: Upper,
    src_host: u32,
    dst_host: u32,
    src_port: u16,
    dst_port: u16,
}

impl Flow {
    fn numbered(number: u16, mix_of: Mix) -> Self {
        let hash = mix(u64::from(number) + 1);
        let family = match mix_of {
            Mix::Imix if hash.is_multiple_of(5) => Family::V6,
            Mix::P64 | Mix::Imix => Family::V4,
        };
        let upper = match (hash >> 8) % 100 {
            0..80 => Upper::Tcp,
            80..99 => Upper::Udp,
            _ => Upper::Icmp,
        };
        let dst_port =
            if (hash >> 20).is_multiple_of(10) { 22 } else { 1024 + ((hash >> 24) & 0x3fff) as u16 };
        Self {
            family,
            upper,
            // The flow's number is in the address, so no two flows are one.
            src_host: u32::from(number),
            dst_host: (hash >> 40) as u32 & 0xff_ffff,
            src_port: 32_768 | (hash >> 48) as u16,
            dst_port,
        }
    }
}

/// A finished frame between unspecified addresses and ports, to be filled with a flow.
#[derive(Clone, Debug)]
struct Template {
    frame: Vec<u8>,
    family: Family,
    upper: Upper,
    /// The one's complement sums of the IPv4 header and of the upper layer, variable fields 0.
    ip_sum: u16,
    upper_sum: u16,
}

const L3: usize = 14;
/// 10.x.y.z and 2001:db8::x:y carry the host's number in their last four bytes.
const V4_NET: u32 = 0x0a00_0000;

impl Template {
    fn new(family: Family, upper: Upper, size: usize) -> Self {
        let (zero, kind, l4): (IpAddress, u16, usize) = match family {
            Family::V4 => (Ipv4Address::UNSPECIFIED.into(), ethertype::IPV4, L3 + 20),
            Family::V6 => (Ipv6Address::UNSPECIFIED.into(), ethertype::IPV6, L3 + 40),
        };
        let ends = Ends { src: zero, dst: zero, src_port: 0, dst_port: 0 };
        let (number, header_len) = match (upper, family) {
            (Upper::Tcp, _) => (protocol::TCP, 20),
            (Upper::Udp, _) => (protocol::UDP, 8),
            (Upper::Icmp, Family::V4) => (protocol::ICMP, 8),
            (Upper::Icmp, Family::V6) => (protocol::ICMPV6, 8),
        };
        let payload = vec![0x2e; size.saturating_sub(l4 + header_len)];
        let bytes = match upper {
            Upper::Tcp => tcp(ends, &segment(ends, TcpControl::Psh, 0, Some(1), &payload)),
            Upper::Udp => udp(ends, &payload),
            Upper::Icmp => icmp_echo(ends, 0, 0, &payload),
        };
        let frame = ethernet(kind, &ip(ends, number, &bytes));
        let stored = |at: usize| !u16::from_be_bytes([frame[at], frame[at + 1]]);
        let (ip_sum, upper_sum) = (stored(L3 + 10), stored(l4 + checksum_at(upper)));
        Self { frame, family, upper, ip_sum, upper_sum }
    }

    fn fill(&mut self, flow: &Flow, serial: u32) {
        let (src, dst, l4) = match self.family {
            Family::V4 => (L3 + 12, L3 + 16, L3 + 20),
            Family::V6 => (L3 + 8, L3 + 24, L3 + 40),
        };
        let mut addresses = 0;
        match self.family {
            Family::V4 => {
                addresses += self.put32(src, V4_NET | flow.src_host);
                addresses += self.put32(dst, V4_NET | 0x80_0000 | flow.dst_host);
                let sum = finish(addresses + u32::from(self.ip_sum));
                self.put16(L3 + 10, sum);
            }
            Family::V6 => {
                for (at, host) in [(src, flow.src_host), (dst, 0x8000_0000 | flow.dst_host)] {
                    addresses += self.put32(at, 0x2001_0db8);
                    addresses += self.put32(at + 12, host);
                }
            }
        }
        // ICMPv4 has no pseudo-header: its sum does not cover the addresses.
        let mut sum = u32::from(self.upper_sum);
        if !(self.upper == Upper::Icmp && self.family == Family::V4) {
            sum += addresses;
        }
        match self.upper {
            Upper::Tcp => {
                sum += self.put16(l4, flow.src_port) + self.put16(l4 + 2, flow.dst_port);
                sum += self.put32(l4 + 4, serial);
            }
            Upper::Udp => sum += self.put16(l4, flow.src_port) + self.put16(l4 + 2, flow.dst_port),
            Upper::Icmp => sum += self.put16(l4 + 4, flow.src_port) + self.put16(l4 + 6, serial as u16),
        }
        let sum = match (self.upper, finish(sum)) {
            (Upper::Udp, 0) => 0xffff, // RFC 768: 0 means that there is none
            (_, sum) => sum,
        };
        self.put16(l4 + checksum_at(self.upper), sum);
    }

    /// Writes a field and gives what it adds to a one's complement sum.
    fn put16(&mut self, at: usize, value: u16) -> u32 {
        self.frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
        u32::from(value)
    }

    fn put32(&mut self, at: usize, value: u32) -> u32 {
        self.frame[at..at + 4].copy_from_slice(&value.to_be_bytes());
        (value >> 16) + (value & 0xffff)
    }
}

fn checksum_at(upper: Upper) -> usize {
    match upper {
        Upper::Tcp => 16,
        Upper::Udp => 6,
        Upper::Icmp => 2,
    }
}

/// RFC 1071: fold the carries back in, complement.
fn finish(sum: u32) -> u16 {
    let folded = (sum >> 16) + (sum & 0xffff);
    let folded = (folded >> 16) + (folded & 0xffff);
    !(folded as u16)
}
