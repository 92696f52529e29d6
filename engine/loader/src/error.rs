use std::fmt;

use bpfreplay_btf::BtfProblem;
use bpfreplay_uapi::Errno;

/// Why an object cannot be loaded, and where in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}{kind}")]
pub struct LoadError {
    /// The section and the byte offset in it.
    pub place: Place,
    /// What is wrong there.
    pub kind: LoadErrorKind,
}

/// A place in an object; the section is empty where the file as a whole is meant.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// Name of the section.
    pub section: String,
    /// Bytes from the start of the section.
    pub offset: u64,
}

/// What is wrong with an object.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadErrorKind {
    /// The first four bytes are not ELF's.
    #[error("not an ELF file")]
    NotElf,
    /// An object for big-endian machines.
    #[error("big-endian object (compile with -target bpf or bpfel on a little-endian machine)")]
    BigEndian,
    /// A 32-bit ELF file.
    #[error("32-bit ELF file, BPF objects are 64-bit")]
    WrongClass,
    /// An object for another processor.
    #[error("ELF machine {0}, not BPF (247)")]
    WrongMachine(u16),
    /// An executable or a shared library.
    #[error("ELF file type {0}, not a relocatable object (1)")]
    NotRelocatable(u16),
    /// The ELF tables contradict each other or the length of the file.
    #[error("broken ELF file: {0}")]
    BadElf(String),
    /// Beyond one of our limits.
    #[error("{what} of {size} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },

    /// A section of instructions whose name says no program type.
    #[error(
        "section name says no program type (known: tc, tcx/ingress, classifier, action, xdp, socket, kprobe/...); --type sched_cls says it for all programs"
    )]
    UnknownSection,
    /// A program type Linux has and this engine has not.
    #[error("programs of type {0} are not supported")]
    UnsupportedProgramType(&'static str),
    /// Something else Linux has and this engine has not.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// A section of instructions that is not a whole number of slots.
    #[error("{size} bytes are not a whole number of 8-byte instructions")]
    PartialInstruction {
        /// Bytes of the section.
        size: u64,
    },
    /// Instructions without a function symbol.
    #[error("instructions but no function symbol")]
    NoFunctions,
    /// A function that is not inside its section.
    #[error("function '{name}' of {size} bytes does not lie on instructions of its section")]
    FunctionRange {
        /// The function.
        name: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Two functions share instructions.
    #[error("functions '{first}' and '{second}' overlap")]
    FunctionsOverlap {
        /// The function that starts first.
        first: String,
        /// The other one.
        second: String,
    },
    /// Two programs with one name.
    #[error("second program named '{0}'")]
    DuplicateProgram(String),
    /// An `id/slot` section of iproute2 whose id no map has.
    #[error("no map has id {0}")]
    UnknownMapId(u32),
    /// A licence that is not text.
    #[error("the licence is not a NUL-terminated ASCII string")]
    BadLicense,

    /// A symbol in a section that does not exist.
    #[error("symbol '{symbol}' is in section {section}, which does not exist")]
    SymbolSection {
        /// The symbol.
        symbol: String,
        /// The section index.
        section: usize,
    },
    /// A relocation against a symbol that does not exist.
    #[error("relocation against symbol {index} of {count}")]
    SymbolIndex {
        /// The index.
        index: usize,
        /// Symbols there are.
        count: usize,
    },
    /// A relocation outside its section.
    #[error("relocation past the end of the section at {size:#x}")]
    RelocationPastEnd {
        /// Bytes of the section.
        size: u64,
    },
    /// A relocation section with addends, which clang never writes for BPF.
    #[error("relocations with addends (SHT_RELA) are not BPF's")]
    RelaSection,
    /// A relocation of a kind that does not belong there.
    #[error("relocation type {kind} against '{symbol}' does not belong here")]
    RelocationType {
        /// The type, `R_BPF_*`.
        kind: u32,
        /// The symbol.
        symbol: String,
    },
    /// A relocation on an instruction that cannot take one.
    #[error(
        "relocation against '{symbol}' on an instruction (opcode {opcode:#04x}) that is neither ld_imm64 nor a call"
    )]
    RelocatedInstruction {
        /// The symbol.
        symbol: String,
        /// The opcode.
        opcode: u8,
    },
    /// An `ld_imm64` that says it is a reference without a relocation that says to what.
    #[error("ld_imm64 with source {0} in an object that is not linked yet")]
    PresetSource(u8),
    /// A reference to a map that is not at a map's first byte.
    #[error("reference to '{section}'+{offset:#x}, where no map starts")]
    NotAMap {
        /// The section of maps.
        section: String,
        /// The offset.
        offset: u64,
    },
    /// A reference past the end of a data section.
    #[error("reference to '{section}'+{offset:#x}, past its end at {size:#x}")]
    DataRange {
        /// The data section.
        section: String,
        /// The offset.
        offset: i64,
        /// Its size.
        size: u64,
    },
    /// A reference to a section that is neither maps, data nor code.
    #[error("reference to '{symbol}' in section '{section}', which is neither maps, data nor code")]
    BadReference {
        /// The symbol.
        symbol: String,
        /// Its section.
        section: String,
    },
    /// A call or function address that is not a function's first instruction.
    #[error("call to '{section}' instruction {insn}, where no function starts")]
    CallTarget {
        /// The section called into.
        section: String,
        /// The slot in it.
        insn: i64,
    },
    /// A call to a kernel function that the engine does not have.
    #[error("call to kernel function (kfunc) '{0}': the engine does not have it")]
    Kfunc(String),
    /// A kernel symbol.
    #[error("kernel symbol (ksym) '{0}': ksyms are not supported")]
    Ksym(String),
    /// A kernel configuration value.
    #[error("kernel configuration '{0}': kconfig externs are not supported")]
    Kconfig(String),
    /// A symbol nothing defines.
    #[error("'{0}' is declared but not defined in this object")]
    Undefined(String),
    /// A tentative definition.
    #[error("'{0}' is a common symbol (compile with -fno-common)")]
    Common(String),

    /// A map definition.
    #[error("map '{map}': {problem}")]
    Map {
        /// The map.
        map: String,
        /// What is wrong with it.
        problem: MapProblem,
    },
    /// The type information.
    #[error("{0}")]
    Btf(BtfProblem),
    /// Type information that does not fit the object.
    #[error("{0}")]
    BtfObject(BtfObjectProblem),
    /// A CO-RE relocation.
    #[error("CO-RE relocation of '{spec}': {problem}")]
    Core {
        /// The type and, where there is one, the access string.
        spec: String,
        /// What is wrong with it.
        problem: CoreProblem,
    },
}

