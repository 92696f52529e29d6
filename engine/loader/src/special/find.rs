//! Fields by the names of their types (linux: btf_find_field()).

use bpfreplay_btf::{Btf, Kind, Member, Type};
use bpfreplay_program::{KptrKind, SpecialField, SpecialKind};
use bpfreplay_uapi::Errno;

use super::root::{self, Declared};
use super::{DEPTH_MAX, FIELDS_MAX, Holder, MEMBERS_MAX};

/// The fields of a structure or of a data section's variables, in the order of their declaration.
pub(super) fn fields(btf: &Btf, id: u32, holder: Holder) -> Result<Vec<SpecialField>, Errno> {
    let mut search = Search { btf, holder, members_left: MEMBERS_MAX, seen: Vec::new(), found: Vec::new() };
    match &get(btf, id)?.kind {
        Kind::Struct { members, union: false, .. } => search.members(id, members, 0, 0)?,
        Kind::Datasec { vars, .. } => {
            for var in vars {
                if let Kind::Var { ty } = get(btf, var.ty)?.kind {
                    search.field(Declared { on: var.ty, component: None }, ty, var.offset, 0)?;
                }
            }
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(search.found)
}

struct Search<'b> {
    btf: &'b Btf,
    holder: Holder,
    /// Members that may still be looked at.
    members_left: u32,
    /// Kinds that there is one of at most, as far as they are found.
    seen: Vec<SpecialKind>,
    found: Vec<SpecialField>,
}

impl Search<'_> {
    fn members(&mut self, id: u32, members: &[Member], off: u32, depth: u32) -> Result<(), Errno> {
        for (index, member) in (0u32..).zip(members) {
            self.members_left = self.members_left.checked_sub(1).ok_or(Errno::E2BIG)?;
            if !member.bit_offset.is_multiple_of(8) {
                // A bit field: Linux then says that the value has no fields.
                return Err(Errno::EINVAL);
            }
            let at = off.checked_add(member.bit_offset / 8).ok_or(Errno::EINVAL)?;
            self.field(Declared { on: id, component: Some(index) }, member.ty, at, depth)?;
        }
        Ok(())
    }

    /// A member or variable: one field, some in a structure, or as many of either as an array has elements
    /// (linux: btf_find_field_one()).
    fn field(&mut self, declared: Declared, id: u32, off: u32, depth: u32) -> Result<(), Errno> {
        let (id, elements) = self.element(id)?;
        if elements == 0 {
            return Ok(());
        }
        let ty = get(self.btf, id)?;
        let before = self.found.len();
        let size = match (self.special(declared, ty)?, &ty.kind) {
            (Some(kind), _) => {
                if !off.is_multiple_of(kind.align()) {
                    return Ok(());
                }
                if self.found.len() == FIELDS_MAX {
                    return Err(Errno::E2BIG);
                }
                self.found.push(SpecialField { off, kind });
                kind.size()
            }
            (None, Kind::Struct { members, union: false, size }) => {
                if depth + 1 >= DEPTH_MAX {
                    return Err(Errno::E2BIG);
                }
                self.members(id, members, off, depth + 1)?;
                *size
            }
            (None, _) => return Ok(()),
        };
        self.repeat(before, elements, size)
    }

    /// The elements of an array are alike (linux: btf_repeat_fields()).
    fn repeat(&mut self, first: usize, elements: u32, size: u32) -> Result<(), Errno> {
        let one = self.found[first..].to_vec();
        if elements == 1 || one.is_empty() {
            return Ok(());
        }
        let may_repeat = |field: &SpecialField| {
            matches!(
                field.kind,
                SpecialKind::Kptr { .. } | SpecialKind::ListHead { .. } | SpecialKind::RbRoot { .. }
            )
        };
        if !one.iter().all(may_repeat) {
            return Err(Errno::EINVAL);
        }
        if (FIELDS_MAX - first) / one.len() < elements as usize {
            return Err(Errno::E2BIG);
        }
        for at in 1..elements {
            let shift = at.checked_mul(size).ok_or(Errno::E2BIG)?;
            for field in &one {
                let off = field.off.checked_add(shift).ok_or(Errno::E2BIG)?;
                self.found.push(SpecialField { off, ..*field });
            }
        }
        Ok(())
    }

    /// The type of an array's elements, and how many there are of it; 1 of what is no array.
    fn element(&self, mut id: u32) -> Result<(u32, u32), Errno> {
        let mut elements = 1u32;
        for _ in 0..DEPTH_MAX {
            let Kind::Array { elem, nelems } = get(self.btf, id)?.kind else { return Ok((id, elements)) };
            elements = elements.checked_mul(nelems).ok_or(Errno::E2BIG)?;
            id = elem;
        }
        Err(Errno::E2BIG)
    }

    /// What kind of field this type is, if it is one (linux: btf_get_field_type()).
    fn special(&mut self, declared: Declared, ty: &Type) -> Result<Option<SpecialKind>, Errno> {
        let name = self.btf.name(ty).map_err(|_| Errno::EINVAL)?;
        let of_object = self.holder == Holder::Object;
        let (kind, only_one) = match (&ty.kind, name) {
            (_, "bpf_spin_lock") => (SpecialKind::SpinLock, true),
            (_, "bpf_refcount") => (SpecialKind::Refcount, true),
            (_, "bpf_timer") if !of_object => (SpecialKind::Timer, true),
            (_, "bpf_wq") if !of_object => (SpecialKind::Workqueue, true),
            (_, "bpf_list_node") if of_object => (SpecialKind::ListNode, false),
            (_, "bpf_rb_node") if of_object => (SpecialKind::RbNode, false),
            (Kind::Struct { union: false, size: 16, .. }, "bpf_list_head") => {
                (root::list_head(self.btf, declared)?, false)
            }
            (Kind::Struct { union: false, size: 16, .. }, "bpf_rb_root") => {
                (root::rb_root(self.btf, declared)?, false)
            }
            (Kind::Struct { union: false, .. }, _) => return Ok(None),
            (_, _) => return kptr(self.btf, ty),
        };
        if only_one {
            if self.seen.contains(&kind) {
                return Err(Errno::E2BIG);
            }
            self.seen.push(kind);
        }
        let is_it = matches!(&ty.kind, Kind::Struct { size, union: false, .. } if *size == kind.size());
        Ok(is_it.then_some(kind))
    }
}

