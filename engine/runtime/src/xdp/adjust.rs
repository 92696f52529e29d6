//! Moving the ends of the frame: what the `bpf_xdp_adjust_*` helpers do.

use bpfreplay_uapi::Errno;

use super::{PAGE, XdpBuff};

/// Bytes at the start of the headroom that are the driver's (`struct xdp_frame`).
const XDP_FRAME: u64 = 40;
/// Bytes of metadata at the most (the range of `skb_shared_info::meta_len`).
const META_MAX: u64 = 255;
const ETH_HLEN: u64 = 14;

impl XdpBuff {
    /// Moves the start; metadata moves along.
    pub(crate) fn adjust_head(&mut self, offset: i32) -> Result<(), Errno> {
        let meta_len = self.data - self.data_meta;
        let data = self.data.wrapping_add_signed(offset.into());
        let first = self.hard_start + XDP_FRAME + meta_len;
        if data < first || data.checked_add(ETH_HLEN).is_none_or(|end| end > self.data_end) {
            return Err(Errno::EINVAL);
        }
        // Only memory of our own has anything before the frame.
        self.own();
        let data = self.data.wrapping_add_signed(offset.into());
        let meta = data - meta_len;
        if meta_len > 0 {
            let (from, to) = (self.data_meta.min(meta), self.data_end);
            let start = (self.data_meta - from) as usize;
            let target = (meta - from) as usize;
            self.own_bytes(from, to).copy_within(start..start + meta_len as usize, target);
        }
        self.data_meta = meta;
        self.data = data;
        Ok(())
    }

    /// Moves the start of the metadata.
    pub(crate) fn adjust_meta(&mut self, offset: i32) -> Result<(), Errno> {
        let meta = self.data_meta.wrapping_add_signed(offset.into());
        if meta < self.hard_start + XDP_FRAME || meta > self.data {
            return Err(Errno::EINVAL);
        }
        let len = self.data - meta;
        if !len.is_multiple_of(4) || len > META_MAX {
            return Err(Errno::EACCES);
        }
        self.own();
        self.data_meta = self.data - len;
        Ok(())
    }

    /// Moves the end; what is new is zero. Of a frame in fragments it is the last one that grows or shrinks.
    pub(crate) fn adjust_tail(&mut self, offset: i32) -> Result<(), Errno> {
        if !self.fragments.is_empty() {
            return match u32::try_from(offset) {
                Ok(more) => self.grow_fragments(more as usize),
                Err(_) => self.shrink_fragments(offset.unsigned_abs()),
            };
        }
        let end = self.data_end.wrapping_add_signed(offset.into());
        if end > self.hard_end() || end < self.data + ETH_HLEN {
            return Err(Errno::EINVAL);
        }
        if offset > 0 {
            self.own();
            let old = self.data_end;
            self.own_bytes(old, old + offset as u64).fill(0);
        }
        self.data_end = self.data_end.wrapping_add_signed(offset.into());
        Ok(())
    }

    fn grow_fragments(&mut self, more: usize) -> Result<(), Errno> {
        let page = PAGE as usize;
        let room = self.fragments.len().next_multiple_of(page) - self.fragments.len();
        if more > room {
            return Err(Errno::EINVAL);
        }
        self.fragments.resize(self.fragments.len() + more, 0);
        Ok(())
    }

    fn shrink_fragments(&mut self, less: u32) -> Result<(), Errno> {
        if i64::from(less) > i64::from(self.len()) - ETH_HLEN as i64 {
            return Err(Errno::EINVAL);
        }
        let from_fragments = (less as usize).min(self.fragments.len());
        self.fragments.truncate(self.fragments.len() - from_fragments);
        self.data_end -= u64::from(less) - from_fragments as u64;
        Ok(())
    }
}
