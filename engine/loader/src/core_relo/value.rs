//! What an instruction should hold, given a place in a type.

use bpfreplay_btf::{Btf, IntEncoding, Kind, RESOLVE_DEPTH_MAX, Type};

use super::Stop;
use super::spec::{ReloKind, Spec};
use crate::error::CoreProblem;

/// An answer, by one side's types.
pub(super) struct Answer {
    /// `None`: there is none, and the instruction must not be reached.
    pub(super) value: Option<u64>,
    /// Whether the compiler must have come to the same value.
    pub(super) validate: bool,
    /// The field a load or store reaches: its bytes, and its type.
    pub(super) field: Option<(u64, u32)>,
}

impl Answer {
    fn plain(value: u64) -> Answer {
        Answer { value: Some(value), validate: true, field: None }
    }

    fn unchecked(value: u64) -> Answer {
        Answer { value: Some(value), validate: false, field: None }
    }

    fn none() -> Answer {
        Answer { value: None, validate: false, field: None }
    }
}

/// The answer to `local`'s question at a place; `None` where the target has no such place.
pub(super) fn of(btf: &Btf, place: Option<&Spec>, local: &Spec) -> Result<Answer, Stop> {
    Ok(match (local.kind, place) {
        (
            ReloKind::FieldExists | ReloKind::TypeExists | ReloKind::TypeMatches | ReloKind::EnumvalExists,
            place,
        ) => Answer::plain(u64::from(place.is_some())),
        (ReloKind::TypeIdLocal, _) => Answer::unchecked(u64::from(local.root)),
        // Questions about a type that is not there are answered with 0, those about a field have no answer.
        (ReloKind::TypeIdTarget | ReloKind::TypeSize, None) => Answer::unchecked(0),
        (ReloKind::TypeIdTarget, Some(spec)) => Answer::unchecked(u64::from(spec.root)),
        (ReloKind::TypeSize, Some(spec)) => {
            Answer::plain(btf.size_of(spec.root)?.ok_or(CoreProblem::Access)?)
        }
        (ReloKind::EnumvalValue, Some(spec)) => Answer::plain(enumerator(btf, spec)?),
        (
            ReloKind::FieldByteOffset
            | ReloKind::FieldByteSize
            | ReloKind::FieldSigned
            | ReloKind::FieldLshiftU64
            | ReloKind::FieldRshiftU64
            | ReloKind::EnumvalValue,
            None,
        ) => Answer::none(),
        (
            ReloKind::FieldByteOffset
            | ReloKind::FieldByteSize
            | ReloKind::FieldSigned
            | ReloKind::FieldLshiftU64
            | ReloKind::FieldRshiftU64,
            Some(spec),
        ) => field(btf, spec)?,
    })
}

fn enumerator(btf: &Btf, spec: &Spec) -> Result<u64, Stop> {
    let step = spec.steps.last().ok_or(CoreProblem::Access)?;
    match &btf.get(step.ty)?.kind {
        Kind::Enum { values, .. } => Ok(values.get(step.index as usize).ok_or(CoreProblem::Access)?.value),
        _ => Err(CoreProblem::Access.into()),
    }
}

