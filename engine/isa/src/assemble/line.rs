use super::error::{AssembleError, AssembleErrorKind};
use super::parse::Reference;
use super::token::{Spanned, Token};
use crate::instruction::Operand;
use crate::ops::{Size, Width};
use crate::reg::Reg;

/// The tokens of one line and how far they are read; the small parts that instructions are made of.
pub(super) struct Line<'a> {
    number: usize,
    tokens: Vec<Spanned<'a>>,
    at: usize,
    end_column: usize,
}

pub(super) type Parsed<T> = Result<T, AssembleError>;

impl<'a> Line<'a> {
    pub(super) fn new(number: usize, tokens: Vec<Spanned<'a>>, text: &str) -> Line<'a> {
        Line { number, tokens, at: 0, end_column: text.chars().count() + 1 }
    }

    /// `name:` with its column, if that comes next.
    pub(super) fn label(&mut self) -> Option<(&'a str, usize)> {
        let (Some(Token::Word(name)), Some(Token::Symbol(":"))) = (self.peek(), self.peek_at(1)) else {
            return None;
        };
        let column = self.column();
        self.at += 2;
        Some((name, column))
    }

    pub(super) fn operand(&mut self, width: Width) -> Parsed<Operand> {
        match self.peek() {
            Some(Token::Word(_)) => Ok(Operand::Reg(self.register_of(width)?)),
            Some(Token::Number(_) | Token::Symbol(_)) | None => Ok(Operand::Imm(self.immediate(width)?)),
        }
    }

    /// A 32-bit immediate. 64-bit instructions sign-extend it, so there a value of 2^31 and more needs `ll`.
    pub(super) fn immediate(&mut self, width: Width) -> Parsed<i32> {
        let max = match width {
            Width::W32 => u64::from(u32::MAX),
            Width::W64 => i32::MAX as u64,
        };
        Ok(self.signed("immediate", i64::from(i32::MIN), max)? as i32)
    }

    pub(super) fn unsigned(&mut self, what: &'static str) -> Parsed<u32> {
        Ok(self.signed(what, 0, u64::from(u32::MAX))? as u32)
    }

    /// A number with or without sign.
    pub(super) fn signed(&mut self, what: &'static str, min: i64, max: u64) -> Parsed<i128> {
        let column = self.column();
        let negative = self.take(Token::Symbol("-"));
        if !negative {
            self.take(Token::Symbol("+"));
        }
        let Some(Token::Number(magnitude)) = self.peek() else { return Err(self.expected(what)) };
        self.at += 1;
        let value = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
        if value < i128::from(min) || value > i128::from(max) {
            return Err(self.error_at(column, AssembleErrorKind::OutOfRange { what, value, min, max }));
        }
        Ok(value)
    }

    pub(super) fn reference(&mut self) -> Option<Reference<'a>> {
        let Some(Token::Word(name)) = self.peek() else { return None };
        let column = self.column();
        self.at += 1;
        Some(Reference { name, column })
    }

    pub(super) fn operator<T: Copy>(
        &mut self,
        all: &[T],
        text: fn(T) -> &'static str,
        what: &'static str,
    ) -> Parsed<T> {
        let found = self.peek();
        let op = all.iter().find(|&&op| found == Some(Token::Symbol(text(op))));
        let op = *op.ok_or_else(|| self.expected(what))?;
        self.at += 1;
        Ok(op)
    }

    /// The register that comes next, if one does.
    pub(super) fn any_register(&mut self) -> Option<(Width, Reg)> {
        let Some(Token::Word(word)) = self.peek() else { return None };
        let found = register(word);
        self.at += usize::from(found.is_some());
        found
    }

    pub(super) fn register(&mut self) -> Parsed<(Width, Reg)> {
        self.any_register().ok_or_else(|| self.expected("a register, r0 to r10 or w0 to w10"))
    }

    pub(super) fn register_of(&mut self, width: Width) -> Parsed<Reg> {
        let column = self.column();
        let (found, reg) = self.register()?;
        if found == width { Ok(reg) } else { Err(self.error_at(column, AssembleErrorKind::MixedWidths)) }
    }

    pub(super) fn whole_register(&mut self) -> Parsed<Reg> {
        self.register_of(Width::W64)
    }

    pub(super) fn same_register(&mut self, width: Width, reg: Reg) -> Parsed<()> {
        let column = self.column();
        let found = self.register()?;
        if found == (width, reg) {
            Ok(())
        } else {
            Err(self.error_at(column, wrong_register(width, reg, found.0, found.1)))
        }
    }

    /// LLVM names registers of memory operands of up to 4 bytes `w` or `r`, by cpu version. Both are accepted.
    pub(super) fn narrow(&self, width: Width, size: Size, reg: Reg) -> Parsed<Reg> {
        if width == Width::W32 && size == Size::Dw {
            return Err(self.error_at(self.column(), AssembleErrorKind::MixedWidths));
        }
        Ok(reg)
    }

    pub(super) fn require_wide(&self, width: Width) -> Parsed<()> {
        match width {
            Width::W64 => Ok(()),
            Width::W32 => Err(self.error_at(self.column(), AssembleErrorKind::MixedWidths)),
        }
    }

    // ---- tokens ----------------------------------------------------------------------------------------------------

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).map(|spanned| spanned.token)
    }

    pub(super) fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end_column, |spanned| spanned.column)
    }

    /// Reads the token if it comes next.
    pub(super) fn take(&mut self, token: Token<'_>) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    /// Reads whatever comes next.
    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    pub(super) fn expect(&mut self, symbol: &'static str) -> Parsed<()> {
        if self.take(Token::Symbol(symbol)) { Ok(()) } else { Err(self.expected(symbol)) }
    }

    pub(super) fn expected(&self, what: &'static str) -> AssembleError {
        let found = self.peek().map_or_else(|| "the end of the line".to_owned(), |token| token.to_string());
        self.error_at(self.column(), AssembleErrorKind::Expected { what, found })
    }

    pub(super) fn error_at(&self, column: usize, kind: AssembleErrorKind) -> AssembleError {
        AssembleError { line: self.number, column, kind }
    }
}

pub(super) fn register(word: &str) -> Option<(Width, Reg)> {
    let width = match word.as_bytes().first()? {
        b'r' => Width::W64,
        b'w' => Width::W32,
        _ => return None,
    };
    Reg::ALL.into_iter().find(|reg| reg.to_string()[1..] == word[1..]).map(|reg| (width, reg))
}

pub(super) fn wrong_register(want_width: Width, want: Reg, width: Width, found: Reg) -> AssembleErrorKind {
    let name = |width, reg: Reg| match width {
        Width::W64 => reg.to_string(),
        Width::W32 => format!("w{}", reg.number()),
    };
    AssembleErrorKind::WrongRegister { want: name(want_width, want), found: name(width, found) }
}
