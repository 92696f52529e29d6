use std::sync::Arc;

use bpfreplay_isa::Reg;
use bpfreplay_program::{ArgKind, FuncInfo, Program};
use bpfreplay_uapi::{ContextKind, ContextLayout};

use crate::cfg::Code;
use crate::error::{Checked, Circumstances, Refusal, VerifierError, refuse};
use crate::explore::Env;
use crate::facts;
use crate::log::{Log, LogLevel, LogWindow};
use crate::rewrite::{self, Xlated};
use crate::state::{DynptrKind, Frame, FrameKind, MemSort, RegState, RegType, State};
use crate::verified::{Facts, Subprog, VerifiedProgram};
use crate::{cfg, check, diagnose};

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Where the engine keeps the fields of `struct __sk_buff` and `struct xdp_md`.
    pub layout: &'a ContextLayout,
    /// What to write to the log.
    pub log: LogLevel,
}

/// Accepts a program, and turns it into what engines run, or refuses it.
///
/// # Errors
///
/// The first rule the program breaks, in the kernel's order and words; or the first feature it uses that this engine
/// does not have, by name.
pub fn verify(program: Arc<Program>, options: &Options<'_>) -> Result<VerifiedProgram, VerifierError> {
    verify_within(program, options, LogWindow::default())
}

/// As [`verify`], with a log as long as `window` says.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_within(
    program: Arc<Program>,
    options: &Options<'_>,
    window: LogWindow,
) -> Result<VerifiedProgram, VerifierError> {
    let mut log = Log::new(options.log, window);
    let judged = judge(&program, options, &mut log);
    if let Err((refusal, _)) = &judged {
        log.line(&refusal.message);
    }
    let log = log.finish();
    match judged {
        Ok(Accepted { xlated: Xlated { insns, orig_pc, .. }, subprogs, facts }) => {
            Ok(VerifiedProgram { program, xlated: insns, orig_pc, subprogs, facts, log })
        }
        Err((refusal, circumstances)) => Err(diagnose::error(&program, refusal, circumstances, log)),
    }
}

/// What comes of a program that is accepted.
struct Accepted {
    xlated: Xlated,
    subprogs: Vec<Subprog>,
    facts: Facts,
}

/// A refusal, and what was known there.
type Judged<T = ()> = Result<T, (Refusal, Circumstances)>;

fn judge(program: &Program, options: &Options<'_>, log: &mut Log) -> Judged<Accepted> {
    let whole = |refusal| (refusal, Circumstances::default());
    log.functions(cfg::function_starts(program));
    let code = Code::build(program).map_err(whole)?;
    log.live_registers(program, &code);
    let mut env = Env::new(program, &code, log);

    check::static_args::remark_entry(&mut env);
    let main = State::new(entry_frame(FrameKind::Main, 0), 0);
    env.explore(main, 0)?;
    explore_globals(&mut env)?;
    env.leave_out_needless_spills();
    check::depth::check(&env).map_err(whole)?;

    let context = ContextKind::of(program.prog_type);
    let xlated = rewrite::rewrite(&code, &env, options.layout, context).map_err(whole)?;
    let (subprogs, facts) = facts::collect(&code, &env, &xlated);
    Ok(Accepted { xlated, subprogs, facts })
}

/// r1 is the context.
fn entry_frame(kind: FrameKind, function: usize) -> Frame {
    let mut frame = Frame::new(kind, function as u32, 0);
    frame.regs[Reg::R1.index()] = RegState::pointer(RegType::Ctx);
    frame
}

/// Every global function that is called, each once, by its prototype; they may call more of them
/// (linux: do_check_subprogs()).
fn explore_globals(env: &mut Env<'_>) -> Judged {
    let mut done = std::collections::BTreeSet::new();
    while let Some(&next) = env.globals.difference(&done).next() {
        done.insert(next);
        let start = env.code.functions[next].start;
        let name = env.program.funcs.get(next).map_or("", |info| &info.name);
        env.log.validating(name, next);
        let is_callback = env.code.exception_callback == Some(next);
        let kind = if is_callback { FrameKind::Exception } else { FrameKind::Global };
        let mut frame = Frame::new(kind, next as u32, 0);
        if let Some(info) = env.program.funcs.get(next) {
            if is_callback {
                exception_callback(info).map_err(|refusal| (refusal.at(start), Circumstances::default()))?;
            }
            arguments(env, &mut frame, info)
                .map_err(|refusal| (refusal.at(start), Circumstances::default()))?;
        }
        env.explore(State::new(frame, start as u32), start)?;
        env.log.is_safe(name, next);
    }
    Ok(())
}

/// What a function must be to be handed what is thrown (linux: do_check_common()).
fn exception_callback(info: &FuncInfo) -> Checked {
    check::global_args::prototype(info)?;
    if info.args != [ArgKind::Scalar] {
        refuse!(Invalid, "exception cb only supports single integer argument");
    }
    Ok(())
}

/// What the prototype says of r1 to r5.
fn arguments(env: &mut Env<'_>, frame: &mut Frame, info: &FuncInfo) -> Checked {
    for (arg, reg) in info.args.iter().zip(Reg::ARGS) {
        frame.regs[reg.index()] = match arg {
            ArgKind::Scalar => RegState::UNKNOWN,
            ArgKind::Ctx => RegState::pointer(RegType::Ctx),
            ArgKind::Mem { size, nonnull } => {
                let id = if *nonnull { 0 } else { env.new_id() };
                RegState {
                    nullable: !nonnull,
                    id,
                    ..RegState::pointer(RegType::Mem { size: *size, sort: MemSort::Plain })
                }
            }
            ArgKind::Dynptr => {
                let kind = RegType::Dynptr(DynptrKind::Argument);
                RegState { id: env.new_id(), ..RegState::pointer(kind) }
            }
            ArgKind::Invalid(message) => refuse!(Invalid, "{message}"),
            ArgKind::Other(what) => {
                refuse!(Unsupported, "{} of global function {} is not supported", what, info.name)
            }
        };
    }
    Ok(())
}
