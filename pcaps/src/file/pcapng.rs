//! The block format.

use std::borrow::Cow;
use std::time::Duration;

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::section_header::SectionHeaderBlock;
use pcap_file::pcapng::blocks::simple_packet::SimplePacketBlock;
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter, RawBlock};
use pcap_file::{DataLink, Endianness};

use super::EPOCH_NS;

/// A pcapng file under construction: frames are a steady 100 µs apart.
pub struct PcapNgFile {
    writer: PcapNgWriter<Vec<u8>>,
    snaplens: Vec<u32>,
    clock_ns: u64,
}

/// What an interface description block says (pcapng section 4.2).
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// LINKTYPE_ number.
    pub link_type: u32,
    /// Bytes kept of a frame; 0 is no limit.
    pub snaplen: u32,
    /// The `if_tsresol` byte: n is 10^-n s, n + 128 is 2^-n s. `None` leaves the option out (µs).
    pub tsresol: Option<u8>,
    /// `if_tsoffset` in seconds; `None` leaves the option out.
    pub tsoffset: Option<i64>,
    /// `if_name`.
    pub name: &'static str,
}

impl Interface {
    /// No limit, microseconds, no offset.
    pub fn new(name: &'static str, link_type: u32) -> Self {
        Self { link_type, snaplen: 0, tsresol: None, tsoffset: None, name }
    }
}

const STEP_NS: u64 = 100_123;

impl PcapNgFile {
    /// Starts with a section header; interfaces follow.
    pub fn new(endianness: Endianness) -> Self {
        let writer =
            PcapNgWriter::with_endianness(Vec::new(), endianness).expect("a vector takes every write");
        Self { writer, snaplens: Vec::new(), clock_ns: EPOCH_NS }
    }

    /// Starts another section; its interfaces are numbered from 0 again.
    pub fn section(&mut self, endianness: Endianness) -> &mut Self {
        self.snaplens.clear();
        self.block(SectionHeaderBlock { endianness, ..SectionHeaderBlock::default() })
    }

    /// Describes the next interface.
    pub fn interface(&mut self, interface: Interface) -> &mut Self {
        let mut block =
            InterfaceDescriptionBlock::new(DataLink::from(interface.link_type), interface.snaplen);
        block.options.push(InterfaceDescriptionOption::IfName(Cow::Borrowed(interface.name)));
        if let Some(byte) = interface.tsresol {
            let resolution = InterfaceTsResolution::from_u8(byte).expect("resolutions are chosen in range");
            block.options.push(InterfaceDescriptionOption::IfTsResol(resolution));
        }
        if let Some(offset) = interface.tsoffset {
            block.options.push(InterfaceDescriptionOption::IfTsOffset(offset));
        }
        self.snaplens.push(interface.snaplen);
        self.block(block)
    }

    /// Appends a frame seen on interface `interface_id`, cut to its snaplen.
    pub fn frame(&mut self, interface_id: u32, frame: &[u8]) -> &mut Self {
        self.frame_with(interface_id, frame, Vec::new())
    }

    /// The same with options.
    pub fn frame_with(
        &mut self,
        interface_id: u32,
        frame: &[u8],
        options: Vec<EnhancedPacketOption<'_>>,
    ) -> &mut Self {
        let timestamp = Duration::from_nanos(self.clock_ns);
        self.clock_ns += STEP_NS;
        let data = Cow::Borrowed(self.kept(interface_id, frame));
        let original_len = u32::try_from(frame.len()).expect("frames are shorter than 4 GiB");
        self.block(EnhancedPacketBlock { interface_id, timestamp, original_len, data, options })
    }

    /// Appends a frame as a simple packet block: interface 0, no time (pcapng section 4.4).
    pub fn simple(&mut self, frame: &[u8]) -> &mut Self {
        let data = Cow::Borrowed(self.kept(0, frame));
        let original_len = u32::try_from(frame.len()).expect("frames are shorter than 4 GiB");
        self.block(SimplePacketBlock { original_len, data })
    }

    /// Appends a block pcap-file knows.
    pub fn block<'a>(&mut self, block: impl PcapNgBlock<'a>) -> &mut Self {
        self.writer.write_pcapng_block(block).expect("a vector takes every write");
        self
    }

    /// Appends a block of any type and body; the body is padded to 4 bytes.
    pub fn raw_block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = u32::try_from(body.len() + 12).expect("blocks are shorter than 4 GiB");
        let block = RawBlock { type_: kind, initial_len: len, body: Cow::Owned(body), trailer_len: len };
        self.writer.write_raw_block(&block).expect("a vector takes every write");
        self
    }

    /// The file.
    pub fn finish(self) -> Vec<u8> {
        self.writer.into_inner()
    }

    fn kept<'a>(&self, interface_id: u32, frame: &'a [u8]) -> &'a [u8] {
        match self.snaplens[interface_id as usize] {
            0 => frame,
            snaplen => &frame[..frame.len().min(snaplen as usize)],
        }
    }
}
