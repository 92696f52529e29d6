//! Jumps, taken and not taken.

use bpfreplay_isa::{AluOp, Instruction, JmpOp, Operand, Reg, Width, sem};

use crate::harness::{EDGES, IMMEDIATES, Machine, check, engines, writable};

const WIDTHS: [Width; 2] = [Width::W32, Width::W64];

/// What a jump that is not taken runs into.
const MARK: u64 = 0x600d;

/// The jump over one instruction that marks a register the jump does not read.
fn jump_over_mark(jump: Instruction, mark: Reg) -> [Instruction; 2] {
    [jump, Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst: mark, src: Operand::Imm(MARK as i32) }]
}

/// A writable register other than these two.
fn other(a: Reg, b: Reg) -> Reg {
    writable().find(|&reg| reg != a && reg != b).expect("ten registers")
}

#[test]
fn conditions_on_every_pair_of_registers() {
    let engines = engines();
    for &op in JmpOp::ALL {
        for width in WIDTHS {
            for dst in Reg::ALL {
                for src in Reg::ALL {
                    let mark = other(dst, src);
                    let starts = EDGES.iter().flat_map(|&a| {
                        EDGES.iter().map(move |&b| {
                            let mut machine = Machine::new();
                            machine.registers[dst.index()] = a;
                            machine.registers[src.index()] = b;
                            machine
                        })
                    });
                    let jump = Instruction::JumpIf { width, op, dst, src: Operand::Reg(src), off: 1 };
                    check(&engines, &jump_over_mark(jump, mark), starts, |m, _| {
                        if !sem::jmp(width, op, m.registers[dst.index()], m.registers[src.index()]) {
                            m.registers[mark.index()] = MARK;
                        }
                    });
                }
            }
        }
    }
}

#[test]
fn conditions_with_immediates() {
    let engines = engines();
    for &op in JmpOp::ALL {
        for width in WIDTHS {
            for dst in writable() {
                for &imm in IMMEDIATES {
                    let mark = other(dst, dst);
                    let near =
                        [imm, imm.wrapping_sub(1), imm.wrapping_add(1)].map(|imm| i64::from(imm) as u64);
                    let starts = EDGES.iter().copied().chain(near).map(|a| {
                        let mut machine = Machine::new();
                        machine.registers[dst.index()] = a;
                        machine
                    });
                    let jump = Instruction::JumpIf { width, op, dst, src: Operand::Imm(imm), off: 1 };
                    check(&engines, &jump_over_mark(jump, mark), starts, |m, _| {
                        if !sem::jmp(width, op, m.registers[dst.index()], i64::from(imm) as u64) {
                            m.registers[mark.index()] = MARK;
                        }
                    });
                }
            }
        }
    }
}

#[test]
fn jumps_forward_and_back() {
    let engines = engines();
    for width in WIDTHS {
        // r1 = 0; over: r1 += 1 (skipped once, then jumped back to); leave.
        let step = Instruction::Alu { width: Width::W64, op: AluOp::Add, dst: Reg::R1, src: Operand::Imm(1) };
        let zero = Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R1, src: Operand::Imm(0) };
        let again = Instruction::JumpIf {
            width: Width::W64,
            op: JmpOp::Lt,
            dst: Reg::R1,
            src: Operand::Imm(5),
            off: -2,
        };
        let program = [zero, Instruction::Jump { width, off: 1 }, step, again];
        check(&engines, &program, [Machine::new()].into_iter(), |m, _| m.registers[1] = 5);
    }
}
