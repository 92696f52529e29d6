use std::borrow::Cow;
use std::fmt;

use bpfreplay_isa::Reg;
use bpfreplay_program::LineInfo;
use bpfreplay_uapi::Errno;

/// Why a program was refused.
///
/// [`Display`](fmt::Display) begins with the message, which begins with the kernel's words where it has any.
#[derive(Clone, Debug, thiserror::Error)]
pub struct VerifierError {
    /// The slot, of the program as it was given; `None` where the whole program is at fault.
    pub pc: Option<u32>,
    /// The kernel's message, or what is not supported.
    pub message: String,
    /// What sort of rule it broke.
    pub kind: ErrorKind,
    /// The source line of the slot, where BTF tells.
    pub line: Option<Box<LineInfo>>,
    /// The instruction as the kernel's log writes it, where there is one: `(85) call bpf_throw#32`.
    pub instruction: Option<String>,
    /// What was known of the registers that the instruction uses, in the kernel's log form: `R2=pkt(r=0)`.
    pub registers: String,
    /// The name of the program.
    pub program: Box<str>,
    /// How it came to that.
    pub evidence: Box<Evidence>,
}

/// What led to a refusal.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The verifier's log at the level asked for; it ends with the message and the line of totals.
    pub log: String,
    /// The register at fault: the one the message names, or the one the access goes through.
    pub register: Option<Reg>,
    /// The instructions that made that register what it is, by slot, in the order of execution.
    pub origin: Vec<u32>,
    /// What check is missing, where the message is of a known family.
    pub hint: Option<Cow<'static, str>>,
}

/// What sort of rule a program broke.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorKind {
    /// An access that is not proved to be safe: `EACCES`.
    Access,
    /// A program that is not well formed or calls what it must not: `EINVAL`.
    Invalid,
    /// More instructions, states, frames or functions than the limits allow: `E2BIG`.
    TooBig,
    /// Sound as far as seen, but with a feature of the kernel this engine does not have: `ENOTSUPP`.
    Unsupported,
}

impl ErrorKind {
    /// The error number `BPF_PROG_LOAD` gives for it.
    #[must_use]
    pub const fn errno(self) -> Errno {
        match self {
            ErrorKind::Access => Errno::EACCES,
            ErrorKind::Invalid => Errno::EINVAL,
            ErrorKind::TooBig => Errno::E2BIG,
            ErrorKind::Unsupported => Errno::ENOTSUPP,
        }
    }
}

impl fmt::Display for VerifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  program {}", self.message, self.program)?;
        if let Some(pc) = self.pc {
            write!(f, ", insn {pc}")?;
        }
        if let Some(instruction) = &self.instruction {
            write!(f, ": {instruction}")?;
        }
        if let Some(line) = &self.line {
            write!(f, "\n  {}:{}: {}", line.file, line.line, line.text.trim())?;
        }
        if !self.registers.is_empty() {
            write!(f, "\n  known here: {}", self.registers)?;
        }
        Ok(())
    }
}

/// What was known where a refusal happened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Circumstances {
    /// The registers the instruction uses.
    pub(crate) registers: String,
    pub(crate) register: Option<Reg>,
    pub(crate) origin: Vec<u32>,
}

/// A refusal inside the crate; the explorer adds where it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    /// The slot, where the phase knows it better than the explorer.
    pub(crate) pc: Option<u32>,
    /// What check is missing, where the rule knows it better than the message tells.
    pub(crate) help: Option<Cow<'static, str>>,
}

pub(crate) type Checked<T = ()> = Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(kind: ErrorKind, message: String) -> Refusal {
        Refusal { kind, message, pc: None, help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<Cow<'static, str>>) -> Refusal {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn at(mut self, pc: usize) -> Refusal {
        self.pc = Some(u32::try_from(pc).unwrap_or(u32::MAX));
        self
    }
}

/// `refuse!(Access, "R{} !read_ok", n)`: leaves the function with that refusal.
macro_rules! refuse {
    ($kind:ident, $($text:tt)*) => {
        return Err($crate::error::Refusal::new($crate::error::ErrorKind::$kind, format!($($text)*)))
    };
}
pub(crate) use refuse;
