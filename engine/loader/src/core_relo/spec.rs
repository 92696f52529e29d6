//! A relocation's access string, walked through types.

use bpfreplay_btf::{Btf, Kind};

use super::Stop;
use crate::btf::ext::CoreRecord;
use crate::error::CoreProblem;

/// Steps of an access string (`BPF_CORE_SPEC_MAX_LEN`).
pub(super) const STEPS_MAX: usize = 64;

/// What a relocation asks (`enum bpf_core_relo_kind`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ReloKind {
    FieldByteOffset,
    FieldByteSize,
    FieldExists,
    FieldSigned,
    FieldLshiftU64,
    FieldRshiftU64,
    TypeIdLocal,
    TypeIdTarget,
    TypeExists,
    TypeSize,
    EnumvalExists,
    EnumvalValue,
    TypeMatches,
}

/// What a question is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum About {
    Field,
    Type,
    Enumerator,
}

impl ReloKind {
    const ALL: [ReloKind; 13] = [
        ReloKind::FieldByteOffset,
        ReloKind::FieldByteSize,
        ReloKind::FieldExists,
        ReloKind::FieldSigned,
        ReloKind::FieldLshiftU64,
        ReloKind::FieldRshiftU64,
        ReloKind::TypeIdLocal,
        ReloKind::TypeIdTarget,
        ReloKind::TypeExists,
        ReloKind::TypeSize,
        ReloKind::EnumvalExists,
        ReloKind::EnumvalValue,
        ReloKind::TypeMatches,
    ];

    pub(super) fn about(self) -> About {
        match self {
            ReloKind::FieldByteOffset
            | ReloKind::FieldByteSize
            | ReloKind::FieldExists
            | ReloKind::FieldSigned
            | ReloKind::FieldLshiftU64
            | ReloKind::FieldRshiftU64 => About::Field,
            ReloKind::TypeIdLocal
            | ReloKind::TypeIdTarget
            | ReloKind::TypeExists
            | ReloKind::TypeSize
            | ReloKind::TypeMatches => About::Type,
            ReloKind::EnumvalExists | ReloKind::EnumvalValue => About::Enumerator,
        }
    }
}

/// A place in a type.
pub(super) struct Spec {
    pub(super) kind: ReloKind,
    pub(super) root: u32,
    /// The steps that name something: the root, members with names, array elements. Never empty.
    pub(super) steps: Vec<Step>,
    pub(super) bit_offset: u64,
}

/// One step.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// The structure a member is in; for an array element, the element's type.
    pub(super) ty: u32,
    /// Which member, element or enumerator.
    pub(super) index: u32,
    /// Offset of the member's or enumerator's name; `None` for array elements.
    pub(super) name_off: Option<u32>,
}

impl Spec {
    /// Walks a record's access string through the object's types (`bpf_core_parse_spec`).
    pub(super) fn parse(btf: &Btf, record: &CoreRecord) -> Result<Spec, Stop> {
        let kind = *ReloKind::ALL.get(record.kind as usize).ok_or(CoreProblem::Kind(record.kind))?;
        let access = parse_access(btf.string(record.access_off)?)?;
        let (&first, rest) = access.split_first().ok_or(CoreProblem::Access)?;
        let root = record.type_id;
        match kind.about() {
            About::Type if first == 0 && rest.is_empty() => {
                let steps = vec![Step { ty: root, index: 0, name_off: None }];
                Ok(Spec { kind, root, steps, bit_offset: 0 })
            }
            About::Enumerator if rest.is_empty() => {
                let (ty, resolved) = btf.resolve(root)?;
                let Kind::Enum { values, .. } = &resolved.kind else {
                    return Err(CoreProblem::Access.into());
                };
                let value = values.get(first as usize).ok_or(CoreProblem::Access)?;
                let steps = vec![Step { ty, index: first, name_off: Some(value.name_off) }];
                Ok(Spec { kind, root, steps, bit_offset: 0 })
            }
            About::Field => Spec::parse_field(btf, kind, root, first, rest),
            About::Type | About::Enumerator => Err(CoreProblem::Access.into()),
        }
    }

    fn parse_field(btf: &Btf, kind: ReloKind, root: u32, first: u32, rest: &[u32]) -> Result<Spec, Stop> {
        let (mut ty, _) = btf.resolve(root)?;
        let mut steps = vec![Step { ty, index: first, name_off: None }];
        let mut bit_offset = bits(btf, ty, first)?;
        for &index in rest {
            let (at, resolved) = btf.resolve(ty)?;
            match &resolved.kind {
                Kind::Struct { members, .. } => {
                    let member = members.get(index as usize).ok_or(CoreProblem::Access)?;
                    bit_offset = add(bit_offset, u64::from(member.bit_offset))?;
                    // Members of anonymous structures are found by their own names in the target.
                    if !btf.string(member.name_off)?.is_empty() {
                        steps.push(Step { ty: at, index, name_off: Some(member.name_off) });
                    }
                    ty = member.ty;
                }
                Kind::Array { elem, nelems } => {
                    let (elem_ty, _) = btf.resolve(*elem)?;
                    // Flexible and zero-length arrays have elements nobody counted.
                    if *nelems != 0 && index >= *nelems {
                        return Err(CoreProblem::Access.into());
                    }
                    bit_offset = add(bit_offset, bits(btf, elem_ty, index)?)?;
                    steps.push(Step { ty: elem_ty, index, name_off: None });
                    ty = elem_ty;
                }
                _ => return Err(CoreProblem::Access.into()),
            }
        }
        Ok(Spec { kind, root, steps, bit_offset })
    }
}

/// Bits of `count` values of a type.
pub(super) fn bits(btf: &Btf, ty: u32, count: u32) -> Result<u64, Stop> {
    if count == 0 {
        return Ok(0);
    }
    let size = btf.size_of(ty)?.ok_or(CoreProblem::Access)?;
    Ok(size
        .checked_mul(u64::from(count))
        .and_then(|bytes| bytes.checked_mul(8))
        .ok_or(CoreProblem::Access)?)
}

/// Bit offsets added.
pub(super) fn add(a: u64, b: u64) -> Result<u64, Stop> {
    Ok(a.checked_add(b).ok_or(CoreProblem::Access)?)
}

fn parse_access(text: &str) -> Result<Vec<u32>, Stop> {
    let mut out = Vec::new();
    for step in text.split(':') {
        if out.len() == STEPS_MAX {
            return Err(CoreProblem::TooDeep(STEPS_MAX).into());
        }
        out.push(step.parse().map_err(|_| CoreProblem::Access)?);
    }
    Ok(out)
}
