//! The `.BTF` bytes made fit for `BPF_BTF_LOAD`.
//!
//! The compiler leaves the sizes of data sections and the offsets of their variables at 0, because only the linker
//! knows them; the kernel refuses such types. libbpf fills them in before loading (`btf_fixup_datasec`), and turns
//! global functions of hidden visibility into static ones, so that the verifier checks them at each call.

use std::collections::{HashMap, HashSet};

use bpfreplay_btf::{Btf, FuncLinkage, Kind, SecVar, put_u32};

use super::problem;
use crate::elf::{Elf, SectionKind, SymbolKind, SymbolPlace};
use crate::error::{BtfObjectProblem, LoadError};

/// Bytes of `struct btf_type`.
const TYPE_SIZE: usize = 12;
/// Bytes of `struct btf_var_secinfo`.
const SECVAR_SIZE: usize = 12;

/// Fills in what the compiler left open; the result describes the object as linked.
pub(crate) fn fix(btf: &Btf, elf: &Elf<'_>) -> Result<Btf, LoadError> {
    let symbols = Symbols::of(elf);
    let mut raw = btf.raw().to_vec();
    for (_, ty) in btf.types() {
        match &ty.kind {
            Kind::Datasec { size: 0, vars } => {
                let name = btf.name(ty)?;
                // Externs have no section; an object that uses one is refused where it does.
                if name != ".ksyms" && name != ".kconfig" {
                    fix_datasec(btf, &symbols, &mut raw, ty.offset, name, vars)?;
                }
            }
            Kind::Func { linkage: FuncLinkage::Global, .. } if symbols.hidden.contains(btf.name(ty)?) => {
                put_u32(&mut raw, ty.offset + 4, FUNC_STATIC);
            }
            _ => {}
        }
    }
    Ok(Btf::parse(&raw)?)
}

/// `info` of a static `BTF_KIND_FUNC`.
const FUNC_STATIC: u32 = 12 << 24;
/// `info` of a global one.
const FUNC_GLOBAL: u32 = FUNC_STATIC | 1;
/// Bytes of `struct btf_param`.
const PARAM_SIZE: usize = 8;

/// The bytes with declarations of the kernel's functions in the form the kernel takes: it knows no extern functions, no
/// parameters without a name, and no functions in data sections. libbpf makes them global, gives names, and puts a
/// variable in their place (`bpf_object__collect_externs`); which one does not matter, so it is any of the object's.
pub(crate) fn without_externs(btf: &Btf) -> Result<Vec<u8>, LoadError> {
    let mut raw = btf.raw().to_vec();
    let mut stand_in = None;
    for (id, ty) in btf.types() {
        if let Kind::Var { ty } = ty.kind
            && let Some(size) = btf.size_of(ty)?.and_then(|size| u32::try_from(size).ok())
            && (1..=STAND_IN_MAX).contains(&size)
        {
            stand_in = Some((id, size));
            break;
        }
    }
    let Some((stand_in, size)) = stand_in else { return Ok(raw) };
    for (_, section) in btf.types() {
        let Kind::Datasec { vars, .. } = &section.kind else { continue };
        if btf.name(section)? != ".ksyms" {
            continue;
        }
        put_u32(&mut raw, section.offset + 8, size * vars.len() as u32);
        for (i, var) in (0u32..).zip(vars) {
            let extern_fn = btf.get(var.ty)?;
            if let Kind::Func { proto, .. } = extern_fn.kind {
                put_u32(&mut raw, extern_fn.offset + 4, FUNC_GLOBAL);
                name_params(btf, &mut raw, proto, extern_fn.offset)?;
            }
            let at = section.offset + TYPE_SIZE + i as usize * SECVAR_SIZE;
            put_u32(&mut raw, at, stand_in);
            put_u32(&mut raw, at + 4, i * size);
            put_u32(&mut raw, at + 8, size);
        }
    }
    Ok(raw)
}

/// Bytes of the variable that stands for externs: no section of them gets near 4 GiB.
const STAND_IN_MAX: u32 = 1 << 8;

/// Gives parameters without a name that of the function.
fn name_params(btf: &Btf, raw: &mut [u8], proto: u32, function: usize) -> Result<(), LoadError> {
    let proto = btf.get(proto)?;
    let Kind::FuncProto { params, .. } = &proto.kind else { return Ok(()) };
    let name: [u8; 4] = std::array::from_fn(|k| raw[function + k]);
    for (i, _) in params.iter().enumerate() {
        let at = proto.offset + TYPE_SIZE + i * PARAM_SIZE;
        let unnamed = raw[at..at + 4] == [0; 4] && raw[at + 4..at + 8] != [0; 4];
        if unnamed {
            raw[at..at + 4].copy_from_slice(&name);
        }
    }
    Ok(())
}

/// The symbol table, by what is looked up in it.
struct Symbols<'a> {
    sections: HashMap<&'a str, (usize, u64)>,
    values: HashMap<(usize, &'a str), u64>,
    hidden: HashSet<&'a str>,
}

impl<'a> Symbols<'a> {
    fn of(elf: &Elf<'a>) -> Symbols<'a> {
        let with_bytes = elf.sections.iter().enumerate().filter(|(_, s)| s.kind != SectionKind::Other);
        let named = elf.symbols.iter().filter(|s| s.kind != SymbolKind::Section);
        Symbols {
            sections: with_bytes.map(|(index, s)| (s.name, (index, s.size))).collect(),
            values: named
                .clone()
                .filter_map(|s| match s.place {
                    SymbolPlace::Section(section) => Some(((section, s.name), s.value)),
                    SymbolPlace::Undefined | SymbolPlace::Absolute | SymbolPlace::Common => None,
                })
                .collect(),
            hidden: named.filter(|s| s.hidden && s.kind == SymbolKind::Func).map(|s| s.name).collect(),
        }
    }
}

fn fix_datasec(
    btf: &Btf,
    symbols: &Symbols<'_>,
    raw: &mut [u8],
    offset: usize,
    name: &str,
    vars: &[SecVar],
) -> Result<(), LoadError> {
    let no_section = || problem(offset, BtfObjectProblem::NoSection(name.to_owned()));
    let &(index, size) = symbols.sections.get(name).ok_or_else(no_section)?;
    let size = u32::try_from(size).map_err(|_| no_section())?;
    put_u32(raw, offset + 8, size);

    // Each variable's offset is its symbol's; the kernel wants them ascending.
    let mut placed = Vec::with_capacity(vars.len());
    for (i, var) in vars.iter().enumerate() {
        let var_name = btf.name(btf.get(var.ty)?)?;
        let at = symbols
            .values
            .get(&(index, var_name))
            .and_then(|&value| u32::try_from(value).ok())
            .filter(|&at| at <= size)
            .ok_or_else(|| problem(offset, BtfObjectProblem::NoSymbol(var_name.to_owned())))?;
        let start = offset + TYPE_SIZE + i * SECVAR_SIZE;
        let bytes: [u8; SECVAR_SIZE] = std::array::from_fn(|k| raw[start + k]);
        placed.push((at, bytes));
    }
    placed.sort_by_key(|(at, _)| *at);
    for (i, (at, bytes)) in placed.into_iter().enumerate() {
        let start = offset + TYPE_SIZE + i * SECVAR_SIZE;
        raw[start..start + SECVAR_SIZE].copy_from_slice(&bytes);
        put_u32(raw, start + 4, at);
    }
    Ok(())
}
