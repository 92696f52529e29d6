//! Functions and the shape of their bodies: blocks, branches, loops.

use bpfreplay_isa::{AluOp, Instruction, JmpOp, Operand, Reg, Size, Width};
use bpfreplay_uapi::SkbField;

use super::code::{Code, Label};
use super::dice::Dice;
use super::kinds::{Kind, Known, SLOTS};

/// Instructions of a program at the most; statements stop there.
const LENGTH_MAX: usize = 220;
/// Blocks inside blocks.
const DEPTH_MAX: usize = 3;
/// Iterations of a loop at the most: the verifier walks through each.
const ITERATIONS_MAX: i32 = 4;

/// How a function is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Callee {
    pub(super) label: Label,
    /// Verified by its prototype: it takes the context and a number, no pointer to a cell.
    pub(super) global: bool,
}

/// Writes one function.
pub(super) struct Generator<'a, 'b> {
    pub(super) dice: &'a mut Dice<'b>,
    pub(super) code: &'a mut Code,
    pub(super) known: Known,
    /// Functions this one may call.
    pub(super) callees: &'a [Callee],
    /// Whether to be wrong now and then.
    pub(super) bold: bool,
    /// Loops around the statement under way: their registers keep their kinds.
    pub(super) loops: usize,
    depth: usize,
    /// Functions this one has called.
    pub(super) called: Vec<Label>,
}

impl<'a, 'b> Generator<'a, 'b> {
    pub(super) fn new(
        dice: &'a mut Dice<'b>,
        code: &'a mut Code,
        callees: &'a [Callee],
        bold: bool,
    ) -> Generator<'a, 'b> {
        Generator { dice, code, known: Known::NOTHING, callees, bold, loops: 0, depth: 0, called: Vec::new() }
    }

    /// The whole function. At its start r1 is the context; of a subprogram r2 is a number, and of a static one r3
    /// points to a cell of the caller's.
    pub(super) fn function(&mut self, subprogram: bool, has_cell: bool) {
        self.known.set(Reg::R1, Kind::Context);
        self.mov(Reg::R6, Reg::R1);
        if subprogram {
            self.known.set(Reg::R2, Kind::Number);
        }
        if has_cell {
            self.known.set(Reg::R3, Kind::Cell);
        }
        for slot in 0..SLOTS {
            let value = self.dice.immediate();
            self.code.emit(Instruction::Store {
                size: Size::Dw,
                base: Reg::FP,
                off: slot_offset(slot),
                src: Operand::Imm(value),
            });
        }
        self.known.slots.fill(Kind::Number);
        self.reload_packet(Reg::R7, Reg::R8);
        for reg in [Reg::R0, Reg::R9] {
            self.constant(reg);
        }
        self.block(24);
        if !subprogram {
            self.call_the_rest();
        }
        self.result();
    }

    /// `r0 = a number; exit`.
    pub(super) fn result(&mut self) {
        if self.known.of(Reg::R0) != Kind::Number {
            match self.dice.pick(&self.known.with(Kind::Number)) {
                Some(reg) => self.mov(Reg::R0, reg),
                None => self.constant(Reg::R0),
            }
        }
        self.code.emit(Instruction::Exit);
    }

    /// Statements, until the dice say stop.
    pub(super) fn block(&mut self, most: usize) {
        let statements = 1 + self.dice.below(most);
        for _ in 0..statements {
            if self.code.len() > LENGTH_MAX || self.dice.is_empty() {
                break;
            }
            self.statement();
        }
    }

    /// Two paths that meet again, or one that leaves.
    pub(super) fn branch(&mut self) {
        if self.depth >= DEPTH_MAX {
            return;
        }
        let Some(dst) = self.dice.pick(&self.known.with(Kind::Number)) else { return };
        let src = self.number_operand();
        let (width, op) = (self.width(), self.jump_op());
        let (other, done) = (self.code.label(), self.code.label());
        self.code.jump_if(width, op, dst, src, other);
        let before = self.known.clone();
        self.depth += 1;
        let leaves = self.dice.one_in(8);
        if leaves {
            self.result();
        } else {
            self.block(5);
            self.code.jump(done);
        }
        let first = std::mem::replace(&mut self.known, before);
        self.code.bind(other);
        if self.dice.one_in(2) {
            self.block(5);
        }
        self.depth -= 1;
        self.code.bind(done);
        if !leaves {
            self.known.meet(&first);
        }
    }

