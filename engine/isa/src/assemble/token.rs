use std::fmt;

use super::error::{AssembleError, AssembleErrorKind};
use crate::ops::{AluOp, JmpOp};

/// One token of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token<'a> {
    /// A register, mnemonic, type, label or name.
    Word(&'a str),
    /// A number without sign.
    Number(u64),
    /// An operator of the tables, or punctuation.
    Symbol(&'static str),
}

/// A token and the column it begins at, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spanned<'a> {
    pub(super) token: Token<'a>,
    pub(super) column: usize,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(text) => write!(f, "{text:?}"),
            Token::Number(value) => write!(f, "number {value:#x}"),
            Token::Symbol(text) => write!(f, "{text:?}"),
        }
    }
}

const PUNCTUATION: [&str; 9] = ["(", ")", "[", "]", ",", "*", "+", "-", ":"];

/// The tokens of one line, comments left out.
pub(super) fn tokenize(line: usize, text: &str) -> Result<Vec<Spanned<'_>>, AssembleError> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut column = 1;
    while let Some(c) = rest.chars().next() {
        if c == '#' || c == ';' || rest.starts_with("//") {
            break;
        }
        let error = |kind| AssembleError { line, column, kind };
        let taken = if c.is_whitespace() {
            c.len_utf8()
        } else if let Some(symbol) = symbol(rest) {
            out.push(Spanned { token: Token::Symbol(symbol), column });
            symbol.len()
        } else if is_word(c) {
            let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            let token = if c.is_ascii_digit() {
                Token::Number(
                    number(word).ok_or_else(|| error(AssembleErrorKind::BadNumber(word.to_owned())))?,
                )
            } else {
                Token::Word(word)
            };
            out.push(Spanned { token, column });
            word.len()
        } else {
            return Err(error(AssembleErrorKind::UnknownCharacter(c)));
        };
        column += rest[..taken].chars().count();
        rest = &rest[taken..];
    }
    Ok(out)
}

/// The longest operator the text begins with. Those that begin with a letter (`s>=`) come before words.
fn symbol(text: &str) -> Option<&'static str> {
    let operators = AluOp::ALL.iter().map(|op| op.text()).chain(JmpOp::ALL.iter().map(|op| op.text()));
    operators.chain(PUNCTUATION).filter(|symbol| text.starts_with(symbol)).max_by_key(|symbol| symbol.len())
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$')
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
