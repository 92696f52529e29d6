//! The machine: which register is what, how a frame looks, and the instructions everything else is written in.
//!
//! # Register plan
//!
//! ```text
//!   BPF           x86-64                          System V says
//!   r0            rax                             return value
//!   r1 .. r5      rdi rsi rdx rcx r8              first five arguments: helper calls shuffle nothing
//!   r6 .. r9      rbx r13 r14 r15                 callee-saved
//!   r10           rbp                             callee-saved
//!   -             r12 = &mut ExecutionContext     callee-saved, pinned for the whole run
//!   -             r9  scratch, sixth argument of helpers (= r12)
//!   -             r10 scratch
//!   -             r11 tail_call_cnt, in programs with tail calls: a copy of exec.tail_call_cnt
//! ```
//!
//! No flag and no scratch register lives from one BPF instruction to the next. The copy in r11 is what keeps a chain of
//! tail calls from waiting for its own stores; calls into the runtime lose it, and it is loaded again after them.
//!
//! # Frames
//!
//! The caller makes every frame: the entry stub the first, a bpf2bpf call site each further one. A body has no
//! prologue and leaves by `ret`, so a tail call needs to restore nothing: it jumps to the target's first instruction,
//! which finds the frame as the program it replaces found it.
//!
//! ```text
//!   high   ┌────────────────────────────┐
//!          │ return address into Rust   │
//!          │ rbp rbx r12 r13 r14 r15    │  pushed by the entry stub
//!          ├────────────────────────────┤◀─ rbp = r10 of the main program
//!          │ 512 + 16 bytes of stack    │
//!          ├────────────────────────────┤
//!          │ return address into stub   │◀─ rsp in the main program and in whatever it tail-calls; rsp % 16 == 0
//!          ├────────────────────────────┤
//!          │ rbp, live rbx r13 r14 r15  │  pushed by a bpf2bpf call site
//!          ├────────────────────────────┤◀─ rbp = r10 of the subprogram
//!          │ 512 + 16 bytes of stack    │
//!          ├────────────────────────────┤
//!          │ return address into caller │◀─ rsp in the subprogram and in whatever it tail-calls; rsp % 16 == 0
//!   low    └────────────────────────────┘
//! ```
//!
//! Where the pushes and the return address are an odd number of words, the frame is a word larger: helpers are called
//! with the alignment System V asks for.

use bpfreplay_isa::{Reg, Size, Width};
use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmError, DynasmLabelApi, VecAssembler};

/// An x86-64 general register, by its number in encodings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(dead_code, reason = "some are only ever named in dynasm text")]
pub(crate) enum Gpr {
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

impl Gpr {
    /// Where a BPF register lives.
    pub(crate) const fn of(reg: Reg) -> Gpr {
        match reg {
            Reg::R0 => Gpr::Rax,
            Reg::R1 => Gpr::Rdi,
            Reg::R2 => Gpr::Rsi,
            Reg::R3 => Gpr::Rdx,
            Reg::R4 => Gpr::Rcx,
            Reg::R5 => Gpr::R8,
            Reg::R6 => Gpr::Rbx,
            Reg::R7 => Gpr::R13,
            Reg::R8 => Gpr::R14,
            Reg::R9 => Gpr::R15,
            Reg::R10 => Gpr::Rbp,
        }
    }
}

/// dynasm converts what stands in `Rq(...)`, `Rd(...)` and so on by this.
impl From<Gpr> for u8 {
    fn from(gpr: Gpr) -> u8 {
        gpr as u8
    }
}

/// What an instruction can be given beside its destination: BPF's operand, in registers of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// A register.
    Reg(Gpr),
    /// A constant, sign-extended to the width of the instruction.
    Imm(i32),
}

/// A memory operand, `[base + disp]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mem {
    pub(crate) base: Gpr,
    pub(crate) disp: i32,
}

/// What the CPU can do beyond the x86-64 baseline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cpu {
    /// `shlx`, `shrx`, `sarx`: shifts that take the count from any register.
    pub bmi2: bool,
}

impl Cpu {
    /// The CPU this runs on.
    #[must_use]
    pub fn detect() -> Cpu {
        Cpu { bmi2: std::arch::is_x86_feature_detected!("bmi2") }
    }
}

/// Assembles one image: dynasm's buffer and labels, and the calls that leave the image.
pub(crate) struct Assembler {
    pub(crate) ops: VecAssembler<X64Relocation>,
    pub(crate) cpu: Cpu,
    far_calls: Vec<FarCall>,
    near: NearRange,
}

/// Absolute addresses that a rel32 reaches from anywhere in the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NearRange {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// A `call rel32` to an address outside the image; the displacement is known once the image has an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FarCall {
    /// Offset of the four displacement bytes.
    at: usize,
    /// What it calls.
    target: usize,
}

