use std::sync::Arc;

use bpfreplay_isa::Reg;
use bpfreplay_program::{ArgKind, FuncInfo, Program};
use bpfreplay_uapi::ContextLayout;

use crate::cfg::Code;
use crate::error::{Checked, VerifierError, refuse};
use crate::explore::Env;
use crate::facts;
use crate::rewrite::{self, ContextKind};
use crate::state::{Frame, FrameKind, MemSort, RegState, RegType, State};
use crate::verified::VerifiedProgram;
use crate::{check, diagnose};

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Where the engine keeps the fields of `struct __sk_buff` and `struct xdp_md`.
    pub layout: &'a ContextLayout,
    /// What to write to the log.
    pub log: LogLevel,
}

/// What the verifier's log has in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum LogLevel {
    /// Nothing.
    #[default]
    Off,
    /// The last line of the kernel's log: how much was processed.
    Stats,
}

/// Accepts a program, and turns it into what engines run, or refuses it.
///
/// # Errors
///
/// The first rule the program breaks, in the kernel's order and words; or the first feature it uses that this engine
/// does not have, by name.
pub fn verify(program: Arc<Program>, options: &Options<'_>) -> Result<VerifiedProgram, VerifierError> {
    let whole = |refusal| diagnose::error(&program, refusal, String::new());
    let code = Code::build(&program).map_err(whole)?;
    let mut env = Env::new(&program, &code);

    let main = State::new(entry_frame(FrameKind::Main, 0), 0);
    let refused = |(refusal, registers)| diagnose::error(&program, refusal, registers);
    env.explore(main, 0).map_err(refused)?;
    explore_globals(&mut env).map_err(refused)?;
    check::depth::check(&code, &env.stack_depth).map_err(whole)?;

    let context = ContextKind::of(program.prog_type);
    let xlated = rewrite::rewrite(&code, &env.notes, options.layout, context).map_err(whole)?;
    let log = match options.log {
        LogLevel::Off => String::new(),
        LogLevel::Stats => env.stats(),
    };
    let (subprogs, facts) = facts::collect(&code, &env, &xlated);
    Ok(VerifiedProgram { program, xlated: xlated.insns, orig_pc: xlated.orig_pc, subprogs, facts, log })
}

/// r1 is the context.
fn entry_frame(kind: FrameKind, function: usize) -> Frame {
    let mut frame = Frame::new(kind, function as u32, 0);
    frame.regs[Reg::R1.index()] = RegState::pointer(RegType::Ctx);
    frame
}

/// Every global function that is called, each once, by its prototype; they may call more of them
/// (linux: do_check_subprogs()).
fn explore_globals(env: &mut Env<'_>) -> Result<(), (crate::error::Refusal, String)> {
    let mut done = std::collections::BTreeSet::new();
    while let Some(&next) = env.globals.difference(&done).next() {
        done.insert(next);
        let start = env.code.functions[next].start;
        let mut frame = Frame::new(FrameKind::Global, next as u32, 0);
        if let Some(info) = env.program.funcs.get(next) {
            arguments(env, &mut frame, info).map_err(|refusal| (refusal.at(start), String::new()))?;
        }
        env.explore(State::new(frame, start as u32), start)?;
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
            ArgKind::Other(what) => {
                refuse!(Unsupported, "{} of global function {} is not supported", what, info.name)
            }
        };
    }
    Ok(())
}
