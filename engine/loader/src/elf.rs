//! The ELF file as the loader sees it: sections, symbols and relocations, each index checked once, here.

use object::elf::{self, FileHeader64};
use object::endian::LittleEndian;
use object::read::elf::{FileHeader, Rel, SectionHeader, SectionTable, Sym};

use crate::error::{LoadError, LoadErrorKind};

/// Bytes of an object at most. Ours: the largest objects of Cilium are under 2 MiB.
pub const OBJECT_SIZE_MAX: usize = 64 << 20;
/// Relocation of an `ld_imm64` (`R_BPF_64_64`).
pub(crate) const R_BPF_64_64: u32 = 1;
/// A pointer in data (`R_BPF_64_ABS64`): the slots of `.values`.
pub(crate) const R_BPF_64_ABS64: u32 = 2;
/// Relocation of a call (`R_BPF_64_32`).
pub(crate) const R_BPF_64_32: u32 = 10;

/// `EM_BPF`.
const EM_BPF: u16 = 247;
/// The machine number clang used before BPF had one of its own.
const EM_NONE: u16 = 0;

/// A parsed object file.
pub(crate) struct Elf<'data> {
    /// By ELF index; index 0 is the null section.
    pub(crate) sections: Vec<Section<'data>>,
    /// By ELF index; index 0 is the null symbol.
    pub(crate) symbols: Vec<Symbol<'data>>,
    /// Indices of the symbols defined in each section.
    defined: Vec<Vec<usize>>,
}

/// One section.
pub(crate) struct Section<'data> {
    pub(crate) name: &'data str,
    pub(crate) kind: SectionKind,
    /// Its bytes in the file; empty for `.bss`.
    pub(crate) data: &'data [u8],
    /// Its size in memory: `data.len()` but for `.bss`.
    pub(crate) size: u64,
    /// What is to be patched into it, by ascending offset.
    pub(crate) relocations: Vec<Relocation>,
}

/// What a section is, as far as loading asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SectionKind {
    /// Instructions.
    Code,
    /// Bytes in the file.
    Data,
    /// Zeroes, not in the file.
    Bss,
    /// Symbol tables, strings, relocations, debug information.
    Other,
}

/// One relocation; `symbol` is a valid index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Relocation {
    pub(crate) offset: u64,
    pub(crate) kind: u32,
    pub(crate) symbol: usize,
}

/// One symbol.
pub(crate) struct Symbol<'data> {
    pub(crate) name: &'data str,
    pub(crate) place: SymbolPlace,
    pub(crate) value: u64,
    pub(crate) size: u64,
    pub(crate) kind: SymbolKind,
    pub(crate) binding: Binding,
    /// `STV_HIDDEN` or `STV_INTERNAL`: a global function that the verifier shall treat as static.
    pub(crate) hidden: bool,
}

/// Where a symbol is defined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SymbolPlace {
    Undefined,
    Absolute,
    Common,
    /// A valid section index.
    Section(usize),
}

/// `STT_*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SymbolKind {
    NoType,
    Object,
    Func,
    Section,
    Other,
}

/// `STB_*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Binding {
    Local,
    Global,
    Weak,
}

impl<'data> Elf<'data> {
    /// Reads the tables of a little-endian, relocatable, 64-bit BPF object.
    pub(crate) fn parse(bytes: &'data [u8]) -> Result<Elf<'data>, LoadError> {
        let header = check_header(bytes)?;
        let table =
            header.sections(LittleEndian, bytes).map_err(|error| section_headers(header, bytes, error))?;
        let mut sections = read_sections(bytes, &table)?;
        let symbols = read_symbols(bytes, &table, &sections)?;
        attach_relocations(bytes, &table, &mut sections, &symbols)?;
        let mut defined = vec![Vec::new(); sections.len()];
        for (index, symbol) in symbols.iter().enumerate() {
            if let SymbolPlace::Section(section) = symbol.place {
                defined[section].push(index);
            }
        }
        Ok(Elf { sections, symbols, defined })
    }

    /// The section with this name, if it has bytes.
    pub(crate) fn section(&self, name: &str) -> Option<(usize, &Section<'data>)> {
        self.sections.iter().enumerate().find(|(_, s)| s.name == name && s.kind != SectionKind::Other)
    }

    /// The symbols defined in a section.
    pub(crate) fn symbols_in(&self, section: usize) -> impl Iterator<Item = &Symbol<'data>> {
        self.defined[section].iter().map(|&symbol| &self.symbols[symbol])
    }
}

