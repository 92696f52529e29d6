//! What instructions refer to: maps, data and functions, by relocation (`Documentation/bpf/llvm_reloc.rst`).
//!
//! ```text
//!   relocation      on         against          becomes
//!   R_BPF_64_64     ld_imm64   a map            src 1, imm = index of the map
//!   R_BPF_64_64     ld_imm64   data + addend    src 2, imm = index of the section's map, next imm = offset
//!   R_BPF_64_64     ld_imm64   code + addend    src 4, imm = distance to the function, once linked
//!   R_BPF_64_32     call       code + addend    src 1, imm = distance to the function, once linked
//!   R_BPF_64_32     call       an extern        src 2, imm = our number of the kernel function
//!   R_BPF_64_64     ld_imm64   such an extern   a number that is not 0: programs compare it with NULL
//!   both                       a weak extern    that is not here: 0, and a call that is refused where it is reached
//! ```

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bpfreplay_btf::Btf;
use bpfreplay_isa::{Class, Insn};
use bpfreplay_program::ABSENT_KFUNC;
use bpfreplay_uapi::Kfunc;

use crate::elf::{Binding, Elf, R_BPF_64_32, R_BPF_64_64, Relocation, Symbol, SymbolPlace};
use crate::error::{LoadError, LoadErrorKind};
use crate::function::{Code, Functions, SLOT};
use crate::maps::{Maps, is_map_section};

/// `call`, without its source.
const OPCODE_CALL: u8 = 0x85;
/// Source of a call to a function of the program (`BPF_PSEUDO_CALL`).
const PSEUDO_CALL: u8 = 1;
/// Source of a call to a kernel function (`BPF_PSEUDO_KFUNC_CALL`).
const PSEUDO_KFUNC_CALL: u8 = 2;
/// Source of an `ld_imm64` of a map (`BPF_PSEUDO_MAP_FD`).
const PSEUDO_MAP: u8 = 1;
/// Source of an `ld_imm64` of an address in a map's value (`BPF_PSEUDO_MAP_VALUE`).
const PSEUDO_MAP_VALUE: u8 = 2;
/// Source of an `ld_imm64` of a function's address (`BPF_PSEUDO_FUNC`).
const PSEUDO_FUNC: u8 = 4;

/// Source of an `ld_imm64` of a number.
const NUMBER: u8 = 0;
/// Source of a call to a helper.
const HELPER: u8 = 0;

/// The calls and function addresses of an object; references to maps and data are in the instructions already.
#[derive(Default)]
pub(crate) struct References {
    /// By (index into [`Functions::code`], slot): index into [`Functions::all`].
    functions: HashMap<(usize, u64), usize>,
    /// Calls of kernel functions, by the same key.
    kfuncs: HashSet<(usize, u64)>,
    /// Kernel functions that are called, weak and not here, by name: which of them it is.
    absent: HashMap<String, u32>,
}

impl References {
    /// Resolves every reference, writing maps and data into the instructions. One that leads nowhere is marked as broken.
    pub(crate) fn resolve(
        elf: &Elf<'_>,
        btf: Option<&Btf>,
        maps: &Maps,
        functions: &mut Functions<'_>,
    ) -> Result<References, LoadError> {
        let mut found = References::default();
        for code in 0..functions.code.len() {
            let section = functions.code[code].section;
            for (slot, error) in preset_sources(&functions.code[code]) {
                functions.mark_broken(code, slot, error);
            }
            for relocation in &elf.sections[section].relocations {
                let slot = relocation.offset / SLOT;
                let insn = functions.code[code].insns.get(slot as usize).copied();
                let insn = insn.filter(|_| relocation.offset.is_multiple_of(SLOT)).ok_or_else(|| {
                    let kind = LoadErrorKind::RelocationPastEnd { size: elf.sections[section].size };
                    LoadError::at(functions.code[code].name, relocation.offset, kind)
                })?;
                if let Err(error) = found.relocate(elf, btf, maps, functions, code, (insn, relocation)) {
                    functions.mark_broken(code, slot, error);
                }
            }
            found.find_local_calls(functions, code);
        }
        Ok(found)
    }

