//! Pointers to objects in map values and in objects: loads, stores, `bpf_kptr_xchg`.

use bpfreplay_isa::Reg;
use bpfreplay_program::{KptrKind, SpecialField, SpecialKind};

use super::helper_args::{expect, released};
use super::{object, struct_walk};
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{Hold, RegState, RegType};

/// Such a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kptr {
    pub(crate) kind: KptrKind,
    /// What it points to.
    pub(crate) type_id: u32,
    /// Where in the value or object it is.
    pub(crate) off: u32,
}

impl Kptr {
    pub(super) fn of(field: &SpecialField) -> Option<Kptr> {
        match field.kind {
            SpecialKind::Kptr { kind, type_id } => Some(Kptr { kind, type_id, off: field.off }),
            SpecialKind::SpinLock
            | SpecialKind::Timer
            | SpecialKind::Workqueue
            | SpecialKind::Refcount
            | SpecialKind::ListNode
            | SpecialKind::RbNode
            | SpecialKind::ListHead { .. }
            | SpecialKind::RbRoot { .. } => None,
        }
    }

    /// What a load gives (linux: btf_ld_kptr_type()). Programs of these types run in an RCU region.
    pub(crate) fn loaded(self, env: &Env<'_>) -> RegType {
        let hold = match self.kind {
            KptrKind::Unref => Hold::Untrusted,
            KptrKind::Ref if object::has_node(env, self.type_id) => Hold::Shared,
            KptrKind::Ref => Hold::Rcu,
            KptrKind::Percpu => Hold::PercpuRcu,
        };
        RegType::Object { type_id: self.type_id, hold }
    }

    /// What an exchange gives, if anything was in it.
    pub(crate) const fn taken(self) -> RegType {
        let hold = match self.kind {
            KptrKind::Unref | KptrKind::Ref => Hold::Owned,
            KptrKind::Percpu => Hold::PercpuOwned,
        };
        RegType::Object { type_id: self.type_id, hold }
    }
}

/// Structures of the kernel that kptrs point to. Objects of them come from kernel functions that are not there.
const KERNEL_TYPES: &[&str] = &[
    "bpf_cpumask",
    "bpf_crypto_ctx",
    "cgroup",
    "cpumask",
    "file",
    "inode",
    "nf_conn",
    "prog_test_member",
    "prog_test_ref_kfunc",
    "sk_buff",
    "sock",
    "task_struct",
];

/// The field may be used if it points to a type of the program's own.
pub(crate) fn is_local(env: &Env<'_>, kptr: Kptr) -> Checked {
    let name = env.type_name(kptr.type_id);
    if KERNEL_TYPES.contains(&name) {
        refuse!(Unsupported, "a kptr to struct {name} is not supported: types of the kernel are not there");
    }
    Ok(())
}

/// A store of the register to it (linux: check_map_kptr_access()).
pub(crate) fn store(env: &Env<'_>, kptr: Kptr, src: Reg, value: &RegState) -> Checked {
    if value.is_null() {
        return Ok(());
    }
    matches(env, kptr, (src, value))
}

/// Whether the pointer may be kept in it (linux: map_kptr_match_type()).
fn matches(env: &Env<'_>, kptr: Kptr, (reg, value): (Reg, &RegState)) -> Checked {
    let (n, name) = (reg.number(), env.type_name(kptr.type_id));
    let (held, of) = match value.kind {
        RegType::Object { type_id, hold } => (Some(hold), type_id),
        _ => (None, 0),
    };
    let may_be_kept = match held {
        Some(Hold::Owned) => true,
        Some(Hold::PercpuOwned) => kptr.kind == KptrKind::Percpu,
        Some(
            Hold::Borrowed
            | Hold::Shared
            | Hold::Rcu
            | Hold::Stale
            | Hold::Lost
            | Hold::Untrusted
            | Hold::PercpuRcu,
        )
        | None => false,
    };
    let mut of_name = "";
    if may_be_kept {
        object::fixed_offset(reg, value)?;
        of_name = env.type_name(of);
        let types = env.program.types.as_deref();
        let fits = match kptr.kind {
            KptrKind::Unref => {
                types.is_some_and(|types| struct_walk::starts_at(types, of, value.off.into(), kptr.type_id))
            }
            KptrKind::Ref | KptrKind::Percpu => value.off == 0 && of == kptr.type_id,
        };
        if fits {
            return Ok(());
        }
    }
    let or = if kptr.kind == KptrKind::Unref { format!(" or untrusted_ptr_{name}") } else { String::new() };
    refuse!(Access, "invalid kptr access, R{n} type={}{of_name} expected=ptr_{name}{or}", value.type_name());
}

/// Where `bpf_kptr_xchg` is to put it (linux: process_kptr_func()).
pub(super) fn destination(env: &Env<'_>, (reg, value): (Reg, &RegState)) -> Checked<Kptr> {
    let n = reg.number();
    let ok = matches!(value.kind, RegType::MapValue { .. } | RegType::Object { hold: Hold::Owned, .. });
    expect(reg, value, ok, "map_value, ptr_")?;
    if let RegType::Object { .. } = value.kind {
        object::fixed_offset(reg, value)?;
    }
    let fields = object::fields(env, value.kind);
    if let RegType::MapValue { map } = value.kind {
        let spec = env.map(map);
        if !super::special::is_typed(spec) {
            refuse!(Invalid, "map '{}' has to have BTF in order to use bpf_kptr_xchg", spec.name);
        }
    }
    let Some(var) = value.value.as_const() else {
        refuse!(Invalid, "R{n} doesn't have constant offset. kptr has to be at the constant offset");
    };
    let mut kptrs = fields.iter().filter_map(Kptr::of).peekable();
    if kptrs.peek().is_none() {
        refuse!(Invalid, "R{n} has no valid kptr");
    }
    let off = i64::from(value.off).wrapping_add(var as i64);
    let Some(kptr) = kptrs.find(|kptr| i64::from(kptr.off) == off) else {
        refuse!(Access, "off={off} doesn't point to kptr");
    };
    if kptr.kind == KptrKind::Unref {
        refuse!(Access, "off={off} kptr isn't referenced kptr");
    }
    is_local(env, kptr)?;
    Ok(kptr)
}

/// What it is to put there: a reference, which the call ends, or NULL. Says whether there is one.
pub(super) fn source(env: &Env<'_>, kptr: Kptr, (reg, value): (Reg, &RegState)) -> Checked<bool> {
    if value.is_null() {
        return Ok(false);
    }
    match value.kind {
        RegType::Object { hold: Hold::Owned | Hold::PercpuOwned, .. } => {
            if value.nullable {
                refuse!(Access, "verifier bug: invalid PTR_TO_BTF_ID register for type match");
            }
            matches(env, kptr, (reg, value))?;
        }
        _ => expect(reg, value, false, "ptr_, trusted_ptr_, rcu_ptr_")?,
    }
    released(reg, value)
}
