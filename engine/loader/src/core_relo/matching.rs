//! A place in one of the object's types, found again in a target type by names.

use bpfreplay_btf::{Btf, IntEncoding, Kind, RESOLVE_DEPTH_MAX};

use super::candidate::essential_name;
use super::spec::{About, ReloKind, Spec, Step, add, bits};
use super::{Budget, Stop};

/// The same place in a candidate, or `None` if it has none (`bpf_core_spec_match`).
pub(super) fn find(
    local: &Btf,
    spec: &Spec,
    target: &Btf,
    candidate: u32,
    budget: &Budget,
) -> Result<Option<Spec>, Stop> {
    budget.take(spec.steps.len())?;
    let pair = Pair { local, target, budget };
    match spec.kind.about() {
        About::Type => {
            let depth = RESOLVE_DEPTH_MAX;
            let same = match spec.kind {
                ReloKind::TypeMatches => pair.types_match(spec.root, candidate, Pointer::Not, depth)?,
                _ => pair.types_compatible(spec.root, candidate, depth)?,
            };
            let steps = vec![Step { ty: candidate, index: 0, name_off: None }];
            Ok(same.then_some(Spec { kind: spec.kind, root: candidate, steps, bit_offset: 0 }))
        }
        About::Enumerator => pair.enumerator(spec, candidate),
        About::Field => pair.field(spec, candidate),
    }
}

/// The object's types and the target's.
struct Pair<'a> {
    local: &'a Btf,
    target: &'a Btf,
    budget: &'a Budget,
}

/// Whether a type is being compared through a pointer: then a structure's name says enough.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pointer {
    Not,
    Behind,
}

