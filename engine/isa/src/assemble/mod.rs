//! Text to instructions: the inverse of `Instruction`'s `Display`, with labels and names.

mod error;
mod line;
mod parse;
mod token;

pub use error::{AssembleError, AssembleErrorKind};

use std::collections::HashMap;

use crate::encode::encode;
use crate::insn::Insn;
use crate::instruction::{CallTarget, Imm64, Instruction};
use crate::ops::Width;
use parse::{Reference, Statement};

/// What the names in a source stand for. A name it does not know is an error of the source.
///
/// `&()` knows no name.
pub trait Symbols {
    /// The number of the map called `name`, as [`Imm64::Map`] holds it.
    fn map(&self, name: &str) -> Option<u32>;

    /// The id of the helper called `name`. Asked only for names that are no label of the source.
    fn helper(&self, name: &str) -> Option<u32>;

    /// The number of the kernel function called `name`. Asked for names that are no label and no helper.
    fn kfunc(&self, _name: &str) -> Option<i32> {
        None
    }
}

impl Symbols for () {
    fn map(&self, _name: &str) -> Option<u32> {
        None
    }

    fn helper(&self, _name: &str) -> Option<u32> {
        None
    }
}

/// An assembled program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assembly {
    /// The slots.
    pub insns: Vec<Insn>,
    /// For each slot the line of the source it came from, counted from 1.
    pub lines: Vec<usize>,
    /// The labels in source order with the slot each stands before. A label at the end has slot `insns.len()`.
    pub labels: Vec<(String, usize)>,
}

impl Assembly {
    /// The slot a label stands before.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<usize> {
        self.labels.iter().find(|(label, _)| label == name).map(|&(_, slot)| slot)
    }
}

/// Assembles a program in LLVM's BPF syntax, one instruction a line.
///
/// ```text
///   start:                                  # a label; comments begin with '#', ';' or '//'
///     r2 = 0x0                              ; numbers are decimal or 0x
///     w0 = *(u8 *)(r1 + 4)                  // w and r name the same load of up to 4 bytes
///     if r2 == 3 goto done                  # label, or +0x2, -2
///     r1 = map(jmp_table) ll                # map by name (asks `symbols`) or by number
///     r3 = map_value(.rodata) + 8 ll        # an address in the value of a single-entry map
///     r4 = func(callback) ll                # address of a program-local function
///     call bpf_get_prandom_u32              # label (program-local), else helper or kfunc (asks `symbols`)
///     call 7                                # helper by id
///     call +3                               # program-local by distance
///   done:
///     exit
/// ```
///
/// What `{}` prints of any instruction assembles to that instruction.
///
/// # Errors
///
/// The first line that is no instruction, or the first name that nothing defines, with its line and column.
pub fn assemble(source: &str, symbols: &dyn Symbols) -> Result<Assembly, AssembleError> {
    let mut statements = Vec::new();
    let mut labels = Vec::new();
    let mut slots = HashMap::new();
    let mut slot = 0;
    for (index, text) in source.lines().enumerate() {
        let mut line = line::Line::new(index + 1, token::tokenize(index + 1, text)?, text);
        while let Some((name, column)) = line.label() {
            if slots.insert(name, slot).is_some() {
                let kind = AssembleErrorKind::DuplicateLabel(name.to_owned());
                return Err(AssembleError { line: index + 1, column, kind });
            }
            labels.push((name.to_owned(), slot));
        }
        if let Some(statement) = line.statement(symbols)? {
            statements.push((slot, index + 1, statement));
            slot += statement.instruction.slots();
        }
    }

    let mut out = Assembly { insns: Vec::with_capacity(slot), lines: Vec::with_capacity(slot), labels };
    for (slot, line, statement) in statements {
        let at = |column| move |kind| AssembleError { line, column, kind };
        let instruction = match statement.reference {
            None => statement.instruction,
            Some(reference) => {
                link(slot, statement, reference, &slots, symbols).map_err(at(reference.column))?
            }
        };
        let (first, second) = encode(instruction);
        for insn in std::iter::once(first).chain(second) {
            out.insns.push(insn);
            out.lines.push(line);
        }
    }
    Ok(out)
}

/// The instruction with the name it refers to filled in.
fn link(
    slot: usize,
    statement: Statement<'_>,
    reference: Reference<'_>,
    labels: &HashMap<&str, usize>,
    symbols: &dyn Symbols,
) -> Result<Instruction, AssembleErrorKind> {
    let name = reference.name;
    let Some(&target) = labels.get(name) else {
        if statement.instruction != Instruction::Call(CallTarget::Local(0)) {
            return Err(AssembleErrorKind::UnknownLabel(name.to_owned()));
        }
        let helper = symbols.helper(name).map(CallTarget::Helper);
        let target = helper.or_else(|| symbols.kfunc(name).map(CallTarget::Kfunc));
        let target = target.ok_or_else(|| AssembleErrorKind::UnknownFunction(name.to_owned()))?;
        return Ok(Instruction::Call(target));
    };
    let distance = target as i64 - (slot + 1) as i64;
    let too_far = || AssembleErrorKind::TooFar { label: name.to_owned(), distance };
    let short = || i16::try_from(distance).map_err(|_| too_far());
    let long = || i32::try_from(distance).map_err(|_| too_far());
    Ok(match statement.instruction {
        Instruction::Jump { width: Width::W64, .. } => {
            Instruction::Jump { width: Width::W64, off: i32::from(short()?) }
        }
        Instruction::Jump { width: Width::W32, .. } => Instruction::Jump { width: Width::W32, off: long()? },
        Instruction::JumpIf { width, op, dst, src, .. } => {
            Instruction::JumpIf { width, op, dst, src, off: short()? }
        }
        Instruction::MayGoto { .. } => Instruction::MayGoto { off: short()? },
        Instruction::Call(CallTarget::Local(_)) => Instruction::Call(CallTarget::Local(long()?)),
        Instruction::LoadImm64 { dst, value: Imm64::Func(_) } => {
            Instruction::LoadImm64 { dst, value: Imm64::Func(long()?) }
        }
        other @ (Instruction::Alu { .. }
        | Instruction::Neg { .. }
        | Instruction::MovSx { .. }
        | Instruction::Endian { .. }
        | Instruction::LoadImm64 { .. }
        | Instruction::Load { .. }
        | Instruction::Store { .. }
        | Instruction::Atomic { .. }
        | Instruction::LoadPacket { .. }
        | Instruction::Call(_)
        | Instruction::TailCall
        | Instruction::Exit) => other,
    })
}
