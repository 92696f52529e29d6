//! Bytes and hash of the packet: helpers 9, 26, 39, 41, 48, 68.

use bpfreplay_uapi::Errno;

use super::ret;
use crate::skb::{Header, SkBuff};

/// Update `skb->csum`, which packets of a capture do not have (`CHECKSUM_COMPLETE`).
const BPF_F_RECOMPUTE_CSUM: u64 = 1;
/// The flow hash no longer holds.
const BPF_F_INVALIDATE_HASH: u64 = 2;
/// Offsets of `bpf_skb_load_bytes_relative` end here.
const RELATIVE_MAX: u32 = 0xffff;

/// `bpf_skb_store_bytes`.
pub(super) fn store_bytes(skb: &mut SkBuff, offset: u32, from: &[u8], flags: u64) -> u64 {
    ret(try_store_bytes(skb, offset, from, flags))
}

fn try_store_bytes(skb: &mut SkBuff, offset: u32, from: &[u8], flags: u64) -> Result<(), Errno> {
    if flags & !(BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH) != 0 {
        return Err(Errno::EINVAL);
    }
    if offset > i32::MAX as u32 {
        return Err(Errno::EFAULT);
    }
    skb.at_mut(offset, from.len() as u32)?.copy_from_slice(from);
    if flags & BPF_F_INVALIDATE_HASH != 0 {
        skb.clear_hash();
    }
    Ok(())
}

/// `bpf_skb_load_bytes`: what cannot be read is zero-filled.
pub(super) fn load_bytes(skb: &SkBuff, offset: u32, to: &mut [u8]) -> u64 {
    let from = if offset > i32::MAX as u32 { None } else { skb.at(offset, to.len() as u32) };
    fill(from, to)
}

/// `bpf_skb_load_bytes_relative`: what cannot be read is zero-filled.
pub(super) fn load_bytes_relative(skb: &SkBuff, offset: u32, to: &mut [u8], start: u32) -> u64 {
    let header = match start {
        0 => Some(Header::Mac),
        1 => Some(Header::Net),
        _ => None,
    };
    let from = header.filter(|_| offset <= RELATIVE_MAX).and_then(|header| {
        skb.at_header(i64::from(skb.header_offset(header)) + i64::from(offset), to.len() as u32)
    });
    fill(from, to)
}

fn fill(from: Option<&[u8]>, to: &mut [u8]) -> u64 {
    if let Some(from) = from {
        to.copy_from_slice(from);
        return 0;
    }
    to.fill(0);
    Errno::EFAULT.as_ret()
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
