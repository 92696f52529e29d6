//! Bytes and hash of the packet: helpers 9, 26, 39, 41, 48, 68.

use bpfreplay_uapi::Errno;

use crate::skb::{Header, SkBuff};

/// Update `skb->csum`, which packets of a capture do not have (`CHECKSUM_COMPLETE`).
const BPF_F_RECOMPUTE_CSUM: u64 = 1;
/// The flow hash no longer holds.
const BPF_F_INVALIDATE_HASH: u64 = 2;
/// Offsets of `bpf_skb_load_bytes_relative` end here.
const RELATIVE_MAX: u32 = 0xffff;

/// `bpf_skb_store_bytes`: the bytes to overwrite.
pub(super) fn to_store(skb: &mut SkBuff, offset: u32, len: u32, flags: u64) -> Result<&mut [u8], Errno> {
    if flags & !(BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH) != 0 {
        return Err(Errno::EINVAL);
    }
    if offset > i32::MAX as u32 {
        return Err(Errno::EFAULT);
    }
    skb.at_mut(offset, len)?;
    if flags & BPF_F_INVALIDATE_HASH != 0 {
        skb.clear_hash();
    }
    skb.at_mut(offset, len)
}

/// `bpf_skb_load_bytes`: the bytes to read, if the packet has them.
pub(super) fn to_load(skb: &SkBuff, offset: u32, len: u32) -> Option<&[u8]> {
    if offset > i32::MAX as u32 { None } else { skb.at(offset, len) }
}

/// `bpf_skb_load_bytes_relative`: the bytes to read, if there are such.
pub(super) fn to_load_relative(skb: &SkBuff, offset: u32, len: u32, start: u32) -> Option<&[u8]> {
    let header = match start {
        0 => Header::Mac,
        1 => Header::Net,
        _ => return None,
    };
    if offset > RELATIVE_MAX {
        return None;
    }
    skb.at_header(i64::from(skb.header_offset(header)) + i64::from(offset), len)
}

/// `bpf_skb_pull_data`: makes the first `len` bytes linear, which they are, and writable.
pub(super) fn pull_data(skb: &mut SkBuff, len: u32) -> u64 {
    // 0 asks for the linear part: for us the whole packet (`skb_headlen`).
    if len > skb.len() {
        return Errno::ENOMEM.as_ret();
    }
    let _ = skb.packet_mut();
    0
}

/// `bpf_set_hash_invalid`.
pub(super) fn set_hash_invalid(skb: &mut SkBuff) -> u64 {
    skb.clear_hash();
    0
}

/// `bpf_set_hash`.
pub(super) fn set_hash(skb: &mut SkBuff, hash: u32) -> u64 {
    skb.set_hash(hash);
    0
}
