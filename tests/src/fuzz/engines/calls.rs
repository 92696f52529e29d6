//! Helpers, tail calls, calls of functions.

use bpfreplay_isa::{AluOp, CallTarget, Imm64, Instruction, Operand, Reg, Size, Width};
use bpfreplay_uapi::HelperId;

use super::function::{Callee, Generator, slot_offset};
use super::kinds::{FIRST_CELL, Kind, SLOTS};
use super::scenario::{
    ARRAY, FORMATS, HASH, JUMP_TABLE, PERCPU_ARRAY, PERCPU_HASH, RODATA, SLOTS_OF_JUMP_TABLE,
};

/// Bytes of cells that helpers are handed, and where they begin.
const BUFFER: i32 = 8 * (SLOTS - FIRST_CELL) as i32;

/// The helpers that are called: those whose arguments are made below.
const CALLED: [HelperId; 21] = [
    HelperId::MapLookupElem,
    HelperId::TailCall,
    HelperId::MapUpdateElem,
    HelperId::MapDeleteElem,
    HelperId::KtimeGetNs,
    HelperId::GetPrandomU32,
    HelperId::GetSmpProcessorId,
    HelperId::KtimeGetBootNs,
    HelperId::KtimeGetCoarseNs,
    HelperId::TracePrintk,
    HelperId::SkbStoreBytes,
    HelperId::L3CsumReplace,
    HelperId::L4CsumReplace,
    HelperId::Redirect,
    HelperId::SkbLoadBytes,
    HelperId::SkbLoadBytesRelative,
    HelperId::CsumDiff,
    HelperId::GetHashRecalc,
    HelperId::SetHash,
    HelperId::SetHashInvalid,
    HelperId::SkbPullData,
];

impl Generator<'_, '_> {
    pub(super) fn helper(&mut self) {
        let Some(helper) = self.dice.pick(&CALLED) else { return };
        if helper.proto().changes_pkt_data && self.keeps_packet() {
            return;
        }
        match helper {
            HelperId::MapLookupElem => return self.lookup(),
            HelperId::TailCall => return self.tail_call(),
            HelperId::MapUpdateElem => {
                self.key(Reg::R2);
                self.buffer(Reg::R3);
                self.argument(Reg::R4, 2);
                self.map(Reg::R1);
            }
            HelperId::MapDeleteElem => {
                self.key(Reg::R2);
                self.map(Reg::R1);
            }
            HelperId::KtimeGetNs
            | HelperId::GetPrandomU32
            | HelperId::GetSmpProcessorId
            | HelperId::KtimeGetBootNs
            | HelperId::KtimeGetCoarseNs => {}
            HelperId::TracePrintk => {
                for reg in [Reg::R3, Reg::R4, Reg::R5] {
                    self.argument(reg, 255);
                }
                let (off, len) = self.dice.pick(FORMATS).unwrap_or((0, 1));
                let value = Imm64::MapValue { map: RODATA, off };
                self.code.emit(Instruction::LoadImm64 { dst: Reg::R1, value });
                self.set(Reg::R2, len);
            }
            HelperId::SkbStoreBytes => {
                self.argument(Reg::R2, 80);
                self.buffer(Reg::R3);
                self.size(Reg::R4);
                self.argument(Reg::R5, 3);
                self.context(Reg::R1);
            }
            HelperId::L3CsumReplace | HelperId::L4CsumReplace => {
                self.argument(Reg::R2, 80);
                for reg in [Reg::R3, Reg::R4] {
                    self.argument(reg, 255);
                }
                // The width, 0, 2 or 4; BPF_F_MARK_MANGLED_0, BPF_F_MARK_ENFORCE, BPF_F_PSEUDO_HDR.
                let flags = self.dice.pick(&[0, 2, 4, 0x12, 0x14, 0x24, 0x34, 0x64, 7]).unwrap_or(0);
                self.set(Reg::R5, flags);
                self.context(Reg::R1);
            }
            HelperId::Redirect => {
                self.argument(Reg::R1, 9);
                self.argument(Reg::R2, 2);
            }
            HelperId::SkbLoadBytes => {
                self.argument(Reg::R2, 80);
                self.buffer(Reg::R3);
                self.size(Reg::R4);
                self.context(Reg::R1);
            }
            HelperId::SkbLoadBytesRelative => {
                self.argument(Reg::R2, 80);
                self.buffer(Reg::R3);
                self.size(Reg::R4);
                self.argument(Reg::R5, 2);
                self.context(Reg::R1);
            }
            HelperId::CsumDiff => {
                self.argument(Reg::R5, 255);
                for (at, size) in [(Reg::R1, Reg::R2), (Reg::R3, Reg::R4)] {
                    let words = self.dice.range(0..=BUFFER / 4);
                    let bytes = if self.dice.one_in(8) { BUFFER - 1 } else { words * 4 };
                    self.set(size, bytes);
                    self.buffer(at);
                }
            }
            HelperId::GetHashRecalc | HelperId::SetHashInvalid => self.context(Reg::R1),
            HelperId::SkbPullData => {
                self.argument(Reg::R2, 120);
                self.context(Reg::R1);
            }
            HelperId::SetHash => {
                self.argument(Reg::R2, 255);
                self.context(Reg::R1);
            }
            // No arguments are made for it, so it is not in the list.
            _ => return,
        }
        self.call_helper(helper);
        self.known.set(Reg::R0, Kind::Number);
    }

