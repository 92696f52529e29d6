//! Timers in map values: helpers 169 to 172. Every clock is the capture's.

use bpfreplay_uapi::Errno;
use bpfreplay_uapi::limits::MAX_CLOCKS;
use bpfreplay_uapi::map::timer_flags::{ABS, CPU_PIN};

use super::ret;
use crate::exec::ExecutionContext;
use crate::executable::{self, ProgramId};
use crate::maps::{Callback, Map};

/// `CLOCK_REALTIME`, `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME`.
const CLOCKS: [u64; 3] = [0, 1, 7];
/// The last time there is (`KTIME_MAX`).
const NEVER: u64 = i64::MAX as u64;

/// A timer that was initialised: its map and element there.
pub(super) type Timer<'a> = Option<(&'a Map, u32)>;

/// `bpf_timer_init`.
pub(super) fn init(map: &Map, timer: u64, flags: u64) -> u64 {
    if flags >= MAX_CLOCKS || !CLOCKS.contains(&flags) {
        return Errno::EINVAL.as_ret();
    }
    ret(map.timer_at(timer).ok_or(Errno::EINVAL).and_then(|element| map.timer_init(element)))
}

/// `bpf_timer_set_callback`. The engine says which program calls.
pub(super) fn set_callback(timer: Timer<'_>, function: u64, program: ProgramId) -> u64 {
    let set = |(map, element): (&Map, u32)| {
        let program = executable::by_id(program).ok_or(Errno::ENOENT)?;
        map.timer_set_callback(element, &Callback { program, function })
    };
    ret(timer.ok_or(Errno::EINVAL).and_then(set))
}

/// `bpf_timer_start`: times past what a signed number holds are never from now on, and long ago by the clock
/// (`ktime_add_safe`).
pub(super) fn start(exec: &mut ExecutionContext, timer: Timer<'_>, nsecs: u64, flags: u64) -> u64 {
    if flags & !(ABS | CPU_PIN) != 0 {
        return Errno::EINVAL.as_ret();
    }
    let time_ns = match (flags & ABS != 0, nsecs.cast_signed() < 0) {
        (true, true) => 0,
        (true, false) => nsecs,
        (false, true) => NEVER,
        (false, false) => exec.now_ns.saturating_add(nsecs).min(NEVER),
    };
    let cpu = exec.cpu;
    ret(timer.ok_or(Errno::EINVAL).and_then(|(map, element)| exec.timers.start(map, element, time_ns, cpu)))
}

/// `bpf_timer_cancel`: 1 if it was armed. A callback cannot wait for its own end.
pub(super) fn cancel(exec: &ExecutionContext, timer: Timer<'_>) -> u64 {
    let Some((map, element)) = timer else { return Errno::EINVAL.as_ret() };
    let may = || if exec.timers.is_running(map, element) { Err(Errno::EDEADLK) } else { Ok(()) };
    map.timer_cancel(element, may).map_or_else(Errno::as_ret, u64::from)
}
