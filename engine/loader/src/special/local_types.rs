//! The structures of an object that have special fields (linux: btf_parse_struct_metas()).

use std::collections::HashSet;

use bpfreplay_btf::{Btf, Kind};
use bpfreplay_program::{LocalType, SpecialField, SpecialKind};
use bpfreplay_uapi::Errno;

use super::{Holder, fields, find};
use crate::btf::problem;
use crate::error::{BtfObjectProblem, LoadError};

/// Structures whose fields make a type local.
const STRUCTS: [&str; 6] =
    ["bpf_spin_lock", "bpf_list_head", "bpf_list_node", "bpf_rb_root", "bpf_rb_node", "bpf_refcount"];

/// The local types by id. An object with one that Linux refuses has no types in Linux, and is refused here.
pub(crate) fn local_types(btf: &Btf) -> Result<Vec<LocalType>, LoadError> {
    let special = special_types(btf);
    let mut found = Vec::new();
    for (id, ty) in btf.types() {
        let Kind::Struct { size, members, union: false } = &ty.kind else { continue };
        if special.is_empty() || !members.iter().any(|member| special.contains(&member.ty)) {
            continue;
        }
        let name = btf.name(ty)?.to_owned();
        let refused =
            |errno| problem(ty.offset, BtfObjectProblem::SpecialFields { name: name.clone(), errno });
        let special = fields(btf, id, Holder::Object).map_err(refused)?;
        if special.is_empty() {
            return Err(refused(Errno::EFAULT));
        }
        found.push(LocalType { btf_id: id, name: name.clone(), size: *size, special });
    }
    check_ownership(btf, &found)?;
    Ok(found)
}

/// The types that a member must have itself: nothing behind arrays or in other structures.
fn special_types(btf: &Btf) -> HashSet<u32> {
    let mut all = HashSet::new();
    for name in STRUCTS {
        let named = |&(_, ty): &(u32, &bpfreplay_btf::Type)| {
            matches!(ty.kind, Kind::Struct { union: false, .. }) && btf.is_named(ty, name)
        };
        all.extend(btf.types().find(named).map(|(id, _)| id));
    }
    all.extend(btf.types().filter(|(_, ty)| matches!(find::kptr(btf, ty), Ok(Some(_)))).map(|(id, _)| id));
    all
}

/// What is in a list or tree is a local type; and what is in one and has others in it has nothing in it that has, so
/// that none is in itself (linux: btf_check_and_fixup_fields()).
fn check_ownership(btf: &Btf, types: &[LocalType]) -> Result<(), LoadError> {
    let is_node = |field: &SpecialField| matches!(field.kind, SpecialKind::ListNode | SpecialKind::RbNode);
    for ty in types {
        let refused = |errno| {
            let offset = btf.get(ty.btf_id).map_or(0, |ty| ty.offset);
            problem(offset, BtfObjectProblem::SpecialFields { name: ty.name.clone(), errno })
        };
        for owned in ty.special.iter().filter_map(in_root) {
            let Ok(at) = types.binary_search_by_key(&owned, |ty| ty.btf_id) else {
                return Err(refused(Errno::EFAULT));
            };
            let owns = types[at].special.iter().any(|field| in_root(field).is_some());
            if owns && ty.special.iter().any(is_node) {
                return Err(refused(Errno::ELOOP));
            }
        }
    }
    Ok(())
}

/// The type of what is in a list or tree.
fn in_root(field: &SpecialField) -> Option<u32> {
    match field.kind {
        SpecialKind::ListHead { value_type_id, .. } | SpecialKind::RbRoot { value_type_id, .. } => {
            Some(value_type_id)
        }
        SpecialKind::SpinLock
        | SpecialKind::Timer
        | SpecialKind::Workqueue
        | SpecialKind::Refcount
        | SpecialKind::ListNode
        | SpecialKind::RbNode
        | SpecialKind::Kptr { .. } => None,
    }
}
