//! Captures in: pcap and pcapng, streamed in blocks.
//!
//! ```text
//!   file ─read(2), 256 KiB─▶ bytes ─raw layer of pcap-file─▶ where the frames are ─▶ Block
//!                              └── the record that is not whole yet goes to the front of the next block
//! ```

mod block;
mod error;
mod input;
mod interface;
mod link;
mod pcap;
mod pcapng;
mod reader;
mod time;

pub use block::{Block, Frame};
pub use error::{OptionProblem, SourceError};
pub use input::Capture;
pub use interface::Interface;
pub use link::{EthernetView, LinkType, as_ethernet};
pub use reader::{Ending, Source};

pub(crate) use interface::Interfaces;

/// Bytes read at once. From 128 KiB on, reading costs no more than the copy out of the page cache.
pub const BLOCK_LEN: usize = 256 << 10;
/// Bytes of a frame at the most: libpcap's `MAXIMUM_SNAPLEN`.
pub const MAX_FRAME_LEN: u32 = 256 << 10;
/// Bytes of a record that holds a frame, headers and options included. Larger pcapng blocks of other kinds (keys,
/// logs) are skipped without being held in memory.
pub const MAX_PACKET_RECORD: usize = 1 << 20;
/// Different interfaces in one replay, and interfaces in one section.
pub const MAX_INTERFACES: usize = 4096;

/// How far indexing came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Indexed {
    /// Bytes of whole records.
    pub consumed: usize,
    /// What the rest waits for.
    pub stop: Stop,
}

/// What comes after the whole records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// A record of this many bytes, as far as known: read on.
    Need(usize),
    /// A block of this many bytes that nobody needs.
    Skip(u64),
}
