use std::fmt::{self, Display, Formatter};

use crate::instruction::{CallTarget, Imm64, Instruction, Operand, PacketIndex};
use crate::ops::{AluOp, AtomicOp, Size, Width};
use crate::reg::Reg;

/// The instruction in LLVM's BPF syntax, as `llvm-objdump -d` (LLVM 19) prints it.
///
/// LLVM's text is lossy in four places, where `{}` says more so that assembling gives the instruction back and `{:#}`
/// prints exactly LLVM's:
///
/// | instruction               | `{}`                     | `{:#}`                 |
/// |---------------------------|--------------------------|------------------------|
/// | program-local call        | `call +0x7`              | `call 0x7`             |
/// | kernel function call      | `call kfunc(7)`          | `call 0x7`             |
/// | `LD_IND` with an offset   | `r0 = *(u8 *)skb[r1 + 0x2]` | `r0 = *(u8 *)skb[r1]` |
/// | `ld_imm64` with a source  | `r1 = map(3) ll`         | `ld_pseudo r1, 0x1, 0x3` |
///
/// LLVM names a whole register for a 32-bit load, store or locked add unless told a cpu; so do we. The other 32-bit
/// atomics it prints only with `--mcpu=v3`, and that text is ours. `tail_call` has no text in LLVM.
impl Display for Instruction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let as_llvm = f.alternate();
        match *self {
            Instruction::Alu { width, op, dst, src } => {
                write!(f, "{} {} {}", Named(width, dst), op.text(), Source(width, src))
            }
            Instruction::Neg { width, dst } => write!(f, "{0} = -{0}", Named(width, dst)),
            Instruction::MovSx { width, size, dst, src } => {
                write!(
                    f,
                    "{} {} (s{}){}",
                    Named(width, dst),
                    AluOp::Mov.text(),
                    size.bits(),
                    Named(width, src)
                )
            }
            Instruction::Endian { op, size, dst } => write!(f, "{dst} = {}{} {dst}", op.text(), size.bits()),
            Instruction::LoadImm64 { dst, value: Imm64::Const(value) } => {
                write!(f, "{dst} = {} ll", Hex(value as i64))
            }
            Instruction::LoadImm64 { dst, value } if as_llvm => {
                let (src, imm) = pseudo(value);
                write!(f, "ld_pseudo {dst}, {src:#x}, {imm:#x}")
            }
            Instruction::LoadImm64 { dst, value } => write!(f, "{dst} = {} ll", Symbolic(value)),
            Instruction::Load { size, signed, dst, base, off } => {
                let sign = if signed { 's' } else { 'u' };
                write!(f, "{dst} = *({sign}{} *)({})", size.bits(), Address(base, off))
            }
            Instruction::Store { size, base, off, src } => {
                write!(f, "*(u{} *)({}) = {}", size.bits(), Address(base, off), Source(Width::W64, src))
            }
            Instruction::Atomic { size, op, base, off, src } => atomic(f, size, op, Address(base, off), src),
            Instruction::LoadPacket { size, index, imm } => {
                write!(f, "r0 = *(u{} *)skb[", size.bits())?;
                match index {
                    PacketIndex::Abs => write!(f, "{}]", Hex(i64::from(imm))),
                    PacketIndex::Ind(reg) if imm == 0 || as_llvm => write!(f, "{reg}]"),
                    PacketIndex::Ind(reg) => write!(f, "{reg} {}]", SpacedOffset(i64::from(imm))),
                }
            }
            Instruction::Jump { width, off } => {
                let name = match width {
                    Width::W64 => "goto",
                    Width::W32 => "gotol",
                };
                write!(f, "{name} {}", Offset(i64::from(off)))
            }
            Instruction::JumpIf { width, op, dst, src, off } => {
                let (dst, src) = (Named(width, dst), Source(width, src));
                write!(f, "if {dst} {} {src} goto {}", op.text(), Offset(i64::from(off)))
            }
            Instruction::MayGoto { off } => write!(f, "may_goto {}", Offset(i64::from(off))),
            Instruction::Call(target) => call(f, target, as_llvm),
            Instruction::TailCall => f.write_str("tail_call"),
            Instruction::Exit => f.write_str("exit"),
        }
    }
}

