//! Atomic operations, alone: that they are atomic is another test's business.

use bpfreplay_isa::{AluOp, AtomicOp, Instruction, Operand, Reg, Size, Width, sem};

use crate::harness::{Engine, Machine, SCRATCH, check, engines, writable};

/// Distances between the base register and the access.
const OFFSETS: &[i16] = &[0, 64, 0x400, -8, -0x400];

/// Values in memory and in the source.
const VALUES: &[u64] = &[0, 1, 0x8000_0000, 0xffff_ffff, 0x0123_4567_89ab_cdef, u64::MAX];

#[test]
fn atomics_on_every_pair_of_registers() {
    let engines = engines();
    for &op in AtomicOp::ALL {
        for size in [Size::W, Size::Dw] {
            for base in writable() {
                for src in writable() {
                    for &off in OFFSETS {
                        case(&engines, size, op, base, src, off);
                    }
                }
            }
        }
    }
}

/// The stack slot the operations are on: programs have no atomics on packets.
const SLOT: i16 = -32;

fn case(engines: &[Engine], size: Size, op: AtomicOp, base: Reg, src: Reg, off: i16) {
    let load = |dst, base, off| Instruction::Load { size: Size::Dw, signed: false, dst, base, off };
    let store = |base, off, src| Instruction::Store { size: Size::Dw, base, off, src: Operand::Reg(src) };
    let add = |dst, imm| Instruction::Alu { width: Width::W64, op: AluOp::Add, dst, src: Operand::Imm(imm) };
    let mov = |dst, src| Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Operand::Reg(src) };
    let distance = i32::from(SLOT) - i32::from(off);
    let program = [
        // slot = scratch[0], by way of r0
        store(Reg::FP, -24, Reg::R0),
        load(Reg::R0, Reg::FP, -8),
        load(Reg::R0, Reg::R0, SCRATCH),
        store(Reg::FP, SLOT, Reg::R0),
        load(Reg::R0, Reg::FP, -24),
        // the case
        mov(base, Reg::FP),
        add(base, distance),
        Instruction::Atomic { size, op, base, off, src },
        // scratch[0] = slot, by way of r0 and r1
        store(Reg::FP, -24, Reg::R0),
        store(Reg::FP, -40, Reg::R1),
        load(Reg::R0, Reg::FP, SLOT),
        load(Reg::R1, Reg::FP, -8),
        store(Reg::R1, SCRATCH, Reg::R0),
        load(Reg::R0, Reg::FP, -24),
        load(Reg::R1, Reg::FP, -40),
    ];
    let starts = VALUES.iter().flat_map(|&memory| {
        VALUES.iter().flat_map(move |&value| {
            [0, memory, memory & 0xffff_ffff].into_iter().map(move |r0| {
                let mut machine = Machine::new();
                machine.registers[0] = r0;
                machine.registers[src.index()] = value;
                machine.scratch[0] = memory;
                machine
            })
        })
    });
    check(engines, &program, starts, |m, _| {
        m.registers[base.index()] = m.registers[10].wrapping_add_signed(distance.into());
        let (old, value, r0) = (m.scratch[0], m.registers[src.index()], m.registers[0]);
        let fetched = match size {
            Size::B | Size::H | Size::W => {
                let new = sem::atomic32(op, old as u32, value as u32, r0 as u32);
                m.scratch[0] = old & !0xffff_ffff | u64::from(new);
                old & 0xffff_ffff
            }
            Size::Dw => {
                m.scratch[0] = sem::atomic64(op, old, value, r0);
                old
            }
        };
        if op == AtomicOp::Cmpxchg {
            m.registers[0] = fetched;
        } else if op.fetches() {
            m.registers[src.index()] = fetched;
        }
    });
}