/// What is wrong with a map definition.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MapProblem {
    /// `.maps` without type information.
    #[error("defined in .maps, but the object has no BTF of it (compile with -g)")]
    NoBtf,
    /// Not a structure of `__uint`, `__type`, `__array`.
    #[error("definition is not a struct of __uint, __type and __array members")]
    NotADefinition,
    /// A member nobody knows.
    #[error("unknown member '{0}'")]
    UnknownMember(String),
    /// A member whose type is not what its name asks for.
    #[error("member '{0}' has the wrong type")]
    MemberType(String),
    /// A size given twice, differently.
    #[error("conflicting {what}: {first} and {second}")]
    Conflict {
        /// Of what.
        what: &'static str,
        /// One value.
        first: u32,
        /// The other.
        second: u32,
    },
    /// No `type`.
    #[error("no type")]
    NoType,
    /// A type number Linux does not define.
    #[error("map type {0} is not known")]
    UnknownType(u32),
    /// A type Linux has and this engine has not.
    #[error("map type {0} is not supported")]
    UnsupportedType(&'static str),
    /// A legacy definition too short, or with words set that we do not know.
    #[error("legacy definition of {0} bytes is neither bpf_map_def nor bpf_elf_map")]
    LegacySize(u64),
    /// Two definitions share bytes, or one lies outside its section.
    #[error("definition overlaps another or the end of its section")]
    Overlap,
    /// `.values` on a map that holds neither programs nor maps.
    #[error(".values on a map of type {0}")]
    ValuesType(&'static str),
    /// A relocation in a map that has no `values` there.
    #[error("initialised member is not an element of values")]
    ValuesOffset,
    /// A slot of `.values` beyond the map.
    #[error("cannot initialize slot {slot}: max_entries is {max_entries} (E2BIG)")]
    ValuesSlot {
        /// The slot.
        slot: u64,
        /// The map's size.
        max_entries: u32,
    },
    /// A slot given twice.
    #[error("slot {0} is initialised twice")]
    ValuesTwice(u32),
    /// A value that is not a program.
    #[error("slot {slot}: '{symbol}' isn't an entry-point program")]
    ValuesNotAProgram {
        /// The slot.
        slot: u32,
        /// The symbol.
        symbol: String,
    },
    /// A value that is not a map.
    #[error("slot {slot}: '{symbol}' isn't a map")]
    ValuesNotAMap {
        /// The slot.
        slot: u32,
        /// The symbol.
        symbol: String,
    },
    /// A map of maps without the shape of its inner maps.
    #[error("map of maps without an inner map definition")]
    NoInner,
}

/// Type information that does not fit the object.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BtfObjectProblem {
    /// A data section of the BTF that the ELF file has not.
    #[error("BTF describes section '{0}', which the object has not")]
    NoSection(String),
    /// A variable of a data section without a symbol.
    #[error("BTF describes variable '{0}', which has no symbol")]
    NoSymbol(String),
    /// Information about an instruction that does not exist.
    #[error("{what} for instruction offset {offset:#x} of section '{section}', which has none there")]
    InsnOffset {
        /// Which table.
        what: &'static str,
        /// The section.
        section: String,
        /// Bytes from its start.
        offset: u32,
    },
    /// A structure with special fields that Linux refuses, and all types with it.
    #[error(
        "fields of 'struct {name}' that programs reach through helpers are not as they must be ({errno})"
    )]
    SpecialFields {
        /// The structure.
        name: String,
        /// What `BPF_BTF_LOAD` says.
        errno: Errno,
    },
    /// A record size we cannot read.
    #[error("{what} records of {size} bytes")]
    RecordSize {
        /// Which table.
        what: &'static str,
        /// The size.
        size: u32,
    },
}

