use std::fmt;

use crate::insn::{Class, Insn};
use crate::instruction::{CallTarget, Imm64, Instruction, Operand, PacketIndex};
use crate::ops::{AluOp, AtomicOp, EndianOp, JmpOp, Size, Width};
use crate::reg::Reg;

/// Opcodes and fields that no table row holds.
pub(crate) mod field {
    pub(crate) const SRC_X: u8 = 0x08;
    pub(crate) const NEG: u8 = 0x80;
    pub(crate) const END: u8 = 0xd0;
    pub(crate) const JA: u8 = 0x00;
    pub(crate) const CALL: u8 = 0x80;
    pub(crate) const EXIT: u8 = 0x90;
    pub(crate) const MAY_GOTO: u8 = 0xe0;
    pub(crate) const TAIL_CALL: u8 = 0xf0;
    pub(crate) const MODE_IMM: u8 = 0x00;
    pub(crate) const MODE_ABS: u8 = 0x20;
    pub(crate) const MODE_IND: u8 = 0x40;
    pub(crate) const MODE_MEM: u8 = 0x60;
    pub(crate) const MODE_MEMSX: u8 = 0x80;
    pub(crate) const MODE_ATOMIC: u8 = 0xc0;
}
use field as f;

/// Why a slot is not an instruction, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeError {
    /// Index of the offending slot.
    pub pc: usize,
    /// The slot.
    pub insn: Insn,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// What is wrong with a slot. The texts begin as the kernel's do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DecodeErrorKind {
    /// No instruction has this opcode, or this immediate of an atomic.
    UnknownOpcode,
    /// A field that must be zero is not.
    ReservedField,
    /// The destination register is r11 to r15.
    BadDst,
    /// The source register is r11 to r15.
    BadSrc,
    /// A wide instruction without its second slot, or with a second slot that is none.
    BadWide,
    /// A source field that `ld_imm64` or `call` does not define.
    UnknownKind,
    /// The slot asked for lies past the end of the program.
    PastEnd,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Insn { opcode, off, imm, .. } = self.insn;
        match self.kind {
            DecodeErrorKind::UnknownOpcode => write!(out, "unknown opcode {opcode:02x}")?,
            DecodeErrorKind::ReservedField => {
                write!(out, "BPF_{} uses reserved fields (off {off}, imm {imm})", self.family())?;
            }
            DecodeErrorKind::BadDst => write!(out, "R{} is invalid", self.insn.dst())?,
            DecodeErrorKind::BadSrc => write!(out, "R{} is invalid", self.insn.src())?,
            DecodeErrorKind::BadWide => write!(out, "invalid bpf_ld_imm64 insn")?,
            DecodeErrorKind::UnknownKind => write!(out, "unrecognized source field {}", self.insn.src())?,
            DecodeErrorKind::PastEnd => write!(out, "instruction past the end of the program")?,
        }
        write!(out, " at insn {}", self.pc)
    }
}

impl std::error::Error for DecodeError {}

impl DecodeError {
    /// The name the kernel's messages use for the instruction's family.
    fn family(&self) -> &'static str {
        match self.insn.class() {
            Class::Ld if self.insn.is_wide() => "LD_IMM64",
            Class::Ld => "LD_[ABS|IND]",
            Class::Ldx => "LDX",
            Class::St => "ST",
            Class::Stx => "STX",
            Class::Alu | Class::Alu64 => match self.insn.opcode & 0xf0 {
                0xb0 => "MOV",
                f::NEG => "NEG",
                f::END => "END",
                _ => "ALU",
            },
            Class::Jmp | Class::Jmp32 => match self.insn.opcode & 0xf0 {
                f::JA => "JA",
                f::CALL => "CALL",
                f::EXIT => "EXIT",
                _ => "JMP/JMP32",
            },
        }
    }
}

/// The instruction that starts at slot `pc`.
///
/// # Errors
///
/// If the slot (or, for `ld_imm64`, the pair) is not an instruction of RFC 9669, or has a reserved field set. Kernel
/// extensions that are decoded too: `may_goto` (0xe5) and, because engines run xlated programs, `tail_call` (0xf5).
pub fn decode(insns: &[Insn], pc: usize) -> Result<Instruction, DecodeError> {
    let Some(&insn) = insns.get(pc) else {
        return Err(DecodeError { pc, insn: Insn::default(), kind: DecodeErrorKind::PastEnd });
    };
    let instruction = match insn.class() {
        Class::Ld => load_class(insn, insns.get(pc + 1).copied()),
        Class::Ldx => ldx_class(insn),
        Class::St | Class::Stx => store_class(insn),
        Class::Alu => alu_class(insn, Width::W32),
        Class::Alu64 => alu_class(insn, Width::W64),
        Class::Jmp => jmp_class(insn, Width::W64),
        Class::Jmp32 => jmp_class(insn, Width::W32),
    };
    instruction.map_err(|kind| DecodeError { pc, insn, kind })
}

