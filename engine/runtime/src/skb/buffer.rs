//! A worker's own memory for a packet.

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
    /// Room for a packet of `len` bytes: where it begins, and how much memory there is.
    ///
    /// Whatever was in it is gone if it had to grow.
    pub(super) fn reserve(&mut self, len: usize) -> (u64, usize) {
        let words = (HEADROOM + len + TAILROOM).div_ceil(8);
        if self.bytes.len() < words {
            self.bytes = vec![0; words.next_power_of_two()].into();
        }
        (self.bytes.as_mut_ptr().expose_provenance() as u64, self.bytes.len() * 8)
    }
}