/// `bpf_core_calc_field_relo`.
fn field(btf: &Btf, spec: &Spec) -> Result<Answer, Stop> {
    let step = spec.steps.last().ok_or(CoreProblem::Access)?;
    if step.name_off.is_none() {
        // An array element, or the root itself.
        let size = btf.size_of(step.ty)?.ok_or(CoreProblem::Access)?;
        return match spec.kind {
            ReloKind::FieldByteOffset => {
                Ok(Answer { field: Some((size, step.ty)), ..Answer::plain(spec.bit_offset / 8) })
            }
            ReloKind::FieldByteSize => Ok(Answer::plain(size)),
            _ => Err(CoreProblem::Access.into()),
        };
    }
    let Kind::Struct { members, .. } = &btf.get(step.ty)?.kind else {
        return Err(CoreProblem::Access.into());
    };
    let member = members.get(step.index as usize).ok_or(CoreProblem::Access)?;
    let (ty, resolved) = btf.resolve(member.ty)?;
    let size = btf.size_of(ty)?.ok_or(CoreProblem::Access)?;
    let load = Load::covering(spec.bit_offset, u64::from(member.bit_size), size)?;
    let bitfield = member.bit_size > 0;
    // How a bit field is loaded is the compiler's choice, so there is nothing to compare but sign and width.
    let unless_bitfield = |value| if bitfield { Answer::unchecked(value) } else { Answer::plain(value) };
    Ok(match spec.kind {
        ReloKind::FieldByteOffset if bitfield => Answer::unchecked(load.byte_offset),
        ReloKind::FieldByteOffset => {
            let elem = innermost(btf, ty)?;
            let size = btf.size_of(elem)?.ok_or(CoreProblem::Access)?;
            Answer { field: Some((size, ty)), ..Answer::plain(load.byte_offset) }
        }
        ReloKind::FieldByteSize => unless_bitfield(load.bytes),
        ReloKind::FieldSigned => Answer::plain(u64::from(is_signed(resolved))),
        // Little-endian: shift the bits above the field out, then the field down.
        ReloKind::FieldLshiftU64 => {
            let above = spec.bit_offset + load.bits - load.byte_offset * 8;
            unless_bitfield(64u64.checked_sub(above).ok_or(CoreProblem::BitField)?)
        }
        ReloKind::FieldRshiftU64 => Answer::plain(64u64.checked_sub(load.bits).ok_or(CoreProblem::BitField)?),
        ReloKind::FieldExists
        | ReloKind::TypeIdLocal
        | ReloKind::TypeIdTarget
        | ReloKind::TypeExists
        | ReloKind::TypeSize
        | ReloKind::EnumvalExists
        | ReloKind::EnumvalValue
        | ReloKind::TypeMatches => return Err(CoreProblem::Access.into()),
    })
}

/// The load that reads a field.
struct Load {
    byte_offset: u64,
    bytes: u64,
    /// Bits of the field itself.
    bits: u64,
}

impl Load {
    /// The smallest aligned load that covers a bit field; other fields are loaded as they lie.
    fn covering(bit_offset: u64, bit_size: u64, type_size: u64) -> Result<Load, Stop> {
        if bit_size == 0 {
            let bits = type_size.checked_mul(8).ok_or(CoreProblem::BitField)?;
            return Ok(Load { byte_offset: bit_offset / 8, bytes: type_size, bits });
        }
        let mut bytes = type_size;
        if !matches!(bytes, 1 | 2 | 4 | 8) {
            return Err(CoreProblem::BitField.into());
        }
        loop {
            let byte_offset = bit_offset / 8 / bytes * bytes;
            let end = bit_offset.checked_add(bit_size).ok_or(CoreProblem::BitField)?;
            if end - byte_offset * 8 <= bytes * 8 {
                return Ok(Load { byte_offset, bytes, bits: bit_size });
            }
            if bytes >= 8 {
                return Err(CoreProblem::BitField.into());
            }
            bytes *= 2;
        }
    }
}

/// The element of an array of arrays; any other type is itself.
fn innermost(btf: &Btf, ty: u32) -> Result<u32, Stop> {
    let mut at = ty;
    for _ in 0..RESOLVE_DEPTH_MAX {
        let (id, resolved) = btf.resolve(at)?;
        match resolved.kind {
            Kind::Array { elem, .. } => at = elem,
            _ => return Ok(id),
        }
    }
    Err(CoreProblem::TooDeep(RESOLVE_DEPTH_MAX).into())
}

fn is_signed(ty: &Type) -> bool {
    matches!(ty.kind, Kind::Int { encoding: IntEncoding::Signed, .. } | Kind::Enum { signed: true, .. })
}

/// Whether a load may be widened or narrowed to the target's size: pointers and unsigned integers may, because the
/// upper half then is zeroes.
pub(super) fn sizes_agree(expected: (&Btf, &Answer), wanted: (&Btf, &Answer)) -> Result<bool, Stop> {
    let (Some((old_size, old)), Some((new_size, new))) = (expected.1.field, wanted.1.field) else {
        return Ok(true);
    };
    if old_size == new_size {
        return Ok(true);
    }
    let (_, old) = expected.0.resolve(old)?;
    let (_, new) = wanted.0.resolve(new)?;
    Ok(matches!(
        (&old.kind, &new.kind),
        (Kind::Ptr(_), Kind::Ptr(_)) | (Kind::Int { .. }, Kind::Int { .. }) if !is_signed(old) && !is_signed(new)
    ))
}
