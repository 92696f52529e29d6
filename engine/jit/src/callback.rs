//! What jitted code calls besides helpers. All of it is off the fast path.
#![allow(unsafe_code, reason = "the arguments are addresses that jitted code holds")]

use bpfreplay_isa::Size;
use bpfreplay_runtime::tail_call::{self, TailCallFailure};
use bpfreplay_runtime::{ExecutionContext, Map, ProgramId, SkBuff, skb};

/// Where a tail call goes, in two registers: rax and rdx.
#[repr(C)]
pub(crate) struct TailCallTarget {
    /// The word to jump to, or 0 to fall through.
    word: usize,
    /// What r1 held: a call loses it, and the target needs it.
    ctx: u64,
}

/// A tail call through a prog array that only the run knows.
pub(crate) extern "sysv64" fn tail_call(
    ctx: u64,
    map: *const Map,
    r3: u64,
    pc: u32,
    prog: ProgramId,
    exec: *mut ExecutionContext,
) -> TailCallTarget {
    // SAFETY: jited code passes its pinned register: the context `run` was given, borrowed for the whole run, and no
    // Rust frame of the run uses it while jited code runs.
    let exec = unsafe { &mut *exec };
    // SAFETY: the verifier accepts only a map pointer here, and the program keeps its maps alive.
    let map = unsafe { &*map };
    TailCallTarget { word: decide(exec, map, r3, pc, prog), ctx }
}

fn decide(exec: &mut ExecutionContext, map: &Map, r3: u64, pc: u32, prog: ProgramId) -> usize {
    let Some(array) = map.prog_array() else { return 0 };
    match tail_call::decide(r3, array.max_entries(), exec.tail_call_cnt, |index| array.word(index)) {
        Ok((target, count)) => {
            exec.tail_call_cnt = count;
            exec.path[count as usize].index = r3 as u32;
            target
        }
        Err(reason) => {
            exec.tail_call_failures.record(TailCallFailure { prog, insn: pc, index: r3 as u32, reason });
            0
        }
    }
}

/// Two registers: rax and rdx.
#[repr(C)]
pub(crate) struct LoadedPacket {
    value: u64,
    found: u64,
}

/// `LD_ABS` and `LD_IND` where the bytes are not simply in the packet.
pub(crate) extern "sysv64" fn load_packet(skb: *const SkBuff, size: u32, offset: i32) -> LoadedPacket {
    // SAFETY: the verifier accepts LD_ABS only with r6 the context of an skb program, borrowed for the whole run.
    let skb = unsafe { &*skb };
    let loaded = Size::from_bytes(size).and_then(|size| skb::load_packet(skb, size, offset));
    LoadedPacket { value: loaded.unwrap_or(0), found: u64::from(loaded.is_some()) }
}
