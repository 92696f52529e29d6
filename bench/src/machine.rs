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
    /// Ticks the counter goes on by at the least: some virtual machines step it.
    step: u64,
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
        let overhead = gaps[gaps.len() / 2];
        Tsc { ns_per_tick, overhead, step: step(gaps) }
    }

    /// What the counter cannot tell from nothing, in ns.
    pub(crate) fn step_ns(self) -> f64 {
        self.step as f64 * self.ns_per_tick
    }

    /// Nanoseconds between two readings, what the readings cost taken off.
    pub(crate) fn ns(self, from: u64, to: u64) -> f64 {
        to.wrapping_sub(from).saturating_sub(self.overhead) as f64 * self.ns_per_tick
    }
}

/// The least by which gaps differ.
fn step(mut gaps: Vec<u64>) -> u64 {
    gaps.sort_unstable();
    gaps.dedup();
    gaps.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_the_least_difference() {
        assert_eq!(step(vec![40, 20, 20, 90, 60]), 20);
        assert_eq!(step(vec![20, 20]), 1);
        assert!(Tsc::calibrate().step_ns() > 0.0);
    }

    #[test]
    fn only_cpus_that_exist_are_pinned_to() {
        assert!(pin_to(libc::CPU_SETSIZE as usize).is_err());
        assert!(pin_to(usize::MAX).is_err());
    }
}
