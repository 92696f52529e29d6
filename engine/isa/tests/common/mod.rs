//! Every instruction the tables can say, for the given registers, immediates and offsets.

use bpfreplay_isa::{
    AluOp, AtomicOp, CallTarget, EndianOp, Imm64, Instruction, JmpOp, Operand, PacketIndex, Reg, Size, Width,
};

const WIDTHS: [Width; 2] = [Width::W32, Width::W64];

/// All combinations of table rows with the given values.
pub(crate) fn every_instruction(regs: &[(Reg, Reg)], imms: &[i32], offs: &[i16]) -> Vec<Instruction> {
    let mut out = vec![Instruction::TailCall, Instruction::Exit];
    for &(dst, src) in regs {
        let operands = || imms.iter().map(|&imm| Operand::Imm(imm)).chain([Operand::Reg(src)]);
        for width in WIDTHS {
            for &op in AluOp::ALL {
                out.extend(operands().map(|src| Instruction::Alu { width, op, dst, src }));
            }
            out.push(Instruction::Neg { width, dst });
            for size in [Size::B, Size::H] {
                out.push(Instruction::MovSx { width, size, dst, src });
            }
            for &off in offs {
                for &op in JmpOp::ALL {
                    out.extend(operands().map(|src| Instruction::JumpIf { width, op, dst, src, off }));
                }
            }
        }
        out.push(Instruction::MovSx { width: Width::W64, size: Size::W, dst, src });
        for op in EndianOp::ALL {
            out.extend([Size::H, Size::W, Size::Dw].map(|size| Instruction::Endian { op, size, dst }));
        }
        for &off in offs {
            for size in Size::ALL {
                out.push(Instruction::Load { size, signed: false, dst, base: src, off });
                out.extend(operands().map(|src| Instruction::Store { size, base: dst, off, src }));
            }
            for size in [Size::B, Size::H, Size::W] {
                out.push(Instruction::Load { size, signed: true, dst, base: src, off });
            }
            for size in [Size::W, Size::Dw] {
                let atomics = AtomicOp::ALL.iter();
                out.extend(atomics.map(|&op| Instruction::Atomic { size, op, base: dst, off, src }));
            }
        }
        for &imm in imms {
            for size in [Size::B, Size::H, Size::W] {
                out.push(Instruction::LoadPacket { size, index: PacketIndex::Abs, imm });
                out.push(Instruction::LoadPacket { size, index: PacketIndex::Ind(src), imm });
            }
            let (low, high) = (imm as u32, !imm as u32);
            let values = [
                Imm64::Const(imm as i64 as u64),
                Imm64::Const(u64::from(high) << 32 | u64::from(low)),
                Imm64::Map(low),
                Imm64::MapValue { map: low, off: high },
                Imm64::BtfId(low),
                Imm64::Func(imm),
                Imm64::MapIndex(low),
                Imm64::MapIndexValue { map: low, off: high },
            ];
            out.extend(values.map(|value| Instruction::LoadImm64 { dst, value }));
        }
    }
    for &off in offs {
        out.push(Instruction::Jump { width: Width::W64, off: i32::from(off) });
        out.push(Instruction::MayGoto { off });
    }
    for &imm in imms {
        out.push(Instruction::Jump { width: Width::W32, off: imm });
        out.push(Instruction::Call(CallTarget::Helper(imm as u32)));
        out.push(Instruction::Call(CallTarget::Local(imm)));
        out.push(Instruction::Call(CallTarget::Kfunc(imm)));
    }
    out
}