fn bad_elf(error: object::read::Error) -> LoadError {
    LoadErrorKind::BadElf(error.to_string()).into()
}

/// The table of section headers is the last thing in a file: what is missing first when one is cut short.
fn section_headers(
    header: &FileHeader64<LittleEndian>,
    bytes: &[u8],
    error: object::read::Error,
) -> LoadError {
    let offset = header.e_shoff(LittleEndian);
    let size = u64::from(header.e_shnum(LittleEndian)) * u64::from(header.e_shentsize(LittleEndian));
    let len = bytes.len() as u64;
    let what = match offset.checked_add(size) {
        Some(end) if end <= len => error.to_string(),
        _ => format!(
            "{size} bytes of section headers announced there, the file ends at {len}: is it cut short?"
        ),
    };
    LoadError::at("(section headers)", offset, LoadErrorKind::BadElf(what))
}

fn check_header(bytes: &[u8]) -> Result<&FileHeader64<LittleEndian>, LoadError> {
    if bytes.len() > OBJECT_SIZE_MAX {
        let (size, limit) = (bytes.len() as u64, OBJECT_SIZE_MAX as u64);
        return Err(LoadErrorKind::TooLarge { what: "object", size, limit }.into());
    }
    // Told apart before the parser sees them, so that the message says what the file is.
    match bytes {
        [0x7f, b'E', b'L', b'F', class, data, ..] => {
            if *data == elf::ELFDATA2MSB.0 {
                return Err(LoadErrorKind::BigEndian.into());
            }
            if *class != elf::ELFCLASS64.0 {
                return Err(LoadErrorKind::WrongClass.into());
            }
        }
        _ => return Err(LoadErrorKind::NotElf.into()),
    }
    let header = FileHeader64::<LittleEndian>::parse(bytes)
        .map_err(|error| LoadError::at("(ELF header)", 0, LoadErrorKind::BadElf(error.to_string())))?;
    let machine = header.e_machine(LittleEndian).0;
    if machine != EM_BPF && machine != EM_NONE {
        return Err(LoadErrorKind::WrongMachine(machine).into());
    }
    let file_type = header.e_type(LittleEndian);
    if file_type != elf::ET_REL {
        return Err(LoadErrorKind::NotRelocatable(file_type.0).into());
    }
    Ok(header)
}

type Table<'data> = SectionTable<'data, FileHeader64<LittleEndian>>;

fn read_sections<'data>(bytes: &'data [u8], table: &Table<'data>) -> Result<Vec<Section<'data>>, LoadError> {
    let mut sections = Vec::with_capacity(table.len());
    for section in table.iter() {
        let name = utf8(table.section_name(LittleEndian, section).map_err(bad_elf)?)?;
        let flags = section.sh_flags(LittleEndian);
        let kind = match section.sh_type(LittleEndian) {
            elf::SHT_PROGBITS if flags.contains(elf::SHF_EXECINSTR) => SectionKind::Code,
            elf::SHT_PROGBITS => SectionKind::Data,
            elf::SHT_NOBITS => SectionKind::Bss,
            _ => SectionKind::Other,
        };
        let data = section
            .data(LittleEndian, bytes)
            .map_err(|error| LoadError::at(name, 0, LoadErrorKind::BadElf(error.to_string())))?;
        let size = section.sh_size(LittleEndian);
        sections.push(Section { name, kind, data, size, relocations: Vec::new() });
    }
    Ok(sections)
}

