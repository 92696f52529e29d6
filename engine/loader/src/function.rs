//! The functions of an object: which instructions each symbol names.

use std::collections::HashMap;

use bpfreplay_isa::Insn;
use bpfreplay_uapi::ProgType;

use crate::elf::{Binding, Elf, Section, SectionKind, Symbol, SymbolKind};
use crate::error::{LoadError, LoadErrorKind};
use crate::section_name::{SectionRole, role_or};

/// Bytes of an instruction slot.
pub(crate) const SLOT: u64 = Insn::SIZE as u64;

/// A section of instructions.
pub(crate) struct Code<'data> {
    /// ELF index.
    pub(crate) section: usize,
    pub(crate) name: &'data str,
    pub(crate) role: SectionRole,
    pub(crate) insns: Vec<Insn>,
}

/// One function: a program or a subprogram.
pub(crate) struct Function<'data> {
    pub(crate) name: &'data str,
    /// Index into the list of [`Code`].
    pub(crate) code: usize,
    /// First slot in the section.
    pub(crate) start: u64,
    /// Slots.
    pub(crate) len: u64,
    /// Whether it is a program, not a subprogram.
    pub(crate) entry: bool,
}

/// The code of an object, and where to find a function.
pub(crate) struct Functions<'data> {
    pub(crate) code: Vec<Code<'data>>,
    pub(crate) all: Vec<Function<'data>>,
    by_start: HashMap<(usize, u64), usize>,
    /// What is wrong with single instructions, by (index into `code`, slot): it matters to programs that have them.
    broken: HashMap<(usize, u64), LoadError>,
}

