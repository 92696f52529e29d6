//! Accesses that are there only within bounds: packet, map values, the stack by index.
//!
//! A variable is brought below a limit in one of several ways ([`Generator::bounded`]), added to the pointer, and the
//! access uses the room up to its last byte. Bold generators are wrong about the limit now and then.

use bpfreplay_isa::{AluOp, Imm64, Instruction, JmpOp, Operand, Reg, Size, Width};
use bpfreplay_uapi::HelperId;

use super::code::Label;
use super::function::{Generator, slot_offset};
use super::kinds::{FIRST_CELL, Kind, SLOTS};
use super::scenario::{ARRAY, DATA, HASH, PERCPU_ARRAY, PERCPU_HASH, RODATA, VALUE_SIZE};

/// Bytes behind a packet pointer that one comparison proves, at the most.
const PACKET_ROOM: i32 = 24;
/// Largest offset of a packet access from `data`; many are past the end of the frame.
const PACKET_OFFSET: i32 = 60;

impl Generator<'_, '_> {
    /// `p = data [+ variable] + constant; if p + room > data_end skip; access p`.
    pub(super) fn packet_access(&mut self) {
        let (packets, ends) = (self.known.with(Kind::Packet), self.known.with(Kind::PacketEnd));
        let (base, end) = match (self.dice.pick(&packets), self.dice.pick(&ends)) {
            (Some(base), Some(end)) => (base, end),
            _ => {
                let (data, end) = if self.loops > 0 { (Reg::R2, Reg::R3) } else { (Reg::R7, Reg::R8) };
                self.reload_packet(data, end);
                (data, end)
            }
        };
        let skip = self.code.label();
        let pointer = self.scratch(&[base, end]);
        let before = self.known.clone();
        let mut taken = vec![base, end, pointer];
        if self.dice.one_in(2) {
            let variable = self.scratch(&taken);
            taken.push(variable);
            let limit = self.dice.pick(&[1, 7, 14, 31, 63, 255]).unwrap_or(1);
            self.bounded(variable, limit, skip);
            self.mov(pointer, base);
            self.alu(Width::W64, AluOp::Add, pointer, Operand::Reg(variable));
        } else {
            self.mov(pointer, base);
        }
        let constant = self.dice.range(0..=PACKET_OFFSET);
        self.alu(Width::W64, AluOp::Add, pointer, Operand::Imm(constant));
        let room = self.dice.range(1..=PACKET_ROOM);
        let limit = self.scratch(&taken);
        self.mov(limit, pointer);
        self.alu(Width::W64, AluOp::Add, limit, Operand::Imm(room));
        match self.dice.below(3) {
            0 => self.code.jump_if(Width::W64, JmpOp::Gt, limit, Operand::Reg(end), skip),
            1 => self.code.jump_if(Width::W64, JmpOp::Lt, end, Operand::Reg(limit), skip),
            // One byte more than needed is there.
            _ => self.code.jump_if(Width::W64, JmpOp::Ge, limit, Operand::Reg(end), skip),
        }
        self.known.set(pointer, Kind::Packet);
        self.known.set(limit, Kind::Packet);
        self.pieces(pointer, room, false);
        self.code.bind(skip);
        self.known.meet(&before);
        for reg in taken.into_iter().chain([limit]).filter(|&reg| reg != base && reg != end) {
            self.known.set(reg, Kind::Dead);
        }
    }

    /// An element of a map, if it is there: `r0` to `r5` are taken.
    pub(super) fn lookup(&mut self) {
        let map = self.dice.pick(&[ARRAY, HASH, PERCPU_ARRAY, PERCPU_HASH]).unwrap_or(ARRAY);
        self.key(Reg::R2);
        self.code.emit(Instruction::LoadImm64 { dst: Reg::R1, value: Imm64::Map(map) });
        self.call_helper(HelperId::MapLookupElem);
        let before = self.known.clone();
        let skip = self.code.label();
        if !(self.bold && self.dice.one_in(16)) {
            self.code.jump_if(Width::W64, JmpOp::Eq, Reg::R0, Operand::Imm(0), skip);
        }
        self.mov(Reg::R1, Reg::R0);
        self.known.set(Reg::R0, Kind::Dead);
        self.value(Reg::R1, skip);
        self.code.bind(skip);
        self.known.meet(&before);
    }

