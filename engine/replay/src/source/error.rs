use std::io;

use crate::source::time::{FINEST_BINARY, FINEST_DECIMAL};
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
    /// A version of the format that this reader does not know, so that it might misread what follows.
    #[error(
        "{format} version {major}.{minor} at byte {offset}; known is {known}: editcap -F {format} FILE OUT rewrites it"
    )]
    Version {
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Where the version stands.
        offset: u64,
        /// What it says.
        major: u16,
        /// What it says after the dot.
        minor: u16,
        /// What it may say.
        known: &'static str,
    },
    /// A unit of time so short that 64 bits do not count a second of them: all time stamps would be 0.
    #[error(
        "the interface at byte {offset} counts time in units of {base}^-{exponent} s; 64 bits count a second of \
         10^-{FINEST_DECIMAL} s or 2^-{FINEST_BINARY} s at the finest"
    )]
    TimeResolution {
        /// Where the interface is described.
        offset: u64,
        /// 2 or 10.
        base: u8,
        /// The negated power of it.
        exponent: u8,
    },
    /// An option that its block has no room for, or that has not the length of its kind.
    ///
    /// It ends the capture even where nobody needs the option: the block contradicts itself, and what else in it is
    /// wrong nobody can tell. Wireshark does the same; libpcap passes over the options of packets, and so its tcpdump
    /// saves what can be saved.
    #[error(
        "broken pcapng block at byte {offset}: its option {code} at byte {at} {problem}; \
         if it is a frame's, tcpdump -r FILE -w OUT drops it"
    )]
    BadOption {
        /// Where the block begins.
        offset: u64,
        /// Where the option begins.
        at: u64,
        /// The option's kind.
        code: u16,
        /// What is wrong with it.
        problem: OptionProblem,
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

/// What can be wrong with an option of a pcapng block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OptionProblem {
    /// It runs past the end of the block.
    #[error("has {len} bytes, and the block has room for {room}")]
    Overrun {
        /// Bytes it claims.
        len: u16,
        /// Bytes there are.
        room: usize,
    },
    /// Its kind is of another length.
    #[error("has {len} bytes instead of {expected}")]
    Length {
        /// Bytes it has.
        len: usize,
        /// Bytes it should have.
        expected: usize,
    },
}