fn atomic(f: &mut Formatter<'_>, size: Size, op: AtomicOp, at: Address, src: Reg) -> fmt::Result {
    let bits = size.bits();
    let width = if size == Size::Dw { Width::W64 } else { Width::W32 };
    let reg = Named(width, src);
    // LLVM names its 32-bit exchange instructions by register width and memory width.
    let suffix = if size == Size::Dw { "_64" } else { "32_32" };
    match op {
        AtomicOp::Add => write!(f, "lock *(u{bits} *)({at}) {} {src}", op.text()),
        AtomicOp::Or | AtomicOp::And | AtomicOp::Xor => {
            write!(f, "lock *(u{bits} *)({at}) {} {reg}", op.text())
        }
        AtomicOp::FetchAdd | AtomicOp::FetchOr | AtomicOp::FetchAnd | AtomicOp::FetchXor => {
            write!(f, "{reg} = {}((u{bits} *)({at}), {reg})", op.text())
        }
        AtomicOp::Xchg => write!(f, "{reg} = {}{suffix}({at}, {reg})", op.text()),
        AtomicOp::Cmpxchg => {
            let r0 = Named(width, Reg::R0);
            write!(f, "{r0} = {}{suffix}({at}, {r0}, {reg})", op.text())
        }
    }
}

fn call(f: &mut Formatter<'_>, target: CallTarget, as_llvm: bool) -> fmt::Result {
    match target {
        CallTarget::Helper(id) if as_llvm => write!(f, "call {}", Hex(i64::from(id as i32))),
        CallTarget::Local(imm) | CallTarget::Kfunc(imm) if as_llvm => {
            write!(f, "call {}", Hex(i64::from(imm)))
        }
        CallTarget::Helper(id) => write!(f, "call {id:#x}"),
        CallTarget::Local(off) => write!(f, "call {}", Offset(i64::from(off))),
        CallTarget::Kfunc(id) => write!(f, "call kfunc({id})"),
    }
}

/// The source field and the first immediate, which is all LLVM prints of a `ld_imm64` that is not a constant.
const fn pseudo(value: Imm64) -> (u8, u32) {
    match value {
        Imm64::Const(value) => (0, value as u32),
        Imm64::Map(map) => (1, map),
        Imm64::MapValue { map, .. } => (2, map),
        Imm64::BtfId(id) => (3, id),
        Imm64::Func(off) => (4, off as u32),
        Imm64::MapIndex(map) => (5, map),
        Imm64::MapIndexValue { map, .. } => (6, map),
    }
}

/// `r1` or `w1`.
struct Named(Width, Reg);

impl Display for Named {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Width::W64 => write!(f, "{}", self.1),
            Width::W32 => write!(f, "w{}", self.1.number()),
        }
    }
}

/// A register or an immediate.
struct Source(Width, Operand);

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.1 {
            Operand::Reg(reg) => Named(self.0, reg).fmt(f),
            Operand::Imm(imm) => Hex(i64::from(imm)).fmt(f),
        }
    }
}

/// `r1 + 0x8`, `r1 - 0x8`.
#[derive(Clone, Copy)]
struct Address(Reg, i16);

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, SpacedOffset(i64::from(self.1)))
    }
}

/// `0x5`, `-0x5`.
struct Hex(i64);

impl Display for Hex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{:#x}", self.0.unsigned_abs())
    }
}

/// `+0x5`, `-0x5`.
struct Offset(i64);

impl Display for Offset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        write!(f, "{sign}{:#x}", self.0.unsigned_abs())
    }
}

/// `+ 0x5`, `- 0x5`.
struct SpacedOffset(i64);

impl Display for SpacedOffset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        write!(f, "{sign} {:#x}", self.0.unsigned_abs())
    }
}

/// What a `ld_imm64` stands for.
struct Symbolic(Imm64);

impl Display for Symbolic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Imm64::Const(value) => Hex(value as i64).fmt(f),
            Imm64::Map(map) => write!(f, "map({map})"),
            Imm64::MapValue { map, off } => write!(f, "map_value({map}) + {off:#x}"),
            Imm64::BtfId(id) => write!(f, "btf_id({id})"),
            Imm64::Func(off) => write!(f, "func({})", Offset(i64::from(off))),
            Imm64::MapIndex(map) => write!(f, "fd_array({map})"),
            Imm64::MapIndexValue { map, off } => write!(f, "fd_array_value({map}) + {off:#x}"),
        }
    }
}
