//! The packet's bytes, by offset.
#![allow(unsafe_code, reason = "a packet is known by addresses, which programs use as they are")]

use bpfreplay_uapi::Errno;

use super::buffer::{HEADROOM, TAILROOM};
use super::resize::NET_SKB_PAD;
use super::{HashState, NO_TRANSPORT_HEADER, Ownership, SkBuff};
use crate::memory::{bytes, bytes_mut};

/// What an offset of `bpf_skb_load_bytes_relative` counts from (`enum bpf_hdr_start_off`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// The MAC header.
    Mac,
    /// The network header.
    Net,
}

impl SkBuff {
    /// The bytes a program sees.
    #[must_use]
    #[inline]
    pub fn packet(&self) -> &[u8] {
        // SAFETY: data and len always describe live memory (or nothing): only `attach`, `copy_in` and helpers that
        // keep them within head and end set them, and a frame in place is borrowed as long as the skb is lent out.
        unsafe { bytes(self.data, self.len as usize) }
    }

    /// The bytes a program sees, to write; copies them into memory of our own first if they are a capture's
    /// (`skb_ensure_writable`). Addresses a program holds of them are then stale.
    #[inline]
    pub fn packet_mut(&mut self) -> &mut [u8] {
        if self.ownership == Ownership::Shared {
            self.unshare();
        }
        // SAFETY: as in `packet`; exclusive, because the memory is our own buffer or was lent to us exclusively.
        unsafe { bytes_mut(self.data, self.len as usize) }
    }

    /// Bytes of the packet.
    #[must_use]
    #[inline]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether the packet has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the bytes may be written where they are.
    #[must_use]
    #[inline]
    pub fn is_exclusive(&self) -> bool {
        self.ownership == Ownership::Exclusive
    }

    /// Address of the first byte a program sees.
    #[must_use]
    pub fn data(&self) -> u64 {
        self.data
    }

    /// Address after the last byte.
    #[must_use]
    pub fn data_end(&self) -> u64 {
        self.data_end
    }

    /// Where a header begins, in bytes behind `data`. Programs that are shown a packet from its network header on have
    /// the MAC header before it: negative.
    #[must_use]
    #[inline]
    pub fn header_offset(&self, header: Header) -> i32 {
        let from_head = match header {
            Header::Mac => self.mac_header,
            Header::Net => self.network_header,
        };
        from_head as i32 - (self.data - self.head) as i32
    }

    /// `len` bytes at an offset from `data` that may be negative, if they are between the head and the packet's end.
    #[inline]
    pub(crate) fn at_header(&self, offset: i64, len: u32) -> Option<&[u8]> {
        if let Ok(offset) = u32::try_from(offset) {
            return self.at(offset, len);
        }
        let start = self.data.checked_add_signed(offset).filter(|start| *start >= self.head)?;
        let end = start.checked_add(u64::from(len)).filter(|end| *end <= self.data_end)?;
        // SAFETY: from the head to the packet's end it is one allocation, or one frame of a capture.
        Some(unsafe { bytes(start, (end - start) as usize) })
    }

    /// `len` bytes at an offset from `data`, if the packet has them.
    #[inline]
    pub(crate) fn at(&self, offset: u32, len: u32) -> Option<&[u8]> {
        let end = offset.checked_add(len)?;
        self.packet().get(offset as usize..end as usize)
    }

    /// Where that is.
    pub(crate) fn address_of(&self, offset: u32, len: u32) -> Option<u64> {
        let end = offset.checked_add(len)?;
        (end <= self.len).then(|| self.data + u64::from(offset))
    }

    /// `len` bytes at an offset from `data`, to write; EFAULT if the packet does not have them
    /// (`bpf_try_make_writable`).
    #[inline]
    pub(crate) fn at_mut(&mut self, offset: u32, len: u32) -> Result<&mut [u8], Errno> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len).ok_or(Errno::EFAULT)?;
        Ok(&mut self.packet_mut()[offset as usize..end as usize])
    }

    /// Forgets the hash (`skb_clear_hash`).
    pub(crate) fn clear_hash(&mut self) {
        self.hash = 0;
        self.hash_state = HashState::Unset;
    }

    /// Makes these bytes the packet; headers are at its start.
    #[inline]
    pub(super) fn attach(&mut self, data: u64, len: u32, ownership: Ownership) {
        self.head = data;
        self.data = data;
        self.data_meta = data;
        self.data_end = data + u64::from(len);
        self.end = self.data_end;
        self.len = len;
        self.ownership = ownership;
        self.mac_header = 0;
        self.network_header = 0;
        self.transport_header = NO_TRANSPORT_HEADER;
        self.mac_len = 0;
        self.headroom = NET_SKB_PAD;
    }

    /// Copies these bytes into our own buffer and makes them the packet.
    pub(super) fn copy_in(&mut self, frame: &[u8]) {
        let (head, room) = self.buffer.reserve(HEADROOM + frame.len() + TAILROOM);
        self.attach(head + HEADROOM as u64, frame.len() as u32, Ownership::Exclusive);
        self.head = head;
        self.end = head + room as u64;
        self.mac_header = HEADROOM as u32;
        self.network_header = HEADROOM as u32;
        self.packet_mut().copy_from_slice(frame);
    }

    /// Moves the packet from a capture's bytes into our own buffer.
    #[cold]
    pub(crate) fn unshare(&mut self) {
        self.move_to_own(HEADROOM as u32, TAILROOM as u32);
    }

    /// Sees to it that the packet is in memory of our own with this much room before and behind it (`skb_cow`).
    #[inline]
    pub(super) fn make_room(&mut self, headroom: u32, tailroom: u32) {
        if self.ownership == Ownership::Shared
            || self.data - self.head < u64::from(headroom)
            || self.end - self.data_end < u64::from(tailroom)
        {
            self.move_to_own(headroom.max(HEADROOM as u32), tailroom.max(TAILROOM as u32));
        }
    }

    /// Moves the packet, with what lies between its headers and it, to where it has this much room.
    ///
    /// ```text
    ///   head … mac_header … data ──len──▶        ▶        head │headroom│ mac_header … data ──len──▶ │tailroom│ end
    /// ```
    #[cold]
    fn move_to_own(&mut self, headroom: u32, tailroom: u32) {
        // A link header that programs are not shown moves along.
        let before = self.header_offset(Header::Mac).min(0).unsigned_abs();
        let (from, count) = (self.data - u64::from(before), (before + self.len) as usize);
        let at = headroom as usize;
        let (head, room) = self.buffer.move_in(from, count, at, at + count + tailroom as usize);
        let shift = (at as u32 + before).wrapping_sub((self.data - self.head) as u32);
        let moved = |header: u32| header.wrapping_add(shift);
        self.mac_header = moved(self.mac_header);
        self.network_header = moved(self.network_header);
        if self.has_transport_header() {
            self.transport_header = self.transport_header.wrapping_add(shift as i32);
        }
        self.head = head;
        self.end = head + room as u64;
        self.data = head + u64::from(headroom + before);
        self.data_end = self.data + u64::from(self.len);
        self.data_meta = self.data;
        self.ownership = Ownership::Exclusive;
    }

    /// Takes `count` bytes off the front of a packet (the room becomes headroom).
    pub(crate) fn trim_front(&mut self, count: u32) {
        self.headroom += count;
        self.data += u64::from(count);
        self.data_meta = self.data;
        self.len -= count;
    }
}
