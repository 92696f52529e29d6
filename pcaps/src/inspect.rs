//! How many frames a capture holds, and of which link types: the facts the table states.

use std::collections::BTreeSet;

use pcap_file::pcap::{PcapParseError, PcapParser};
use pcap_file::pcapng::{PcapNgParseError, PcapNgParser};

/// What a reader finds in a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Records that hold a frame.
    pub frames: u64,
    /// LINKTYPE_ numbers of the file or its interfaces.
    pub link_types: BTreeSet<u32>,
}

/// Why a capture cannot be read to its end.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum InspectError {
    #[error("pcap: {source} at byte {offset}, behind {frames} frames")]
    Pcap { source: PcapParseError, offset: usize, frames: u64 },
    #[error("pcapng: {source} at byte {offset}, behind {frames} frames")]
    PcapNg { source: PcapNgParseError, offset: usize, frames: u64 },
}

/// The type of a pcapng section header block, a palindrome so that it reads in both byte orders.
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The bits of pcap's link-type field that hold the link type; the upper ones tell of an FCS.
const LINK_TYPE_MASK: u32 = 0xffff;

/// Walks a whole capture through pcap-file's raw layer.
///
/// # Errors
///
/// The first record that cannot be read, with the bytes and frames before it.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, InspectError> {
    if bytes.starts_with(&SECTION_HEADER) { pcapng(bytes) } else { pcap(bytes) }
}

fn pcap(bytes: &[u8]) -> Result<Inspection, InspectError> {
    let mut frames = 0;
    let failed = |rest: &[u8], frames| {
        let offset = bytes.len() - rest.len();
        move |source| InspectError::Pcap { source, offset, frames }
    };
    let (mut rest, parser) = PcapParser::new(bytes).map_err(failed(bytes, 0))?;
    let link_type = u32::from(parser.header().datalink) & LINK_TYPE_MASK;
    while !rest.is_empty() {
        (rest, _) = parser.next_raw_packet(rest).map_err(failed(rest, frames))?;
        frames += 1;
    }
    Ok(Inspection { frames, link_types: BTreeSet::from([link_type]) })
}

fn pcapng(bytes: &[u8]) -> Result<Inspection, InspectError> {
    const SIMPLE_PACKET: u32 = 3;
    const ENHANCED_PACKET: u32 = 6;
    let mut found = Inspection { frames: 0, link_types: BTreeSet::new() };
    let failed = |rest: &[u8], frames| {
        let offset = bytes.len() - rest.len();
        move |source| InspectError::PcapNg { source, offset, frames }
    };
    let (mut rest, mut parser) = PcapNgParser::new(bytes).map_err(failed(bytes, 0))?;
    while !rest.is_empty() {
        let before = rest;
        let block;
        (rest, block) = parser.next_raw_block(rest).map_err(failed(before, found.frames))?;
        match block.type_ {
            SIMPLE_PACKET | ENHANCED_PACKET => found.frames += 1,
            _ => found.link_types.extend(parser.interfaces().iter().map(|i| u32::from(i.linktype))),
        }
    }
    Ok(found)
}
