//! The classic format.

use std::borrow::Cow;

use pcap_file::pcap::{PcapHeader, PcapWriter, RawPcapPacket};
use pcap_file::{DataLink, Endianness};

pub use pcap_file::pcap::PcapTsResolution as Resolution;

use super::EPOCH_NS;

/// A pcap file under construction: frames are a steady 100 µs apart unless told otherwise.
pub struct PcapFile {
    writer: PcapWriter<Vec<u8>>,
    resolution: Resolution,
    snaplen: u32,
    clock_ns: u64,
}

/// tcpdump's default; larger than any frame but the one that tests it.
const SNAPLEN: u32 = 262_144;
const STEP_NS: u64 = 100_123;

impl PcapFile {
    /// Little-endian, microseconds, snaplen 262144.
    pub fn new(link_type: u32) -> Self {
        Self::with(link_type, Endianness::Little, Resolution::MicroSecond, SNAPLEN)
    }

    /// Any byte order, resolution and snaplen (0: none stated).
    pub fn with(link_type: u32, endianness: Endianness, resolution: Resolution, snaplen: u32) -> Self {
        let header = PcapHeader {
            datalink: DataLink::from(link_type),
            endianness,
            ts_resolution: resolution,
            snaplen,
            ..PcapHeader::default()
        };
        let writer = PcapWriter::with_header(Vec::new(), header).expect("a vector takes every write");
        Self { writer, resolution, snaplen, clock_ns: EPOCH_NS }
    }

    /// Appends a frame, cut to the snaplen.
    pub fn frame(&mut self, frame: &[u8]) -> &mut Self {
        let snaplen = if self.snaplen == 0 { SNAPLEN } else { self.snaplen };
        let kept = frame.len().min(snaplen as usize);
        self.record(self.clock_ns, &frame[..kept], frame.len());
        self.clock_ns += STEP_NS;
        self
    }

    /// Appends frames.
    pub fn frames<'a>(&mut self, frames: impl IntoIterator<Item = &'a Vec<u8>>) -> &mut Self {
        for frame in frames {
            self.frame(frame);
        }
        self
    }

    /// Appends a frame seen at `time_ns`.
    pub fn frame_at(&mut self, time_ns: u64, frame: &[u8]) -> &mut Self {
        self.record(time_ns, frame, frame.len());
        self.clock_ns = time_ns + STEP_NS;
        self
    }

    /// Appends a frame of which the capture kept only `data` out of `orig_len` bytes.
    pub fn cut_frame(&mut self, data: &[u8], orig_len: usize) -> &mut Self {
        self.record(self.clock_ns, data, orig_len);
        self.clock_ns += STEP_NS;
        self
    }

    /// Appends a record with a fraction of a second of one's own, in the file's unit.
    pub fn frame_with_fraction(&mut self, seconds: u32, fraction: u32, data: &[u8]) -> &mut Self {
        self.raw(seconds, fraction, data, data.len());
        self
    }

    /// The file.
    pub fn finish(self) -> Vec<u8> {
        self.writer.into_inner()
    }

    fn record(&mut self, time_ns: u64, data: &[u8], orig_len: usize) {
        let fraction_ns = time_ns % 1_000_000_000;
        let fraction = match self.resolution {
            Resolution::MicroSecond => fraction_ns / 1000,
            Resolution::NanoSecond => fraction_ns,
        };
        let seconds = u32::try_from(time_ns / 1_000_000_000).expect("before 2106");
        self.raw(seconds, u32::try_from(fraction).expect("below a second"), data, orig_len);
    }

    // The raw layer: the typed one refuses frames longer than the stated snaplen and odd times.
    fn raw(&mut self, ts_sec: u32, ts_frac: u32, data: &[u8], orig_len: usize) {
        let len32 = |len: usize| u32::try_from(len).expect("frames are shorter than 4 GiB");
        let packet = RawPcapPacket {
            ts_sec,
            ts_frac,
            incl_len: len32(data.len()),
            orig_len: len32(orig_len),
            data: Cow::Borrowed(data),
        };
        self.writer.write_raw_packet(&packet).expect("a vector takes every write");
    }
}
