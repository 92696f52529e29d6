//! Loads, stores and atomics at an address.
//!
//! Every access is one machine access of its width, so that a racing reader sees an old or a new value of that width
//! and nothing else, as the hardware gives it to jitted code.
#![allow(unsafe_code, reason = "this is where addresses become accesses")]

use std::ptr::{with_exposed_provenance, with_exposed_provenance_mut};
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bpfreplay_isa::{AtomicOp, Size};

/// Reads `size` bytes, zero-extended.
///
/// # Safety
///
/// `[addr, addr + size)` is live memory of this process, readable for the duration of the call, whose provenance was
/// exposed. Any alignment will do.
#[must_use]
#[inline]
pub unsafe fn load(addr: u64, size: Size) -> u64 {
    let addr = addr as usize;
    // SAFETY: the caller's promise, for each width.
    unsafe {
        match size {
            Size::B => u64::from(with_exposed_provenance::<u8>(addr).read_unaligned()),
            Size::H => u64::from(with_exposed_provenance::<u16>(addr).read_unaligned()),
            Size::W => u64::from(with_exposed_provenance::<u32>(addr).read_unaligned()),
            Size::Dw => with_exposed_provenance::<u64>(addr).read_unaligned(),
        }
    }
}

/// Writes the low `size` bytes of `value`.
///
/// # Safety
///
/// As [`load`], and the memory is writable.
#[inline]
pub unsafe fn store(addr: u64, size: Size, value: u64) {
    let addr = addr as usize;
    // SAFETY: the caller's promise, for each width.
    unsafe {
        match size {
            Size::B => with_exposed_provenance_mut::<u8>(addr).write_unaligned(value as u8),
            Size::H => with_exposed_provenance_mut::<u16>(addr).write_unaligned(value as u16),
            Size::W => with_exposed_provenance_mut::<u32>(addr).write_unaligned(value as u32),
            Size::Dw => with_exposed_provenance_mut::<u64>(addr).write_unaligned(value),
        }
    }
}

/// One atomic operation of 32 bits; returns the old value.
///
/// # Safety
///
/// As [`store`], and `addr` is a multiple of 4.
#[inline]
pub(crate) unsafe fn atomic32(addr: u64, op: AtomicOp, src: u32, r0: u32) -> u32 {
    // SAFETY: live, writable and aligned by the caller's promise; all concurrent accesses are machine accesses.
    let cell = unsafe { AtomicU32::from_ptr(with_exposed_provenance_mut(addr as usize)) };
    let order = Ordering::SeqCst;
    match op {
        AtomicOp::Add | AtomicOp::FetchAdd => cell.fetch_add(src, order),
        AtomicOp::Or | AtomicOp::FetchOr => cell.fetch_or(src, order),
        AtomicOp::And | AtomicOp::FetchAnd => cell.fetch_and(src, order),
        AtomicOp::Xor | AtomicOp::FetchXor => cell.fetch_xor(src, order),
        AtomicOp::Xchg => cell.swap(src, order),
        AtomicOp::Cmpxchg => cell.compare_exchange(r0, src, order, order).unwrap_or_else(|old| old),
    }
}

/// One atomic operation of 64 bits; returns the old value.
///
/// # Safety
///
/// As [`store`], and `addr` is a multiple of 8.
#[inline]
pub(crate) unsafe fn atomic64(addr: u64, op: AtomicOp, src: u64, r0: u64) -> u64 {
    // SAFETY: live, writable and aligned by the caller's promise; all concurrent accesses are machine accesses.
    let cell = unsafe { AtomicU64::from_ptr(with_exposed_provenance_mut(addr as usize)) };
    let order = Ordering::SeqCst;
    match op {
        AtomicOp::Add | AtomicOp::FetchAdd => cell.fetch_add(src, order),
        AtomicOp::Or | AtomicOp::FetchOr => cell.fetch_or(src, order),
        AtomicOp::And | AtomicOp::FetchAnd => cell.fetch_and(src, order),
        AtomicOp::Xor | AtomicOp::FetchXor => cell.fetch_xor(src, order),
        AtomicOp::Xchg => cell.swap(src, order),
        AtomicOp::Cmpxchg => cell.compare_exchange(r0, src, order, order).unwrap_or_else(|old| old),
    }
}

/// The bytes at an address; none for length 0, whatever the address.
///
/// # Safety
///
/// As [`load`] for all `len` bytes, and nothing writes them while the slice lives. (A program that hands a helper bytes
/// another worker writes at the same time gets some mixture of them, as in the kernel.)
#[inline]
pub(crate) unsafe fn bytes<'a>(addr: u64, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(with_exposed_provenance(addr as usize), len) }
}

/// The bytes at an address, to write; none for length 0, whatever the address.
///
/// # Safety
///
/// As [`store`] for all `len` bytes, and nothing else reaches them while the slice lives.
#[inline]
pub(crate) unsafe fn bytes_mut<'a>(addr: u64, len: usize) -> &'a mut [u8] {
    if len == 0 {
        return &mut [];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts_mut(with_exposed_provenance_mut(addr as usize), len) }
}

/// Moves bytes, which may overlap.
///
/// # Safety
///
/// `from` as [`load`], `to` as [`store`], for all `len` bytes.
#[inline]
pub(crate) unsafe fn move_bytes(from: u64, to: u64, len: usize) {
    if len > 0 {
        let (from, to) =
            (with_exposed_provenance::<u8>(from as usize), with_exposed_provenance_mut(to as usize));
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy(from, to, len) };
    }
}

/// Gives all bytes one value.
///
/// # Safety
///
/// As [`store`] for all `len` bytes.
#[inline]
pub(crate) unsafe fn fill_bytes(to: u64, len: usize, value: u8) {
    if len > 0 {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::write_bytes(with_exposed_provenance_mut::<u8>(to as usize), value, len) };
    }
}

/// Copies bytes a helper found to be live by looking in the stack range of the run or in the registry of maps.
///
/// Safe to call for those alone, which is why it does not leave this crate.
pub(crate) fn copy_live(addr: u64, to: &mut [u8]) {
    for (i, byte) in to.iter_mut().enumerate() {
        // SAFETY: the caller found `[addr, addr + to.len())` in live memory.
        *byte = unsafe { load(addr + i as u64, Size::B) } as u8;
    }
}
