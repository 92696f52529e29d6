//! The tail call: `runtime::tail_call::decide`, inlined. `spec`: bounds, limit, slot, count, in this order.

use std::mem::{offset_of, size_of};

use bpfreplay_runtime::tail_call::TailCallError;
use bpfreplay_runtime::{ExecutionContext, PathEntry, ProgramId, helpers};
use bpfreplay_uapi::limits::MAX_TAIL_CALL_CNT;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

use crate::callback;
use crate::emit::call;
use crate::x64::{Assembler, x64};

const PATH_PROG: i32 = (offset_of!(ExecutionContext, path) + offset_of!(PathEntry, prog)) as i32;
const PATH_INDEX: i32 = (offset_of!(ExecutionContext, path) + offset_of!(PathEntry, index)) as i32;
const _: () = assert!(size_of::<PathEntry>() == 8, "the path is indexed by [exec + r11 * 8]");

/// What every program begins with, at its tail entry: `path[tail_call_cnt].prog = id`, where r11 is the count.
pub(crate) fn record_program(asm: &mut Assembler, id: ProgramId) {
    x64!(asm; mov DWORD [exec + r11 * 8 + PATH_PROG], id as i32);
}

/// `r11 = tail_call_cnt`, after whatever may have lost it.
pub(crate) fn load_count(asm: &mut Assembler) {
    x64!(asm; mov r11d, DWORD exec => ExecutionContext.tail_call_cnt);
}

/// A prog array that is the same on every path to a tail call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots {
    /// The address of slot 0: one word a slot, 0 for empty.
    pub(crate) address: u64,
    /// Slots.
    pub(crate) max_entries: u32,
}

/// A tail call that can fall through, and where it goes to then: emitted behind the program.
#[derive(Debug)]
pub(crate) struct FallThrough {
    pc: u32,
    index: Option<u32>,
    out_of_range: DynamicLabel,
    limit: DynamicLabel,
    empty_slot: DynamicLabel,
    /// The next instruction.
    next: DynamicLabel,
}

/// A tail call through a known prog array, by the index in r3 or by a known one.
///
/// ```text
/// index = (u32) r3
/// if index >= max_entries        fall through                  not emitted for a known index
/// if count >= 33                 fall through
/// target = slots[index]          one atomic load
/// if target == NULL              fall through (the count is untouched: the x86-64 JIT's rule since 6.12)
/// count++; goto *target          path[count].index = index
/// ```
pub(crate) fn known(
    asm: &mut Assembler,
    slots: Slots,
    index: Option<u32>,
    pc: u32,
    next: DynamicLabel,
) -> FallThrough {
    let (out_of_range, limit, empty_slot) = (asm.label(), asm.label(), asm.label());
    if index.is_none() {
        x64!(asm
            ; mov edx, edx
            ; cmp edx, slots.max_entries as i32
            ; jae =>out_of_range
        );
    }
    x64!(asm
        ; cmp r11d, MAX_TAIL_CALL_CNT as i32
        ; jae =>limit
    );
    match index {
        Some(index) => {
            let slot = slots.address + u64::from(index) * size_of::<usize>() as u64;
            x64!(asm; mov r10, QWORD slot as i64; mov r10, QWORD [r10]);
        }
        None => x64!(asm; mov r10, QWORD slots.address as i64; mov r10, QWORD [r10 + rdx * 8]),
    }
    x64!(asm
        ; test r10, r10
        ; jz =>empty_slot
        ; add r11d, BYTE 1
        ; mov DWORD exec => ExecutionContext.tail_call_cnt, r11d
    );
    match index {
        Some(index) => x64!(asm; mov DWORD [exec + r11 * 8 + PATH_INDEX], index as i32),
        None => x64!(asm; mov DWORD [exec + r11 * 8 + PATH_INDEX], edx),
    }
    x64!(asm; jmp r10);
    FallThrough { pc, index, out_of_range, limit, empty_slot, next }
}

/// The three ways out of [`known`]: count the failure and go on with the next instruction. r0 to r5 are dead here.
pub(crate) fn fall_through(asm: &mut Assembler, site: &FallThrough, id: ProgramId) {
    if site.index.is_none() {
        x64!(asm
            ; =>site.out_of_range
            ; mov ecx, TailCallError::OutOfRange as i32
            ; jmp >failed
        );
    }
    x64!(asm
        ; =>site.limit
        ; mov ecx, TailCallError::Limit as i32
        ; jmp >failed
        ; =>site.empty_slot
        ; mov ecx, TailCallError::EmptySlot as i32
        ; failed:
        ; mov edi, id as i32
        ; mov esi, site.pc as i32
    );
    if let Some(index) = site.index {
        x64!(asm; mov edx, index as i32);
    }
    call::helper(asm, helpers::record_tail_call_failure);
    load_count(asm);
    x64!(asm; jmp =>site.next);
}

/// A tail call through whatever prog array r2 holds: the rule itself is called.
///
/// ```text
/// target, r1 = tail_call(r1, r2, (u32) r3, pc, id, exec)       counts the hop, or the failure
/// if target != NULL              goto *target
/// ```
pub(crate) fn unknown(asm: &mut Assembler, pc: u32, id: ProgramId, next: DynamicLabel) {
    x64!(asm
        ; mov ecx, pc as i32
        ; mov r8d, id as i32
        ; mov r9, exec
    );
    asm.call(callback::tail_call as *const () as usize);
    load_count(asm);
    x64!(asm
        ; test rax, rax
        ; jz =>next
        ; mov rdi, rdx
        ; jmp rax
    );
}
