//! The types of an object, and the questions asked of them.

use std::fmt;

use crate::error::{BtfError, BtfProblem};
use crate::parse;

/// Modifiers and typedefs followed, and levels of nesting entered (`MAX_RESOLVE_DEPTH` of libbpf).
pub const RESOLVE_DEPTH_MAX: usize = 32;

/// Where in a `struct btf_type` its kind is: the highest byte of `info`.
const KIND_BYTE: usize = 7;
/// `BTF_KIND_VOLATILE`.
const KIND_VOLATILE: u8 = 9;
/// `BTF_KIND_TYPE_TAG`.
const KIND_TYPE_TAG: u8 = 18;

/// The types of an object.
#[derive(Clone)]
pub struct Btf {
    pub(crate) types: Vec<Type>,
    pub(crate) strings: Vec<u8>,
    pub(crate) raw: Vec<u8>,
}

/// One type.
#[derive(Clone, Debug)]
pub struct Type {
    /// Where its name is, for [`Btf::string`]; 0 if it has none.
    pub name_off: u32,
    /// What it is.
    pub kind: Kind,
    /// Bytes from the start of the section to its `struct btf_type`.
    pub offset: usize,
}

/// What a type is (`BTF_KIND_*`). Sizes are bytes.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Id 0.
    Void,
    /// An integer, character or truth value.
    Int {
        /// Of its memory.
        size: u32,
        /// How it is meant.
        encoding: IntEncoding,
        /// Bits from the start of its memory; 0 but in old bit fields.
        offset: u32,
        /// Bits of its value, up to 255 in broken BTF.
        bits: u32,
    },
    /// A pointer to this type.
    Ptr(u32),
    /// An array.
    Array {
        /// Type of an element.
        elem: u32,
        /// How many.
        nelems: u32,
    },
    /// A structure or union.
    Struct {
        /// Of its memory.
        size: u32,
        /// In the order of the source.
        members: Vec<Member>,
        /// Whether all members start at its first byte.
        union: bool,
    },
    /// An enumeration.
    Enum {
        /// Of its memory.
        size: u32,
        /// In the order of the source.
        values: Vec<EnumValue>,
        /// Whether values are signed.
        signed: bool,
        /// `BTF_KIND_ENUM64`: values have 64 bits.
        enum64: bool,
    },
    /// A structure or union that is declared but not defined.
    Fwd,
    /// Another name for this type.
    Typedef(u32),
    /// `volatile`, `const`, `restrict`, type tags: no meaning here beyond the type they qualify.
    Modifier(u32),
    /// A function.
    Func {
        /// Its [`Kind::FuncProto`].
        proto: u32,
        /// Who sees it.
        linkage: FuncLinkage,
    },
    /// What functions take and return.
    FuncProto {
        /// Type returned.
        ret: u32,
        /// In order; type 0 at the end stands for `...`.
        params: Vec<Param>,
    },
    /// A global variable.
    Var {
        /// Its type.
        ty: u32,
    },
    /// A data section.
    Datasec {
        /// Of the section; 0 before it is linked.
        size: u32,
        /// Its variables.
        vars: Vec<SecVar>,
    },
    /// A floating-point number.
    Float {
        /// Of its memory.
        size: u32,
    },
    /// A text put on a declaration.
    DeclTag {
        /// On which.
        target: u32,
        /// On which member or parameter of it; `None` for the whole.
        component: Option<u32>,
    },
}

/// `BTF_INT_ENCODING`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IntEncoding {
    /// 0.
    Unsigned,
    /// `BTF_INT_SIGNED`.
    Signed,
    /// `BTF_INT_CHAR`; clang writes it for no type, its `char` is signed or unsigned.
    Char,
    /// `BTF_INT_BOOL`.
    Bool,
    /// Several at once, which the kernel refuses.
    Other(u32),
}

/// `enum btf_func_linkage`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FuncLinkage {
    /// Seen in its file only.
    Static,
    /// Seen everywhere.
    Global,
    /// Defined elsewhere.
    Extern,
}