/// A pointer with a tag (linux: btf_find_kptr()).
pub(super) fn kptr(btf: &Btf, ty: &Type) -> Result<Option<SpecialKind>, Errno> {
    let ty = match ty.kind {
        Kind::Modifier(of) if btf.is_volatile(ty) => get(btf, of)?,
        _ => ty,
    };
    let Kind::Ptr(pointee) = ty.kind else { return Ok(None) };
    let tagged = get(btf, pointee)?;
    let (Some(tag), Kind::Modifier(of)) = (btf.type_tag(tagged), &tagged.kind) else { return Ok(None) };
    if btf.type_tag(get(btf, *of)?).is_some() {
        return Err(Errno::EINVAL);
    }
    let kind = match tag {
        "kptr_untrusted" => KptrKind::Unref,
        "kptr" => KptrKind::Ref,
        "percpu_kptr" => KptrKind::Percpu,
        _ => return Err(Errno::EINVAL),
    };
    let (type_id, base) = btf.resolve(*of).map_err(|_| Errno::EINVAL)?;
    match base.kind {
        Kind::Struct { union: false, .. } => Ok(Some(SpecialKind::Kptr { kind, type_id })),
        _ => Err(Errno::EINVAL),
    }
}

pub(super) fn get(btf: &Btf, id: u32) -> Result<&Type, Errno> {
    btf.get(id).map_err(|_| Errno::EINVAL)
}
