//! Loads and stores: size × sign × offset × registers.

use bpfreplay_isa::{AluOp, Instruction, Operand, Reg, Size, Width, sem};

use crate::harness::{IMMEDIATES, Machine, SCRATCH, check, engines, writable};

/// Distances between the base register and the access: each encoding of a displacement, on both sides of zero.
const OFFSETS: &[i16] = &[0, 1, 8, 127, 128, 0x7fff, -1, -8, -128, -129, i16::MIN];

/// Where in the scratch memory the accesses are.
const AT: i16 = 24;

/// `base = packet + SCRATCH + AT - off`, so that `base + off` is in the scratch memory.
fn point(base: Reg, off: i16) -> [Instruction; 2] {
    let data = Instruction::Load { size: Size::Dw, signed: false, dst: base, base: Reg::FP, off: -8 };
    [
        data,
        Instruction::Alu { width: Width::W64, op: AluOp::Add, dst: base, src: Operand::Imm(distance(off)) },
    ]
}

fn distance(off: i16) -> i32 {
    i32::from(SCRATCH + AT) - i32::from(off)
}

/// What [`point`] leaves in its register.
fn pointer(packet: u64, off: i16) -> u64 {
    packet.wrapping_add_signed(distance(off).into())
}

/// The word of the scratch memory the accesses are in.
const WORD: usize = (AT / 8) as usize;

#[test]
fn loads() {
    let engines = engines();
    for (size, signed) in Size::ALL.into_iter().flat_map(|size| [(size, false), (size, true)]) {
        if signed && size == Size::Dw {
            continue; // not an instruction
        }
        for dst in writable() {
            for base in writable() {
                for &off in OFFSETS {
                    let [data, add] = point(base, off);
                    let load = Instruction::Load { size, signed, dst, base, off };
                    check(&engines, &[data, add, load], [Machine::new()].into_iter(), |m, packet| {
                        let value = m.scratch[WORD] & mask(size);
                        m.registers[base.index()] = pointer(packet, off);
                        m.registers[dst.index()] = if signed { sem::sign_extend(size, value) } else { value };
                    });
                }
            }
        }
    }
}

#[test]
fn stores_of_registers() {
    let engines = engines();
    for size in Size::ALL {
        for src in Reg::ALL {
            for base in writable() {
                for &off in OFFSETS {
                    let [data, add] = point(base, off);
                    let store = Instruction::Store { size, base, off, src: Operand::Reg(src) };
                    check(&engines, &[data, add, store], [Machine::new()].into_iter(), |m, packet| {
                        m.registers[base.index()] = pointer(packet, off);
                        put(m, size, m.registers[src.index()]);
                    });
                }
            }
        }
    }
}

#[test]
fn stores_of_immediates() {
    let engines = engines();
    for size in Size::ALL {
        for base in writable() {
            for &imm in IMMEDIATES {
                for &off in OFFSETS {
                    let [data, add] = point(base, off);
                    let store = Instruction::Store { size, base, off, src: Operand::Imm(imm) };
                    check(&engines, &[data, add, store], [Machine::new()].into_iter(), |m, packet| {
                        m.registers[base.index()] = pointer(packet, off);
                        put(m, size, i64::from(imm) as u64);
                    });
                }
            }
        }
    }
}

/// The stack is memory too: the frame pointer as base, at both ends of the 512 bytes.
#[test]
fn the_stack() {
    let engines = engines();
    for size in Size::ALL {
        for off in [-512i16, -504, -136, -128, -32] {
            for reg in writable() {
                let store = Instruction::Store { size, base: Reg::FP, off, src: Operand::Reg(reg) };
                let load = Instruction::Load { size, signed: false, dst: reg, base: Reg::FP, off };
                let wipe =
                    Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst: reg, src: Operand::Imm(0) };
                check(&engines, &[store, wipe, load], [Machine::new()].into_iter(), |m, _| {
                    m.registers[reg.index()] &= mask(size);
                });
            }
        }
    }
}

/// Writes the low `size` bytes of a value where the accesses are.
fn put(machine: &mut Machine, size: Size, value: u64) {
    machine.scratch[WORD] = machine.scratch[WORD] & !mask(size) | value & mask(size);
}

fn mask(size: Size) -> u64 {
    u64::MAX >> (64 - size.bits())
}
