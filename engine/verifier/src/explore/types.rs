//! The program's own types.

use bpfreplay_btf::{Btf, Kind};
use bpfreplay_program::SpecialField;

use super::Env;

impl<'a> Env<'a> {
    /// The name of a type, empty if it has none.
    pub(crate) fn type_name(&self, type_id: u32) -> &'a str {
        type_name(self.program, type_id)
    }

    /// The special fields of objects of a type.
    pub(crate) fn fields_of_type(&self, type_id: u32) -> &'a [SpecialField] {
        self.program.local_type(type_id).map_or(&[], |(_, ty)| &ty.special)
    }

    /// Bytes of a type, if it is a structure.
    pub(crate) fn structure_size(&self, type_id: u32) -> Option<u32> {
        match self.program.types.as_deref()?.get(type_id).ok()?.kind {
            Kind::Struct { size, union: false, .. } => Some(size),
            _ => None,
        }
    }

    /// Whether there is nothing but numbers in a structure (linux: __btf_type_is_scalar_struct()).
    pub(crate) fn is_of_scalars(&self, type_id: u32) -> bool {
        self.program.types.as_deref().is_some_and(|types| is_of_scalars(types, type_id, 0))
    }
}

/// Structures in structures at the most (the kernel's value).
const DEPTH_MAX: u32 = 3;

fn is_of_scalars(types: &Btf, type_id: u32, depth: u32) -> bool {
    let is_scalar = |id| {
        let kind = types.resolve(id).map(|(_, ty)| &ty.kind);
        matches!(kind, Ok(Kind::Int { .. } | Kind::Enum { .. }))
    };
    let Ok((_, ty)) = types.resolve(type_id) else { return false };
    let Kind::Struct { members, .. } = &ty.kind else { return false };
    members.iter().all(|member| match types.resolve(member.ty).map(|(_, ty)| &ty.kind) {
        Ok(Kind::Struct { .. }) => depth < DEPTH_MAX && is_of_scalars(types, member.ty, depth + 1),
        Ok(Kind::Array { elem, nelems }) => *nelems > 0 && is_scalar(*elem),
        Ok(_) | Err(_) => is_scalar(member.ty),
    })
}

/// The name of a type of a program, empty if it has none.
pub(crate) fn type_name(program: &bpfreplay_program::Program, type_id: u32) -> &str {
    let types = program.types.as_deref();
    types.and_then(|types| types.name(types.get(type_id).ok()?).ok()).unwrap_or("")
}
