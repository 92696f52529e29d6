//! From registers to Rust: bytes of the packet to memory and back.
//!
//! The memory may be the packet itself: a program can have a slice of it from a dynptr. So bytes are moved by address,
//! and no two slices of one memory exist at a time.
#![allow(unsafe_code, reason = "registers hold addresses; the verifier has proved what lies there")]

use bpfreplay_uapi::Errno;

use super::abi::entries;
use super::{ret, skb, xdp};
use crate::exec::ExecutionContext;
use crate::memory::{fill_bytes, move_bytes};
use crate::skb::SkBuff;
use crate::xdp::XdpBuff;

entries! {
    registers r1 r2 r3 r4 r5 ctx;
    pub(super) skb_store_bytes(skb: skb) {
        // SAFETY: r3 is memory of r4 bytes, by `HelperFn`'s contract.
        ret(unsafe { store_skb(skb, r2 as u32, (r3, r4 as u32), r5) })
    };
    pub(super) skb_load_bytes(skb: skb) {
        // SAFETY: r3 is memory of r4 bytes to write, by `HelperFn`'s contract.
        ret(unsafe { load_skb(skb, r2 as u32, (r3, r4 as u32)) })
    };
    pub(super) skb_load_bytes_relative(skb: skb) {
        let from = skb::to_load_relative(skb, r2 as u32, r4 as u32, r5 as u32).map(address);
        // SAFETY: as above.
        ret(unsafe { load_or_zero(from, (r3, r4 as u32)) })
    };
    pub(super) xdp_load_bytes(xdp: xdp) {
        // SAFETY: as above.
        ret(unsafe { load_xdp(xdp, r2 as u32, (r3, r4 as u32)) })
    };
    pub(super) xdp_store_bytes(xdp: xdp) {
        // SAFETY: r3 is memory of r4 bytes, by `HelperFn`'s contract.
        ret(unsafe { store_xdp(xdp, r2 as u32, (r3, r4 as u32)) })
    };
}

fn address(bytes: &[u8]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

/// `bpf_skb_load_bytes`: what cannot be read is zero-filled.
///
/// # Safety
///
/// `to` is memory of `len` bytes to write.
pub(super) unsafe fn load_skb(skb: &SkBuff, offset: u32, (to, len): (u64, u32)) -> Result<(), Errno> {
    let from = skb::to_load(skb, offset, len).map(address);
    // SAFETY: the caller's promise; the packet has the bytes.
    unsafe { load_or_zero(from, (to, len)) }
}

/// # Safety
///
/// `from`, if there, is memory of `len` bytes, and `to` memory to write.
unsafe fn load_or_zero(from: Option<u64>, (to, len): (u64, u32)) -> Result<(), Errno> {
    // SAFETY: the caller's promise.
    unsafe {
        match from {
            Some(from) => move_bytes(from, to, len as usize),
            None => fill_bytes(to, len as usize, 0),
        }
    }
    from.map(drop).ok_or(Errno::EFAULT)
}

/// `bpf_skb_store_bytes`.
///
/// # Safety
///
/// `from` is memory of `len` bytes.
pub(super) unsafe fn store_skb(
    skb: &mut SkBuff,
    offset: u32,
    (from, len): (u64, u32),
    flags: u64,
) -> Result<(), Errno> {
    let to = skb::to_store(skb, offset, len, flags)?;
    let to = to.as_mut_ptr().expose_provenance() as u64;
    // SAFETY: the caller's promise; the packet has the bytes, and they are ours to write.
    unsafe { move_bytes(from, to, len as usize) };
    Ok(())
}

/// `bpf_xdp_load_bytes`: what cannot be read leaves the memory as it was.
///
/// # Safety
///
/// `to` is memory of `len` bytes to write.
pub(super) unsafe fn load_xdp(xdp: &mut XdpBuff, offset: u32, to: (u64, u32)) -> Result<(), Errno> {
    xdp::within_reach(xdp, offset, to.1)?;
    // SAFETY: the caller's promise.
    unsafe { copy_out(xdp, offset, to) };
    Ok(())
}

/// As much as there is of `len` bytes at an offset, linear part and fragments (`bpf_xdp_copy_buf`).
///
/// # Safety
///
/// As [`load_xdp`].
pub(super) unsafe fn copy_out(xdp: &mut XdpBuff, offset: u32, (mut to, len): (u64, u32)) {
    for (from, bytes) in xdp.pieces(offset, len) {
        // SAFETY: the caller's promise; the frame has the bytes.
        unsafe { move_bytes(from, to, bytes as usize) };
        to += u64::from(bytes);
    }
}

/// `bpf_xdp_store_bytes`.
///
/// # Safety
///
/// `from` is memory of `len` bytes.
pub(super) unsafe fn store_xdp(
    xdp: &mut XdpBuff,
    offset: u32,
    (mut from, len): (u64, u32),
) -> Result<(), Errno> {
    xdp::within_reach(xdp, offset, len)?;
    xdp.own();
    for (to, bytes) in xdp.pieces(offset, len) {
        // SAFETY: the caller's promise; the frame has the bytes, and they are ours to write.
        unsafe { move_bytes(from, to, bytes as usize) };
        from += u64::from(bytes);
    }
    Ok(())
}
