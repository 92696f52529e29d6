use crate::decode::field as f;
use crate::insn::{Class, Insn};
use crate::instruction::{CallTarget, Imm64, Instruction, Operand, PacketIndex};
use crate::ops::{EndianOp, Size, Width};

/// The slot, or pair of slots, of an instruction: the inverse of [`crate::decode`].
#[must_use]
pub fn encode(instruction: Instruction) -> (Insn, Option<Insn>) {
    let one = |insn| (insn, None);
    match instruction {
        Instruction::Alu { width, op, dst, src } => {
            let (code, off) = op.code();
            let (x, src, imm) = operand(src);
            one(Insn::new(alu_class(width) | x | code, dst.number(), src, off, imm))
        }
        Instruction::Neg { width, dst } => one(Insn::new(alu_class(width) | f::NEG, dst.number(), 0, 0, 0)),
        Instruction::MovSx { width, size, dst, src } => {
            let off = size.bits() as i16;
            one(Insn::new(alu_class(width) | f::SRC_X | 0xb0, dst.number(), src.number(), off, 0))
        }
        Instruction::Endian { op, size, dst } => {
            let opcode = match op {
                EndianOp::ToLe => Class::Alu as u8 | f::END,
                EndianOp::ToBe => Class::Alu as u8 | f::SRC_X | f::END,
                EndianOp::Swap => Class::Alu64 as u8 | f::END,
            };
            one(Insn::new(opcode, dst.number(), 0, 0, size.bits() as i32))
        }
        Instruction::LoadImm64 { dst, value } => {
            let (src, low, high) = imm64(value);
            let first = Insn::new(0x18, dst.number(), src, 0, low as i32);
            (first, Some(Insn::new(0, 0, 0, 0, high as i32)))
        }
        Instruction::Load { size, signed, dst, base, off } => {
            let mode = if signed { f::MODE_MEMSX } else { f::MODE_MEM };
            let opcode = Class::Ldx as u8 | size_bits(size) | mode;
            one(Insn::new(opcode, dst.number(), base.number(), off, 0))
        }
        Instruction::Store { size, base, off, src } => {
            let (class, src, imm) = match src {
                Operand::Imm(imm) => (Class::St, 0, imm),
                Operand::Reg(reg) => (Class::Stx, reg.number(), 0),
            };
            one(Insn::new(class as u8 | size_bits(size) | f::MODE_MEM, base.number(), src, off, imm))
        }
        Instruction::Atomic { size, op, base, off, src } => {
            let opcode = Class::Stx as u8 | size_bits(size) | f::MODE_ATOMIC;
            one(Insn::new(opcode, base.number(), src.number(), off, op.code()))
        }
        Instruction::LoadPacket { size, index, imm } => {
            let (mode, src) = match index {
                PacketIndex::Abs => (f::MODE_ABS, 0),
                PacketIndex::Ind(reg) => (f::MODE_IND, reg.number()),
            };
            one(Insn::new(Class::Ld as u8 | size_bits(size) | mode, 0, src, 0, imm))
        }
        Instruction::Jump { width: Width::W64, off } => {
            one(Insn::new(Class::Jmp as u8 | f::JA, 0, 0, off as i16, 0))
        }
        Instruction::Jump { width: Width::W32, off } => {
            one(Insn::new(Class::Jmp32 as u8 | f::JA, 0, 0, 0, off))
        }
        Instruction::JumpIf { width, op, dst, src, off } => {
            let class = match width {
                Width::W32 => Class::Jmp32,
                Width::W64 => Class::Jmp,
            };
            let (x, src, imm) = operand(src);
            one(Insn::new(class as u8 | x | op.code(), dst.number(), src, off, imm))
        }
        Instruction::MayGoto { off } => one(Insn::new(Class::Jmp as u8 | f::MAY_GOTO, 0, 0, off, 0)),
        Instruction::Call(target) => {
            let (src, imm) = match target {
                CallTarget::Helper(id) => (0, id as i32),
                CallTarget::Local(off) => (1, off),
                CallTarget::Kfunc(id) => (2, id),
            };
            one(Insn::new(Class::Jmp as u8 | f::CALL, 0, src, 0, imm))
        }
        Instruction::TailCall => one(Insn::new(Class::Jmp as u8 | f::TAIL_CALL, 0, 0, 0, 0)),
        Instruction::Exit => one(Insn::new(Class::Jmp as u8 | f::EXIT, 0, 0, 0, 0)),
    }
}

const fn alu_class(width: Width) -> u8 {
    match width {
        Width::W32 => Class::Alu as u8,
        Width::W64 => Class::Alu64 as u8,
    }
}

const fn size_bits(size: Size) -> u8 {
    match size {
        Size::W => 0x00,
        Size::H => 0x08,
        Size::B => 0x10,
        Size::Dw => 0x18,
    }
}

const fn operand(operand: Operand) -> (u8, u8, i32) {
    match operand {
        Operand::Imm(imm) => (0, 0, imm),
        Operand::Reg(reg) => (f::SRC_X, reg.number(), 0),
    }
}

const fn imm64(value: Imm64) -> (u8, u32, u32) {
    match value {
        Imm64::Const(value) => (0, value as u32, (value >> 32) as u32),
        Imm64::Map(map) => (1, map, 0),
        Imm64::MapValue { map, off } => (2, map, off),
        Imm64::BtfId(id) => (3, id, 0),
        Imm64::Func(off) => (4, off as u32, 0),
        Imm64::MapIndex(map) => (5, map, 0),
        Imm64::MapIndexValue { map, off } => (6, map, off),
    }
}
