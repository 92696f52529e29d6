//! Arithmetic, moves, byte order.

use bpfreplay_isa::{AluOp, EndianOp, Instruction, Operand, Reg, Size, Width, sem};

use crate::harness::{EDGES, IMMEDIATES, Machine, check, engines, writable};

const WIDTHS: [Width; 2] = [Width::W32, Width::W64];

/// Machines with each edge in `dst` and in `src`.
fn pairs(dst: Reg, src: Reg) -> impl Iterator<Item = Machine> + Clone {
    EDGES.iter().flat_map(move |&a| {
        EDGES.iter().map(move |&b| {
            let mut machine = Machine::new();
            machine.registers[dst.index()] = a;
            machine.registers[src.index()] = b;
            machine
        })
    })
}

/// Machines with each edge in `dst`.
fn singles(dst: Reg) -> impl Iterator<Item = Machine> + Clone {
    EDGES.iter().map(move |&a| {
        let mut machine = Machine::new();
        machine.registers[dst.index()] = a;
        machine
    })
}

#[test]
fn binary_operations_on_every_pair_of_registers() {
    let engines = engines();
    let mut compared = 0;
    for &op in AluOp::ALL {
        for width in WIDTHS {
            for dst in writable() {
                for src in Reg::ALL {
                    let insn = Instruction::Alu { width, op, dst, src: Operand::Reg(src) };
                    compared += check(&engines, &[insn], pairs(dst, src), |m, _| {
                        let r = &mut m.registers;
                        r[dst.index()] = sem::alu(width, op, r[dst.index()], r[src.index()]);
                    });
                }
            }
        }
    }
    assert!(compared > 1_000_000, "{compared} comparisons");
}

#[test]
fn binary_operations_with_immediates() {
    let engines = engines();
    for &op in AluOp::ALL {
        for width in WIDTHS {
            for dst in writable() {
                for &imm in IMMEDIATES {
                    let insn = Instruction::Alu { width, op, dst, src: Operand::Imm(imm) };
                    check(&engines, &[insn], singles(dst), |m, _| {
                        let r = &mut m.registers;
                        r[dst.index()] = sem::alu(width, op, r[dst.index()], i64::from(imm) as u64);
                    });
                }
            }
        }
    }
}

#[test]
fn negation() {
    let engines = engines();
    for width in WIDTHS {
        for dst in writable() {
            check(&engines, &[Instruction::Neg { width, dst }], singles(dst), |m, _| {
                m.registers[dst.index()] = sem::neg(width, m.registers[dst.index()]);
            });
        }
    }
}

#[test]
fn sign_extending_moves_on_every_pair_of_registers() {
    let engines = engines();
    for (width, size) in [
        (Width::W32, Size::B),
        (Width::W32, Size::H),
        (Width::W64, Size::B),
        (Width::W64, Size::H),
        (Width::W64, Size::W),
    ] {
        for dst in writable() {
            for src in Reg::ALL {
                check(&engines, &[Instruction::MovSx { width, size, dst, src }], singles(src), |m, _| {
                    m.registers[dst.index()] = sem::mov_sx(width, size, m.registers[src.index()]);
                });
            }
        }
    }
}

#[test]
fn byte_order() {
    let engines = engines();
    for op in EndianOp::ALL {
        for size in [Size::H, Size::W, Size::Dw] {
            for dst in writable() {
                check(&engines, &[Instruction::Endian { op, size, dst }], singles(dst), |m, _| {
                    m.registers[dst.index()] = sem::endian(op, size, m.registers[dst.index()]);
                });
            }
        }
    }
}

#[test]
fn wide_immediates() {
    use bpfreplay_isa::Imm64;
    let engines = engines();
    for dst in writable() {
        for &value in EDGES {
            let insn = Instruction::LoadImm64 { dst, value: Imm64::Const(value) };
            check(&engines, &[insn], [Machine::new()].into_iter(), |m, _| m.registers[dst.index()] = value);
        }
    }
}
