//! Loads, stores and 64-bit immediates (RFC 9669 section 5.1, 5.2, 5.4). Addresses were proved good by the verifier.

use bpfreplay_isa::Size;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

use crate::x64::{Assembler, Gpr, Mem, Source, x64};

/// `dst = *(size *)(base + off)`.
pub(crate) fn load(asm: &mut Assembler, size: Size, signed: bool, dst: Gpr, base: Gpr, off: i16) {
    asm.load(size, signed, dst, Mem { base, disp: i32::from(off) });
}

/// `*(size *)(base + off) = src`.
pub(crate) fn store(asm: &mut Assembler, size: Size, base: Gpr, off: i16, src: Source) {
    asm.store(size, Mem { base, disp: i32::from(off) }, src);
}

/// `dst = value`.
pub(crate) fn load_imm64(asm: &mut Assembler, dst: Gpr, value: u64) {
    asm.mov_imm64(dst, value);
}

/// `dst = address of a function of the program`.
pub(crate) fn load_address(asm: &mut Assembler, dst: Gpr, function: DynamicLabel) {
    x64!(asm; lea Rq(dst), [=>function]);
}