    /// The function an instruction calls or takes the address of.
    pub(crate) fn function(&self, code: usize, slot: u64) -> Option<usize> {
        self.functions.get(&(code, slot)).copied()
    }

    /// The kernel functions that are called and absent, by the number of their calls (see [`ABSENT_KFUNC`]).
    pub(crate) fn absent(&self) -> Arc<[String]> {
        let mut named: Vec<(&String, &u32)> = self.absent.iter().collect();
        named.sort_by_key(|&(_, number)| number);
        named.into_iter().map(|(name, _)| name.clone()).collect()
    }

    fn relocate(
        &mut self,
        elf: &Elf<'_>,
        btf: Option<&Btf>,
        maps: &Maps,
        functions: &mut Functions<'_>,
        code: usize,
        (insn, relocation): (Insn, &Relocation),
    ) -> Result<(), LoadError> {
        let section = functions.code[code].name;
        let symbol = &elf.symbols[relocation.symbol];
        let fail = |kind| LoadError::at(section, relocation.offset, kind);
        let slot = relocation.offset / SLOT;
        let on_wide = insn.is_wide() && functions.code[code].insns.len() as u64 > slot + 1;
        match relocation.kind {
            R_BPF_64_64 if on_wide => {
                match target(elf, btf, maps, symbol, i64::from(insn.imm), Use::Load).map_err(fail)? {
                    Target::Function { section, slot: at } => {
                        let function = function_at(elf, functions, section, at).map_err(fail)?;
                        self.functions.insert((code, slot), function);
                        let first = &mut functions.code[code].insns[slot as usize];
                        *first = with_src(insn, PSEUDO_FUNC, 0);
                    }
                    Target::Kfunc(kfunc) => {
                        functions.code[code].set_number(slot as usize, kfunc.id());
                    }
                    Target::Absent => functions.code[code].set_number(slot as usize, 0),
                    Target::Map(map) => {
                        let first = &mut functions.code[code].insns[slot as usize];
                        *first = with_src(insn, PSEUDO_MAP, map as i32);
                    }
                    Target::Data { map, offset } => {
                        let insns = &mut functions.code[code].insns;
                        insns[slot as usize] = with_src(insn, PSEUDO_MAP_VALUE, map as i32);
                        insns[slot as usize + 1].imm = offset;
                    }
                }
                Ok(())
            }
            R_BPF_64_32 if insn.opcode == OPCODE_CALL => {
                match target(elf, btf, maps, symbol, i64::from(insn.imm), Use::Call).map_err(fail)? {
                    Target::Function { section, slot: at } => {
                        let function = function_at(elf, functions, section, at).map_err(fail)?;
                        self.functions.insert((code, slot), function);
                        functions.code[code].insns[slot as usize] = with_src(insn, PSEUDO_CALL, -1);
                        Ok(())
                    }
                    Target::Kfunc(kfunc) => {
                        self.kfuncs.insert((code, slot));
                        let id = kfunc.id() as i32;
                        functions.code[code].insns[slot as usize] = with_src(insn, PSEUDO_KFUNC_CALL, id);
                        Ok(())
                    }
                    Target::Absent => {
                        let next = u32::try_from(self.absent.len()).unwrap_or(u32::MAX);
                        let number = *self.absent.entry(symbol.name.to_owned()).or_insert(next);
                        let helper = ABSENT_KFUNC.saturating_add(number).cast_signed();
                        functions.code[code].insns[slot as usize] = with_src(insn, HELPER, helper);
                        Ok(())
                    }
                    Target::Map(_) | Target::Data { .. } => Err(fail(bad_reference(elf, symbol))),
                }
            }
            R_BPF_64_64 | R_BPF_64_32 => Err(fail(LoadErrorKind::RelocatedInstruction {
                symbol: symbol.name.to_owned(),
                opcode: insn.opcode,
            })),
            kind => Err(fail(LoadErrorKind::RelocationType { kind, symbol: symbol.name.to_owned() })),
        }
    }

