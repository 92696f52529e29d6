//! Arguments of kernel functions on objects, lists and trees (linux: check_kfunc_args()).

use bpfreplay_isa::Reg;
use bpfreplay_program::SpecialKind;
use bpfreplay_uapi::{Kfunc, KfuncArg};

use super::helper_args::released;
use super::object;
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{Hold, Lock, RegState, RegType, State};

/// What a call is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Given {
    /// The number that must be known.
    pub(crate) constant: Option<u64>,
    /// The object, or the one that the node is in.
    pub(crate) object: Option<Object>,
    /// The list or tree.
    pub(crate) root: Option<Root>,
    /// The function that says which node comes first.
    pub(crate) less: Option<u32>,
}

/// An object as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Object {
    pub(crate) type_id: u32,
    pub(crate) hold: Hold,
    pub(crate) ref_obj_id: u32,
    /// Where in it the pointer points.
    pub(crate) off: i32,
}

/// What is in a list or tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Root {
    pub(crate) value_type_id: u32,
    /// Where in it the node is.
    pub(crate) node_off: u32,
}

/// Checks every argument.
pub(crate) fn arguments(env: &Env<'_>, state: &State, kfunc: Kfunc, in_less: bool) -> Checked<Given> {
    let mut given = Given::default();
    for (index, (&arg, reg)) in kfunc.args().iter().zip(Reg::ARGS).enumerate() {
        let value = *state.reg(reg);
        let n = reg.number();
        match arg {
            KfuncArg::Ignored => {}
            KfuncArg::Scalar | KfuncArg::LocalTypeId if !value.is_scalar() => {
                refuse!(Invalid, "R{n} is not a scalar")
            }
            KfuncArg::LocalTypeId => {
                let Some(constant) = value.as_const() else {
                    refuse!(Invalid, "R{n} must be a known constant");
                };
                given.constant = Some(constant);
            }
            KfuncArg::AllocObject => {
                not_null(index, &value)?;
                given.object = Some(alloc_object(kfunc, index, (reg, &value))?);
            }
            KfuncArg::RefcountedObject => {
                not_null(index, &value)?;
                may_be_moved(reg, &value)?;
                given.object = Some(refcounted(env, index, &value)?);
            }
            KfuncArg::ListHead | KfuncArg::RbRoot => {
                given.root = Some(root(env, state, arg, index, (reg, &value))?);
            }
            KfuncArg::ListNode | KfuncArg::RbNode => {
                let object = node_holder(kfunc, arg, index, (reg, &value), in_less)?;
                let Some(root) = given.root else { continue };
                node(env, arg, (reg, &value), object, root)?;
                given.object = Some(object);
            }
            KfuncArg::Less => {
                let RegType::Func { function } = value.kind else {
                    refuse!(Invalid, "arg{index} expected pointer to func");
                };
                given.less = Some(function);
            }
            // Of functions on other things.
            KfuncArg::Scalar
            | KfuncArg::Ctx
            | KfuncArg::TrustedCtx
            | KfuncArg::Iter
            | KfuncArg::Dynptr
            | KfuncArg::NewDynptr
            | KfuncArg::OptionalBuffer
            | KfuncArg::ConstSize => {}
        }
    }
    Ok(given)
}

fn not_null(index: usize, value: &RegState) -> Checked {
    if value.is_null() || value.nullable {
        refuse!(Access, "Possibly NULL pointer passed to trusted arg{index}");
    }
    Ok(())
}

/// What `bpf_obj_drop` is given (linux: KF_ARG_PTR_TO_ALLOC_BTF_ID).
fn alloc_object(kfunc: Kfunc, index: usize, (reg, value): (Reg, &RegState)) -> Checked<Object> {
    if !object::is_trusted(value) {
        refuse!(Invalid, "R{} must be referenced or trusted", reg.number());
    }
    if value.ref_obj_id != 0 {
        released(reg, value)?;
    } else {
        may_be_moved(reg, value)?;
    }
    let expected = match value.kind {
        RegType::Object { hold: Hold::Owned, .. } => Kfunc::ObjDrop,
        RegType::Object { hold: Hold::PercpuOwned, .. } => Kfunc::PercpuObjDrop,
        _ => refuse!(Invalid, "arg#{index} expected pointer to allocated object"),
    };
    if expected != kfunc {
        refuse!(Invalid, "arg#{index} expected for {}()", expected.name());
    }
    referenced(value)
}

/// Which pointers may point into what they are of (linux: check_func_arg_reg_off()).
fn may_be_moved(reg: Reg, value: &RegState) -> Checked {
    match value.kind {
        RegType::Object { hold: Hold::Owned | Hold::Borrowed | Hold::Shared, .. } if !value.nullable => {
            object::fixed_offset(reg, value)
        }
        RegType::Object { .. } | RegType::Ctx | RegType::Sock(_) | RegType::Func { .. } => {
            super::context::unmodified(reg, value)
        }
        _ => Ok(()),
    }
}

fn referenced(value: &RegState) -> Checked<Object> {
    let RegType::Object { type_id, hold } = value.kind else {
        refuse!(Invalid, "allocated object must be referenced");
    };
    if value.ref_obj_id == 0 {
        refuse!(Invalid, "allocated object must be referenced");
    }
    Ok(Object { type_id, hold, ref_obj_id: value.ref_obj_id, off: value.off })
}

