//! The clock and the CPU: the one file that calls the system directly.
#![allow(unsafe_code, reason = "clock_gettime, sched_setaffinity and rdtsc have no safe form in std")]

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

/// CPU time this thread has used, in ns. Unlike the wall clock it does not count what others run meanwhile.
pub(crate) fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec this function owns, and the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Keeps this thread on one CPU.
pub(crate) fn pin_to(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: an all-zero cpu_set_t is the empty set; `cpu` is below CPU_SETSIZE.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    };
    // SAFETY: the set lives across the call and its size is passed; 0 is this thread.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The time stamp counter, with what is needed to read it in ns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tsc {
    ns_per_tick: f64,
    /// Ticks between two readings with nothing between them.
    overhead: u64,
}

impl Tsc {
    /// Compares the counter with the clock for some 20 ms.
    pub(crate) fn calibrate() -> Tsc {
        let (clock, ticks) = (Instant::now(), ticks());
        while clock.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        let ns_per_tick = clock.elapsed().as_nanos() as f64 / (self::ticks() - ticks) as f64;
        let mut gaps: Vec<u64> =
            (0..10_001).map(|_| black_box(self::ticks()).abs_diff(self::ticks())).collect();
        gaps.sort_unstable();
        Tsc { ns_per_tick, overhead: gaps[gaps.len() / 2] }
    }

    /// Nanoseconds between two readings, what the readings cost taken off.
    pub(crate) fn ns(self, from: u64, to: u64) -> f64 {
        to.wrapping_sub(from).saturating_sub(self.overhead) as f64 * self.ns_per_tick
    }
}

/// The counter.
#[inline]
pub(crate) fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has rdtsc and lfence; both touch no memory. The fence keeps what is timed on its side.
    unsafe {
        std::arch::x86_64::_mm_lfence();
        std::arch::x86_64::_rdtsc()
    }
}