/// Machine code that has no address yet.
#[derive(Debug)]
pub(crate) struct Code {
    bytes: Vec<u8>,
    far_calls: Vec<FarCall>,
}

impl Code {
    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes as they must be when the first of them lies at `address`.
    pub(crate) fn located_at(mut self, address: usize) -> Vec<u8> {
        for call in &self.far_calls {
            let next = address + call.at + 4;
            let displacement = call.target.wrapping_sub(next) as u32;
            self.bytes[call.at..call.at + 4].copy_from_slice(&displacement.to_le_bytes());
        }
        self.bytes
    }
}

/// Assembles dynasm text into an [`Assembler`], with the pinned registers by name.
macro_rules! x64 {
    ($asm:expr; $($text:tt)*) => {
        dynasm::dynasm!($asm.ops
            ; .arch x64
            ; .alias exec, r12
            ; $($text)*
        )
    };
}
pub(crate) use x64;

/// `op dst` or `op dst, src` on 32 or 64 bits; a constant source takes one byte where it fits.
macro_rules! by_width {
    ($asm:expr, $width:expr, $op:ident $dst:expr) => {
        match $width {
            Width::W64 => x64!($asm; $op Rq($dst)),
            Width::W32 => x64!($asm; $op Rd($dst)),
        }
    };
    ($asm:expr, $width:expr, $op:ident $dst:expr, reg $src:expr) => {
        match $width {
            Width::W64 => x64!($asm; $op Rq($dst), Rq($src)),
            Width::W32 => x64!($asm; $op Rd($dst), Rd($src)),
        }
    };
    ($asm:expr, $width:expr, $op:ident $dst:expr, imm8 $imm:expr) => {
        match $width {
            Width::W64 => x64!($asm; $op Rq($dst), BYTE $imm),
            Width::W32 => x64!($asm; $op Rd($dst), BYTE $imm),
        }
    };
    ($asm:expr, $width:expr, $op:ident $dst:expr, imm32 $imm:expr) => {
        match $width {
            Width::W64 => x64!($asm; $op Rq($dst), DWORD $imm),
            Width::W32 => x64!($asm; $op Rd($dst), DWORD $imm),
        }
    };
    ($asm:expr, $width:expr, $op:ident $dst:expr, source $src:expr) => {
        match $src {
            Source::Reg(src) => by_width!($asm, $width, $op $dst, reg src),
            Source::Imm(imm) => match i8::try_from(imm) {
                Ok(imm) => by_width!($asm, $width, $op $dst, imm8 imm),
                Err(_) => by_width!($asm, $width, $op $dst, imm32 imm),
            },
        }
    };
}
pub(crate) use by_width;

/// `op register, size [mem]`, with the displacement in one byte where it fits.
macro_rules! from_mem {
    ($asm:expr, $op:ident $kind:ident($reg:expr), $size:ident $mem:expr) => {
        match i8::try_from($mem.disp) {
            Ok(disp) => x64!($asm; $op $kind($reg), $size [BYTE Rq($mem.base) + disp]),
            Err(_) => x64!($asm; $op $kind($reg), $size [Rq($mem.base) + $mem.disp]),
        }
    };
}

/// `op size [mem], register` or `op size [mem], immediate`; `op` may be two words, such as `lock add`.
macro_rules! to_mem {
    ($asm:expr, $($op:ident)+, $size:ident $mem:expr, $kind:ident($reg:expr)) => {
        match i8::try_from($mem.disp) {
            Ok(disp) => x64!($asm; $($op)+ $size [BYTE Rq($mem.base) + disp], $kind($reg)),
            Err(_) => x64!($asm; $($op)+ $size [Rq($mem.base) + $mem.disp], $kind($reg)),
        }
    };
    ($asm:expr, $($op:ident)+, $size:ident $mem:expr, imm $imm:expr) => {
        match i8::try_from($mem.disp) {
            Ok(disp) => x64!($asm; $($op)+ $size [BYTE Rq($mem.base) + disp], $imm),
            Err(_) => x64!($asm; $($op)+ $size [Rq($mem.base) + $mem.disp], $imm),
        }
    };
}
pub(crate) use to_mem;

impl Assembler {
    /// An empty image for an arena from which a rel32 reaches `near`.
    pub(crate) fn new(cpu: Cpu, near: NearRange) -> Assembler {
        Assembler { ops: VecAssembler::new(0), cpu, far_calls: Vec::new(), near }
    }

    /// The offset of the next byte.
    pub(crate) fn offset(&self) -> usize {
        self.ops.offset().0
    }