/// What `bpf_refcount_acquire` is given (linux: KF_ARG_PTR_TO_REFCOUNTED_KPTR).
fn refcounted(env: &Env<'_>, index: usize, value: &RegState) -> Checked<Object> {
    let (type_id, hold) = match value.kind {
        RegType::Object { type_id, hold } if hold.is_alloc() => (type_id, hold),
        _ => refuse!(Invalid, "arg#{index} is neither owning or non-owning ref"),
    };
    if !env.fields_of_type(type_id).iter().any(|field| field.kind == SpecialKind::Refcount) {
        refuse!(Invalid, "arg#{index} doesn't point to a type with bpf_refcount field");
    }
    if value.off != 0 {
        // The kernel would count there, as if it were the start.
        refuse!(Unsupported, "arg#{index} points into the object that is to be acquired");
    }
    Ok(Object { type_id, hold, ref_obj_id: value.ref_obj_id, off: value.off })
}

/// A list's head or a tree's root, with the lock beside it held (linux: __process_kf_arg_ptr_to_graph_root()).
fn root(
    env: &Env<'_>,
    state: &State,
    arg: KfuncArg,
    index: usize,
    (reg, value): (Reg, &RegState),
) -> Checked<Root> {
    let n = reg.number();
    may_be_moved(reg, value)?;
    match value.kind {
        RegType::MapValue { .. } if !value.nullable => {}
        RegType::Object { hold: Hold::Owned, .. } if !value.nullable => drop(referenced(value)?),
        _ => refuse!(Invalid, "arg#{index} expected pointer to map value or allocated object"),
    }
    let name = if arg == KfuncArg::ListHead { "bpf_list_head" } else { "bpf_rb_root" };
    let Some(var) = value.value.as_const() else {
        refuse!(Invalid, "R{n} doesn't have constant offset. {name} has to be at the constant offset");
    };
    let off = i64::from(value.off).wrapping_add(var as i64);
    let fields = object::fields(env, value.kind);
    let found = fields.iter().find_map(|field| match (arg, field.kind) {
        (KfuncArg::ListHead, SpecialKind::ListHead { value_type_id, node_off })
        | (KfuncArg::RbRoot, SpecialKind::RbRoot { value_type_id, node_off }) => {
            (i64::from(field.off) == off).then_some(Root { value_type_id, node_off })
        }
        _ => None,
    });
    let Some(found) = found else {
        refuse!(Invalid, "{name} not found at offset={off}");
    };
    let held = state.held.lock();
    let is_beside = held.is_some_and(|held| Lock::of(value).is_some_and(|lock| held.is(lock)));
    if !is_beside {
        let lock = fields.iter().find(|field| field.kind == SpecialKind::SpinLock).map_or(0, |lock| lock.off);
        let other = if held.is_some() { "held lock and object are not in the same allocation\n" } else { "" };
        refuse!(Invalid, "{other}bpf_spin_lock at off={lock} must be held for {name}");
    }
    Ok(found)
}

/// How the object must be held that a node is in.
fn node_holder(
    kfunc: Kfunc,
    arg: KfuncArg,
    index: usize,
    (reg, value): (Reg, &RegState),
    in_less: bool,
) -> Checked<Object> {
    may_be_moved(reg, value)?;
    if arg == KfuncArg::ListNode || kfunc == Kfunc::RbtreeAdd {
        return match value.kind {
            RegType::Object { hold: Hold::Owned, .. } if !value.nullable => referenced(value),
            _ => refuse!(Invalid, "arg#{index} expected pointer to allocated object"),
        };
    }
    let name = kfunc.name();
    let (type_id, hold) = match value.kind {
        RegType::Object { type_id, hold }
            if !value.nullable && (hold.is_borrowed() || value.ref_obj_id != 0) =>
        {
            (type_id, hold)
        }
        _ => refuse!(Invalid, "{name} can only take non-owning or refcounted bpf_rb_node pointer"),
    };
    if in_less {
        refuse!(Invalid, "{name} not allowed in rbtree cb");
    }
    Ok(Object { type_id, hold, ref_obj_id: value.ref_obj_id, off: value.off })
}

/// A node of the type that is in the list or tree (linux: __process_kf_arg_ptr_to_graph_node()).
fn node(env: &Env<'_>, arg: KfuncArg, (reg, value): (Reg, &RegState), object: Object, root: Root) -> Checked {
    let n = reg.number();
    let (name, root_name, kind) = if arg == KfuncArg::ListNode {
        ("bpf_list_node", "bpf_list_head", SpecialKind::ListNode)
    } else {
        ("bpf_rb_node", "bpf_rb_root", SpecialKind::RbNode)
    };
    let Some(var) = value.value.as_const() else {
        refuse!(Invalid, "R{n} doesn't have constant offset. {name} has to be at the constant offset");
    };
    let off = i64::from(value.off).wrapping_add(var as i64);
    let fields = env.fields_of_type(object.type_id);
    if !fields.iter().any(|field| field.kind == kind && i64::from(field.off) == off) {
        refuse!(Invalid, "{name} not found at offset={off}");
    }
    let (expected, found) = (env.type_name(root.value_type_id), env.type_name(object.type_id));
    let node_off = root.node_off;
    if object.type_id != root.value_type_id {
        refuse!(
            Invalid,
            "operation on {root_name} expects arg#1 {name} at offset={node_off} in struct {expected}, but arg \
             is at offset={off} in struct {found}"
        );
    }
    if off != i64::from(node_off) {
        refuse!(Invalid, "arg#1 offset={off}, but expected {name} at offset={node_off} in struct {expected}");
    }
    Ok(())
}
