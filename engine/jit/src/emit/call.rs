//! Calls: helpers by direct call, program-local functions with a frame of their own (RFC 9669 section 4.3).

use bpfreplay_runtime::ExecutionContext;
use bpfreplay_runtime::helpers::HelperFn;
use bpfreplay_uapi::limits::MAX_BPF_STACK;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

use crate::x64::{Assembler, x64};

/// `r0 = helper(r1, r2, r3, r4, r5, exec)`: the arguments are where System V wants them.
pub(crate) fn helper(asm: &mut Assembler, function: HelperFn) {
    x64!(asm; mov r9, exec);
    asm.call(function as usize);
}

/// `bpf_get_smp_processor_id`: the number of the worker.
pub(crate) fn smp_processor_id(asm: &mut Assembler) {
    x64!(asm; mov eax, DWORD exec => ExecutionContext.cpu);
}

/// `bpf_ktime_get_ns` and its kin: the clock of the capture.
pub(crate) fn ktime(asm: &mut Assembler) {
    x64!(asm; mov rax, QWORD exec => ExecutionContext.now_ns);
}

/// `r0 = subprog(r1, r2, r3, r4, r5)`.
///
/// ```text
/// save r6..r9, r10
/// r10 = top of a new frame
/// call subprog                 which, or what it tail-calls, returns here
/// drop the frame; restore
/// ```
pub(crate) fn local(asm: &mut Assembler, subprog: DynamicLabel) {
    x64!(asm
        ; push rbp
        ; push rbx
        ; push r13
        ; push r14
        ; push r15
        ; mov rbp, rsp
        ; sub rsp, MAX_BPF_STACK as i32
        ; call =>subprog
        ; add rsp, MAX_BPF_STACK as i32
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop rbx
        ; pop rbp
    );
}

/// `exit`: back to the call site of this function, or to the entry stub.
pub(crate) fn exit(asm: &mut Assembler) {
    x64!(asm; ret);
}
