//! `bpf_map_lookup_elem` on a map known at compile time.

use bpfreplay_runtime::ExecutionContext;
use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::x64::{Assembler, x64};

/// Where an array has its values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Array {
    /// The address of value 0 (of CPU 0).
    pub(crate) address: u64,
    /// Bytes from one value to the next.
    pub(crate) stride: i32,
    /// Values.
    pub(crate) max_entries: u32,
    /// For a per-CPU array, how its copies lie.
    pub(crate) per_cpu: Option<PerCpu>,
}

/// The copies of a per-CPU array.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PerCpu {
    /// Bytes from one CPU's copy to the next.
    pub(crate) stride: i32,
    /// Copies.
    pub(crate) cpus: u32,
}

/// The address of the value under a known key, or NULL.
///
/// ```text
/// r0 = key < max_entries ? values + key * stride : NULL        all of it known
/// r0 = cpu < cpus ? r0 + cpu * cpu_stride : NULL               per-CPU arrays
/// ```
pub(crate) fn by_constant(asm: &mut Assembler, array: Array, key: u32) {
    if key >= array.max_entries {
        return x64!(asm; xor eax, eax);
    }
    let value = array.address + u64::from(key) * array.stride as u64;
    match array.per_cpu {
        None => asm.mov_imm64(crate::x64::Gpr::Rax, value),
        Some(per_cpu) => {
            cpu_offset_or_done(asm, per_cpu);
            x64!(asm; mov rax, QWORD value as i64; add rax, r10; done:);
        }
    }
}

/// The address of the value under the key that r2 points to, or NULL. r1 to r5 are dead after a call: r2 holds the key.
///
/// ```text
/// key = *(u32 *)r2
/// r0 = key < max_entries ? values + key * stride : NULL
/// r0 = cpu < cpus ? r0 + cpu * cpu_stride : NULL               per-CPU arrays
/// ```
pub(crate) fn by_key(asm: &mut Assembler, array: Array) {
    match array.per_cpu {
        None => x64!(asm; xor eax, eax),
        Some(per_cpu) => cpu_offset_or_done(asm, per_cpu),
    }
    x64!(asm
        ; mov esi, DWORD [rsi]
        ; cmp esi, array.max_entries as i32
        ; jae >done
    );
    if array.stride == 8 {
        x64!(asm; mov rax, QWORD array.address as i64; lea rax, [rax + rsi * 8]);
    } else {
        x64!(asm; imul rsi, rsi, DWORD array.stride; mov rax, QWORD array.address as i64; add rax, rsi);
    }
    if array.per_cpu.is_some() {
        x64!(asm; add rax, r10);
    }
    x64!(asm; done:);
}

/// `r10 = cpu * stride`, or on to `done` with NULL where the map has no copy for this CPU.
fn cpu_offset_or_done(asm: &mut Assembler, per_cpu: PerCpu) {
    x64!(asm
        ; xor eax, eax
        ; mov r10d, DWORD exec => ExecutionContext.cpu
        ; cmp r10d, per_cpu.cpus as i32
        ; jae >done
        ; imul r10, r10, DWORD per_cpu.stride
    );
}