    /// The only element of an array by its address.
    pub(super) fn data_section(&mut self) {
        let writable = self.dice.one_in(2);
        let map = if writable { DATA } else { RODATA };
        let off = self.dice.range(0..=VALUE_SIZE / 2);
        let dst = Reg::R1;
        self.code.emit(Instruction::LoadImm64 { dst, value: Imm64::MapValue { map, off } });
        self.known.set(dst, Kind::Dead);
        let room = (VALUE_SIZE - off) as i32;
        if !writable {
            let size = self.dice.pick(&Size::ALL).unwrap_or(Size::B);
            let off = self.dice.range(0..=room - size.bytes() as i32);
            self.load_number(dst, off as i16, size);
            return;
        }
        self.pieces(dst, room, true);
    }

    /// Accesses in a map value, perhaps at a variable offset. The pointer is in r1.
    fn value(&mut self, pointer: Reg, skip: Label) {
        let mut room = VALUE_SIZE as i32;
        if self.dice.one_in(2) {
            let variable = self.scratch(&[pointer]);
            let limit = self.dice.pick(&[1, 3, 7, 8, 15, 16, 20]).unwrap_or(1);
            self.bounded(variable, limit, skip);
            self.alu(Width::W64, AluOp::Add, pointer, Operand::Reg(variable));
            self.known.set(variable, Kind::Number);
            room -= limit;
        }
        self.pieces(pointer, room, true);
    }

    /// A slot by an index that is not known: only slots with numbers.
    pub(super) fn stack_by_index(&mut self) {
        let skip = self.code.label();
        let before = self.known.clone();
        let (index, pointer) = (Reg::R2, Reg::R3);
        // Four slots at the most, from the deepest one on.
        let size = self.dice.pick(&[Size::Dw, Size::W, Size::B]).unwrap_or(Size::Dw);
        self.bounded(index, (SLOTS - FIRST_CELL - 1).min(3) as i32, skip);
        let shift = size.bytes().trailing_zeros() as i32;
        self.alu(Width::W64, AluOp::Lsh, index, Operand::Imm(shift));
        self.alu(Width::W64, AluOp::Mov, pointer, Operand::Reg(Reg::FP));
        self.alu(Width::W64, AluOp::Add, pointer, Operand::Reg(index));
        self.known.set(pointer, Kind::Dead);
        let off = slot_offset(SLOTS - 1);
        if self.dice.one_in(2) {
            self.load_number(pointer, off, size);
        } else {
            let src = self.number_operand();
            self.code.emit(Instruction::Store { size, base: pointer, off, src });
        }
        self.code.bind(skip);
        self.known.meet(&before);
        self.known.set(index, Kind::Dead);
        self.known.set(pointer, Kind::Dead);
    }

    /// A key in the last cell: small numbers hit. Its address goes into `dst`.
    pub(super) fn key(&mut self, dst: Reg) {
        let off = slot_offset(SLOTS - 1);
        let src = match self.dice.pick(&self.known.with(Kind::Number)) {
            Some(reg) if self.dice.one_in(3) => Operand::Reg(reg),
            Some(_) | None => Operand::Imm(self.dice.range(0..=4)),
        };
        let size = if self.dice.one_in(2) { Size::W } else { Size::Dw };
        self.code.emit(Instruction::Store { size, base: Reg::FP, off, src });
        self.alu(Width::W64, AluOp::Mov, dst, Operand::Reg(Reg::FP));
        self.alu(Width::W64, AluOp::Add, dst, Operand::Imm(off.into()));
        self.known.set(dst, Kind::Dead);
    }

