//! Accesses to structures of the program's own types.

use bpfreplay_isa::Reg;
use bpfreplay_program::{SpecialField, SpecialKind};

use super::memory::How;
use super::{context, struct_walk};
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{Hold, RegState, RegType};

/// An access of `size` bytes, `off` bytes from the pointer (linux: check_ptr_to_btf_access()).
pub(super) fn access(
    env: &Env<'_>,
    (reg, pointer): (Reg, &RegState),
    (type_id, hold): (u32, Hold),
    off: i64,
    size: i64,
    how: How,
) -> Checked {
    let (n, name) = (reg.number(), env.type_name(type_id));
    let off = off + i64::from(pointer.off);
    if off < 0 {
        refuse!(Access, "R{n} is ptr_{name} invalid negative access: off={off}");
    }
    if pointer.value.as_const() != Some(0) {
        let var = pointer.value.known_bits();
        refuse!(Access, "R{n} is ptr_{name} invalid variable offset: off={off}, var_off={var}");
    }
    if hold.is_percpu() {
        refuse!(Access, "R{n} is ptr_{name} access percpu memory: off={off}");
    }
    if how == How::Store && matches!(hold, Hold::Stale | Hold::Lost | Hold::Untrusted) {
        refuse!(Access, "only read is supported");
    }
    if hold == Hold::Lost {
        refuse!(Access, "verifier bug: ref_obj_id for allocated object must be non-zero");
    }
    if hold.is_alloc() {
        not_special(env, type_id, off, size)?;
    }
    let Some(types) = &env.program.types else {
        refuse!(Invalid, "R{n} is a pointer to a type that nothing is known of");
    };
    struct_walk::access(types, type_id, off, size)?;
    if hold == Hold::Untrusted {
        // The kernel catches what such a load may run into.
        refuse!(Unsupported, "loads through untrusted pointers are not supported (R{n} is ptr_{name})");
    }
    Ok(())
}

/// Special fields are for functions (linux: btf_struct_access()).
fn not_special(env: &Env<'_>, type_id: u32, off: i64, size: i64) -> Checked {
    let touched = |field: &&SpecialField| {
        off < i64::from(field.off + field.kind.size()) && i64::from(field.off) < off + size
    };
    match env.fields_of_type(type_id).iter().find(touched) {
        Some(field) => refuse!(Access, "direct access to {} is disallowed", field.kind.name()),
        None => Ok(()),
    }
}

/// The special fields of what a register points to (linux: reg_btf_record()).
pub(crate) fn fields<'e>(env: &Env<'e>, kind: RegType) -> &'e [SpecialField] {
    match kind {
        RegType::MapValue { map } => env.map(map).fields(),
        RegType::Object { type_id, hold } if hold != Hold::PercpuRcu => env.fields_of_type(type_id),
        RegType::Object { .. }
        | RegType::NotInit
        | RegType::Scalar
        | RegType::Ctx
        | RegType::MapPtr { .. }
        | RegType::Stack { .. }
        | RegType::Packet
        | RegType::PacketMeta
        | RegType::PacketEnd
        | RegType::Sock(_)
        | RegType::BtfSock(_)
        | RegType::Mem { .. }
        | RegType::MapKey { .. }
        | RegType::Func { .. }
        | RegType::Dynptr(_) => &[],
    }
}

/// Whether there is a lock in it: then its identity says which (linux: reg_may_point_to_spin_lock()).
pub(crate) fn has_spin_lock(env: &Env<'_>, kind: RegType) -> bool {
    fields(env, kind).iter().any(|field| field.kind == SpecialKind::SpinLock)
}

/// Whether lists or trees can have objects of the type (linux: BPF_GRAPH_NODE).
pub(crate) fn has_node(env: &Env<'_>, type_id: u32) -> bool {
    let is_node = |field: &SpecialField| matches!(field.kind, SpecialKind::ListNode | SpecialKind::RbNode);
    env.fields_of_type(type_id).iter().any(is_node)
}

/// The reference of an object in a list or tree (linux: ref_set_non_owning()).
pub(crate) fn borrowed(env: &Env<'_>, type_id: u32) -> Hold {
    let counted = env.fields_of_type(type_id).iter().any(|field| field.kind == SpecialKind::Refcount);
    if counted { Hold::Shared } else { Hold::Borrowed }
}

/// Whether a pointer may be used where the kernel wants one that is there for certain (linux: is_trusted_reg()).
pub(crate) fn is_trusted(value: &RegState) -> bool {
    if value.ref_obj_id != 0 {
        return true;
    }
    match value.kind {
        RegType::Object { hold: Hold::Owned | Hold::Borrowed, .. } => !value.nullable,
        RegType::Ctx | RegType::Sock(_) => !value.nullable,
        RegType::Object { .. }
        | RegType::BtfSock(_)
        | RegType::NotInit
        | RegType::Scalar
        | RegType::MapPtr { .. }
        | RegType::MapValue { .. }
        | RegType::Stack { .. }
        | RegType::Packet
        | RegType::PacketMeta
        | RegType::PacketEnd
        | RegType::Mem { .. }
        | RegType::MapKey { .. }
        | RegType::Func { .. }
        | RegType::Dynptr(_) => false,
    }
}

/// A pointer with no variable part, and no negative offset (linux: __check_ptr_off_reg(), which allows a fixed one).
pub(super) fn fixed_offset(reg: Reg, value: &RegState) -> Checked {
    context::unmodified(reg, &RegState { off: value.off.min(0), ..*value })
}