/// What is wrong with a CO-RE relocation.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CoreProblem {
    /// A kind of relocation that does not exist.
    #[error("kind {0} is not known")]
    Kind(u32),
    /// An access string that does not fit the type.
    #[error("access string does not describe the type")]
    Access,
    /// More steps than we follow.
    #[error("access string has more than {0} steps")]
    TooDeep(usize),
    /// Several target types give different answers.
    #[error("ambiguous: target types {first} and {second} give different results")]
    Ambiguous {
        /// BTF id of one.
        first: u32,
        /// BTF id of the other.
        second: u32,
    },
    /// An instruction that has no place for the value.
    #[error("instruction with opcode {0:#04x} cannot take the value")]
    Instruction(u8),
    /// A value too large for its place.
    #[error("value {0:#x} does not fit the instruction")]
    ValueRange(u64),
    /// The instruction does not hold what the compiler should have put there.
    #[error("instruction holds {found:#x} where the object's own types say {expected:#x}")]
    Validation {
        /// What the instruction holds.
        found: u64,
        /// What was expected.
        expected: u64,
    },
    /// A bit field that no load of one, two, four or eight bytes covers.
    #[error("bit field cannot be read with one load")]
    BitField,
    /// A field whose size is no load's size.
    #[error("field of {0} bytes has no matching load or store")]
    MemSize(u64),
}

impl LoadError {
    /// An error at a place.
    pub(crate) fn at(section: &str, offset: u64, kind: LoadErrorKind) -> LoadError {
        LoadError { place: Place { section: section.to_owned(), offset }, kind }
    }

    /// An error of a map.
    pub(crate) fn map(section: &str, offset: u64, map: &str, problem: MapProblem) -> LoadError {
        LoadError::at(section, offset, LoadErrorKind::Map { map: map.to_owned(), problem })
    }
}

impl From<LoadErrorKind> for LoadError {
    fn from(kind: LoadErrorKind) -> LoadError {
        LoadError { place: Place::default(), kind }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.section.is_empty() {
            return Ok(());
        }
        write!(f, "section '{}', offset {:#x}: ", self.section, self.offset)
    }
}