    pub(super) fn call_helper(&mut self, helper: HelperId) {
        self.code.emit(Instruction::Call(CallTarget::Helper(helper.id())));
        self.known.clobber();
        if helper.proto().changes_pkt_data {
            self.known.forget_packet();
        }
    }

    pub(super) fn tail_call(&mut self) {
        if self.keeps_packet() {
            return;
        }
        match self.dice.pick(&self.known.with(Kind::Number)) {
            Some(reg) if self.dice.one_in(4) => self.mov(Reg::R3, reg),
            Some(_) | None => {
                let slot = self.dice.range(0..=SLOTS_OF_JUMP_TABLE as i32);
                self.set(Reg::R3, slot);
            }
        }
        self.context(Reg::R1);
        self.code.emit(Instruction::LoadImm64 { dst: Reg::R2, value: Imm64::Map(JUMP_TABLE) });
        self.call_helper(HelperId::TailCall);
    }

    /// A function behind this one.
    pub(super) fn local_call(&mut self) {
        let Some(callee) = self.dice.pick(self.callees) else { return };
        if !self.keeps_packet() {
            self.call_function(callee);
        }
    }

    /// Functions nobody calls are none to the verifier, so the entry calls those it has not called yet.
    pub(super) fn call_the_rest(&mut self) {
        for &callee in self.callees {
            if !self.called.contains(&callee.label) {
                self.call_function(callee);
            }
        }
    }

    fn call_function(&mut self, callee: Callee) {
        self.called.push(callee.label);
        self.argument(Reg::R2, 255);
        if !callee.global {
            let slot = FIRST_CELL + self.dice.below(SLOTS - FIRST_CELL);
            self.alu(Width::W64, AluOp::Mov, Reg::R3, Operand::Reg(Reg::FP));
            self.alu(Width::W64, AluOp::Add, Reg::R3, Operand::Imm(slot_offset(slot).into()));
        }
        self.context(Reg::R1);
        self.code.call(callee.label);
        self.known.clobber();
        self.known.forget_packet();
        self.known.set(Reg::R0, Kind::Number);
    }

    /// In a loop, what registers and slots hold at its head they hold at its end: packet pointers would be gone.
    fn keeps_packet(&self) -> bool {
        let is_packet = |kind: &Kind| matches!(kind, Kind::Packet | Kind::PacketEnd);
        self.loops > 0 && self.known.regs[6..].iter().chain(&self.known.slots).any(is_packet)
    }

    /// A number: of a register, or a constant up to `most`.
    fn argument(&mut self, dst: Reg, most: i32) {
        match self.dice.pick(&self.known.with(Kind::Number)) {
            Some(reg) if self.dice.one_in(3) => self.mov(dst, reg),
            Some(_) | None => {
                let value = self.dice.range(0..=most);
                self.set(dst, value);
            }
        }
    }

    fn context(&mut self, dst: Reg) {
        self.mov(dst, Reg::R6);
    }

    fn map(&mut self, dst: Reg) {
        let map = self.dice.pick(&[ARRAY, HASH, PERCPU_ARRAY, PERCPU_HASH]).unwrap_or(ARRAY);
        self.code.emit(Instruction::LoadImm64 { dst, value: Imm64::Map(map) });
        self.known.set(dst, Kind::Dead);
    }

    /// The cells, as memory.
    fn buffer(&mut self, dst: Reg) {
        self.alu(Width::W64, AluOp::Mov, dst, Operand::Reg(Reg::FP));
        self.alu(Width::W64, AluOp::Add, dst, Operand::Imm(slot_offset(SLOTS - 1).into()));
        self.known.set(dst, Kind::Dead);
    }

    /// A size within the cells, known or not.
    fn size(&mut self, dst: Reg) {
        if self.dice.one_in(3) {
            let off = slot_offset(FIRST_CELL);
            self.code.emit(Instruction::Load { size: Size::B, signed: false, dst, base: Reg::FP, off });
            self.alu(Width::W64, AluOp::And, dst, Operand::Imm(0x1f));
            self.alu(Width::W64, AluOp::Add, dst, Operand::Imm(1));
        } else {
            let most = if self.bold && self.dice.one_in(8) { BUFFER + 8 } else { BUFFER };
            let size = self.dice.range(1..=most);
            self.set(dst, size);
        }
        self.known.set(dst, Kind::Number);
    }
}
