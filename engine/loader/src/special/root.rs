//! Heads of lists and roots of trees: a tag `contains:TYPE:MEMBER` says what is in them.

use bpfreplay_btf::{Btf, Kind};
use bpfreplay_program::SpecialKind;
use bpfreplay_uapi::Errno;

use super::find::get;

/// Where a field is declared, which is what tags are put on.
#[derive(Clone, Copy)]
pub(super) struct Declared {
    /// The structure, or the variable.
    pub(super) on: u32,
    /// Which member of it.
    pub(super) component: Option<u32>,
}

pub(super) fn list_head(btf: &Btf, declared: Declared) -> Result<SpecialKind, Errno> {
    let (value_type_id, node_off) = contents(btf, declared, SpecialKind::ListNode)?;
    Ok(SpecialKind::ListHead { value_type_id, node_off })
}

pub(super) fn rb_root(btf: &Btf, declared: Declared) -> Result<SpecialKind, Errno> {
    let (value_type_id, node_off) = contents(btf, declared, SpecialKind::RbNode)?;
    Ok(SpecialKind::RbRoot { value_type_id, node_off })
}

/// The structure that is in it, and where its node is (linux: btf_find_graph_root(), btf_parse_graph_root()).
fn contents(btf: &Btf, declared: Declared, node: SpecialKind) -> Result<(u32, u32), Errno> {
    let tags = btf.decl_tags(declared.on, declared.component);
    let mut tags = tags.filter_map(|tag| tag.strip_prefix("contains:"));
    let (Some(tag), None) = (tags.next(), tags.next()) else { return Err(Errno::EINVAL) };
    let (ty, member) = tag.split_once(':').ok_or(Errno::EINVAL)?;
    let named = btf.types().find_map(|(id, found)| match &found.kind {
        Kind::Struct { members, union: false, .. } if btf.is_named(found, ty) => Some((id, members)),
        _ => None,
    });
    let (id, members) = named.ok_or(Errno::ENOENT)?;
    let mut named =
        members.iter().filter(|found| btf.string(found.name_off).is_ok_and(|name| name == member));
    let (member, another) = (named.next().ok_or(Errno::ENOENT)?, named.next());
    let found = get(btf, member.ty)?;
    let is_node = matches!(found.kind, Kind::Struct { union: false, .. }) && btf.is_named(found, node.name());
    if !is_node || another.is_some() || !member.bit_offset.is_multiple_of(8 * node.align()) {
        return Err(Errno::EINVAL);
    }
    Ok((id, member.bit_offset / 8))
}
