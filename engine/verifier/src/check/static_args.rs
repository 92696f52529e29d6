//! What the log remarks of functions whose arguments are not what BTF says (linux: btf_check_subprog_call()).
//!
//! Compilers take arguments out of static functions and leave the prototype as it was, so nothing follows from a
//! difference, but that the kernel does not look at that prototype again.

use bpfreplay_isa::Reg;
use bpfreplay_program::{ArgKind, FuncInfo, Linkage, ReturnKind};

use super::dynptr::Wanted;
use super::{context, dynptr, global_args};
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{RegState, RegType, State};

/// A static function is called, or handed to a helper that calls it.
pub(crate) fn remark(env: &mut Env<'_>, state: &State, callee: usize) {
    let Some(info) = env.program.funcs.get(callee).filter(|_| env.log.is_on()) else { return };
    if env.unreliable.contains(&callee) {
        return;
    }
    let fits = has_known_prototype(info)
        && match arguments(state, info) {
            Ok(()) => true,
            Err(refusal) => {
                env.log.line(&refusal.message);
                false
            }
        };
    if !fits {
        env.unreliable.insert(callee);
    }
}

/// The entry is no global function to anyone, but its prototype is read as if it were one.
pub(crate) fn remark_entry(env: &mut Env<'_>) {
    let Some(info) = env.program.funcs.first().filter(|info| info.linkage == Linkage::Global) else { return };
    let invalid = info.args.iter().find_map(|arg| match arg {
        ArgKind::Invalid(message) => Some(message),
        ArgKind::Scalar | ArgKind::Ctx | ArgKind::Mem { .. } | ArgKind::Dynptr | ArgKind::Other(_) => None,
    });
    if let Err(refusal) = global_args::prototype(info) {
        env.log.remark(&refusal.message);
    } else if let Some(message) = invalid {
        env.log.remark(message);
    }
}

fn has_known_prototype(info: &FuncInfo) -> bool {
    let is_known = |arg: &ArgKind| matches!(arg, ArgKind::Scalar | ArgKind::Ctx | ArgKind::Dynptr);
    info.args.len() <= Reg::ARGS.len() && info.ret == ReturnKind::Scalar && info.args.iter().all(is_known)
}

fn arguments(state: &State, info: &FuncInfo) -> Checked {
    for (index, (arg, reg)) in info.args.iter().zip(Reg::ARGS).enumerate() {
        let value = *state.reg(reg);
        match arg {
            ArgKind::Scalar if !value.is_scalar() => refuse!(Invalid, "R{} is not a scalar", reg.number()),
            ArgKind::Ctx => {
                if !may_point_inside(&value) {
                    context::unmodified(reg, &value)?;
                }
                if value.kind != RegType::Ctx {
                    refuse!(Invalid, "arg#{index} expects pointer to ctx");
                }
            }
            ArgKind::Dynptr => {
                dynptr::expected_by_function(reg, &value)?;
                dynptr::initialized(state, (reg, &value), Wanted::Any)?;
            }
            ArgKind::Scalar | ArgKind::Mem { .. } | ArgKind::Invalid(_) | ArgKind::Other(_) => {}
        }
    }
    Ok(())
}

/// Numbers, and pointers to bytes, of which not only the first is handed on (linux: check_func_arg_reg_off()).
fn may_point_inside(value: &RegState) -> bool {
    match value.kind {
        RegType::Scalar
        | RegType::Stack { .. }
        | RegType::Packet
        | RegType::PacketMeta
        | RegType::MapKey { .. }
        | RegType::MapValue { .. }
        | RegType::Mem { .. }
        | RegType::Object { .. } => true,
        RegType::NotInit
        | RegType::Ctx
        | RegType::MapPtr { .. }
        | RegType::PacketEnd
        | RegType::Sock(_)
        | RegType::BtfSock(_)
        | RegType::Func { .. }
        | RegType::Dynptr(_) => false,
    }
}
