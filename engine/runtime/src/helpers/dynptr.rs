//! Dynptrs: what the sixteen bytes on a program's stack say (linux: struct bpf_dynptr_kern).
//!
//! ```text
//!   data: 8 bytes        size: 4 bytes                        offset: 4 bytes
//!   memory or context    │ rdonly │ kind, 3 │ length, 28… │   where the span begins
//!   0: an empty dynptr      31      30   28   23       0
//! ```

use bpfreplay_uapi::Errno;
use bpfreplay_uapi::limits::DYNPTR_MAX_SIZE;

const LENGTH: u32 = DYNPTR_MAX_SIZE;
const KIND_SHIFT: u32 = 28;
const READ_ONLY: u32 = 1 << 31;

/// What a dynptr spans (linux: enum bpf_dynptr_type).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Kind {
    /// A map value: `data` is where it begins.
    Local = 1,
    /// A reserved record of a ring buffer: `data` is the record's.
    Ringbuf = 2,
    /// A packet: `data` is the `SkBuff`.
    Skb = 3,
    /// A frame: `data` is the `XdpBuff`.
    Xdp = 4,
}

/// A dynptr. The default is an empty one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub(crate) struct Dynptr {
    data: u64,
    size: u32,
    offset: u32,
}

impl Dynptr {
    /// Over the first `len` bytes of what is at `data`.
    pub(super) fn new(kind: Kind, data: u64, len: u32) -> Dynptr {
        Dynptr { data, size: len | (kind as u32) << KIND_SHIFT, offset: 0 }
    }

    /// From the words a program's stack holds.
    pub(crate) fn from_words(data: u64, size: u32, offset: u32) -> Dynptr {
        Dynptr { data, size, offset }
    }

    /// The same, not to be written.
    pub(super) fn read_only(self) -> Dynptr {
        Dynptr { size: self.size | READ_ONLY, ..self }
    }

    /// What it spans; `None` if it is empty.
    pub(crate) fn kind(&self) -> Option<Kind> {
        if self.data == 0 {
            return None;
        }
        match (self.size & !READ_ONLY) >> KIND_SHIFT {
            1 => Some(Kind::Local),
            2 => Some(Kind::Ringbuf),
            3 => Some(Kind::Skb),
            4 => Some(Kind::Xdp),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.data == 0
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.size & READ_ONLY != 0
    }

    /// Memory, record or context.
    pub(crate) fn data(&self) -> u64 {
        self.data
    }

    /// Where the span begins in what is at `data`.
    pub(crate) fn start(&self) -> u32 {
        self.offset
    }

    /// Bytes of the span.
    pub(crate) fn len(&self) -> u32 {
        self.size & LENGTH
    }

    /// `len` bytes at an offset of the span, as an offset from `data` (linux: bpf_dynptr_check_off_len()).
    pub(super) fn at(&self, offset: u32, len: u32) -> Result<u32, Errno> {
        match self.len().checked_sub(len) {
            Some(last) if offset <= last => Ok(self.offset.wrapping_add(offset)),
            Some(_) | None => Err(Errno::E2BIG),
        }
    }

    /// `bpf_dynptr_adjust`: from `start` to `end` of what it was.
    pub(super) fn adjust(&mut self, start: u32, end: u32) -> Result<(), Errno> {
        if self.is_null() || start > end {
            return Err(Errno::EINVAL);
        }
        if end > self.len() {
            return Err(Errno::ERANGE);
        }
        self.offset = self.offset.wrapping_add(start);
        self.size = self.size & !LENGTH | (end - start);
        Ok(())
    }
}

/// Whether a dynptr can span so many bytes (linux: bpf_dynptr_check_size()).
pub(super) fn check_size(len: u32) -> Result<(), Errno> {
    if len > DYNPTR_MAX_SIZE { Err(Errno::E2BIG) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_narrows() {
        let mut dynptr = Dynptr::new(Kind::Local, 4096, 100);
        assert_eq!(dynptr.adjust(10, 9), Err(Errno::EINVAL));
        assert_eq!(dynptr.adjust(10, 101), Err(Errno::ERANGE));
        assert_eq!(dynptr.adjust(10, 50), Ok(()));
        assert_eq!((dynptr.kind(), dynptr.len(), dynptr.start()), (Some(Kind::Local), 40, 10));
        assert_eq!(dynptr.at(40, 0), Ok(50));
        assert_eq!(dynptr.at(39, 2), Err(Errno::E2BIG));
        assert_eq!(dynptr.at(0, u32::MAX), Err(Errno::E2BIG));
        assert_eq!(dynptr.read_only().kind(), Some(Kind::Local));
        assert!(dynptr.read_only().is_read_only());
        assert_eq!(Dynptr::default().kind(), None);
        assert_eq!(Dynptr::default().adjust(0, 0), Err(Errno::EINVAL));
    }
}
