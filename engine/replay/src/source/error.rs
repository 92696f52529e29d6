use std::io;

use crate::source::{MAX_FRAME_LEN, MAX_INTERFACES, MAX_PACKET_RECORD};

/// Why reading a capture ended before its end. What was read until then is kept.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened.
    #[error("cannot open: {0}")]
    Open(#[source] io::Error),
    /// Reading failed.
    #[error("cannot read at byte {offset}: {source}")]
    Read {
        /// Bytes read before.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// Not one byte.
    #[error("the file is empty; a capture has at least a header of 24 bytes (pcap) or 28 bytes (pcapng)")]
    Empty,
    /// Not a capture.
    #[error(
        "not a capture: it begins with {first}, and neither pcap (d4c3b2a1, 4d3cb2a1 or reversed) nor pcapng (0a0d0d0a) does{hint}"
    )]
    NotACapture {
        /// The first bytes in hex, at the most four.
        first: String,
        /// What it probably is and what to do about it; begins with a separator, or is empty.
        hint: &'static str,
    },
    /// The end of the file is inside a record.
    #[error("cut short: the record at byte {offset} needs {need} bytes and the file has {have} more")]
    CutShort {
        /// Where the record begins.
        offset: u64,
        /// Bytes it should have, as far as known.
        need: u64,
        /// Bytes there are.
        have: u64,
    },
    /// A length no capture has: a broken file.
    #[error(
        "the record at byte {offset} claims {len} bytes; the limit is {MAX_PACKET_RECORD} for a record and {MAX_FRAME_LEN} for a frame"
    )]
    RecordTooLarge {
        /// Where the record begins.
        offset: u64,
        /// What it claims.
        len: u64,
    },
    /// A pcapng block that contradicts itself.
    #[error("broken pcapng block at byte {offset}: {reason}")]
    BadBlock {
        /// Where the block begins.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// More interfaces than frames could need.
    #[error("more than {MAX_INTERFACES} different interfaces, at byte {offset}")]
    TooManyInterfaces {
        /// Where the one too many is described.
        offset: u64,
    },
}
