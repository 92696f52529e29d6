//! Producing into the kernel's user ring buffers (libbpf: struct user_ring_buffer).
//!
//! ```text
//!   page 0: consumer position, to read │ page 1: producer position │ data │ data once more
//! ```
#![allow(unsafe_code, reason = "a ring buffer is memory shared with the kernel")]

use std::io;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::sys::Fd;

const PAGE: usize = 4096;
/// Bytes before a sample.
const HEADER: usize = 8;

/// Puts a sample into a user ring buffer of so many bytes. Nobody else produces meanwhile.
///
/// # Errors
///
/// The kernel's; ENOSPC where there is no room, E2BIG where there never is.
pub fn produce(ring: &Fd, size: usize, sample: &[u8]) -> io::Result<()> {
    let consumer = Mapped::new(ring, 0, PAGE, libc::PROT_READ)?;
    let producer = Mapped::new(ring, PAGE, PAGE + 2 * size, libc::PROT_READ | libc::PROT_WRITE)?;
    let consumed = consumer.position().load(Ordering::Acquire);
    let produced = producer.position().load(Ordering::Relaxed);
    let span = (HEADER + sample.len()).next_multiple_of(8);
    if span > size {
        return Err(io::Error::from_raw_os_error(libc::E2BIG));
    }
    if span > size - (produced - consumed) as usize {
        return Err(io::Error::from_raw_os_error(libc::ENOSPC));
    }
    let at = PAGE + produced as usize % size;
    producer.write(at + HEADER, sample);
    producer.length(at).store(sample.len() as u32, Ordering::Release);
    producer.position().store(produced + span as u64, Ordering::Release);
    Ok(())
}

struct Mapped {
    start: *mut libc::c_void,
    len: usize,
}

impl Mapped {
    fn new(ring: &Fd, offset: usize, len: usize, prot: i32) -> io::Result<Mapped> {
        // SAFETY: a new mapping wherever the kernel likes; no memory of ours is touched.
        let start = unsafe {
            libc::mmap(null_mut(), len, prot, libc::MAP_SHARED, ring.as_raw_fd(), offset as libc::off_t)
        };
        if start == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Mapped { start, len }) }
    }

    /// The position a page begins with.
    fn position(&self) -> &AtomicU64 {
        // SAFETY: the mapping begins with it, page-aligned, and lives as long as `self`; both sides access it atomically.
        unsafe { &*self.start.cast::<AtomicU64>() }
    }

    /// The length before a sample.
    fn length(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(8) && at + HEADER <= self.len);
        // SAFETY: inside the mapping and aligned, by the assertion; both sides access it atomically.
        unsafe { &*self.start.byte_add(at).cast::<AtomicU32>() }
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.len);
        // SAFETY: inside the mapping, by the assertion; the kernel reads there only after the position has moved.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.byte_add(at).cast(), bytes.len()) };
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made; no reference into it outlives `self`.
        unsafe { libc::munmap(self.start, self.len) };
    }
}
