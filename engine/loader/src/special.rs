//! Special fields, found by their types: of maps' values, and of the structures that programs allocate.
//!
//! ```text
//!   struct node { long key; struct bpf_rb_node link; };                        a local type, with one special field
//!   struct {                                                                   a data section
//!       struct bpf_spin_lock lock;
//!       struct bpf_rb_root tree __attribute__((btf_decl_tag("contains:node:link")));
//!   }
//! ```

mod find;
mod local_types;
mod root;

pub(crate) use local_types::local_types;

use bpfreplay_btf::Btf;
use bpfreplay_program::{SpecialField, SpecialKind};
use bpfreplay_uapi::Errno;

/// Special fields of one type at the most (`BTF_FIELDS_MAX`).
const FIELDS_MAX: usize = 11;
/// Structures in structures, and arrays of arrays, that are looked into (`MAX_RESOLVE_DEPTH`).
const DEPTH_MAX: u32 = 32;
/// Members of structures in structures that are looked at in one type. Ours: types made to be looked through could take
/// for ever.
const MEMBERS_MAX: u32 = 1 << 16;

/// What the fields are of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holder {
    MapValue,
    Object,
}

/// The special fields of a map's value (of a data section, those of its variables), by offset (linux: map_check_btf()).
/// Where Linux finds fields that cannot be, the map has none.
pub(crate) fn of_map_value(btf: &Btf, value: u32) -> Vec<SpecialField> {
    let Ok((value, _)) = btf.resolve(value) else { return Vec::new() };
    fields(btf, value, Holder::MapValue).unwrap_or_default()
}

/// The special fields of a type, by offset (linux: btf_parse_fields()).
fn fields(btf: &Btf, id: u32, holder: Holder) -> Result<Vec<SpecialField>, Errno> {
    let mut found = find::fields(btf, id, holder)?;
    if found.windows(2).any(|pair| pair[0].off + pair[0].kind.size() > pair[1].off) {
        return Err(Errno::EEXIST);
    }
    let has = |what: fn(&SpecialKind) -> bool| found.iter().any(|field| what(&field.kind));
    let has_root = has(|kind| matches!(kind, SpecialKind::ListHead { .. } | SpecialKind::RbRoot { .. }));
    if has_root && !has(|kind| matches!(kind, SpecialKind::SpinLock)) {
        return Err(Errno::EINVAL);
    }
    let has_both_nodes =
        has(|kind| matches!(kind, SpecialKind::ListNode)) && has(|kind| matches!(kind, SpecialKind::RbNode));
    if has_both_nodes && !has(|kind| matches!(kind, SpecialKind::Refcount)) {
        return Err(Errno::EINVAL);
    }
    found.sort_by_key(|field| field.off);
    Ok(found)
}
