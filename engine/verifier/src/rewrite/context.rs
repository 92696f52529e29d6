//! `struct __sk_buff` accesses become accesses of the engine's struct (linux: convert_ctx_accesses(),
//! bpf_convert_ctx_access()).
//!
//! `tstamp` is loaded and stored as it is. The kernel hides a delivery time (`tstamp_type` not 0) from programs at
//! ingress that do not look at `tstamp_type`; no frame of this engine has one, so there is nothing to hide.

use bpfreplay_isa::{AluOp, Insn, Instruction, JmpOp, Operand, Reg, Size, Width, encode};
use bpfreplay_uapi::{ContextLayout, NativeField, SkbField, SkbValue};

use crate::error::{Checked, refuse};

/// The first value of `queue_mapping` that is not stored (`NO_QUEUE_MAPPING`).
const NO_QUEUE_MAPPING: i32 = 0xffff;

/// What an accepted access becomes.
pub(super) fn convert(instruction: Instruction, layout: &ContextLayout) -> Checked<Vec<Insn>> {
    let converted = match instruction {
        Instruction::Load { size, signed, dst, base, off } => {
            let (field, native) = locate(layout, off)?;
            let extend = if signed { Extend::Sign } else { Extend::Zero };
            load(field, native, Access { size, base, off }, extend, dst)
        }
        Instruction::Store { size, base, off, src } => {
            let (field, native) = locate(layout, off)?;
            store(field, native, Access { size, base, off }, src)
        }
        // Only loads and stores can reach the context.
        Instruction::Alu { .. }
        | Instruction::Neg { .. }
        | Instruction::MovSx { .. }
        | Instruction::Endian { .. }
        | Instruction::LoadImm64 { .. }
        | Instruction::Atomic { .. }
        | Instruction::LoadPacket { .. }
        | Instruction::Jump { .. }
        | Instruction::JumpIf { .. }
        | Instruction::MayGoto { .. }
        | Instruction::Call(_)
        | Instruction::TailCall
        | Instruction::Exit => vec![instruction],
    };
    Ok(converted.into_iter().map(|instruction| encode(instruction).0).collect())
}

/// An access as the program has it, by UAPI offset.
#[derive(Clone, Copy)]
struct Access {
    size: Size,
    base: Reg,
    off: i16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extend {
    Zero,
    Sign,
}

/// The field an offset is in, and where the engine keeps it.
fn locate(layout: &ContextLayout, off: i16) -> Checked<(SkbField, NativeField)> {
    let at = u32::try_from(off).unwrap_or(u32::MAX);
    let inside = |field: &&SkbField| field.offset() <= at && at < field.offset() + field.size();
    match SkbField::ALL.iter().find(inside) {
        Some(&field) => Ok((field, layout.field(field))),
        None => refuse!(Access, "invalid bpf_context access off={off}"),
    }
}

fn load(field: SkbField, native: NativeField, access: Access, extend: Extend, dst: Reg) -> Vec<Instruction> {
    let Access { size, base, off } = access;
    let within = off - field.offset() as i16;
    let plain =
        |size: Size, signed: bool, off: u16| Instruction::Load { size, signed, dst, base, off: off as i16 };
    if native.width == 0 {
        // The engine has no such field (a socket): it reads as 0, as the kernel's does on packets without one.
        return vec![Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Operand::Imm(0) }];
    }
    if field.value() != SkbValue::Scalar {
        return vec![plain(Size::Dw, false, native.off)];
    }
    let bytes_as_they_are = matches!(field, SkbField::Cb | SkbField::RemoteIp6 | SkbField::LocalIp6);
    if bytes_as_they_are {
        return vec![plain(size, extend == Extend::Sign, native.off + within as u16)];
    }
    // The kernel loads its whole field, then cuts out the bytes asked for, but only if fewer are asked for than its
    // field has: from a 2-byte field both halves of the 4-byte UAPI field read the same.
    let width = Size::from_bytes(native.width.into()).unwrap_or(Size::W);
    let mut out = vec![plain(width, false, native.off)];
    if size.bytes() < width.bytes() {
        let shift = (within as u32 & (field.size().min(4) - 1)) * 8;
        if shift != 0 {
            out.push(alu(Width::W32, AluOp::Rsh, dst, shift as i32));
        }
        let mask = ((1_u64 << size.bits()) - 1) as i32;
        out.push(alu(Width::W32, AluOp::And, dst, mask));
    }
    if extend == Extend::Sign && size != Size::Dw {
        out.push(Instruction::MovSx { width: Width::W64, size, dst, src: dst });
    }
    out
}

fn store(field: SkbField, native: NativeField, access: Access, src: Operand) -> Vec<Instruction> {
    let Access { size, base, off } = access;
    if native.width == 0 {
        return Vec::new();
    }
    if field == SkbField::Cb {
        let within = (off - field.offset() as i16) as u16;
        return vec![Instruction::Store { size, base, off: (native.off + within) as i16, src }];
    }
    // A narrower field takes the low bytes.
    let width = Size::from_bytes(native.width.into()).unwrap_or(Size::W);
    let store = Instruction::Store { size: width, base, off: native.off as i16, src };
    if field != SkbField::QueueMapping {
        return vec![store];
    }
    // Values from 0xffff are not stored: a register's compared unsigned, a constant's signed.
    match src {
        Operand::Reg(value) => {
            let guard = Instruction::JumpIf {
                width: Width::W64,
                op: JmpOp::Ge,
                dst: value,
                src: Operand::Imm(NO_QUEUE_MAPPING),
                off: 1,
            };
            vec![guard, store]
        }
        Operand::Imm(imm) if imm >= NO_QUEUE_MAPPING => Vec::new(),
        Operand::Imm(_) => vec![store],
    }
}

fn alu(width: Width, op: AluOp, dst: Reg, imm: i32) -> Instruction {
    Instruction::Alu { width, op, dst, src: Operand::Imm(imm) }
}