    /// A counted loop. r0 to r5 are not known at its head, and in it no other register changes its kind.
    pub(super) fn count_loop(&mut self) {
        if self.depth >= DEPTH_MAX || self.loops >= 2 {
            return;
        }
        // The counter is the last slot but the loops outside: nothing else writes there.
        let off = slot_offset(SLOTS + self.loops);
        let iterations = self.dice.range(1..=ITERATIONS_MAX);
        let store = |src| Instruction::Store { size: Size::Dw, base: Reg::FP, off, src };
        self.code.emit(store(Operand::Imm(iterations)));
        let head = self.code.label();
        self.code.bind(head);
        self.known.clobber();
        self.loops += 1;
        self.depth += 1;
        self.block(5);
        self.depth -= 1;
        self.loops -= 1;
        let counter = Reg::R5;
        self.code.emit(Instruction::Load { size: Size::Dw, signed: false, dst: counter, base: Reg::FP, off });
        self.alu(Width::W64, AluOp::Add, counter, Operand::Imm(-1));
        self.code.emit(store(Operand::Reg(counter)));
        self.known.set(counter, Kind::Number);
        self.code.jump_if(Width::W64, JmpOp::Ne, counter, Operand::Imm(0), head);
    }

    pub(super) fn mov(&mut self, dst: Reg, src: Reg) {
        self.alu(Width::W64, AluOp::Mov, dst, Operand::Reg(src));
        self.known.set(dst, self.known.of(src));
    }

    pub(super) fn set(&mut self, dst: Reg, value: i32) {
        self.alu(Width::W64, AluOp::Mov, dst, Operand::Imm(value));
        self.known.set(dst, Kind::Number);
    }

    pub(super) fn constant(&mut self, dst: Reg) {
        let value = self.dice.immediate();
        self.set(dst, value);
    }

    /// Arithmetic, without bookkeeping.
    pub(super) fn alu(&mut self, width: Width, op: AluOp, dst: Reg, src: Operand) {
        self.code.emit(Instruction::Alu { width, op, dst, src });
    }

    /// `data` and `data_end` of the context in r6.
    pub(super) fn reload_packet(&mut self, data: Reg, end: Reg) {
        for (dst, field, kind) in
            [(data, SkbField::Data, Kind::Packet), (end, SkbField::DataEnd, Kind::PacketEnd)]
        {
            let off = field.offset() as i16;
            self.code.emit(Instruction::Load { size: Size::W, signed: false, dst, base: Reg::R6, off });
            self.known.set(dst, kind);
        }
    }

    pub(super) fn width(&mut self) -> Width {
        if self.dice.one_in(2) { Width::W32 } else { Width::W64 }
    }

    pub(super) fn jump_op(&mut self) -> JmpOp {
        self.dice.pick(JmpOp::ALL).unwrap_or(JmpOp::Eq)
    }

    /// A register with a number, or an immediate.
    pub(super) fn number_operand(&mut self) -> Operand {
        match self.dice.pick(&self.known.with(Kind::Number)) {
            Some(reg) if self.dice.one_in(2) => Operand::Reg(reg),
            Some(_) | None => Operand::Imm(self.dice.immediate()),
        }
    }

    /// A register that may become a number here.
    pub(super) fn destination(&mut self) -> Reg {
        let free: Vec<Reg> = Reg::ALL
            .into_iter()
            .filter(|&reg| reg != Reg::FP && reg != Reg::R6)
            .filter(|&reg| self.loops == 0 || reg.index() < 6 || self.known.of(reg) == Kind::Number)
            .collect();
        self.dice.pick(&free).unwrap_or(Reg::R0)
    }

    /// A register of r0 to r5 other than these, for a moment.
    pub(super) fn scratch(&mut self, taken: &[Reg]) -> Reg {
        let free: Vec<Reg> = Reg::ALL[..6].iter().copied().filter(|reg| !taken.contains(reg)).collect();
        self.dice.pick(&free).unwrap_or(Reg::R0)
    }
}

/// Where a slot is from the frame pointer.
pub(super) const fn slot_offset(slot: usize) -> i16 {
    -8 * (slot as i16 + 1)
}