fn read_symbols<'data>(
    bytes: &'data [u8],
    table: &Table<'data>,
    sections: &[Section<'data>],
) -> Result<Vec<Symbol<'data>>, LoadError> {
    let symbols = table.symbols(LittleEndian, bytes, elf::SHT_SYMTAB).map_err(bad_elf)?;
    let mut out: Vec<Symbol<'data>> = Vec::with_capacity(symbols.len());
    for (index, symbol) in symbols.enumerate() {
        let mut name = utf8(symbols.symbol_name(LittleEndian, symbol).map_err(bad_elf)?)?;
        let place = if symbol.is_undefined(LittleEndian) {
            SymbolPlace::Undefined
        } else if symbol.is_absolute(LittleEndian) {
            SymbolPlace::Absolute
        } else if symbol.is_common(LittleEndian) {
            SymbolPlace::Common
        } else {
            let section = symbols.symbol_section(LittleEndian, symbol, index).map_err(bad_elf)?;
            let section = section.map_or(usize::MAX, |index| index.0);
            if section >= sections.len() {
                let kind = LoadErrorKind::SymbolSection { symbol: name.to_owned(), section };
                return Err(LoadError::at(".symtab", index.0 as u64 * 24, kind));
            }
            SymbolPlace::Section(section)
        };
        let kind = match symbol.st_type() {
            elf::STT_NOTYPE => SymbolKind::NoType,
            elf::STT_OBJECT => SymbolKind::Object,
            elf::STT_FUNC => SymbolKind::Func,
            elf::STT_SECTION => SymbolKind::Section,
            _ => SymbolKind::Other,
        };
        if let (SymbolKind::Section, SymbolPlace::Section(section)) = (kind, place) {
            name = sections[section].name;
        }
        out.push(Symbol {
            name,
            place,
            value: symbol.st_value(LittleEndian),
            size: symbol.st_size(LittleEndian),
            kind,
            binding: match symbol.st_bind() {
                elf::STB_LOCAL => Binding::Local,
                elf::STB_WEAK => Binding::Weak,
                _ => Binding::Global,
            },
            hidden: matches!(symbol.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL),
        });
    }
    Ok(out)
}

/// Puts each relocation with the section it patches.
fn attach_relocations<'data>(
    bytes: &'data [u8],
    table: &Table<'data>,
    sections: &mut [Section<'data>],
    symbols: &[Symbol<'data>],
) -> Result<(), LoadError> {
    for (index, section) in table.enumerate() {
        let own_name = sections[index.0].name;
        let target = section.info_link(LittleEndian).0;
        if section.sh_type(LittleEndian) == elf::SHT_RELA {
            return Err(LoadError::at(own_name, 0, LoadErrorKind::RelaSection));
        }
        let rels = section
            .rel(LittleEndian, bytes)
            .map_err(|error| LoadError::at(own_name, 0, LoadErrorKind::BadElf(error.to_string())))?;
        let Some((rels, _)) = rels else { continue };
        if target >= sections.len() {
            let kind =
                LoadErrorKind::BadElf(format!("relocations for section {target}, which does not exist"));
            return Err(LoadError::at(own_name, 0, kind));
        }
        for rel in rels {
            let offset = rel.r_offset(LittleEndian);
            let symbol = rel.r_sym(LittleEndian) as usize;
            let section = &mut sections[target];
            if symbol >= symbols.len() {
                let kind = LoadErrorKind::SymbolIndex { index: symbol, count: symbols.len() };
                return Err(LoadError::at(section.name, offset, kind));
            }
            if offset >= section.size {
                let kind = LoadErrorKind::RelocationPastEnd { size: section.size };
                return Err(LoadError::at(section.name, offset, kind));
            }
            section.relocations.push(Relocation { offset, kind: rel.r_type(LittleEndian).0, symbol });
        }
    }
    for section in sections {
        section.relocations.sort_by_key(|relocation| relocation.offset);
    }
    Ok(())
}

fn utf8(name: &[u8]) -> Result<&str, LoadError> {
    std::str::from_utf8(name).map_err(|_| {
        LoadErrorKind::BadElf(format!("name {:?} is not UTF-8", name.escape_ascii().to_string())).into()
    })
}