impl<'data> Functions<'data> {
    /// Finds the functions of every section of instructions; `explicit` is the type all programs shall have.
    pub(crate) fn find(elf: &Elf<'data>, explicit: Option<ProgType>) -> Result<Functions<'data>, LoadError> {
        let mut found =
            Functions { code: Vec::new(), all: Vec::new(), by_start: HashMap::new(), broken: HashMap::new() };
        for (index, section) in elf.sections.iter().enumerate() {
            if section.kind != SectionKind::Code || section.size == 0 {
                continue;
            }
            let role = role_or(section.name, explicit);
            let insns = read_insns(section)?;
            let code = found.code.len();
            let functions = functions_of(elf, index, section, code, role)?;
            found.code.push(Code { section: index, name: section.name, role, insns });
            for function in functions {
                found.by_start.insert((index, function.start), found.all.len());
                found.all.push(function);
            }
        }
        Ok(found)
    }

    /// The function that starts at a slot of an ELF section.
    pub(crate) fn at(&self, section: usize, slot: u64) -> Option<usize> {
        self.by_start.get(&(section, slot)).copied()
    }

    /// A function's instructions.
    pub(crate) fn insns(&self, function: &Function<'_>) -> &[Insn] {
        let start = function.start as usize;
        &self.code[function.code].insns[start..start + function.len as usize]
    }

    /// Notes that an instruction cannot be loaded; the first reason counts.
    pub(crate) fn mark_broken(&mut self, code: usize, slot: u64, error: LoadError) {
        self.broken.entry((code, slot)).or_insert(error);
    }

    /// Whether an instruction is known not to load.
    pub(crate) fn is_broken(&self, code: usize, slot: u64) -> bool {
        self.broken.contains_key(&(code, slot))
    }

    /// The first instruction of a function that cannot be loaded.
    pub(crate) fn check(&self, function: &Function<'_>) -> Result<(), LoadError> {
        if self.broken.is_empty() {
            return Ok(());
        }
        let mut slots = function.start..function.start + function.len;
        let first = slots.find_map(|slot| self.broken.get(&(function.code, slot)));
        first.map_or(Ok(()), |error| Err(error.clone()))
    }
}

/// The names of all functions that are programs if their sections are of programs, by section.
pub(crate) fn names(elf: &Elf<'_>) -> Vec<(String, String)> {
    let sections = elf.sections.iter().enumerate().filter(|(_, section)| {
        section.kind == SectionKind::Code && role_or(section.name, None) != SectionRole::Text
    });
    let of = |(index, section): (usize, &Section<'_>)| {
        let symbols = function_symbols(elf, index);
        let any_global = any_global(&symbols);
        let programs = symbols.into_iter().filter(|symbol| is_program(symbol, any_global));
        programs.map(|symbol| (section.name.to_owned(), symbol.name.to_owned())).collect::<Vec<_>>()
    };
    sections.flat_map(of).collect()
}

/// The symbols of a section's functions, ascending.
fn function_symbols<'elf, 'data>(elf: &'elf Elf<'data>, section: usize) -> Vec<&'elf Symbol<'data>> {
    let mut symbols: Vec<&Symbol<'data>> =
        elf.symbols_in(section).filter(|s| s.kind == SymbolKind::Func).collect();
    if symbols.is_empty() {
        // Compilers before clang 8 gave functions no type; their local labels are not functions.
        symbols = elf
            .symbols_in(section)
            .filter(|s| s.kind == SymbolKind::NoType && s.binding != Binding::Local && !s.name.is_empty())
            .collect();
    }
    symbols.sort_by_key(|s| s.value);
    symbols
}

fn any_global(symbols: &[&Symbol<'_>]) -> bool {
    symbols.iter().any(|symbol| symbol.binding != Binding::Local)
}

/// A program is what others can name. Where every function is static (old macros put `static` on programs), all are.
fn is_program(symbol: &Symbol<'_>, any_global: bool) -> bool {
    symbol.binding != Binding::Local || !any_global
}

fn read_insns(section: &Section<'_>) -> Result<Vec<Insn>, LoadError> {
    let (slots, rest) = section.data.as_chunks::<{ Insn::SIZE }>();
    if !rest.is_empty() {
        let kind = LoadErrorKind::PartialInstruction { size: section.size };
        return Err(LoadError::at(section.name, section.size, kind));
    }
    Ok(slots.iter().copied().map(Insn::from_le_bytes).collect())
}

/// The functions of one section, ascending.
fn functions_of<'data>(
    elf: &Elf<'data>,
    index: usize,
    section: &Section<'data>,
    code: usize,
    role: SectionRole,
) -> Result<Vec<Function<'data>>, LoadError> {
    let symbols = function_symbols(elf, index);
    if symbols.is_empty() {
        return Err(LoadError::at(section.name, 0, LoadErrorKind::NoFunctions));
    }
    let any_global = any_global(&symbols);
    let mut functions: Vec<Function<'data>> = Vec::with_capacity(symbols.len());
    for (i, symbol) in symbols.iter().enumerate() {
        let size = match symbol.size {
            0 => symbols.get(i + 1).map_or(section.size, |next| next.value).saturating_sub(symbol.value),
            size => size,
        };
        let in_section = symbol.value.checked_add(size).is_some_and(|end| end <= section.size);
        if !in_section || size == 0 || symbol.value % SLOT != 0 || size % SLOT != 0 {
            let kind = LoadErrorKind::FunctionRange { name: symbol.name.to_owned(), size };
            return Err(LoadError::at(section.name, symbol.value, kind));
        }
        let function = Function {
            name: symbol.name,
            code,
            start: symbol.value / SLOT,
            len: size / SLOT,
            entry: role != SectionRole::Text && is_program(symbol, any_global),
        };
        if let Some(previous) = functions.last()
            && previous.start + previous.len > function.start
        {
            let kind = LoadErrorKind::FunctionsOverlap {
                first: previous.name.to_owned(),
                second: function.name.to_owned(),
            };
            return Err(LoadError::at(section.name, symbol.value, kind));
        }
        functions.push(function);
    }
    Ok(functions)
}