    /// Calls within a section that the assembler resolved itself, and sources that only a loader may write.
    fn find_local_calls(&mut self, functions: &mut Functions<'_>, code: usize) {
        let mut second_of_wide = false;
        for slot in 0..functions.code[code].insns.len() {
            let insn = functions.code[code].insns[slot];
            if second_of_wide {
                second_of_wide = false;
                continue;
            }
            second_of_wide = insn.is_wide();
            let slot = slot as u64;
            let at = (code, slot);
            let is_known = self.functions.contains_key(&at) || self.kfuncs.contains(&at);
            if is_known || functions.is_broken(code, slot) || insn.opcode != OPCODE_CALL {
                continue;
            }
            let section = &functions.code[code];
            let fail = |kind| LoadError::at(section.name, slot * SLOT, kind);
            if insn.src() == PSEUDO_KFUNC_CALL {
                let error = fail(LoadErrorKind::Kfunc(format!("#{}", insn.imm)));
                functions.mark_broken(code, slot, error);
            } else if insn.src() == PSEUDO_CALL {
                let target = slot as i64 + 1 + i64::from(insn.imm);
                let function = u64::try_from(target).ok().and_then(|at| functions.at(section.section, at));
                match function {
                    Some(function) => {
                        self.functions.insert(at, function);
                    }
                    None => {
                        let kind =
                            LoadErrorKind::CallTarget { section: section.name.to_owned(), insn: target };
                        let error = fail(kind);
                        functions.mark_broken(code, slot, error);
                    }
                }
            }
        }
    }
}

/// The source of an `ld_imm64` is the loader's to write; one that is set already would be taken for a map or function.
fn preset_sources(code: &Code<'_>) -> Vec<(u64, LoadError)> {
    let mut found = Vec::new();
    let mut second_of_wide = false;
    for (slot, insn) in (0u64..).zip(&code.insns) {
        if !second_of_wide && insn.is_wide() && insn.src() != 0 {
            let kind = LoadErrorKind::PresetSource(insn.src());
            found.push((slot, LoadError::at(code.name, slot * SLOT, kind)));
        }
        second_of_wide = !second_of_wide && insn.is_wide();
    }
    found
}

/// What a relocation points at.
enum Target {
    Map(usize),
    Data {
        map: usize,
        offset: i32,
    },
    Function {
        section: usize,
        slot: i64,
    },
    Kfunc(Kfunc),
    /// Declared weak, and not to be had: the program copes.
    Absent,
}

/// How the instruction uses it: the addend of a call counts slots from the next one, that of a load bytes.
#[derive(Clone, Copy)]
enum Use {
    Load,
    Call,
}

fn target(
    elf: &Elf<'_>,
    btf: Option<&Btf>,
    maps: &Maps,
    symbol: &Symbol<'_>,
    addend: i64,
    usage: Use,
) -> Result<Target, LoadErrorKind> {
    let section = match symbol.place {
        SymbolPlace::Section(section) => section,
        SymbolPlace::Undefined => return external(btf, symbol, usage),
        SymbolPlace::Common => return Err(LoadErrorKind::Common(symbol.name.to_owned())),
        SymbolPlace::Absolute => return Err(bad_reference_in("(absolute)", symbol)),
    };
    let name = elf.sections[section].name;
    let value = i64::try_from(symbol.value).map_err(|_| bad_reference(elf, symbol))?;
    if elf.sections[section].kind == crate::elf::SectionKind::Code {
        let slot = match usage {
            Use::Call => (value % SLOT as i64 == 0).then(|| value / SLOT as i64 + addend + 1),
            Use::Load => ((value + addend) % SLOT as i64 == 0).then(|| (value + addend) / SLOT as i64),
        };
        let slot = slot.ok_or_else(|| bad_reference(elf, symbol))?;
        return Ok(Target::Function { section, slot });
    }
    let offset = value.checked_add(addend).ok_or_else(|| bad_reference(elf, symbol))?;
    if is_map_section(name) {
        let start = u64::try_from(offset).ok();
        let map = start.and_then(|start| maps.at(section, start)).ok_or_else(|| LoadErrorKind::NotAMap {
            section: name.to_owned(),
            offset: offset.cast_unsigned(),
        })?;
        return maps.supported(map).map(|()| Target::Map(map));
    }
    if let Some(what) = maps.unsupported_section(section) {
        return Err(LoadErrorKind::Unsupported(what));
    }
    if let Some(map) = maps.data_section(section) {
        let size = elf.sections[section].size;
        return match i32::try_from(offset) {
            Ok(fits) if fits >= 0 && fits.cast_unsigned() < size as u32 => {
                Ok(Target::Data { map, offset: fits })
            }
            _ => Err(LoadErrorKind::DataRange { section: name.to_owned(), offset, size }),
        };
    }
    Err(bad_reference(elf, symbol))
}

