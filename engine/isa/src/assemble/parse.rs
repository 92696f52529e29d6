use super::Symbols;
use super::error::AssembleErrorKind;
use super::line::{Line, Parsed, register, wrong_register};
use super::token::Token;
use crate::instruction::{CallTarget, Imm64, Instruction, Operand, PacketIndex};
use crate::ops::{AluOp, AtomicOp, EndianOp, JmpOp, Size, Width};
use crate::reg::Reg;

/// An instruction, and the name that still has to be put into its offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement<'a> {
    pub(super) instruction: Instruction,
    pub(super) reference: Option<Reference<'a>>,
}

/// A label, or in a call also a helper, that an instruction names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference<'a> {
    pub(super) name: &'a str,
    pub(super) column: usize,
}

impl<'a> Line<'a> {
    /// The instruction of the line, unless the line has none.
    pub(super) fn statement(&mut self, symbols: &dyn Symbols) -> Parsed<Option<Statement<'a>>> {
        let Some(first) = self.peek() else { return Ok(None) };
        let done = |instruction| Statement { instruction, reference: None };
        let statement = match first {
            Token::Word("exit") => self.mnemonic(done(Instruction::Exit)),
            Token::Word("tail_call") => self.mnemonic(done(Instruction::TailCall)),
            Token::Word("goto") => {
                self.jump(|off| Instruction::Jump { width: Width::W64, off: i32::from(off) })?
            }
            Token::Word("gotol") => self.long_jump()?,
            Token::Word("may_goto") => self.jump(|off| Instruction::MayGoto { off })?,
            Token::Word("if") => self.jump_if()?,
            Token::Word("call") => self.call()?,
            Token::Word("lock") => done(self.lock()?),
            Token::Symbol("*") => done(self.store()?),
            Token::Word(_) | Token::Number(_) | Token::Symbol(_) => self.assignment(symbols)?,
        };
        match self.peek() {
            None => Ok(Some(statement)),
            Some(_) => Err(self.expected("the end of the line")),
        }
    }

    fn mnemonic(&mut self, statement: Statement<'a>) -> Statement<'a> {
        self.skip();
        statement
    }

    // ---- jumps and calls -------------------------------------------------------------------------------------------

    fn jump(&mut self, make: impl Fn(i16) -> Instruction) -> Parsed<Statement<'a>> {
        self.skip();
        if let Some(reference) = self.reference() {
            return Ok(Statement { instruction: make(0), reference: Some(reference) });
        }
        let off = self.signed("jump offset", i64::from(i16::MIN), i16::MAX as u64)? as i16;
        Ok(Statement { instruction: make(off), reference: None })
    }

    fn long_jump(&mut self) -> Parsed<Statement<'a>> {
        self.skip();
        let make = |off| Instruction::Jump { width: Width::W32, off };
        if let Some(reference) = self.reference() {
            return Ok(Statement { instruction: make(0), reference: Some(reference) });
        }
        let off = self.signed("jump offset", i64::from(i32::MIN), i32::MAX as u64)? as i32;
        Ok(Statement { instruction: make(off), reference: None })
    }

    fn jump_if(&mut self) -> Parsed<Statement<'a>> {
        self.skip();
        let (width, dst) = self.register()?;
        let op = self.operator(JmpOp::ALL, JmpOp::text, "a comparison")?;
        let src = self.operand(width)?;
        if self.peek() != Some(Token::Word("goto")) {
            return Err(self.expected("\"goto\""));
        }
        self.jump(|off| Instruction::JumpIf { width, op, dst, src, off })
    }

    fn call(&mut self) -> Parsed<Statement<'a>> {
        self.skip();
        let mut reference = None;
        let target = match self.peek() {
            Some(Token::Word("kfunc")) if self.peek_at(1) == Some(Token::Symbol("(")) => {
                self.skip();
                self.expect("(")?;
                let id = self.signed("BTF id", i64::from(i32::MIN), i32::MAX as u64)? as i32;
                self.expect(")")?;
                CallTarget::Kfunc(id)
            }
            Some(Token::Word(_)) => {
                reference = self.reference();
                CallTarget::Local(0)
            }
            Some(Token::Symbol("+" | "-")) => {
                CallTarget::Local(self.signed("call offset", i64::from(i32::MIN), i32::MAX as u64)? as i32)
            }
            Some(Token::Number(_) | Token::Symbol(_)) | None => {
                CallTarget::Helper(self.signed("helper id", 0, u64::from(u32::MAX))? as u32)
            }
        };
        Ok(Statement { instruction: Instruction::Call(target), reference })
    }

    // ---- memory ----------------------------------------------------------------------------------------------------

    fn store(&mut self) -> Parsed<Instruction> {
        let (size, _) = self.deref("a type u8 to u64", unsigned)?;
        let (base, off) = self.address()?;
        self.expect("=")?;
        let src = match self.any_register() {
            Some((width, reg)) => Operand::Reg(self.narrow(width, size, reg)?),
            None => Operand::Imm(self.immediate(if size == Size::Dw { Width::W64 } else { Width::W32 })?),
        };
        Ok(Instruction::Store { size, base, off, src })
    }

    fn lock(&mut self) -> Parsed<Instruction> {
        const OPS: [AtomicOp; 4] = [AtomicOp::Add, AtomicOp::Or, AtomicOp::And, AtomicOp::Xor];
        self.skip();
        let (size, _) = self.deref("a type u32 or u64", atomic_size)?;
        let (base, off) = self.address()?;
        let op = self.operator(&OPS, AtomicOp::text, "one of += |= &= ^=")?;
        let (width, src) = self.register()?;
        Ok(Instruction::Atomic { size, op, base, off, src: self.narrow(width, size, src)? })
    }

    /// `*(u8 *)`: the size, and whether it is signed.
    fn deref(
        &mut self,
        what: &'static str,
        accept: fn(&str) -> Option<(Size, bool)>,
    ) -> Parsed<(Size, bool)> {
        self.expect("*")?;
        self.expect("(")?;
        let ty = self.pointer_type(what, accept)?;
        self.expect(")")?;
        Ok(ty)
    }

    /// `u8 *`.
    fn pointer_type(
        &mut self,
        what: &'static str,
        accept: fn(&str) -> Option<(Size, bool)>,
    ) -> Parsed<(Size, bool)> {
        let Some(Token::Word(word)) = self.peek() else { return Err(self.expected(what)) };
        let ty = accept(word).ok_or_else(|| self.expected(what))?;
        self.skip();
        self.expect("*")?;
        Ok(ty)
    }

    /// `(r1 + 0x8)`.
    fn address(&mut self) -> Parsed<(Reg, i16)> {
        self.expect("(")?;
        let address = self.bare_address()?;
        self.expect(")")?;
        Ok(address)
    }

    /// `r1 + 0x8`, `r1`.
    fn bare_address(&mut self) -> Parsed<(Reg, i16)> {
        let base = self.whole_register()?;
        let off = match self.peek() {
            Some(Token::Symbol("+" | "-")) => {
                self.signed("offset", i64::from(i16::MIN), i16::MAX as u64)? as i16
            }
            Some(Token::Symbol(_) | Token::Word(_) | Token::Number(_)) | None => 0,
        };
        Ok((base, off))
    }

    // ---- register op= source ---------------------------------------------------------------------------------------

    fn assignment(&mut self, symbols: &dyn Symbols) -> Parsed<Statement<'a>> {
        let column = self.column();
        let (width, dst) = self.any_register().ok_or_else(|| self.expected("an instruction"))?;
        let op = self.operator(AluOp::ALL, AluOp::text, "an operator such as = or +=")?;
        if op == AluOp::Mov {
            self.move_from(symbols, column, width, dst)
        } else {
            let src = self.operand(width)?;
            Ok(Statement { instruction: Instruction::Alu { width, op, dst, src }, reference: None })
        }
    }

    /// Everything that can stand after `r1 =`.
    fn move_from(
        &mut self,
        symbols: &dyn Symbols,
        column: usize,
        width: Width,
        dst: Reg,
    ) -> Parsed<Statement<'a>> {
        let instruction = match (self.peek(), self.peek_at(1)) {
            (Some(Token::Symbol("*")), _) => self.load(column, width, dst)?,
            (Some(Token::Symbol("(")), _) => self.mov_sx(width, dst)?,
            (Some(Token::Symbol("-")), Some(Token::Word(_))) => {
                self.skip();
                self.same_register(width, dst)?;
                Instruction::Neg { width, dst }
            }
            (Some(Token::Word(word)), next) if register(word).is_none() => {
                if let Some((op, size)) = endian(word) {
                    self.skip();
                    self.same_register(Width::W64, dst)?;
                    self.require_wide(width)?;
                    Instruction::Endian { op, size, dst }
                } else if let (Some((op, size)), Some(Token::Symbol("("))) = (fetching(word), next) {
                    self.skip();
                    self.fetch(op, size, (width, dst), column)?
                } else {
                    let (value, reference) = match next {
                        // As clang's inline assembly names a map.
                        Some(Token::Word("ll")) => (Imm64::Map(self.map(symbols)?), None),
                        Some(Token::Symbol("(")) => self.symbolic(symbols)?,
                        _ => return Err(self.expected("a register, a number, a load or a name with \"ll\"")),
                    };
                    if !self.take(Token::Word("ll")) {
                        return Err(self.expected("\"ll\""));
                    }
                    self.require_wide(width)?;
                    return Ok(Statement { instruction: Instruction::LoadImm64 { dst, value }, reference });
                }
            }
            (_, next) if self.is_wide_constant(next) => {
                let value = self.signed("64-bit immediate", i64::MIN, u64::MAX)?;
                self.take(Token::Word("ll"));
                self.require_wide(width)?;
                Instruction::LoadImm64 { dst, value: Imm64::Const(value as u64) }
            }
            _ => Instruction::Alu { width, op: AluOp::Mov, dst, src: self.operand(width)? },
        };
        Ok(Statement { instruction, reference: None })
    }

    /// `5 ll`, `-5 ll`.
    fn is_wide_constant(&self, next: Option<Token<'_>>) -> bool {
        const LL: Option<Token<'_>> = Some(Token::Word("ll"));
        match self.peek() {
            Some(Token::Number(_)) => next == LL,
            Some(Token::Symbol("-" | "+")) => self.peek_at(2) == LL,
            Some(Token::Symbol(_) | Token::Word(_)) | None => false,
        }
    }

    fn load(&mut self, column: usize, width: Width, dst: Reg) -> Parsed<Instruction> {
        let (size, signed) = self.deref("a type u8 to u64 or s8 to s32", any_size)?;
        if self.peek() == Some(Token::Word("skb")) {
            return self.load_packet(column, size, signed, dst);
        }
        let (base, off) = self.address()?;
        let dst = self.narrow(width, if signed { Size::Dw } else { size }, dst)?;
        Ok(Instruction::Load { size, signed, dst, base, off })
    }

    fn load_packet(&mut self, column: usize, size: Size, signed: bool, dst: Reg) -> Parsed<Instruction> {
        if signed || size == Size::Dw {
            return Err(self.expected("a memory operand: skb[] has types u8, u16 and u32"));
        }
        if dst != Reg::R0 {
            return Err(self.error_at(column, wrong_register(Width::W64, Reg::R0, Width::W64, dst)));
        }
        self.skip();
        self.expect("[")?;
        let (min, max) = (i64::from(i32::MIN), i32::MAX as u64);
        let (index, imm) = match self.any_register() {
            None => (PacketIndex::Abs, self.signed("packet offset", min, max)? as i32),
            Some((width, reg)) => {
                self.require_wide(width)?;
                let plain = self.peek() == Some(Token::Symbol("]"));
                (
                    PacketIndex::Ind(reg),
                    if plain { 0 } else { self.signed("packet offset", min, max)? as i32 },
                )
            }
        };
        self.expect("]")?;
        Ok(Instruction::LoadPacket { size, index, imm })
    }

    fn mov_sx(&mut self, width: Width, dst: Reg) -> Parsed<Instruction> {
        self.expect("(")?;
        let size = match (self.peek(), width) {
            (Some(Token::Word("s8")), _) => Size::B,
            (Some(Token::Word("s16")), _) => Size::H,
            (Some(Token::Word("s32")), Width::W64) => Size::W,
            (_, Width::W64) => return Err(self.expected("s8, s16 or s32")),
            (_, Width::W32) => return Err(self.expected("s8 or s16")),
        };
        self.skip();
        self.expect(")")?;
        let src = self.register_of(width)?;
        Ok(Instruction::MovSx { width, size, dst, src })
    }

    /// After the name of `r2 = atomic_fetch_add((u64 *)(r1 + 8), r2)`, `r2 = xchg_64(r1 + 8, r2)`,
    /// `r0 = cmpxchg_64(r1 + 8, r0, r2)`.
    fn fetch(
        &mut self,
        op: AtomicOp,
        size: Option<Size>,
        (width, dst): (Width, Reg),
        column: usize,
    ) -> Parsed<Instruction> {
        self.expect("(")?;
        let (size, (base, off)) = match size {
            Some(size) => (size, self.bare_address()?),
            None => {
                self.expect("(")?;
                let (size, _) = self.pointer_type("a type u32 or u64", atomic_size)?;
                self.expect(")")?;
                (size, self.address()?)
            }
        };
        self.expect(",")?;
        let operand_width = if size == Size::Dw { Width::W64 } else { Width::W32 };
        if width != operand_width {
            return Err(self.error_at(column, AssembleErrorKind::MixedWidths));
        }
        let src = if op == AtomicOp::Cmpxchg {
            if dst != Reg::R0 {
                return Err(self.error_at(column, wrong_register(width, Reg::R0, width, dst)));
            }
            self.same_register(width, Reg::R0)?;
            self.expect(",")?;
            self.register_of(width)?
        } else {
            self.same_register(width, dst)?;
            dst
        };
        self.expect(")")?;
        Ok(Instruction::Atomic { size, op, base, off, src })
    }

    /// `map(name)`, `map_value(name) + 8`, `func(label)` and their kin.
    fn symbolic(&mut self, symbols: &dyn Symbols) -> Parsed<(Imm64, Option<Reference<'a>>)> {
        const KINDS: &str = "map, map_value, btf_id, func, fd_array or fd_array_value";
        let Some(Token::Word(kind)) = self.peek() else { return Err(self.expected(KINDS)) };
        if !matches!(kind, "map" | "map_value" | "btf_id" | "func" | "fd_array" | "fd_array_value") {
            return Err(self.expected(KINDS));
        }
        self.skip();
        self.expect("(")?;
        let mut reference = None;
        let mut value = match kind {
            "map" => Imm64::Map(self.map(symbols)?),
            "map_value" => Imm64::MapValue { map: self.map(symbols)?, off: 0 },
            "btf_id" => Imm64::BtfId(self.unsigned("BTF id")?),
            "fd_array" => Imm64::MapIndex(self.unsigned("index")?),
            "fd_array_value" => Imm64::MapIndexValue { map: self.unsigned("index")?, off: 0 },
            _func => {
                reference = self.reference();
                let given = reference.is_none();
                let off =
                    if given { self.signed("offset", i64::from(i32::MIN), i32::MAX as u64)? } else { 0 };
                Imm64::Func(off as i32)
            }
        };
        self.expect(")")?;
        if let Imm64::MapValue { off, .. } | Imm64::MapIndexValue { off, .. } = &mut value
            && self.peek() == Some(Token::Symbol("+"))
        {
            *off = self.unsigned("offset into the value")?;
        }
        Ok((value, reference))
    }

    fn map(&mut self, symbols: &dyn Symbols) -> Parsed<u32> {
        let Some(Token::Word(name)) = self.peek() else { return self.unsigned("map number") };
        let unknown = || self.error_at(self.column(), AssembleErrorKind::UnknownMap(name.to_owned()));
        let map = symbols.map(name).ok_or_else(unknown)?;
        self.skip();
        Ok(map)
    }
}

