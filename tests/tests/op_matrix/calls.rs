//! Local calls, one to seven deep: what a callee gets, what it gives, and what it must leave to its caller.
//!
//! Every function of a chain fills r6 to r9 and both ends of its stack with values of its own, calls the next one with
//! arguments it derived from its own, and folds all it still finds afterwards into r0: a value that any call lost or
//! any two frames shared changes the result.

use bpfreplay_isa::{AluOp, CallTarget, Imm64, Instruction, Operand, Reg, Size, Width};

use crate::harness::{EDGES, EPILOGUE, Machine, check_calls, encoded, engines};

/// Calls within calls that Linux allows: 8 frames, the main program's among them (`MAX_CALL_FRAMES`).
const DEPTH_MAX: u64 = 7;

/// Where functions keep values: arguments r1 to r5 at the top of the stack, one value at its end.
const ARGS_AT: i16 = -40;
const END_AT: i16 = -512;
/// Where the main program does: r6 at the top (-8 and -16 are the harness's), r9 at the end, and what functions count in.
const TOP_AT: i16 = -24;
const COUNTER_AT: i16 = -32;

/// What a fold multiplies by, so that the order of values counts.
const FACTOR: i32 = 31;

fn alu(op: AluOp, dst: Reg, src: Operand) -> Instruction {
    Instruction::Alu { width: Width::W64, op, dst, src }
}

fn store(base: Reg, off: i16, src: Reg) -> Instruction {
    Instruction::Store { size: Size::Dw, base, off, src: Operand::Reg(src) }
}

fn load(dst: Reg, base: Reg, off: i16) -> Instruction {
    Instruction::Load { size: Size::Dw, signed: false, dst, base, off }
}

/// What function `depth` keeps in a callee-saved register.
fn own(depth: u64, reg: Reg) -> u64 {
    (0x0101_0101_0101_0101 * depth) ^ ((reg.index() as u64) << 60)
}

/// Where argument `i` is kept.
fn arg_at(i: usize) -> i16 {
    ARGS_AT + 8 * i as i16
}

/// Function `depth` of a chain that ends with function `last`. r5 points to the counter of the main program.
fn function(depth: u64, last: u64) -> Vec<Instruction> {
    let mut body: Vec<Instruction> =
        Reg::ARGS.iter().enumerate().map(|(i, &reg)| store(Reg::FP, arg_at(i), reg)).collect();
    for reg in Reg::CALLEE_SAVED {
        body.push(Instruction::LoadImm64 { dst: reg, value: Imm64::Const(own(depth, reg)) });
    }
    body.push(store(Reg::FP, END_AT, Reg::R8));
    let rest = fold_all();
    if depth < last {
        body.extend(Reg::ARGS[..4].iter().map(|&reg| alu(AluOp::Add, reg, Operand::Imm(depth as i32))));
        // The next function is behind what is left of this one.
        body.push(Instruction::Call(CallTarget::Local(encoded(&rest).len() as i32)));
    } else {
        body.push(alu(AluOp::Mov, Reg::R0, Operand::Imm(-1)));
    }
    body.extend(rest);
    body
}

/// Folds r6 to r9, r1 to r4 as they were passed and the end of the stack into r0; adds 1 to the counter; returns.
fn fold_all() -> Vec<Instruction> {
    let fold =
        |reg| [alu(AluOp::Mul, Reg::R0, Operand::Imm(FACTOR)), alu(AluOp::Add, Reg::R0, Operand::Reg(reg))];
    let mut all: Vec<Instruction> = Reg::CALLEE_SAVED.into_iter().flat_map(fold).collect();
    for off in (0..4).map(arg_at).chain([END_AT]) {
        all.push(load(Reg::R1, Reg::FP, off));
        all.extend(fold(Reg::R1));
    }
    all.extend([
        load(Reg::R1, Reg::FP, arg_at(4)),
        load(Reg::R2, Reg::R1, 0),
        alu(AluOp::Add, Reg::R2, Operand::Imm(1)),
        store(Reg::R1, 0, Reg::R2),
        Instruction::Exit,
    ]);
    all
}

/// What function `depth` returns.
fn folded(depth: u64, last: u64, args: [u64; 4]) -> u64 {
    let inner = if depth < last {
        folded(depth + 1, last, args.map(|arg| arg.wrapping_add(depth)))
    } else {
        u64::MAX
    };
    let saved = Reg::CALLEE_SAVED.map(|reg| own(depth, reg));
    let values = saved.into_iter().chain(args).chain([own(depth, Reg::R8)]);
    values.fold(inner, |sum, value| sum.wrapping_mul(FACTOR as u64).wrapping_add(value))
}

#[test]
fn registers_and_stacks_survive_every_depth() {
    let engines = engines();
    for last in 1..=DEPTH_MAX {
        let functions: Vec<Instruction> = (1..=last).flat_map(|depth| function(depth, last)).collect();
        // What the main program still has on its stack goes to r1 to r3 afterwards, its r10 to r4.
        let found = [
            load(Reg::R1, Reg::FP, TOP_AT),
            load(Reg::R2, Reg::FP, END_AT),
            load(Reg::R3, Reg::FP, COUNTER_AT),
            alu(AluOp::Mov, Reg::R4, Operand::Reg(Reg::FP)),
            alu(AluOp::Mov, Reg::R5, Operand::Imm(0)),
        ];
        let mut case = vec![
            store(Reg::FP, TOP_AT, Reg::R6),
            store(Reg::FP, END_AT, Reg::R9),
            store(Reg::FP, COUNTER_AT, Reg::R7),
            alu(AluOp::Mov, Reg::R5, Operand::Reg(Reg::FP)),
            alu(AluOp::Add, Reg::R5, Operand::Imm(COUNTER_AT.into())),
            Instruction::Call(CallTarget::Local(found.len() as i32 + EPILOGUE)),
        ];
        case.extend(found);
        let starts = EDGES.iter().map(|&edge| {
            let mut machine = Machine::new();
            machine.registers[1] = edge;
            machine.registers[8] = !edge;
            machine
        });
        check_calls(&engines, (&case, &functions), starts, |m, _| {
            let [_, r1, r2, r3, r4, _, r6, r7, _, r9, r10] = m.registers;
            m.registers[0] = folded(1, last, [r1, r2, r3, r4]);
            m.registers[1..6].copy_from_slice(&[r6, r9, r7.wrapping_add(last), r10, 0]);
        });
    }
}
