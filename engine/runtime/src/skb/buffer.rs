//! A worker's own memory for a packet.
#![allow(unsafe_code, reason = "a packet is moved by its address")]

use std::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

/// Bytes before a packet: what the kernel's drivers leave (`NET_SKB_PAD`) and room for tunnel headers.
pub(super) const HEADROOM: usize = 256;
/// Bytes behind a packet.
pub(super) const TAILROOM: usize = 320;

/// Memory for one packet with headroom and tailroom. It grows to the largest packet it has held, and stays.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Box<[u64]>,
}

impl Buffer {
    /// This much memory: where it begins, and how much there is.
    ///
    /// Whatever was in it is gone if it had to grow.
    pub(crate) fn reserve(&mut self, len: usize) -> (u64, usize) {
        if self.bytes.len() * 8 < len {
            self.bytes = Buffer::of(len);
        }
        (self.addr(), self.bytes.len() * 8)
    }

    /// This much memory with `count` bytes from an address, which may be in it, moved to `at`.
    pub(crate) fn move_in(&mut self, from: u64, count: usize, at: usize, len: usize) -> (u64, usize) {
        // What was there lives until the bytes have left it.
        let mut old = Box::default();
        if self.bytes.len() * 8 < len {
            old = std::mem::replace(&mut self.bytes, Buffer::of(len));
        }
        assert!(at + count <= self.bytes.len() * 8, "room was made for them");
        let head = self.addr();
        let from = with_exposed_provenance::<u8>(from as usize);
        let to = with_exposed_provenance_mut::<u8>(head as usize + at);
        // SAFETY: only SkBuff and XdpBuff call this, with the address of their packet: live memory of a capture, or of this
        // buffer or the one it replaces. The target lies in the buffer, as asserted; they may overlap.
        unsafe { std::ptr::copy(from, to, count) };
        drop(old);
        (head, self.bytes.len() * 8)
    }

    fn of(len: usize) -> Box<[u64]> {
        vec![0; len.div_ceil(8).next_power_of_two()].into()
    }

    fn addr(&mut self) -> u64 {
        self.bytes.as_mut_ptr().expose_provenance() as u64
    }
}
