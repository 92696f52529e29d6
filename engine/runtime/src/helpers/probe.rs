//! Reading at an address: helpers 112 to 115.
//!
//! What a program can name is kernel memory to it: its stack and the values of maps. Any other address is not there.

use std::ops::Range;

use bpfreplay_uapi::Errno;

use super::trace::{read_unchecked, readable};
use crate::memory::copy_live;

/// `bpf_probe_read_kernel`: all of it, or zeroes.
pub(super) fn read_kernel(stack: &Range<u64>, to: &mut [u8], addr: u64) -> u64 {
    if read_unchecked(stack, addr, to) == to.len() { 0 } else { unreadable(to, addr) }
}

/// `bpf_probe_read_kernel_str`: how many bytes, the NUL included. What lies behind the NUL stays as it was.
pub(super) fn read_kernel_str(stack: &Range<u64>, to: &mut [u8], addr: u64) -> u64 {
    let Some(last) = to.len().checked_sub(1) else { return 0 };
    let readable = readable(stack, addr);
    for at in 0..=last {
        if at as u64 >= readable {
            return unreadable(to, addr);
        }
        copy_live(addr + at as u64, &mut to[at..=at]);
        if to[at] == 0 {
            return at as u64 + 1;
        }
    }
    to[last] = 0;
    to.len() as u64
}

/// Nothing to read: EFAULT for an address of the kernel's half, ERANGE for any other (`copy_from_kernel_nofault_allowed`).
fn unreadable(to: &mut [u8], addr: u64) -> u64 {
    /// Bits of an address above the 47 that either half has.
    const UPPER: u64 = u64::MAX << 47;
    to.fill(0);
    if addr & UPPER == UPPER { Errno::EFAULT.as_ret() } else { Errno::ERANGE.as_ret() }
}

/// No process has memory here.
pub(super) fn fault(to: &mut [u8]) -> u64 {
    to.fill(0);
    Errno::EFAULT.as_ret()
}
