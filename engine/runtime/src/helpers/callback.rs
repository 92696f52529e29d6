//! Helpers that call functions of the program: what they do between the calls. How a function is called is the
//! engine's; both engines come here.

use std::ops::ControlFlow;

use bpfreplay_uapi::Errno;
use bpfreplay_uapi::limits::MAX_LOOPS;

use super::dynptr::{Dynptr, Kind};
use crate::maps::{Element, Map, UserSample};

/// A callback that returns anything else ends the loop.
const GO_ON: u64 = 0;

/// `bpf_loop`: calls `callback(round)` for 0, 1, ... up to `rounds` times, until it returns 1. How often it was called,
/// or EINVAL for flags, E2BIG for more than [`MAX_LOOPS`].
///
/// The helper's prototype has 32 bits of rounds, but the kernel puts it in line and compares all 64.
///
/// # Errors
///
/// The callback's.
pub fn run_loop<E>(
    rounds: u64,
    flags: u64,
    mut callback: impl FnMut(u64) -> Result<u64, E>,
) -> Result<u64, E> {
    if flags != 0 {
        return Ok(Errno::EINVAL.as_ret());
    }
    if rounds > u64::from(MAX_LOOPS) {
        return Ok(Errno::E2BIG.as_ret());
    }
    for round in 0..rounds {
        if callback(round)? != GO_ON {
            return Ok(round + 1);
        }
    }
    Ok(rounds)
}

/// `bpf_user_ringbuf_drain`: calls `callback(dynptr, sample)` for every sample until it returns 1. How often it was
/// called, or EINVAL for flags, EBUSY while another run drains.
///
/// # Errors
///
/// The callback's.
pub fn drain_user_ringbuf<E>(
    map: &Map,
    flags: u64,
    mut callback: impl FnMut(u64, UserSample) -> Result<u64, E>,
) -> Result<u64, E> {
    let Some(ringbuf) = map.user_ringbuf() else { return Ok(Errno::EINVAL.as_ret()) };
    ringbuf.drain(flags, |sample| {
        // Lives where the program may look while the callback runs.
        let mut dynptr = Dynptr::new(Kind::Local, sample.addr, sample.len);
        callback(std::ptr::from_mut(&mut dynptr).expose_provenance() as u64, sample)
    })
}

/// `bpf_for_each_map_elem`: calls `callback(element)` for every element of the map until it returns 1. How often it was
/// called, or EINVAL for flags.
///
/// # Errors
///
/// The callback's.
pub fn for_each<E>(
    map: &Map,
    flags: u64,
    cpu: u32,
    mut callback: impl FnMut(Element) -> Result<u64, E>,
) -> Result<u64, E> {
    if flags != 0 {
        return Ok(Errno::EINVAL.as_ret());
    }
    let mut calls = 0;
    let walked = map.walk(cpu, |element| {
        calls += 1;
        match callback(element) {
            Ok(GO_ON) => ControlFlow::Continue(()),
            Ok(_) => ControlFlow::Break(Ok(())),
            Err(error) => ControlFlow::Break(Err(error)),
        }
    });
    match walked {
        Some(ControlFlow::Break(Err(error))) => Err(error),
        Some(ControlFlow::Break(Ok(())) | ControlFlow::Continue(())) => Ok(calls),
        None => Ok(Errno::EINVAL.as_ret()),
    }
}
