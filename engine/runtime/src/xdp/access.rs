//! The frame's bytes.
#![allow(unsafe_code, reason = "a frame is known by addresses, which programs use as they are")]

use super::{HEADROOM, PAGE, TAILROOM, XdpBuff};
use crate::memory::{bytes, bytes_mut};
use crate::skb::Ownership;

impl XdpBuff {
    /// The bytes packet pointers reach.
    #[must_use]
    #[inline]
    pub fn linear(&self) -> &[u8] {
        // SAFETY: data to data_end is live memory: only `attach`, `own` and the adjustments set them, and keep them
        // within the frame; a frame in place is borrowed as long as this is lent out.
        unsafe { bytes(self.data, (self.data_end - self.data) as usize) }
    }

    /// The metadata before the frame.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        // SAFETY: as in `linear`; there is metadata only in memory of our own.
        unsafe { bytes(self.data_meta, (self.data - self.data_meta) as usize) }
    }

    /// What lies beyond the linear part.
    #[must_use]
    pub fn fragments(&self) -> &[u8] {
        &self.fragments
    }

    /// Bytes of the frame, fragments included (`xdp_get_buff_len`).
    #[must_use]
    #[inline]
    pub fn len(&self) -> u32 {
        (self.data_end - self.data) as u32 + self.fragments.len() as u32
    }

    /// Whether the frame has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the bytes may be written where they are.
    #[must_use]
    #[inline]
    pub fn is_exclusive(&self) -> bool {
        self.ownership == Ownership::Exclusive
    }

    /// Address of the first byte.
    #[must_use]
    pub fn data(&self) -> u64 {
        self.data
    }

    /// Where `len` bytes at an offset are, as far as there are such: a piece of the linear part, one of the fragments,
    /// either of which may have none. Address and bytes.
    pub(crate) fn pieces(&mut self, offset: u32, len: u32) -> [(u64, u32); 2] {
        let linear = (self.data_end - self.data) as u32;
        let first = linear.saturating_sub(offset).min(len);
        let behind = offset.saturating_sub(linear);
        let second = (self.fragments.len() as u32).saturating_sub(behind).min(len - first);
        let fragments = self.fragments.as_mut_ptr().expose_provenance() as u64;
        [(self.data.wrapping_add(offset.into()), first), (fragments.wrapping_add(behind.into()), second)]
    }

    /// How many bytes the fragment has from this one on, of those behind the linear part; 0 if there is none.
    pub(crate) fn fragment_rest(&self, behind: u32) -> u32 {
        let end = (behind / PAGE + 1).saturating_mul(PAGE).min(self.fragments.len() as u32);
        end.saturating_sub(behind)
    }

    /// Bytes between two addresses of the frame's own memory.
    pub(super) fn own_bytes(&mut self, from: u64, to: u64) -> &mut [u8] {
        assert!(
            self.is_exclusive() && self.hard_start <= from && from <= to && to <= self.hard_end(),
            "between the ends of the frame's memory"
        );
        // SAFETY: within the frame's memory, as asserted, which is our own.
        unsafe { bytes_mut(from, (to - from) as usize) }
    }

    /// Where the room for the frame ends (`xdp_data_hard_end`).
    pub(super) fn hard_end(&self) -> u64 {
        self.hard_start + u64::from(self.frame_sz - TAILROOM)
    }

    /// Moves a capture's bytes into memory of our own. Addresses a program holds of them are then stale.
    #[inline]
    pub(crate) fn own(&mut self) {
        if !self.is_exclusive() {
            self.unshare();
        }
    }

    #[cold]
    fn unshare(&mut self) {
        let len = (self.data_end - self.data) as usize;
        let from = self.data;
        // The buffer holds no frame while one is in place, so that nothing is lost by growing.
        let (start, _) = self.buffer.move_in(from, len, HEADROOM as usize, self.frame_sz as usize);
        self.place(start, len as u32);
    }

    /// The frame lies in the buffer, which begins here, behind the headroom.
    pub(super) fn place(&mut self, start: u64, len: u32) {
        self.hard_start = start;
        self.data = start + u64::from(HEADROOM);
        self.data_meta = self.data;
        self.data_end = self.data + u64::from(len);
        self.ownership = Ownership::Exclusive;
        // What an earlier frame left in the headroom is not to be seen.
        let data = self.data;
        self.own_bytes(start, data).fill(0);
    }
}