    /// A label that is not placed yet.
    pub(crate) fn label(&mut self) -> DynamicLabel {
        self.ops.new_dynamic_label()
    }

    /// Places a label here.
    pub(crate) fn place(&mut self, label: DynamicLabel) {
        x64!(self; =>label);
    }

    /// What control must never reach.
    pub(crate) fn stop(&mut self) {
        x64!(self; int3);
    }

    /// The finished image.
    pub(crate) fn finish(self) -> Result<Code, DynasmError> {
        Ok(Code { bytes: self.ops.finalize()?, far_calls: self.far_calls })
    }

    /// `dst = src` for registers, zero-extending a 32-bit source.
    pub(crate) fn mov(&mut self, width: Width, dst: Gpr, src: Gpr) {
        match width {
            Width::W64 if dst == src => {}
            Width::W64 | Width::W32 => by_width!(self, width, mov dst, reg src),
        }
    }

    /// `dst = value`, by the shortest instruction that does it.
    pub(crate) fn mov_imm64(&mut self, dst: Gpr, value: u64) {
        if value == 0 {
            x64!(self; xor Rd(dst), Rd(dst));
        } else if let Ok(value) = u32::try_from(value) {
            x64!(self; mov Rd(dst), DWORD value as i32);
        } else if let Ok(value) = i32::try_from(value as i64) {
            x64!(self; mov Rq(dst), DWORD value);
        } else {
            x64!(self; mov Rq(dst), QWORD value as i64);
        }
    }

    /// Sets the flags of `dst - src`.
    pub(crate) fn compare(&mut self, width: Width, dst: Gpr, src: Source) {
        match src {
            Source::Reg(src) => by_width!(self, width, cmp dst, reg src),
            Source::Imm(0) => by_width!(self, width, test dst, reg dst),
            Source::Imm(imm) => match i8::try_from(imm) {
                Ok(imm) => {
                    // dynasm's table has this form behind the one with four bytes and never picks it.
                    let number = u8::from(dst);
                    let rex = 0x40 | u8::from(width == Width::W64) << 3 | number >> 3;
                    x64!(self; .bytes [rex, 0x83, 0xf8 | number & 7, imm as u8]);
                }
                Err(_) => by_width!(self, width, cmp dst, imm32 imm),
            },
        }
    }

    /// `dst = *(size *)mem`, extended to 64 bits.
    pub(crate) fn load(&mut self, size: Size, signed: bool, dst: Gpr, mem: Mem) {
        match (size, signed) {
            (Size::B, false) => from_mem!(self, movzx Rd(dst), BYTE mem),
            (Size::H, false) => from_mem!(self, movzx Rd(dst), WORD mem),
            (Size::W, false) => from_mem!(self, mov Rd(dst), DWORD mem),
            (Size::Dw, false | true) => from_mem!(self, mov Rq(dst), QWORD mem),
            (Size::B, true) => from_mem!(self, movsx Rq(dst), BYTE mem),
            (Size::H, true) => from_mem!(self, movsx Rq(dst), WORD mem),
            (Size::W, true) => from_mem!(self, movsxd Rq(dst), DWORD mem),
        }
    }

    /// `*(size *)mem = src`.
    pub(crate) fn store(&mut self, size: Size, mem: Mem, src: Source) {
        match (size, src) {
            (Size::B, Source::Reg(src)) => to_mem!(self, mov, BYTE mem, Rb(src)),
            (Size::H, Source::Reg(src)) => to_mem!(self, mov, WORD mem, Rw(src)),
            (Size::W, Source::Reg(src)) => to_mem!(self, mov, DWORD mem, Rd(src)),
            (Size::Dw, Source::Reg(src)) => to_mem!(self, mov, QWORD mem, Rq(src)),
            (Size::B, Source::Imm(imm)) => to_mem!(self, mov, BYTE mem, imm imm as i8),
            (Size::H, Source::Imm(imm)) => to_mem!(self, mov, WORD mem, imm imm as i16),
            (Size::W, Source::Imm(imm)) => to_mem!(self, mov, DWORD mem, imm imm),
            (Size::Dw, Source::Imm(imm)) => to_mem!(self, mov, QWORD mem, imm imm),
        }
    }

    /// Calls a function outside the image; rax is lost where it is too far for a rel32.
    pub(crate) fn call(&mut self, target: usize) {
        if (self.near.first..=self.near.last).contains(&target) {
            x64!(self; .bytes [0xe8u8, 0, 0, 0, 0]); // call rel32
            self.far_calls.push(FarCall { at: self.offset() - 4, target });
        } else {
            x64!(self; mov rax, QWORD target as i64; call rax);
        }
    }
}
