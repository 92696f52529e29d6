//! Straight-line statements. Accesses that need a bound are in `access.rs`, calls in `calls.rs`.

use bpfreplay_isa::{AluOp, AtomicOp, EndianOp, Imm64, Instruction, Operand, PacketIndex, Reg, Size, Width};
use bpfreplay_uapi::{ProgType, SkbField, SkbValue, skb_load, skb_store};

use super::function::{Generator, slot_offset};
use super::kinds::{FIRST_CELL, Kind, SLOTS};

impl Generator<'_, '_> {
    pub(super) fn statement(&mut self) {
        match self.dice.below(24) {
            0..4 => self.arithmetic(),
            4 => self.unary(),
            5 => self.load_constant(),
            6 => self.copy(),
            7 => self.branch(),
            8 => self.count_loop(),
            9 => self.load_context(),
            10 => self.store_context(),
            11 => self.spill_or_fill(),
            12 => self.cell(),
            13 | 14 => self.packet_access(),
            15 => self.lookup(),
            16 => self.data_section(),
            17 => self.stack_by_index(),
            18 => self.load_packet(),
            19 | 20 => self.helper(),
            21 => self.tail_call(),
            22 => self.local_call(),
            _ if self.bold => self.anything(),
            _ => self.difference(),
        }
    }

    fn arithmetic(&mut self) {
        let Some(dst) = self.dice.pick(&self.known.with(Kind::Number)) else { return };
        let op = self.dice.pick(AluOp::ALL).unwrap_or(AluOp::Add);
        let (width, src) = (self.width(), self.number_operand());
        self.alu(width, op, dst, legal(width, op, src));
    }

    fn unary(&mut self) {
        let Some(src) = self.dice.pick(&self.known.with(Kind::Number)) else { return };
        let width = self.width();
        match self.dice.below(3) {
            0 => self.code.emit(Instruction::Neg { width, dst: src }),
            1 => {
                let dst = self.destination();
                let sizes: &[Size] =
                    if width == Width::W32 { &[Size::B, Size::H] } else { &[Size::B, Size::H, Size::W] };
                let size = self.dice.pick(sizes).unwrap_or(Size::B);
                self.code.emit(Instruction::MovSx { width, size, dst, src });
                self.known.set(dst, Kind::Number);
            }
            _ => {
                let op = self.dice.pick(&EndianOp::ALL).unwrap_or(EndianOp::ToBe);
                let size = self.dice.pick(&[Size::H, Size::W, Size::Dw]).unwrap_or(Size::H);
                self.code.emit(Instruction::Endian { op, size, dst: src });
            }
        }
    }

    fn load_constant(&mut self) {
        let dst = self.destination();
        let value = Imm64::Const(self.dice.number() as u64);
        self.code.emit(Instruction::LoadImm64 { dst, value });
        self.known.set(dst, Kind::Number);
    }

    fn copy(&mut self) {
        let readable: Vec<Reg> =
            Reg::ALL[..10].iter().copied().filter(|&reg| self.known.of(reg) != Kind::Dead).collect();
        let Some(src) = self.dice.pick(&readable) else { return };
        let dst = self.destination();
        if self.loops > 0 && dst.index() >= 6 && self.known.of(src) != Kind::Number {
            return;
        }
        self.mov(dst, src);
    }

    fn load_context(&mut self) {
        let Some(base) = self.dice.pick(&self.known.with(Kind::Context)) else { return };
        let Some((off, size)) = self.field() else { return };
        let number = |field: SkbField| field.value() == SkbValue::Scalar;
        if !skb_load(ProgType::SchedCls, off.into(), size.bytes()).is_some_and(number) {
            return;
        }
        let dst = self.destination();
        let signed = size != Size::Dw && self.dice.one_in(4);
        self.code.emit(Instruction::Load { size, signed, dst, base, off });
        self.known.set(dst, Kind::Number);
    }

    fn store_context(&mut self) {
        let Some((off, size)) = self.field() else { return };
        if skb_store(ProgType::SchedCls, off.into(), size.bytes()).is_none() {
            return;
        }
        let src = self.number_operand();
        self.code.emit(Instruction::Store { size, base: Reg::R6, off, src });
    }

    /// A place in the context; not every access there is allowed.
    fn field(&mut self) -> Option<(i16, Size)> {
        let field = self.dice.pick(SkbField::ALL)?;
        let size = self.dice.pick(&[Size::W, Size::W, Size::Dw, Size::H, Size::B])?;
        let pieces = (field.size() / size.bytes()).max(1) as usize;
        let off = field.offset() + self.dice.below(pieces) as u32 * size.bytes();
        Some((off as i16, size))
    }

    /// Whole registers of any kind, in the slots that are for that.
    fn spill_or_fill(&mut self) {
        let slot = self.dice.below(FIRST_CELL);
        let off = slot_offset(slot);
        if self.dice.one_in(2) {
            let kind = self.known.slots[slot];
            let dst = self.destination();
            let keeps = self.loops == 0 || dst.index() < 6 || kind == Kind::Number;
            if kind != Kind::Dead && keeps {
                self.code.emit(Instruction::Load { size: Size::Dw, signed: false, dst, base: Reg::FP, off });
                self.known.set(dst, kind);
            }
            return;
        }
        let Some(src) = self.dice.pick(&Reg::ALL[..10]) else { return };
        let kind = self.known.of(src);
        let keeps = self.loops == 0 || kind == self.known.slots[slot];
        if kind != Kind::Dead && keeps {
            self.code.emit(Instruction::Store { size: Size::Dw, base: Reg::FP, off, src: Operand::Reg(src) });
            self.known.slots[slot] = kind;
        }
    }

