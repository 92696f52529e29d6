//! What lies at an offset of a structure, by its BTF (linux: btf_struct_walk()).

use bpfreplay_btf::{Btf, Kind, Member, RESOLVE_DEPTH_MAX};

use crate::error::{Checked, refuse};

/// What an access finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Found {
    /// A pointer to a structure, or bytes.
    Bytes,
    /// The start of a structure.
    Struct(u32),
}

/// Whether `size` bytes at `off` of the structure are a member or lie in one (linux: btf_struct_access()).
pub(super) fn access(btf: &Btf, mut id: u32, mut off: i64, size: i64) -> Checked {
    // Structures are in each other, none in itself; the types have been read, not checked.
    for _ in 0..RESOLVE_DEPTH_MAX {
        match walk(btf, id, off, size)? {
            Found::Bytes => return Ok(()),
            Found::Struct(inner) => (id, off) = (inner, 0),
        }
    }
    refuse!(Invalid, "Type '' is not a struct")
}

/// Whether a structure of this type starts at `off` of another (linux: btf_struct_ids_match()).
pub(super) fn starts_at(btf: &Btf, mut id: u32, mut off: i64, wanted: u32) -> bool {
    if off == 0 && id == wanted {
        return true;
    }
    for _ in 0..RESOLVE_DEPTH_MAX {
        match walk(btf, id, off, 1) {
            Ok(Found::Struct(inner)) if inner == wanted => return true,
            Ok(Found::Struct(inner)) => (id, off) = (inner, 0),
            Ok(Found::Bytes) | Err(_) => return false,
        }
    }
    false
}

/// What `size` bytes at `off` of the structure are.
fn walk(btf: &Btf, mut id: u32, mut off: i64, size: i64) -> Checked<Found> {
    for _ in 0..RESOLVE_DEPTH_MAX {
        let Some(Struct { name, size: whole, members }) = structure(btf, id) else { break };
        if off + size > whole {
            match flexible(btf, members, off) {
                Some(Flexible::Bytes) => return Ok(Found::Bytes),
                Some(Flexible::Struct(elem, at)) => {
                    (id, off) = (elem, at);
                    continue;
                }
                None => refuse!(Access, "access beyond struct {name} at off {off} size {size}"),
            }
        }
        match member(btf, members, (name, off, size))? {
            Some(Inside::Bytes) => return Ok(Found::Bytes),
            Some(Inside::Struct(inner, 0)) => return Ok(Found::Struct(inner)),
            Some(Inside::Struct(inner, rest)) => (id, off) = (inner, rest),
            None => refuse!(Invalid, "struct {name} doesn't have field at offset {off}"),
        }
    }
    refuse!(Invalid, "Type '' is not a struct")
}

struct Struct<'b> {
    name: &'b str,
    size: i64,
    members: &'b [Member],
}

fn structure(btf: &Btf, id: u32) -> Option<Struct<'_>> {
    let (_, ty) = btf.resolve(id).ok()?;
    let Kind::Struct { size, members, .. } = &ty.kind else { return None };
    Some(Struct { name: btf.name(ty).ok()?, size: (*size).into(), members })
}

enum Flexible {
    Bytes,
    /// In an element of this type, at this offset.
    Struct(u32, i64),
}

/// An access behind the end is one of the array without a length that is the last member.
fn flexible(btf: &Btf, members: &[Member], off: i64) -> Option<Flexible> {
    let last = members.last()?;
    let Kind::Array { elem, nelems: 0 } = btf.resolve(last.ty).ok()?.1.kind else { return None };
    let start = i64::from(last.bit_offset / 8);
    if off < start {
        return None;
    }
    match &btf.resolve(elem).ok()?.1.kind {
        Kind::Int { .. } => Some(Flexible::Bytes),
        Kind::Struct { size: size @ 1.., .. } => {
            Some(Flexible::Struct(elem, (off - start) % i64::from(*size)))
        }
        _ => None,
    }
}

enum Inside {
    Bytes,
    /// In a structure, so many bytes from its start.
    Struct(u32, i64),
}

fn member(btf: &Btf, members: &[Member], (name, off, size): (&str, i64, i64)) -> Checked<Option<Inside>> {
    for member in members {
        let start = i64::from(member.bit_offset / 8);
        if off + size <= start {
            break;
        }
        if member.bit_size != 0 {
            let end = i64::from((member.bit_offset + member.bit_size).div_ceil(8));
            if off <= start && end <= off + size {
                return Ok(Some(Inside::Bytes));
            }
            continue;
        }
        if off < start {
            break;
        }
        let Some(whole) = size_of(btf, member.ty) else {
            refuse!(Invalid, "field {} doesn't have size", btf.string(member.name_off).unwrap_or(""));
        };
        let end = start + whole;
        if off >= end {
            continue;
        }
        let (ty, elements) = element(btf, member.ty);
        let one = whole / elements.max(1);
        let at = if one > 0 { (off - start) / one * one + start } else { start };
        let Ok((inner, resolved)) = btf.resolve(ty) else { break };
        if matches!(resolved.kind, Kind::Struct { .. }) {
            return Ok(Some(Inside::Struct(inner, off - at)));
        }
        let member = btf.string(member.name_off).unwrap_or("");
        if matches!(resolved.kind, Kind::Ptr(_)) && (one != size || off != at) {
            refuse!(
                Access,
                "cannot access ptr member {member} with moff {at} in struct {name} with off {off} size {size}"
            );
        }
        if off + size > end {
            refuse!(
                Access,
                "access beyond the end of member {member} (mend:{end}) in struct {name} with off {off} size {size}"
            );
        }
        return Ok(Some(Inside::Bytes));
    }
    Ok(None)
}

fn size_of(btf: &Btf, id: u32) -> Option<i64> {
    btf.size_of(id).ok().flatten().and_then(|size| i64::try_from(size).ok())
}

/// The type of an array's elements, of arrays of arrays the innermost, and how many there are.
fn element(btf: &Btf, mut id: u32) -> (u32, i64) {
    let mut elements = 1_i64;
    for _ in 0..RESOLVE_DEPTH_MAX {
        match btf.resolve(id).map(|(_, ty)| &ty.kind) {
            Ok(Kind::Array { elem, nelems }) => {
                elements = elements.saturating_mul((*nelems).into());
                id = *elem;
            }
            Ok(_) | Err(_) => break,
        }
    }
    (id, elements)
}
