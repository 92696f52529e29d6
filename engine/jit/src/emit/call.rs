//! Calls: helpers by direct call, program-local functions with a frame of their own (RFC 9669 section 4.3).

use bpfreplay_isa::Reg;
use bpfreplay_runtime::helpers::HelperFn;
use bpfreplay_runtime::{ExecutionContext, ProgramId};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

use super::FRAME;
use crate::liveness::RegSet;
use crate::x64::{Assembler, Gpr, x64};

/// `r0 = helper(r1, r2, r3, r4, r5, exec)`: the arguments are where System V wants them.
pub(crate) fn helper(asm: &mut Assembler, function: HelperFn) {
    x64!(asm; mov r9, exec);
    asm.call(function as usize);
}

/// `r3 = id`: helpers that keep a function of the program are told whose it is.
pub(crate) fn name_caller(asm: &mut Assembler, id: ProgramId) {
    x64!(asm; mov edx, id as i32);
}

/// `exec.objects = address`: kernel functions on objects are told which. r0 is lost, as by the call.
pub(crate) fn name_objects(asm: &mut Assembler, address: u64) {
    asm.mov_imm64(Gpr::of(Reg::R0), address);
    x64!(asm; mov QWORD exec => ExecutionContext.objects, rax);
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
/// save r10, and those of r6..r9 that are needed afterwards
/// r10 = top of a new frame
/// call subprog                 which, or what it tail-calls, returns here
/// drop the frame; restore
/// ```
pub(crate) fn local(asm: &mut Assembler, subprog: DynamicLabel, needed: RegSet) {
    let saved: Vec<Gpr> =
        Reg::CALLEE_SAVED.into_iter().filter(|&reg| needed.contains(reg)).map(Gpr::of).collect();
    // With rbp an odd number of pushes, or a word more of frame: rsp % 16 == 0 in the subprogram.
    let frame = FRAME as i32 + if saved.len().is_multiple_of(2) { 0 } else { 8 };
    x64!(asm; push rbp);
    for &gpr in &saved {
        x64!(asm; push Rq(gpr));
    }
    x64!(asm
        ; mov rbp, rsp
        ; sub rsp, frame
        ; call =>subprog
        ; add rsp, frame
    );
    for &gpr in saved.iter().rev() {
        x64!(asm; pop Rq(gpr));
    }
    x64!(asm; pop rbp);
}

/// `exit`: back to the call site of this function, or to the entry stub.
pub(crate) fn exit(asm: &mut Assembler) {
    x64!(asm; ret);
}
