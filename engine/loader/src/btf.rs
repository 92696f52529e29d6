//! BTF, the type information clang puts next to the code (`Documentation/bpf/btf.rst`).
//!
//! ```text
//!   .BTF      header │ types, id 1.. in order │ strings        maps are defined in it, functions described
//!   .BTF.ext  header │ func_info │ line_info │ core_relo       by section and byte offset of an instruction
//! ```

pub(crate) mod ext;
pub(crate) mod fixup;
pub(crate) mod func;
mod parse;

use crate::error::{BtfProblem, LoadError, LoadErrorKind};

/// Modifiers and typedefs followed, and levels of nesting entered (`MAX_RESOLVE_DEPTH` of libbpf).
pub(crate) const RESOLVE_DEPTH_MAX: usize = 32;

/// The types of an object.
pub(crate) struct Btf {
    types: Vec<Type>,
    strings: Vec<u8>,
    /// The section as it was read.
    raw: Vec<u8>,
}

/// One type: its name and where it starts in the section.
pub(crate) struct Type {
    pub(crate) name_off: u32,
    pub(crate) kind: Kind,
    pub(crate) offset: usize,
}

/// What a type is (`BTF_KIND_*`).
pub(crate) enum Kind {
    Void,
    Int {
        size: u32,
        signed: bool,
    },
    Ptr(u32),
    Array {
        elem: u32,
        nelems: u32,
    },
    Struct {
        size: u32,
        members: Vec<Member>,
        union: bool,
    },
    Enum {
        size: u32,
        values: Vec<EnumValue>,
        signed: bool,
    },
    Fwd,
    Typedef(u32),
    /// `volatile`, `const`, `restrict`, type tags: no meaning here beyond the type they qualify.
    Modifier(u32),
    Func {
        proto: u32,
        linkage: FuncLinkage,
    },
    FuncProto {
        ret: u32,
        params: Vec<Param>,
    },
    Var {
        ty: u32,
    },
    Datasec {
        size: u32,
        vars: Vec<SecVar>,
    },
    Float {
        size: u32,
    },
    DeclTag {
        target: u32,
        component: Option<u32>,
    },
}

/// `enum btf_func_linkage`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FuncLinkage {
    Static,
    Global,
    Extern,
}

/// A member of a structure or union.
pub(crate) struct Member {
    pub(crate) name_off: u32,
    pub(crate) ty: u32,
    pub(crate) bit_offset: u32,
    /// Bits of a bit field, else 0.
    pub(crate) bit_size: u32,
}

/// An enumerator.
pub(crate) struct EnumValue {
    pub(crate) name_off: u32,
    pub(crate) value: u64,
}

/// A parameter of a function type.
pub(crate) struct Param {
    pub(crate) ty: u32,
}

/// A variable of a data section.
pub(crate) struct SecVar {
    pub(crate) ty: u32,
    pub(crate) offset: u32,
}

impl Btf {
    /// Reads a `.BTF` section; every id and string offset a type has is checked.
    pub(crate) fn parse(section: &[u8]) -> Result<Btf, LoadError> {
        parse::parse(section)
    }

    /// The type with this id. Ids that come from parsed types exist.
    pub(crate) fn get(&self, id: u32) -> Result<&Type, LoadError> {
        self.types
            .get(id as usize)
            .ok_or_else(|| problem(0, BtfProblem::TypeId { id, count: self.types.len() }))
    }

    /// Every type with its id, without void.
    pub(crate) fn types(&self) -> impl Iterator<Item = (u32, &Type)> {
        (0u32..).zip(&self.types).skip(1)
    }

    /// The string at an offset.
    pub(crate) fn string(&self, offset: u32) -> Result<&str, LoadError> {
        let bad = || problem(0, BtfProblem::String(offset));
        let rest = self.strings.get(offset as usize..).ok_or_else(bad)?;
        let len = rest.iter().position(|&b| b == 0).ok_or_else(bad)?;
        std::str::from_utf8(&rest[..len]).map_err(|_| bad())
    }

    /// The name of a type, empty if it has none.
    pub(crate) fn name(&self, ty: &Type) -> Result<&str, LoadError> {
        self.string(ty.name_off)
    }

    /// The type behind typedefs and modifiers.
    pub(crate) fn resolve(&self, id: u32) -> Result<(u32, &Type), LoadError> {
        self.follow(id, |kind| match kind {
            Kind::Typedef(to) | Kind::Modifier(to) => Some(*to),
            _ => None,
        })
    }

    /// The type behind modifiers, typedefs kept.
    pub(crate) fn skip_modifiers(&self, id: u32) -> Result<(u32, &Type), LoadError> {
        self.follow(id, |kind| match kind {
            Kind::Modifier(to) => Some(*to),
            _ => None,
        })
    }

    fn follow(&self, id: u32, step: impl Fn(&Kind) -> Option<u32>) -> Result<(u32, &Type), LoadError> {
        let mut at = id;
        for _ in 0..RESOLVE_DEPTH_MAX {
            let ty = self.get(at)?;
            match step(&ty.kind) {
                Some(next) => at = next,
                None => return Ok((at, ty)),
            }
        }
        Err(problem(0, BtfProblem::Loop(id)))
    }

    /// Bytes of a type; `None` for those without a size (functions, void, forward declarations).
    pub(crate) fn size_of(&self, id: u32) -> Result<Option<u64>, LoadError> {
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
        Err(problem(0, BtfProblem::Loop(id)))
    }

    /// The data section with this name.
    pub(crate) fn datasec(&self, name: &str) -> Option<(u32, &[SecVar])> {
        self.types().find_map(|(id, ty)| match &ty.kind {
            Kind::Datasec { vars, .. } if self.name(ty).is_ok_and(|n| n == name) => {
                Some((id, vars.as_slice()))
            }
            _ => None,
        })
    }

    /// The function or variable of this name in a data section, such as an extern in `.ksyms`.
    pub(crate) fn datasec_has(&self, section: &str, symbol: &str) -> bool {
        self.datasec(section).is_some_and(|(_, vars)| {
            vars.iter()
                .any(|var| self.get(var.ty).is_ok_and(|ty| self.name(ty).is_ok_and(|name| name == symbol)))
        })
    }

    /// The texts of the declaration tags on a type: the whole of it, or one member or parameter.
    pub(crate) fn decl_tags(&self, id: u32, component: Option<u32>) -> impl Iterator<Item = &str> {
        self.types.iter().filter_map(move |ty| match &ty.kind {
            Kind::DeclTag { target, component: c } if *target == id && *c == component => self.name(ty).ok(),
            _ => None,
        })
    }
}

/// An error in the type information.
pub(crate) fn problem(offset: usize, problem: BtfProblem) -> LoadError {
    LoadError::at(".BTF", offset as u64, LoadErrorKind::Btf(problem))
}