fn function_at(
    elf: &Elf<'_>,
    functions: &Functions<'_>,
    section: usize,
    slot: i64,
) -> Result<usize, LoadErrorKind> {
    u64::try_from(slot).ok().and_then(|slot| functions.at(section, slot)).ok_or_else(|| {
        LoadErrorKind::CallTarget { section: elf.sections[section].name.to_owned(), insn: slot }
    })
}

/// What is declared here and lies in the kernel: of that the engine has some functions.
fn external(btf: Option<&Btf>, symbol: &Symbol<'_>, usage: Use) -> Result<Target, LoadErrorKind> {
    match (undefined(btf, symbol, usage), Kfunc::from_name(symbol.name)) {
        (LoadErrorKind::Kfunc(_) | LoadErrorKind::Ksym(_), Some(kfunc)) => Ok(Target::Kfunc(kfunc)),
        (LoadErrorKind::Kfunc(_) | LoadErrorKind::Ksym(_), None) if symbol.binding == Binding::Weak => {
            Ok(Target::Absent)
        }
        (error, _) => Err(error),
    }
}

/// Which kind of kernel symbol a declaration asks for: clang puts externs into BTF data sections of their own.
fn undefined(btf: Option<&Btf>, symbol: &Symbol<'_>, usage: Use) -> LoadErrorKind {
    let name = symbol.name.to_owned();
    let declared_in = |section| btf.is_some_and(|btf| btf.datasec_has(section, symbol.name));
    match usage {
        _ if declared_in(".kconfig") => LoadErrorKind::Kconfig(name),
        Use::Call if declared_in(".ksyms") => LoadErrorKind::Kfunc(name),
        Use::Load if declared_in(".ksyms") => LoadErrorKind::Ksym(name),
        Use::Call | Use::Load => LoadErrorKind::Undefined(name),
    }
}

fn bad_reference(elf: &Elf<'_>, symbol: &Symbol<'_>) -> LoadErrorKind {
    let section = match symbol.place {
        SymbolPlace::Section(section) => elf.sections[section].name,
        SymbolPlace::Undefined | SymbolPlace::Absolute | SymbolPlace::Common => "",
    };
    bad_reference_in(section, symbol)
}

fn bad_reference_in(section: &str, symbol: &Symbol<'_>) -> LoadErrorKind {
    LoadErrorKind::BadReference { symbol: symbol.name.to_owned(), section: section.to_owned() }
}

impl Code<'_> {
    /// Makes the `ld_imm64` in two slots one of a number.
    fn set_number(&mut self, slot: usize, number: u32) {
        self.insns[slot] = with_src(self.insns[slot], NUMBER, number.cast_signed());
        self.insns[slot + 1].imm = 0;
    }
}

fn with_src(insn: Insn, src: u8, imm: i32) -> Insn {
    debug_assert!(matches!(insn.class(), Class::Ld | Class::Jmp));
    Insn::new(insn.opcode, insn.dst(), src, insn.off, imm)
}
