//! The way in from Rust: one stub for all programs of an arena.

use bpfreplay_runtime::ExecutionContext;
use bpfreplay_uapi::limits::MAX_BPF_STACK;
use dynasmrt::DynasmApi;

use crate::x64::{Assembler, x64};

/// `extern "sysv64" fn(ctx, exec, tail_entry) -> r0`.
///
/// ```text
/// save what System V says a callee saves
/// exec = rsi                                pinned from here to the end of the run
/// r10 = top of a new frame
/// tail_call_cnt = 0                         in memory and in r11
/// r0 = tail_entry(r1 = ctx)
/// restore; return r0
/// ```
pub(crate) fn stub(asm: &mut Assembler) {
    x64!(asm
        ; push rbp
        ; push rbx
        ; push r12
        ; push r13
        ; push r14
        ; push r15
        ; mov exec, rsi
        ; mov rbp, rsp
        ; sub rsp, MAX_BPF_STACK as i32
        ; xor r11d, r11d
        ; mov DWORD exec => ExecutionContext.tail_call_cnt, r11d
        ; call rdx
        ; add rsp, MAX_BPF_STACK as i32
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop r12
        ; pop rbx
        ; pop rbp
        ; ret
    );
}