/// Every instruction of a program with the slot it starts at.
///
/// # Errors
///
/// The first slot that does not decode.
pub fn decode_program(insns: &[Insn]) -> Result<Vec<(usize, Instruction)>, DecodeError> {
    let mut out = Vec::with_capacity(insns.len());
    let mut pc = 0;
    while pc < insns.len() {
        let instruction = decode(insns, pc)?;
        out.push((pc, instruction));
        pc += instruction.slots();
    }
    Ok(out)
}

type Decoded = Result<Instruction, DecodeErrorKind>;

fn dst(insn: Insn) -> Result<Reg, DecodeErrorKind> {
    Reg::new(insn.dst()).ok_or(DecodeErrorKind::BadDst)
}

fn src(insn: Insn) -> Result<Reg, DecodeErrorKind> {
    Reg::new(insn.src()).ok_or(DecodeErrorKind::BadSrc)
}

fn require(zero: bool) -> Result<(), DecodeErrorKind> {
    if zero { Ok(()) } else { Err(DecodeErrorKind::ReservedField) }
}

/// The source operand; the field not used must be zero.
fn operand(insn: Insn) -> Result<Operand, DecodeErrorKind> {
    if insn.opcode & f::SRC_X != 0 {
        require(insn.imm == 0)?;
        Ok(Operand::Reg(src(insn)?))
    } else {
        require(insn.src() == 0)?;
        Ok(Operand::Imm(insn.imm))
    }
}

const fn size(opcode: u8) -> Size {
    match opcode & 0x18 {
        0x00 => Size::W,
        0x08 => Size::H,
        0x10 => Size::B,
        _ => Size::Dw,
    }
}

fn alu_class(insn: Insn, width: Width) -> Decoded {
    let code = insn.opcode & 0xf0;
    match code {
        f::NEG if insn.opcode & f::SRC_X == 0 => {
            require(insn.src() == 0 && insn.off == 0 && insn.imm == 0)?;
            Ok(Instruction::Neg { width, dst: dst(insn)? })
        }
        f::END => endian(insn, width),
        0xb0 if insn.off != 0 => mov_sx(insn, width),
        _ => {
            if AluOp::from_code(code, 0).is_none() {
                return Err(DecodeErrorKind::UnknownOpcode);
            }
            let op = AluOp::from_code(code, insn.off).ok_or(DecodeErrorKind::ReservedField)?;
            Ok(Instruction::Alu { width, op, dst: dst(insn)?, src: operand(insn)? })
        }
    }
}

fn mov_sx(insn: Insn, width: Width) -> Decoded {
    let size = match (insn.off, width) {
        (8, _) => Size::B,
        (16, _) => Size::H,
        (32, Width::W64) => Size::W,
        _ => return Err(DecodeErrorKind::ReservedField),
    };
    require(insn.opcode & f::SRC_X != 0 && insn.imm == 0)?;
    Ok(Instruction::MovSx { width, size, dst: dst(insn)?, src: src(insn)? })
}

fn endian(insn: Insn, width: Width) -> Decoded {
    let op = match (width, insn.opcode & f::SRC_X) {
        (Width::W32, 0) => EndianOp::ToLe,
        (Width::W32, _) => EndianOp::ToBe,
        (Width::W64, 0) => EndianOp::Swap,
        (Width::W64, _) => return Err(DecodeErrorKind::UnknownOpcode),
    };
    require(insn.src() == 0 && insn.off == 0)?;
    let size = match insn.imm {
        16 => Size::H,
        32 => Size::W,
        64 => Size::Dw,
        _ => return Err(DecodeErrorKind::ReservedField),
    };
    Ok(Instruction::Endian { op, size, dst: dst(insn)? })
}

fn load_class(insn: Insn, next: Option<Insn>) -> Decoded {
    match (insn.opcode & 0xe0, size(insn.opcode)) {
        (f::MODE_IMM, Size::Dw) => wide(insn, next),
        (f::MODE_ABS, size @ (Size::B | Size::H | Size::W)) => {
            require(insn.dst() == 0 && insn.src() == 0 && insn.off == 0)?;
            Ok(Instruction::LoadPacket { size, index: PacketIndex::Abs, imm: insn.imm })
        }
        (f::MODE_IND, size @ (Size::B | Size::H | Size::W)) => {
            require(insn.dst() == 0 && insn.off == 0)?;
            Ok(Instruction::LoadPacket { size, index: PacketIndex::Ind(src(insn)?), imm: insn.imm })
        }
        _ => Err(DecodeErrorKind::UnknownOpcode),
    }
}