    /// A piece of a slot that holds a number: load, store or atomic.
    fn cell(&mut self) {
        let size = self.dice.pick(&Size::ALL).unwrap_or(Size::B);
        let piece = (self.dice.below(8 / size.bytes() as usize) * size.bytes() as usize) as i16;
        let cell = self.dice.pick(&self.known.with(Kind::Cell));
        let (base, off) = match cell {
            Some(cell) if self.dice.one_in(2) => (cell, piece),
            Some(_) | None => {
                let slot = FIRST_CELL + self.dice.below(SLOTS - FIRST_CELL);
                (Reg::FP, slot_offset(slot) + piece)
            }
        };
        self.memory(base, off, size);
    }

    /// A load, store or atomic of numbers at a place that is there.
    pub(super) fn memory(&mut self, base: Reg, off: i16, size: Size) {
        match self.dice.below(4) {
            0 | 1 => self.load_number(base, off, size),
            2 => {
                let src = self.number_operand();
                self.code.emit(Instruction::Store { size, base, off, src });
            }
            _ => self.atomic(base, off, size),
        }
    }

    pub(super) fn load_number(&mut self, base: Reg, off: i16, size: Size) {
        let dst = self.destination();
        if dst == base {
            return;
        }
        let signed = size != Size::Dw && self.dice.one_in(3);
        self.code.emit(Instruction::Load { size, signed, dst, base, off });
        self.known.set(dst, Kind::Number);
    }

    fn atomic(&mut self, base: Reg, off: i16, size: Size) {
        if !matches!(size, Size::W | Size::Dw) || off % size.bytes() as i16 != 0 {
            return;
        }
        let Some(src) = self.dice.pick(&self.known.with(Kind::Number)) else { return };
        let op = self.dice.pick(AtomicOp::ALL).unwrap_or(AtomicOp::Add);
        if op == AtomicOp::Cmpxchg && self.known.of(Reg::R0) != Kind::Number {
            if base == Reg::R0 {
                return;
            }
            self.constant(Reg::R0);
        }
        self.code.emit(Instruction::Atomic { size, op, base, off, src });
    }

    /// `LD_ABS` and `LD_IND`.
    fn load_packet(&mut self) {
        let size = self.dice.pick(&[Size::B, Size::H, Size::W]).unwrap_or(Size::B);
        let imm = match self.dice.below(4) {
            0 | 1 => self.dice.range(0..=40),
            // SKF_NET_OFF and SKF_LL_OFF.
            2 => self.dice.pick(&[-0x10_0000, -0x20_0000]).unwrap_or(0) + self.dice.range(0..=30),
            _ => self.dice.immediate(),
        };
        let index = match self.dice.pick(&self.known.with(Kind::Number)) {
            Some(reg) if self.dice.one_in(3) => PacketIndex::Ind(reg),
            Some(_) | None => PacketIndex::Abs,
        };
        self.code.emit(Instruction::LoadPacket { size, index, imm });
        self.known.clobber();
        self.known.set(Reg::R0, Kind::Number);
    }

    /// Bytes between two pointers into the packet.
    fn difference(&mut self) {
        let (packets, ends) = (self.known.with(Kind::Packet), self.known.with(Kind::PacketEnd));
        let (Some(packet), Some(end)) = (self.dice.pick(&packets), self.dice.pick(&ends)) else {
            return self.reload();
        };
        let dst = self.scratch(&[packet, end]);
        self.mov(dst, end);
        self.alu(Width::W64, AluOp::Sub, dst, Operand::Reg(packet));
        self.known.set(dst, Kind::Number);
    }

    fn reload(&mut self) {
        if self.loops > 0 {
            self.reload_packet(Reg::R2, Reg::R3);
        } else {
            self.reload_packet(Reg::R7, Reg::R8);
        }
    }

    /// An instruction with any operands.
    fn anything(&mut self) {
        let mut reg = || self.dice.pick(&Reg::ALL).unwrap_or(Reg::R0);
        let (dst, base) = (reg(), reg());
        let off = self.dice.range(-72..=24);
        let width = self.width();
        let src = if self.dice.one_in(2) { Operand::Reg(base) } else { Operand::Imm(self.dice.immediate()) };
        let size = self.dice.pick(&Size::ALL).unwrap_or(Size::B);
        let op = self.dice.pick(AluOp::ALL).unwrap_or(AluOp::Add);
        self.code.emit(match self.dice.below(6) {
            0 | 1 => Instruction::Alu { width, op, dst, src: legal(width, op, src) },
            2 | 3 => Instruction::Load { size, signed: false, dst, base, off },
            4 => Instruction::Store { size, base: dst, off, src },
            _ => Instruction::Atomic {
                size: Size::Dw,
                op: self.dice.pick(AtomicOp::ALL).unwrap_or(AtomicOp::Add),
                base: dst,
                off,
                src: base,
            },
        });
    }
}

/// Without division by the constant 0 and shifts by constants past the width.
pub(super) fn legal(width: Width, op: AluOp, src: Operand) -> Operand {
    let bits = match width {
        Width::W32 => 31,
        Width::W64 => 63,
    };
    match (op, src) {
        (AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod, Operand::Imm(0)) => Operand::Imm(1),
        (AluOp::Lsh | AluOp::Rsh | AluOp::Arsh, Operand::Imm(by)) => Operand::Imm(by & bits),
        (_, src) => src,
    }
}
