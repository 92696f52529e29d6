//! From registers to Rust: helpers that call functions of jited programs.
#![allow(unsafe_code, reason = "a register holds the address of jited code; the verifier has proved which")]

use std::convert::Infallible;
use std::ptr::with_exposed_provenance;

use super::callback;
use crate::exec::ExecutionContext;
use crate::maps::Map;

/// How a helper calls a function of the jited program: r1 to r4, the execution context, the function's address.
///
/// # Safety
///
/// The address is that of a function of the program that called the helper, the arguments are what the verifier gave
/// it, and the execution context is the run's.
pub type CallBack = unsafe extern "sysv64" fn(u64, u64, u64, u64, *mut ExecutionContext, u64) -> u64;

/// `bpf_loop` of jited programs.
///
/// # Safety
///
/// As [`HelperFn`](super::HelperFn); r2 is the address of a function of the program.
pub(super) unsafe extern "sysv64" fn run_loop(
    rounds: u64,
    function: u64,
    data: u64,
    flags: u64,
    _r5: u64,
    exec: *mut ExecutionContext,
) -> u64 {
    let result = callback::run_loop(rounds, flags, |round| {
        // SAFETY: the caller's promise; the context is handed on, nobody here uses it.
        Ok::<u64, Infallible>(unsafe { call_back(exec, function, [round, data, 0, 0]) })
    });
    match result {
        Ok(r0) => r0,
        Err(never) => match never {},
    }
}

/// `bpf_for_each_map_elem` of jited programs.
///
/// # Safety
///
/// As [`HelperFn`](super::HelperFn); r2 is the address of a function of the program.
pub(super) unsafe extern "sysv64" fn for_each_map_elem(
    map: u64,
    function: u64,
    data: u64,
    flags: u64,
    _r5: u64,
    exec: *mut ExecutionContext,
) -> u64 {
    // SAFETY: `Map::address` of a live map, and the run's live context, by the caller's promise.
    let (walked, cpu) = unsafe { (&*with_exposed_provenance::<Map>(map as usize), (*exec).cpu) };
    let result = callback::for_each(walked, flags, cpu, |element| {
        // SAFETY: the caller's promise; the context is handed on, nobody here uses it.
        Ok::<u64, Infallible>(unsafe { call_back(exec, function, [map, element.key, element.value, data]) })
    });
    match result {
        Ok(r0) => r0,
        Err(never) => match never {},
    }
}

/// `bpf_user_ringbuf_drain` of jited programs.
///
/// # Safety
///
/// As [`HelperFn`](super::HelperFn); r2 is the address of a function of the program.
pub(super) unsafe extern "sysv64" fn user_ringbuf_drain(
    map: u64,
    function: u64,
    data: u64,
    flags: u64,
    _r5: u64,
    exec: *mut ExecutionContext,
) -> u64 {
    // SAFETY: `Map::address` of a live map, by the caller's promise.
    let drained = unsafe { &*with_exposed_provenance::<Map>(map as usize) };
    let result = callback::drain_user_ringbuf(drained, flags, |dynptr, _| {
        // SAFETY: the caller's promise; the context is handed on, nobody here uses it.
        Ok::<u64, Infallible>(unsafe { call_back(exec, function, [dynptr, data, 0, 0]) })
    });
    match result {
        Ok(r0) => r0,
        Err(never) => match never {},
    }
}

/// Calls a function of a jited program.
///
/// # Safety
///
/// As [`CallBack`].
pub(super) unsafe fn call_back(exec: *mut ExecutionContext, function: u64, args: [u64; 4]) -> u64 {
    const STOP: u64 = 1;
    // SAFETY: live, by the caller's promise.
    let Some(call) = (unsafe { (*exec).call_back }) else { return STOP };
    let [r1, r2, r3, r4] = args;
    // SAFETY: the caller's promise.
    unsafe { call(r1, r2, r3, r4, exec, function) }
}
