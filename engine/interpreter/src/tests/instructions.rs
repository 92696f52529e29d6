//! Every class of instruction does what `sem` says, with the registers the instruction names.

use bpfreplay_isa::{AluOp, EndianOp, JmpOp, Operand, Reg, Size, Width, sem};
use bpfreplay_isa::{Instruction, encode};

use super::run;

const EDGES: [u64; 8] = [0, 1, 31, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, i64::MIN as u64, u64::MAX];

#[test]
fn arithmetic_of_every_row() {
    for width in [Width::W32, Width::W64] {
        for &op in AluOp::ALL {
            for a in EDGES {
                for b in EDGES {
                    let (r1, r2) = (Reg::R1, Operand::Reg(Reg::R2));
                    let line = Instruction::Alu { width, op, dst: r1, src: r2 };
                    let source = format!("r1 = {a} ll\nr2 = {b} ll\n{line}\nr0 = r1\nexit");
                    assert_eq!(run(&source), Ok(sem::alu(width, op, a, b)), "{source}");
                }
                let imm = Instruction::Alu { width, op, dst: Reg::R1, src: Operand::Imm(-7) };
                let source = format!("r1 = {a} ll\n{imm}\nr0 = r1\nexit");
                assert_eq!(run(&source), Ok(sem::alu(width, op, a, -7i64 as u64)), "{source}");
            }
        }
    }
}

#[test]
fn unary_operations() {
    let value = 0x8182_8384_8586_8788;
    for (width, w) in [(Width::W32, 'w'), (Width::W64, 'r')] {
        let run = |line: String| run(&format!("r1 = {value} ll\nr0 = r1\n{line}\nexit")).unwrap();
        assert_eq!(run(format!("{w}0 = -{w}0")), sem::neg(width, value));
        assert_eq!(run(format!("{w}0 = (s8){w}1")), sem::mov_sx(width, Size::B, value));
        assert_eq!(run(format!("{w}0 = (s16){w}1")), sem::mov_sx(width, Size::H, value));
        assert_eq!(run("r0 = (s32)r1".to_owned()), sem::mov_sx(Width::W64, Size::W, value));
        for op in EndianOp::ALL {
            for size in [Size::H, Size::W, Size::Dw] {
                let line = Instruction::Endian { op, size, dst: Reg::R0 };
                assert_eq!(run(line.to_string()), sem::endian(op, size, value), "{line}");
            }
        }
    }
}

#[test]
fn conditional_jumps_of_every_row() {
    for width in [Width::W32, Width::W64] {
        for &op in JmpOp::ALL {
            for a in EDGES {
                for b in EDGES {
                    let src = Operand::Reg(Reg::R2);
                    let line = Instruction::JumpIf { width, op, dst: Reg::R1, src, off: 1 };
                    let source = format!("r0 = 1\nr1 = {a} ll\nr2 = {b} ll\n{line}\nr0 = 0\nexit");
                    assert_eq!(run(&source), Ok(u64::from(sem::jmp(width, op, a, b))), "{source}");
                }
                let line = Instruction::JumpIf { width, op, dst: Reg::R1, src: Operand::Imm(-1), off: 1 };
                let source = format!("r0 = 1\nr1 = {a} ll\n{line}\nr0 = 0\nexit");
                assert_eq!(run(&source), Ok(u64::from(sem::jmp(width, op, a, u64::MAX))), "{source}");
            }
        }
    }
}

#[test]
fn jumps_go_over_wide_instructions() {
    assert_eq!(run("goto a\nb: r0 = 5 ll\nexit\na: r1 = 7 ll\ngotol b"), Ok(5));
    assert_eq!(encode(Instruction::Exit).0.opcode, 0x95);
}

#[test]
fn loops_run_and_may_goto_ends_them() {
    assert_eq!(run("r0 = 0\na: r0 += 3\nif r0 < 300 goto a\nexit"), Ok(300));
    // The kernel grants a function 8 Mi iterations.
    assert_eq!(run("r0 = 0\na: may_goto out\nr0 += 1\ngoto a\nout: exit"), Ok(8 << 20));
}
