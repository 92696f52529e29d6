use std::sync::Arc;

use crate::source::{Interface, LinkType};

/// A stretch of a capture as it was read, and where its frames are: the unit that goes to the workers and back.
#[derive(Debug, Default)]
pub struct Block {
    /// Position among all blocks of the replay, from 0.
    pub seq: u64,
    /// Number of the first frame, from 1 over all captures.
    pub first_frame: u64,
    /// The frames.
    pub frames: Vec<Frame>,
    /// The interfaces frames refer to: all of the replay so far.
    pub interfaces: Arc<Vec<Interface>>,
    /// The capture's bytes.
    pub(crate) bytes: Vec<u8>,
}

/// One frame of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Capture time, nanoseconds since 1970.
    pub time_ns: u64,
    /// Where its bytes are in the block.
    pub(crate) offset: u32,
    /// Bytes captured.
    pub len: u32,
    /// Bytes on the wire.
    pub orig_len: u32,
    /// Index into the block's interfaces.
    pub interface: u32,
}

impl Block {
    /// The bytes of a frame, from its link-layer header on.
    #[must_use]
    #[inline]
    pub fn bytes(&self, frame: &Frame) -> &[u8] {
        &self.bytes[frame.offset as usize..][..frame.len as usize]
    }

    /// The link type of a frame.
    #[must_use]
    #[inline]
    pub fn link(&self, frame: &Frame) -> LinkType {
        self.interfaces[frame.interface as usize].link
    }
}
