//! Legacy packet loads, `LD_ABS` and `LD_IND` (RFC 9669 section 5.5): a fast path for what lies in the packet, the
//! runtime for the rest (offsets relative to the network and MAC headers, and failure).

use bpfreplay_isa::{PacketIndex, Size};
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_uapi::skb::SkbField;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

use crate::callback;
use crate::emit::{alu, tail_call};
use crate::x64::{Assembler, Gpr, Mem, x64};

const DATA: i32 = SKB_LAYOUT.field(SkbField::Data).off as i32;
const DATA_END: i32 = SKB_LAYOUT.field(SkbField::DataEnd).off as i32;

/// A load whose bytes are not simply in the packet: emitted behind the program.
#[derive(Debug)]
pub(crate) struct SlowLoad {
    size: Size,
    offset: Offset,
    slow: DynamicLabel,
    done: DynamicLabel,
}

/// Where the effective offset is once the fast path has given up.
#[derive(Clone, Copy, Debug)]
enum Offset {
    Constant(i32),
    R10,
}

/// `r0 = ntoh(*(size *)(skb->data + offset))` with r6 the skb.
///
/// ```text
/// offset = imm, or (u32) src + imm
/// if data + offset + size > data_end      slow path         a negative offset, taken as u32, is beyond any packet
/// r0 = swap(*(size *)(data + offset))
/// ```
pub(crate) fn load_packet(asm: &mut Assembler, size: Size, index: PacketIndex, imm: i32) -> SlowLoad {
    let (slow, done) = (asm.label(), asm.label());
    let offset = match index {
        PacketIndex::Abs => {
            match imm.checked_add(size.bytes() as i32) {
                Some(end) if imm >= 0 => {
                    x64!(asm
                        ; mov r9, QWORD [rbx + DATA]
                        ; lea r10, [r9 + end]
                        ; cmp r10, QWORD [rbx + DATA_END]
                        ; ja =>slow
                    );
                    asm.load(size, false, Gpr::Rax, Mem { base: Gpr::R9, disp: imm });
                    alu::swap(asm, size, Gpr::Rax);
                }
                Some(_) | None => x64!(asm; jmp =>slow),
            }
            Offset::Constant(imm)
        }
        PacketIndex::Ind(src) => {
            x64!(asm
                ; mov r10d, Rd(Gpr::of(src))
                ; add r10d, imm
                ; mov r9, QWORD [rbx + DATA]
                ; add r9, r10
                ; lea rax, [r9 + size.bytes() as i32]
                ; cmp rax, QWORD [rbx + DATA_END]
                ; ja =>slow
            );
            asm.load(size, false, Gpr::Rax, Mem { base: Gpr::R9, disp: 0 });
            alu::swap(asm, size, Gpr::Rax);
            Offset::R10
        }
    };
    asm.place(done);
    SlowLoad { size, offset, slow, done }
}

/// The way out of [`load_packet`]. r1 to r5 are dead here.
///
/// ```text
/// (r0, found) = load_packet(skb, size, offset)
/// if !found                               r0 = 0; exit from this function
/// ```
pub(crate) fn slow(asm: &mut Assembler, load: &SlowLoad) {
    x64!(asm
        ; =>load.slow
        ; mov rdi, rbx
        ; mov esi, load.size.bytes() as i32
    );
    match load.offset {
        Offset::Constant(offset) => x64!(asm; mov edx, offset),
        Offset::R10 => x64!(asm; mov edx, r10d),
    }
    asm.call(callback::load_packet as *const () as usize);
    tail_call::load_count(asm);
    x64!(asm
        ; test edx, edx
        ; jnz =>load.done
        ; xor eax, eax
        ; ret
    );
}