    /// Some accesses within `room` bytes from the pointer.
    fn pieces(&mut self, pointer: Reg, room: i32, atomics: bool) {
        let kind = self.known.of(pointer);
        for _ in 0..=self.dice.below(3) {
            let size = self.dice.pick(&Size::ALL).unwrap_or(Size::B);
            let bytes = size.bytes() as i32;
            if bytes > room {
                continue;
            }
            let mut off = if self.dice.one_in(2) { room - bytes } else { self.dice.range(0..=room - bytes) };
            if self.bold && self.dice.one_in(8) {
                off += self.dice.pick(&[1, -1, 8, -off - 1]).unwrap_or(1);
            }
            // A register that a load may not take: it would be the pointer.
            self.known.set(pointer, Kind::Packet);
            if atomics {
                // Only what is aligned at run time may be: variables make it uncertain, so cells have them.
                match self.dice.one_in(2) {
                    true => self.load_number(pointer, off as i16, size),
                    false => self.store_number(pointer, off as i16, size),
                }
            } else if self.dice.one_in(3) {
                self.store_number(pointer, off as i16, size);
            } else {
                self.load_number(pointer, off as i16, size);
            }
        }
        self.known.set(pointer, kind);
    }

    fn store_number(&mut self, base: Reg, off: i16, size: Size) {
        let src = self.number_operand();
        self.code.emit(Instruction::Store { size, base, off, src });
    }

    /// Puts some number into `dst`, between 0 and `limit` at run time and to the verifier; may go to `skip` instead.
    pub(super) fn bounded(&mut self, dst: Reg, limit: i32, skip: Label) {
        match self.dice.pick(&self.known.with(Kind::Number)) {
            Some(src) => self.mov(dst, src),
            None => self.constant(dst),
        }
        if self.bold && self.dice.one_in(2) {
            // What the verifier knows of the number takes another way.
            for _ in 0..=self.dice.below(3) {
                let op = self.dice.pick(AluOp::ALL).unwrap_or(AluOp::Add);
                let (width, src) = (self.width(), self.number_operand());
                self.alu(width, op, dst, super::statement::legal(width, op, src));
            }
        }
        let wrong = if self.bold && self.dice.one_in(6) { self.dice.range(-1..=2) } else { 0 };
        let limit = (limit + wrong).max(0);
        // The largest 2^k - 1 within the limit.
        let mask = (1 << (limit + 1).ilog2()) - 1;
        let width = self.width();
        match self.dice.below(8) {
            0 | 1 => self.alu(width, AluOp::And, dst, Operand::Imm(mask)),
            2 => self.code.jump_if(Width::W64, JmpOp::Gt, dst, Operand::Imm(limit), skip),
            3 => {
                self.code.jump_if(Width::W64, JmpOp::Slt, dst, Operand::Imm(0), skip);
                self.code.jump_if(Width::W64, JmpOp::Sge, dst, Operand::Imm(limit + 1), skip);
            }
            4 => {
                let bits = mask.count_ones() as i32;
                self.alu(Width::W64, AluOp::Rsh, dst, Operand::Imm((64 - bits).min(63)));
                if bits == 0 {
                    self.set(dst, 0);
                }
            }
            5 => {
                self.alu(Width::W32, AluOp::Mov, dst, Operand::Reg(dst));
                self.code.jump_if(Width::W32, JmpOp::Ge, dst, Operand::Imm(limit + 1), skip);
            }
            6 if limit >= 1 => {
                self.alu(Width::W64, AluOp::And, dst, Operand::Imm(mask >> 1));
                let extra = self.dice.range(0..=limit - (mask >> 1));
                self.alu(Width::W64, AluOp::Add, dst, Operand::Imm(extra));
            }
            _ => {
                let in_range = self.code.label();
                self.code.jump_if(width, JmpOp::Le, dst, Operand::Imm(limit), in_range);
                self.set(dst, limit);
                self.code.bind(in_range);
                if width == Width::W32 {
                    self.alu(Width::W32, AluOp::Mov, dst, Operand::Reg(dst));
                }
            }
        }
        self.known.set(dst, Kind::Number);
    }
}
