//! Arguments of global functions, which are verified on their own (linux: btf_check_subprog_call()).

use bpfreplay_isa::Reg;
use bpfreplay_program::{ArgKind, FuncInfo, ReturnKind};
use bpfreplay_uapi::MemAccess;

use super::dynptr::Wanted;
use super::helper_args::Effect;
use super::helper_memory::{Piece, expect_memory, memory};
use super::memory::writes_packets;
use super::region::Empty;
use super::{context, dynptr};
use crate::error::{Checked, refuse};
use crate::explore::Env;
use crate::state::{RegState, RegType, State};

/// The arguments of a call to a global function; what it does with memory it is handed is not known.
pub(crate) fn check(env: &Env<'_>, state: &State, callee: usize, info: &FuncInfo) -> Checked<Vec<Effect>> {
    prototype(info).and_then(|()| arguments(env, state, info)).map_err(|mut refusal| {
        refusal.message += &format!("\nCaller passes invalid args into func#{callee} ('{}')", info.name);
        refusal
    })
}

/// What the kernel takes of global functions (linux: btf_prepare_func_args()).
pub(crate) fn prototype(info: &FuncInfo) -> Checked {
    let (name, args) = (&info.name, info.args.len());
    if args > Reg::ARGS.len() {
        refuse!(Invalid, "Global function {name}() with {args} > 5 args. Buggy compiler.");
    }
    if info.ret != ReturnKind::Scalar {
        refuse!(Invalid, "Global function {name}() doesn't return scalar. Only those are supported.");
    }
    Ok(())
}

fn arguments(env: &Env<'_>, state: &State, info: &FuncInfo) -> Checked<Vec<Effect>> {
    let mut effects = Vec::new();
    for (index, (arg, reg)) in info.args.iter().zip(Reg::ARGS).enumerate() {
        let value = *state.reg(reg);
        let n = reg.number();
        if value.kind == RegType::NotInit {
            refuse!(Access, "R{n} !read_ok");
        }
        match arg {
            ArgKind::Scalar if value.is_scalar() => {}
            ArgKind::Scalar => refuse!(Invalid, "R{n} is not a scalar"),
            ArgKind::Ctx if value.kind == RegType::Ctx => context::unmodified(reg, &value)?,
            ArgKind::Ctx => refuse!(Invalid, "arg#{index} expects pointer to ctx"),
            ArgKind::Mem { nonnull: false, .. } if value.is_null() => {}
            ArgKind::Mem { size, nonnull } => {
                if *nonnull && (value.nullable || value.is_null()) {
                    refuse!(Invalid, "arg#{index} is expected to be non-NULL");
                }
                // A pointer that may be NULL is checked as if it were not; NULL is always allowed.
                let value = RegState { nullable: false, ..value };
                let piece = Piece {
                    size: (*size).into(),
                    empty: Empty::Refused,
                    access: MemAccess::Fill,
                    exact: false,
                };
                expect_memory(reg, &value)?;
                memory(env, (reg, &value), Piece { access: MemAccess::Read, ..piece })?;
                if value.kind.is_packet() && !writes_packets(env.program.prog_type) {
                    refuse!(Access, "cannot write into packet");
                }
                effects.extend(memory(env, (reg, &value), piece)?);
            }
            ArgKind::Dynptr => {
                dynptr::expected_by_function(reg, &value)?;
                let argument = dynptr::initialized(state, (reg, &value), Wanted::Any)?;
                effects.push(Effect::ReadsDynptr(argument));
            }
            ArgKind::Invalid(message) => refuse!(Invalid, "{message}"),
            ArgKind::Other(what) => {
                refuse!(Unsupported, "arg#{index} of global function {}: {what} is not supported", info.name)
            }
        }
    }
    Ok(effects)
}
