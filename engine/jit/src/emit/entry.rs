//! The ways in from Rust: stubs for all programs of an arena.

use bpfreplay_runtime::ExecutionContext;
use dynasmrt::DynasmApi;

use super::FRAME;
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
    save(asm);
    x64!(asm
        ; mov exec, rsi
        ; mov rbp, rsp
        ; sub rsp, FRAME as i32
        ; xor r11d, r11d
        ; mov DWORD exec => ExecutionContext.tail_call_cnt, r11d
        ; call rdx
    );
    restore(asm);
}

/// `extern "sysv64" fn(r1, r2, r3, r4, exec, function) -> r0`: a helper calls a function of the program, whose registers
/// and frame wait further up on the stack.
///
/// ```text
/// save what System V says a callee saves    among it r6..r10 of the function that called the helper
/// exec = r8
/// r10 = top of a new frame
/// r11 = tail_call_cnt
/// r0 = function(r1, r2, r3, r4)
/// restore; return r0
/// ```
pub(crate) fn call_back(asm: &mut Assembler) {
    save(asm);
    x64!(asm
        ; mov exec, r8
        ; mov rbp, rsp
        ; sub rsp, FRAME as i32
        ; mov r11d, DWORD exec => ExecutionContext.tail_call_cnt
        ; call r9
    );
    restore(asm);
}

/// What System V says a callee saves.
fn save(asm: &mut Assembler) {
    x64!(asm
        ; push rbp
        ; push rbx
        ; push r12
        ; push r13
        ; push r14
        ; push r15
    );
}

/// The frame's end, and what [`save`] saved.
fn restore(asm: &mut Assembler) {
    x64!(asm
        ; add rsp, FRAME as i32
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop r12
        ; pop rbx
        ; pop rbp
        ; ret
    );
}