/// A member of a structure or union.
#[derive(Clone, Debug)]
pub struct Member {
    /// Where its name is; 0 for an anonymous structure or union.
    pub name_off: u32,
    /// Its type.
    pub ty: u32,
    /// Bits from the start of the structure.
    pub bit_offset: u32,
    /// Bits of a bit field, else 0.
    pub bit_size: u32,
}

/// An enumerator.
#[derive(Clone, Debug)]
pub struct EnumValue {
    /// Where its name is.
    pub name_off: u32,
    /// Its value, extended to 64 bits as the enumeration is signed or not.
    pub value: u64,
}

/// A parameter of a function type.
#[derive(Clone, Debug)]
pub struct Param {
    /// Where its name is, for [`Btf::string`]; 0 if it has none.
    pub name_off: u32,
    /// Its type.
    pub ty: u32,
}

/// A variable of a data section.
#[derive(Clone, Debug)]
pub struct SecVar {
    /// Its [`Kind::Var`].
    pub ty: u32,
    /// Bytes from the start of the section; 0 before it is linked.
    pub offset: u32,
}

impl IntEncoding {
    pub(crate) fn from_bits(bits: u32) -> IntEncoding {
        match bits {
            0 => IntEncoding::Unsigned,
            1 => IntEncoding::Signed,
            2 => IntEncoding::Char,
            4 => IntEncoding::Bool,
            other => IntEncoding::Other(other),
        }
    }
}

impl Btf {
    /// Reads a `.BTF` section; every id and string offset a type has is checked.
    ///
    /// # Errors
    ///
    /// What is not BTF version 1, ends early, or refers to what is not there.
    pub fn parse(section: &[u8]) -> Result<Btf, BtfError> {
        parse::parse(section)
    }

    /// The type with this id. Ids that come from parsed types exist.
    ///
    /// # Errors
    ///
    /// [`BtfProblem::TypeId`].
    pub fn get(&self, id: u32) -> Result<&Type, BtfError> {
        self.types.get(id as usize).ok_or_else(|| BtfProblem::TypeId { id, count: self.types.len() }.at(0))
    }

    /// The section as it was read.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Every type with its id, without void.
    pub fn types(&self) -> impl Iterator<Item = (u32, &Type)> {
        (0u32..).zip(&self.types).skip(1)
    }

    /// The string at an offset.
    ///
    /// # Errors
    ///
    /// [`BtfProblem::String`]; offsets that come from parsed types have a string.
    pub fn string(&self, offset: u32) -> Result<&str, BtfError> {
        let bad = || BtfProblem::String(offset).at(0);
        let rest = self.strings.get(offset as usize..).ok_or_else(bad)?;
        let len = rest.iter().position(|&b| b == 0).ok_or_else(bad)?;
        std::str::from_utf8(&rest[..len]).map_err(|_| bad())
    }

    /// The name of a type, empty if it has none.
    ///
    /// # Errors
    ///
    /// As [`Btf::string`].
    pub fn name(&self, ty: &Type) -> Result<&str, BtfError> {
        self.string(ty.name_off)
    }