fn wide(insn: Insn, next: Option<Insn>) -> Decoded {
    let next = next.ok_or(DecodeErrorKind::BadWide)?;
    if next.opcode != 0 || next.regs != 0 || next.off != 0 {
        return Err(DecodeErrorKind::BadWide);
    }
    require(insn.off == 0)?;
    let low = insn.imm as u32;
    let high = next.imm as u32;
    let value = match insn.src() {
        0 => Imm64::Const(u64::from(high) << 32 | u64::from(low)),
        1 => Imm64::Map(low),
        2 => Imm64::MapValue { map: low, off: high },
        3 => Imm64::BtfId(low),
        4 => Imm64::Func(insn.imm),
        5 => Imm64::MapIndex(low),
        6 => Imm64::MapIndexValue { map: low, off: high },
        _ => return Err(DecodeErrorKind::UnknownKind),
    };
    let high_is_free =
        matches!(value, Imm64::Const(_) | Imm64::MapValue { .. } | Imm64::MapIndexValue { .. });
    require(high_is_free || high == 0)?;
    Ok(Instruction::LoadImm64 { dst: dst(insn)?, value })
}

fn ldx_class(insn: Insn) -> Decoded {
    let size = size(insn.opcode);
    let signed = match (insn.opcode & 0xe0, size) {
        (f::MODE_MEM, _) => false,
        (f::MODE_MEMSX, Size::B | Size::H | Size::W) => true,
        _ => return Err(DecodeErrorKind::UnknownOpcode),
    };
    require(insn.imm == 0)?;
    Ok(Instruction::Load { size, signed, dst: dst(insn)?, base: src(insn)?, off: insn.off })
}

fn store_class(insn: Insn) -> Decoded {
    let size = size(insn.opcode);
    let base = dst(insn);
    match (insn.opcode & 0xe0, insn.class() == Class::Stx, size) {
        (f::MODE_MEM, true, _) => {
            require(insn.imm == 0)?;
            Ok(Instruction::Store { size, base: base?, off: insn.off, src: Operand::Reg(src(insn)?) })
        }
        (f::MODE_MEM, false, _) => {
            require(insn.src() == 0)?;
            Ok(Instruction::Store { size, base: base?, off: insn.off, src: Operand::Imm(insn.imm) })
        }
        (f::MODE_ATOMIC, true, Size::W | Size::Dw) => {
            let op = AtomicOp::from_code(insn.imm).ok_or(DecodeErrorKind::UnknownOpcode)?;
            Ok(Instruction::Atomic { size, op, base: base?, off: insn.off, src: src(insn)? })
        }
        _ => Err(DecodeErrorKind::UnknownOpcode),
    }
}

fn jmp_class(insn: Insn, width: Width) -> Decoded {
    let x = insn.opcode & f::SRC_X != 0;
    match (insn.opcode & 0xf0, width) {
        (f::JA, _) if !x => {
            let (off, unused) = match width {
                Width::W64 => (i32::from(insn.off), insn.imm == 0),
                Width::W32 => (insn.imm, insn.off == 0),
            };
            require(unused && insn.regs == 0)?;
            Ok(Instruction::Jump { width, off })
        }
        (f::CALL, Width::W64) if !x => {
            require(insn.dst() == 0 && insn.off == 0)?;
            match insn.src() {
                0 => Ok(Instruction::Call(CallTarget::Helper(insn.imm as u32))),
                1 => Ok(Instruction::Call(CallTarget::Local(insn.imm))),
                2 => Ok(Instruction::Call(CallTarget::Kfunc(insn.imm))),
                _ => Err(DecodeErrorKind::UnknownKind),
            }
        }
        (f::EXIT, Width::W64) if !x => {
            require(insn.regs == 0 && insn.off == 0 && insn.imm == 0)?;
            Ok(Instruction::Exit)
        }
        (f::MAY_GOTO, Width::W64) if !x => {
            require(insn.regs == 0 && insn.imm == 0)?;
            Ok(Instruction::MayGoto { off: insn.off })
        }
        (f::TAIL_CALL, Width::W64) if !x => {
            require(insn.regs == 0 && insn.off == 0 && insn.imm == 0)?;
            Ok(Instruction::TailCall)
        }
        (code, _) => {
            let op = JmpOp::from_code(code).ok_or(DecodeErrorKind::UnknownOpcode)?;
            Ok(Instruction::JumpIf { width, op, dst: dst(insn)?, src: operand(insn)?, off: insn.off })
        }
    }
}