impl Pair<'_> {
    fn enumerator(&self, spec: &Spec, candidate: u32) -> Result<Option<Spec>, Stop> {
        let Some(name_off) = spec.steps.first().and_then(|step| step.name_off) else { return Ok(None) };
        let wanted = essential_name(self.local.string(name_off)?);
        let (ty, resolved) = self.target.resolve(candidate)?;
        let Kind::Enum { values, .. } = &resolved.kind else { return Ok(None) };
        self.budget.take(values.len())?;
        for (index, value) in (0u32..).zip(values) {
            if essential_name(self.target.string(value.name_off)?) == wanted {
                let steps = vec![Step { ty, index, name_off: Some(value.name_off) }];
                return Ok(Some(Spec { kind: spec.kind, root: candidate, steps, bit_offset: 0 }));
            }
        }
        Ok(None)
    }

    fn field(&self, spec: &Spec, candidate: u32) -> Result<Option<Spec>, Stop> {
        let mut found = Spec { kind: spec.kind, root: candidate, steps: Vec::new(), bit_offset: 0 };
        let mut ty = candidate;
        for (position, step) in spec.steps.iter().enumerate() {
            let (at, resolved) = self.target.resolve(ty)?;
            if step.name_off.is_some() {
                match self.member(step, at, &mut found, RESOLVE_DEPTH_MAX)? {
                    Some(next) => ty = next,
                    None => return Ok(None),
                }
                continue;
            }
            // The first index is the root's own: `p[2].field` starts with a 2.
            let elem = if position == 0 {
                at
            } else {
                let Kind::Array { elem, nelems } = resolved.kind else { return Ok(None) };
                if nelems != 0 && step.index >= nelems {
                    return Ok(None);
                }
                self.target.resolve(elem)?.0
            };
            found.steps.push(Step { ty: elem, index: step.index, name_off: None });
            found.bit_offset = add(found.bit_offset, bits(self.target, elem, step.index)?)?;
            ty = elem;
        }
        Ok(Some(found))
    }

    /// The member of a target structure with a step's name, also inside anonymous members (`bpf_core_match_member`).
    fn member(&self, step: &Step, ty: u32, found: &mut Spec, depth: usize) -> Result<Option<u32>, Stop> {
        let (at, resolved) = self.target.resolve(ty)?;
        let Kind::Struct { members, .. } = &resolved.kind else { return Ok(None) };
        if depth == 0 {
            return Ok(None);
        }
        self.budget.take(members.len())?;
        let (_, local_struct) = self.local.resolve(step.ty)?;
        let Kind::Struct { members: local_members, .. } = &local_struct.kind else { return Ok(None) };
        let Some(wanted) = local_members.get(step.index as usize) else { return Ok(None) };
        let name = self.local.string(wanted.name_off)?;
        let before = found.bit_offset;
        for (index, member) in (0u32..).zip(members) {
            found.bit_offset = add(before, u64::from(member.bit_offset))?;
            let member_name = self.target.string(member.name_off)?;
            if member_name.is_empty() {
                if let Some(next) = self.member(step, member.ty, found, depth - 1)? {
                    return Ok(Some(next));
                }
            } else if member_name == name {
                found.steps.push(Step { ty: at, index, name_off: Some(member.name_off) });
                let same = self.fields_compatible(wanted.ty, member.ty)?;
                return Ok(same.then_some(member.ty));
            }
        }
        found.bit_offset = before;
        Ok(None)
    }

    /// Whether a field may be read through the other's type (`bpf_core_fields_are_compat`).
    fn fields_compatible(&self, local: u32, target: u32) -> Result<bool, Stop> {
        let (mut local, mut target) = (local, target);
        for _ in 0..RESOLVE_DEPTH_MAX {
            self.budget.take(1)?;
            let (_, l) = self.local.resolve(local)?;
            let (_, t) = self.target.resolve(target)?;
            match (&l.kind, &t.kind) {
                (Kind::Struct { .. }, Kind::Struct { .. })
                | (Kind::Ptr(_), Kind::Ptr(_))
                | (Kind::Float { .. }, Kind::Float { .. })
                | (Kind::Int { .. }, Kind::Int { .. }) => return Ok(true),
                (Kind::Enum { .. }, Kind::Enum { .. }) | (Kind::Fwd, Kind::Fwd) => {
                    let l = essential_name(self.local.name(l)?);
                    let t = essential_name(self.target.name(t)?);
                    return Ok(l.is_empty() || t.is_empty() || l == t);
                }
                (Kind::Array { elem: l, .. }, Kind::Array { elem: t, .. }) => (local, target) = (*l, *t),
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Whether types are of one shape, names of nested types aside (`bpf_core_types_are_compat`).
    fn types_compatible(&self, local: u32, target: u32, depth: usize) -> Result<bool, Stop> {
        self.budget.take(1)?;
        let Some(depth) = depth.checked_sub(1) else { return Ok(false) };
        let (_, l) = self.local.resolve(local)?;
        let (_, t) = self.target.resolve(target)?;
        match (&l.kind, &t.kind) {
            (Kind::Void, Kind::Void)
            | (Kind::Enum { .. }, Kind::Enum { .. })
            | (Kind::Fwd, Kind::Fwd)
            | (Kind::Int { .. }, Kind::Int { .. }) => Ok(true),
            (Kind::Struct { union: l, .. }, Kind::Struct { union: t, .. }) => Ok(l == t),
            (Kind::Ptr(l), Kind::Ptr(t)) | (Kind::Array { elem: l, .. }, Kind::Array { elem: t, .. }) => {
                self.types_compatible(*l, *t, depth)
            }
            (Kind::FuncProto { ret: lr, params: lp }, Kind::FuncProto { ret: tr, params: tp }) => {
                if lp.len() != tp.len() || !self.types_compatible(*lr, *tr, depth)? {
                    return Ok(false);
                }
                for (l, t) in lp.iter().zip(tp) {
                    if !self.types_compatible(l.ty, t.ty, depth)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Whether the target has everything the object's type has (`__bpf_core_types_match`).
    fn types_match(&self, local: u32, target: u32, pointer: Pointer, depth: usize) -> Result<bool, Stop> {
        self.budget.take(1)?;
        let Some(depth) = depth.checked_sub(1) else { return Ok(false) };
        let (_, l) = self.local.resolve(local)?;
        let (_, t) = self.target.resolve(target)?;
        let (l_name, t_name) = (essential_name(self.local.name(l)?), essential_name(self.target.name(t)?));
        if l_name != t_name {
            return Ok(false);
        }
        match (&l.kind, &t.kind) {
            (Kind::Void, Kind::Void) | (Kind::Fwd, Kind::Fwd) => Ok(true),
            // A declaration without members says nothing more than the name.
            (Kind::Fwd, Kind::Struct { .. } | Kind::Enum { .. })
            | (Kind::Struct { .. } | Kind::Enum { .. }, Kind::Fwd) => Ok(pointer == Pointer::Behind),
            (Kind::Int { size: ls, encoding: le, .. }, Kind::Int { size: ts, encoding: te, .. }) => {
                Ok(ls == ts && (*le == IntEncoding::Signed) == (*te == IntEncoding::Signed))
            }
            (Kind::Float { size: l }, Kind::Float { size: t }) => Ok(l == t),
            (Kind::Enum { size: ls, values: lv, .. }, Kind::Enum { size: ts, values: tv, .. }) => {
                if ls != ts {
                    return Ok(false);
                }
                self.budget.take(lv.len().saturating_mul(tv.len()))?;
                for value in lv {
                    let name = essential_name(self.local.string(value.name_off)?);
                    let has = tv.iter().any(|other| {
                        self.target.string(other.name_off).is_ok_and(|n| essential_name(n) == name)
                    });
                    if !has {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Kind::Struct { union: lu, .. }, Kind::Struct { union: tu, .. })
                if pointer == Pointer::Behind || lu != tu =>
            {
                Ok(lu == tu)
            }
            (Kind::Struct { members: lm, .. }, Kind::Struct { members: tm, .. }) => {
                self.budget.take(lm.len().saturating_mul(tm.len()))?;
                for member in lm {
                    let name = essential_name(self.local.string(member.name_off)?);
                    let mut has = false;
                    for other in tm {
                        if essential_name(self.target.string(other.name_off)?) == name
                            && self.types_match(member.ty, other.ty, pointer, depth)?
                        {
                            has = true;
                            break;
                        }
                    }
                    if !has {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Kind::Ptr(l), Kind::Ptr(t)) => self.types_match(*l, *t, Pointer::Behind, depth),
            (Kind::Array { elem: l, nelems: ln }, Kind::Array { elem: t, nelems: tn }) => {
                Ok(ln == tn && self.types_match(*l, *t, pointer, depth)?)
            }
            (Kind::FuncProto { ret: lr, params: lp }, Kind::FuncProto { ret: tr, params: tp }) => {
                if lp.len() != tp.len() {
                    return Ok(false);
                }
                for (l, t) in lp.iter().zip(tp) {
                    if !self.types_match(l.ty, t.ty, pointer, depth)? {
                        return Ok(false);
                    }
                }
                self.types_match(*lr, *tr, pointer, depth)
            }
            _ => Ok(false),
        }
    }
}
