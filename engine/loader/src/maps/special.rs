//! Fields of map values that programs reach through helpers only, found by their types (`btf_parse_fields` of the
//! kernel).

use bpfreplay_btf::{Btf, Kind};
use bpfreplay_program::{SpecialField, SpecialKind};

use crate::error::{LoadError, LoadErrorKind};

/// Members of structures in structures that are looked at in one value. Ours: types made to be looked through could
/// take for ever.
const MEMBERS_MAX: u32 = 1 << 16;
/// Structures in structures that are looked into (`MAX_RESOLVE_DEPTH`).
const DEPTH_MAX: u32 = 32;

/// The special fields of a value's type, by offset; of a data section, those of its variables.
pub(super) fn fields(btf: &Btf, value: u32) -> Result<Vec<SpecialField>, LoadError> {
    let mut search = Search { btf, left: MEMBERS_MAX, found: Vec::new() };
    if value != 0 {
        search.look_into(value, 0, DEPTH_MAX)?;
    }
    search.found.sort_by_key(|field| field.off);
    Ok(search.found)
}

struct Search<'b> {
    btf: &'b Btf,
    /// Members that may still be looked at.
    left: u32,
    found: Vec<SpecialField>,
}

impl Search<'_> {
    fn look_into(&mut self, id: u32, off: u32, depth: u32) -> Result<(), LoadError> {
        let btf = self.btf;
        let (_, ty) = btf.resolve(id)?;
        self.left = match self.left.checked_sub(1) {
            Some(left) if depth > 0 => left,
            Some(_) | None => {
                let limit = u64::from(MEMBERS_MAX);
                let kind =
                    LoadErrorKind::TooLarge { what: "number of members of a value", size: limit + 1, limit };
                return Err(LoadError::at(".BTF", 0, kind));
            }
        };
        match &ty.kind {
            Kind::Struct { union, members, .. } => {
                let name = btf.name(ty)?;
                if let Some(kind) = SpecialKind::STRUCTS.into_iter().find(|kind| kind.name() == name) {
                    self.found.push(SpecialField { off, kind });
                    return Ok(());
                }
                // The kernel looks into structures, not into unions.
                for member in members.iter().filter(|_| !union) {
                    self.look_into(member.ty, off.saturating_add(member.bit_offset / 8), depth - 1)?;
                }
            }
            Kind::Datasec { vars, .. } => {
                for var in vars {
                    if let Kind::Var { ty } = btf.get(var.ty)?.kind {
                        self.look_into(ty, off.saturating_add(var.offset), depth - 1)?;
                    }
                }
            }
            Kind::Array { elem, nelems, .. } => self.elements(*elem, *nelems, off, depth)?,
            Kind::Ptr(pointee) if is_kptr(btf, *pointee)? => {
                self.found.push(SpecialField { off, kind: SpecialKind::Kptr });
            }
            _ => {}
        }
        Ok(())
    }

    /// The elements are alike: if the first has nothing, none has.
    fn elements(&mut self, elem: u32, nelems: u32, off: u32, depth: u32) -> Result<(), LoadError> {
        let size = self.btf.size_of(elem)?.and_then(|size| u32::try_from(size).ok()).unwrap_or(0);
        for at in 0..nelems {
            let before = self.found.len();
            self.look_into(elem, off.saturating_add(at.saturating_mul(size)), depth - 1)?;
            if self.found.len() == before {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// `__kptr`, `__kptr_untrusted`, `__percpu_kptr`: tags of the pointee.
fn is_kptr(btf: &Btf, pointee: u32) -> Result<bool, LoadError> {
    let ty = btf.get(pointee)?;
    let is_tag = matches!(ty.kind, Kind::Modifier(_));
    Ok(is_tag && matches!(btf.name(ty)?, "kptr" | "kptr_untrusted" | "percpu_kptr"))
}