/// `be16` and its kin.
fn endian(word: &str) -> Option<(EndianOp, Size)> {
    EndianOp::ALL.into_iter().find_map(|op| {
        let bits = word.strip_prefix(op.text())?;
        let size = [Size::H, Size::W, Size::Dw].into_iter().find(|size| size.bits().to_string() == bits)?;
        Some((op, size))
    })
}

/// The name of a fetching atomic, with the size where the name has it.
fn fetching(word: &str) -> Option<(AtomicOp, Option<Size>)> {
    AtomicOp::ALL.iter().filter(|op| op.fetches()).find_map(|&op| match word.strip_prefix(op.text())? {
        "" if !matches!(op, AtomicOp::Xchg | AtomicOp::Cmpxchg) => Some((op, None)),
        "_64" if matches!(op, AtomicOp::Xchg | AtomicOp::Cmpxchg) => Some((op, Some(Size::Dw))),
        "32_32" if matches!(op, AtomicOp::Xchg | AtomicOp::Cmpxchg) => Some((op, Some(Size::W))),
        _ => None,
    })
}

fn unsigned(word: &str) -> Option<(Size, bool)> {
    Size::ALL
        .into_iter()
        .find(|size| word.strip_prefix('u') == Some(&size.bits().to_string()))
        .map(|s| (s, false))
}

fn any_size(word: &str) -> Option<(Size, bool)> {
    let signed = || {
        let sizes = [Size::B, Size::H, Size::W];
        sizes
            .into_iter()
            .find(|size| word.strip_prefix('s') == Some(&size.bits().to_string()))
            .map(|s| (s, true))
    };
    unsigned(word).or_else(signed)
}

fn atomic_size(word: &str) -> Option<(Size, bool)> {
    unsigned(word).filter(|(size, _)| matches!(size, Size::W | Size::Dw))
}
