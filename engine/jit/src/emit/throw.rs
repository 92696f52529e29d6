//! `bpf_throw`: leaving a program, however deep in its functions.
//!
//! ```text
//!   stack   … │ return address │ boundary of who ran before │ ◀─ exec.boundary
//!             │ return address of the body │ frames of functions …
//! ```
//! Only a program that can throw has the two words. A program it tail-calls runs above them, and puts its own there if
//! it can throw: what is thrown ends the innermost program, as in the kernel, and its caller goes on.

use bpfreplay_runtime::ExecutionContext;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

use super::FRAME;
use crate::x64::{Assembler, x64};

/// Before the first instruction: the program becomes a function that can be left from anywhere.
///
/// ```text
/// push boundary; boundary = rsp
/// r0 = body(r1)
/// pop boundary
/// return r0
/// ```
pub(crate) fn enter(asm: &mut Assembler) {
    let body = asm.label();
    x64!(asm
        ; push QWORD exec => ExecutionContext.boundary
        ; mov QWORD exec => ExecutionContext.boundary, rsp
        ; call =>body
        ; pop QWORD exec => ExecutionContext.boundary
        ; ret
    );
    asm.place(body);
}

/// `bpf_throw(r1)`.
///
/// ```text
/// rsp = boundary
/// r0 = r1, or what the callback makes of it in a frame of its own
/// pop boundary
/// return r0
/// ```
pub(crate) fn throw(asm: &mut Assembler, callback: Option<DynamicLabel>) {
    x64!(asm; mov rsp, QWORD exec => ExecutionContext.boundary);
    match callback {
        None => x64!(asm; mov rax, rdi),
        Some(callback) => x64!(asm
            ; mov rbp, rsp
            ; sub rsp, FRAME as i32
            ; call =>callback
            ; add rsp, FRAME as i32
        ),
    }
    x64!(asm
        ; pop QWORD exec => ExecutionContext.boundary
        ; ret
    );
}
