//! Neighbours that an engine may run as one instruction.

use bpfreplay_isa::{AluOp, Instruction, Operand, Reg, Size, Width};

use crate::harness::{EDGES, IMMEDIATES, Machine, SCRATCH, check, engines, writable};

#[test]
fn a_move_and_an_addition() {
    let engines = engines();
    for dst in writable() {
        for src in Reg::ALL {
            for &imm in IMMEDIATES {
                let starts = EDGES.iter().map(|&value| {
                    let mut machine = Machine::new();
                    machine.registers[src.index()] = value;
                    machine
                });
                let mov = Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Operand::Reg(src) };
                let add = Instruction::Alu { width: Width::W64, op: AluOp::Add, dst, src: Operand::Imm(imm) };
                check(&engines, &[mov, add], starts, |m, _| {
                    m.registers[dst.index()] = m.registers[src.index()].wrapping_add_signed(i64::from(imm));
                });
            }
        }
    }
}

#[test]
fn a_move_and_an_addition_of_a_register() {
    let engines = engines();
    for dst in writable() {
        for left in Reg::ALL {
            for right in Reg::ALL {
                let starts = EDGES.iter().map(|&value| {
                    let mut machine = Machine::new();
                    machine.registers[left.index()] = value;
                    machine
                });
                let alu = |op, src| Instruction::Alu { width: Width::W64, op, dst, src: Operand::Reg(src) };
                check(&engines, &[alu(AluOp::Mov, left), alu(AluOp::Add, right)], starts, |m, _| {
                    m.registers[dst.index()] = m.registers[left.index()];
                    m.registers[dst.index()] =
                        m.registers[dst.index()].wrapping_add(m.registers[right.index()]);
                });
            }
        }
    }
}

#[test]
fn two_bytes_of_a_half() {
    let engines = engines();
    for (low, high) in writable().flat_map(|low| writable().map(move |high| (low, high))) {
        for base in writable().filter(|_| low != high) {
            for (first, second) in [(0, 1), (1, 0), (1, 2), (0, 0), (3, 1)] {
                for swap in [false, true] {
                    half(&engines, low, high, base, (first, second), swap);
                }
            }
        }
    }
}

/// `low` and `high` are loaded from the bytes at these places, `high <<= 8`, `high |= low`, `low = 0`.
fn half(
    engines: &[crate::harness::Engine],
    low: Reg,
    high: Reg,
    base: Reg,
    (low_at, high_at): (i16, i16),
    high_first: bool,
) {
    let packet = Instruction::Load { size: Size::Dw, signed: false, dst: base, base: Reg::FP, off: -8 };
    let byte =
        |dst, at: i16| Instruction::Load { size: Size::B, signed: false, dst, base, off: SCRATCH + at };
    let alu = |op, dst, src| Instruction::Alu { width: Width::W32, op, dst, src };
    let mut loads = [(low, low_at), (high, high_at)];
    if high_first {
        loads.reverse();
    }
    if loads[0].0 == base {
        return; // the second load would be from a number
    }
    let program = [
        packet,
        byte(loads[0].0, loads[0].1),
        byte(loads[1].0, loads[1].1),
        alu(AluOp::Lsh, high, Operand::Imm(8)),
        alu(AluOp::Or, high, Operand::Reg(low)),
        alu(AluOp::Mov, low, Operand::Imm(0)),
    ];
    check(engines, &program, [Machine::new()].into_iter(), |m, at| {
        let bytes = m.scratch[0].to_le_bytes();
        m.registers[base.index()] = at;
        let half = u64::from(bytes[high_at as usize]) << 8 | u64::from(bytes[low_at as usize]);
        m.registers[high.index()] = half;
        m.registers[low.index()] = 0;
    });
}