    /// Whether a type has this name. Looks at no more of a longer name than this one is long.
    #[must_use]
    pub fn is_named(&self, ty: &Type, name: &str) -> bool {
        let at = self.strings.get(ty.name_off as usize..);
        at.and_then(|at| at.strip_prefix(name.as_bytes())).is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The text of a type tag; `None` for every other type.
    #[must_use]
    pub fn type_tag(&self, ty: &Type) -> Option<&str> {
        (self.kind_number(ty) == Some(KIND_TYPE_TAG)).then(|| self.name(ty).ok())?
    }

    /// Whether it is `volatile` of another type.
    #[must_use]
    pub fn is_volatile(&self, ty: &Type) -> bool {
        self.kind_number(ty) == Some(KIND_VOLATILE)
    }

    /// `BTF_KIND_*` as the section has it: what [`Kind`] does not tell apart. Void is in no section.
    fn kind_number(&self, ty: &Type) -> Option<u8> {
        let header = self.raw.get(ty.offset + KIND_BYTE).filter(|_| ty.offset > 0)?;
        Some(header & 0x1f)
    }

    /// The type behind typedefs and modifiers.
    ///
    /// # Errors
    ///
    /// [`BtfProblem::Loop`] after [`RESOLVE_DEPTH_MAX`] steps.
    pub fn resolve(&self, id: u32) -> Result<(u32, &Type), BtfError> {
        self.follow(id, |kind| match kind {
            Kind::Typedef(to) | Kind::Modifier(to) => Some(*to),
            _ => None,
        })
    }

    /// The type behind modifiers, typedefs kept.
    ///
    /// # Errors
    ///
    /// As [`Btf::resolve`].
    pub fn skip_modifiers(&self, id: u32) -> Result<(u32, &Type), BtfError> {
        self.follow(id, |kind| match kind {
            Kind::Modifier(to) => Some(*to),
            _ => None,
        })
    }

    fn follow(&self, id: u32, step: impl Fn(&Kind) -> Option<u32>) -> Result<(u32, &Type), BtfError> {
        let mut at = id;
        for _ in 0..RESOLVE_DEPTH_MAX {
            let ty = self.get(at)?;
            match step(&ty.kind) {
                Some(next) => at = next,
                None => return Ok((at, ty)),
            }
        }
        Err(BtfProblem::Loop(id).at(0))
    }

    /// Bytes of a type; `None` for those without a size (functions, void, forward declarations).
    ///
    /// # Errors
    ///
    /// [`BtfProblem::Loop`] after [`RESOLVE_DEPTH_MAX`] steps.
    pub fn size_of(&self, id: u32) -> Result<Option<u64>, BtfError> {
        let mut count = 1u64;
        let mut at = id;
        for _ in 0..RESOLVE_DEPTH_MAX {
            let size = match &self.get(at)?.kind {
                Kind::Typedef(to) | Kind::Modifier(to) | Kind::Var { ty: to } => {
                    at = *to;
                    continue;
                }
                Kind::Array { elem, nelems } => {
                    count = count.saturating_mul(u64::from(*nelems));
                    at = *elem;
                    continue;
                }
                Kind::Int { size, .. }
                | Kind::Struct { size, .. }
                | Kind::Enum { size, .. }
                | Kind::Datasec { size, .. }
                | Kind::Float { size } => u64::from(*size),
                Kind::Ptr(_) => 8,
                Kind::Void
                | Kind::Fwd
                | Kind::Func { .. }
                | Kind::FuncProto { .. }
                | Kind::DeclTag { .. } => return Ok(None),
            };
            return Ok(Some(count.saturating_mul(size)));
        }
        Err(BtfProblem::Loop(id).at(0))
    }

    /// The data section with this name.
    #[must_use]
    pub fn datasec(&self, name: &str) -> Option<(u32, &[SecVar])> {
        self.types().find_map(|(id, ty)| match &ty.kind {
            Kind::Datasec { vars, .. } if self.name(ty).is_ok_and(|n| n == name) => {
                Some((id, vars.as_slice()))
            }
            _ => None,
        })
    }

    /// The function or variable of this name in a data section, such as an extern in `.ksyms`.
    #[must_use]
    pub fn datasec_has(&self, section: &str, symbol: &str) -> bool {
        self.datasec(section).is_some_and(|(_, vars)| {
            vars.iter()
                .any(|var| self.get(var.ty).is_ok_and(|ty| self.name(ty).is_ok_and(|name| name == symbol)))
        })
    }

    /// The texts of the declaration tags on a type: the whole of it, or one member or parameter.
    pub fn decl_tags(&self, id: u32, component: Option<u32>) -> impl Iterator<Item = &str> {
        self.types.iter().filter_map(move |ty| match &ty.kind {
            Kind::DeclTag { target, component: c } if *target == id && *c == component => self.name(ty).ok(),
            _ => None,
        })
    }
}

/// Two are equal if their sections are.
impl PartialEq for Btf {
    fn eq(&self, other: &Btf) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Btf {}

/// How many types; they themselves would fill pages.
impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Btf").field("types", &self.types.len()).finish_non_exhaustive()
    }
}
