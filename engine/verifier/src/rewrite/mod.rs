//! From what was accepted to what engines run.
//!
//! ```text
//!   program ─▶ replacements, slot by slot ─▶ joined, jumps linked again ─▶ xlated + orig_pc
//!              dead_code  a branch only one side of which was explored becomes `ja`; unexplored slots vanish
//!              context    context accesses become accesses of the engine's own struct
//!              fastcall   spills around calls that leave their registers alone vanish
//!              tail_call  `call 12` becomes TailCall
//!              kfunc      a function that depends on the program's type becomes the one for it
//!              object     calls on objects are told the type
//!              may_goto   its function begins by setting the budget
//!              throw      behind the last function stands what gives the cookie back
//! ```
//! None of it changes what a program computes; slots move, so `orig_pc` says where each came from.

mod context;
mod dead_code;
mod link;
pub(crate) mod may_goto;
mod object;
#[cfg(test)]
mod tests;
mod xdp;

use bpfreplay_isa::{AluOp, CallTarget, Imm64, Insn, Instruction, Operand, Reg, Width, encode};
use bpfreplay_uapi::{ContextKind, ContextLayout, HelperId, Kfunc};

use crate::cfg::Code;
use crate::error::Checked;
use crate::explore::{Access, Env, Note};

/// The rewritten program.
#[derive(Debug)]
pub(crate) struct Xlated {
    pub(crate) insns: Vec<Insn>,
    /// The slot each came from.
    pub(crate) orig_pc: Vec<u32>,
    /// Where each original slot went; of vanished ones, where what follows them went. One more than there are slots.
    pub(crate) new_pc: Vec<u32>,
}

/// What one original instruction becomes; jumps still have their original offsets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replacement {
    pub(crate) insns: Vec<Insn>,
    /// The instruction among them, if any, that jumps (or calls) where the original did.
    pub(crate) jump: Option<Jump>,
    /// How many of the instructions are done once, when the function is entered: jumps go behind them, calls do not.
    pub(crate) prologue: usize,
}

/// A jump to link again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Jump {
    /// Which instruction of the replacement.
    pub(crate) at: usize,
    /// The original slot it leads to.
    pub(crate) target: usize,
}

/// Rewrites an accepted program.
pub(crate) fn rewrite(
    code: &Code,
    env: &Env<'_>,
    layout: &ContextLayout,
    context: ContextKind,
) -> Checked<Xlated> {
    let notes = &env.notes;
    let mut replacements: Vec<Replacement> = Vec::with_capacity(code.insns.len());
    for pc in 0..code.insns.len() {
        replacements.push(replace(code, notes, layout, context, pc)?);
    }
    for pc in env.fastcalls.needless() {
        replacements[pc] = Replacement::default();
    }
    may_goto::set_budgets(code, notes, &env.stack_depth, &mut replacements);
    dead_code::remove_empty_jumps(&mut replacements);
    if env.throws && code.exception_callback.is_none() {
        add_exception_callback(&mut replacements);
    }
    link::link(replacements)
}

/// Where a program throws and names no callback for it, Linux puts one behind its last function, which gives back the
/// cookie: listings show it (linux: do_misc_fixups(), add_hidden_subprog()). The engines have that built in, and never go
/// there.
fn add_exception_callback(replacements: &mut [Replacement]) {
    let give_back =
        Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Operand::Reg(Reg::R1) };
    if let Some(last) = replacements.last_mut() {
        last.insns.extend([give_back, Instruction::Exit].map(|instruction| encode(instruction).0));
    }
}

fn replace(
    code: &Code,
    notes: &[Note],
    layout: &ContextLayout,
    kind: ContextKind,
    pc: usize,
) -> Checked<Replacement> {
    let Some(instruction) = dead_code::live_instruction(code, notes, pc) else {
        return Ok(Replacement::default());
    };
    if notes[pc].access == Some(Access::Context) {
        let converted = match kind {
            ContextKind::Skb => Some(context::convert(instruction, layout)?),
            ContextKind::Xdp => Some(xdp::convert(instruction, layout)?),
            ContextKind::Plain => None,
        };
        if let Some(insns) = converted {
            return Ok(Replacement { insns, ..Replacement::default() });
        }
    }
    if let (Instruction::Call(CallTarget::Kfunc(id)), Some(about)) = (instruction, notes[pc].object)
        && let Some(kfunc) = Kfunc::from_id(id as u32)
    {
        return Ok(object::call(kfunc, about));
    }
    let target = |off: i32| (pc as i64 + 1 + i64::from(off)) as usize;
    let instruction = match instruction {
        Instruction::Call(CallTarget::Helper(id)) if id == HelperId::TailCall.id() => Instruction::TailCall,
        Instruction::Call(CallTarget::Kfunc(id)) => {
            let becomes = notes[pc].becomes.map_or(id, |kfunc| kfunc.id() as i32);
            Instruction::Call(CallTarget::Kfunc(becomes))
        }
        // A callback that is never called (`bpf_loop` of no rounds) is gone: its address is nobody's.
        Instruction::LoadImm64 { dst, value: Imm64::Func(off) } if !notes[target(off)].seen => {
            Instruction::LoadImm64 { dst, value: Imm64::Const(0) }
        }
        other => other,
    };
    let (first, second) = encode(instruction);
    let insns = std::iter::once(first).chain(second).collect();
    let jump = match instruction {
        Instruction::Jump { off, .. } => Some(target(off)),
        Instruction::JumpIf { off, .. } | Instruction::MayGoto { off } => Some(target(off.into())),
        Instruction::Call(CallTarget::Local(off))
        | Instruction::LoadImm64 { value: Imm64::Func(off), .. } => Some(target(off)),
        Instruction::Alu { .. }
        | Instruction::Neg { .. }
        | Instruction::MovSx { .. }
        | Instruction::Endian { .. }
        | Instruction::LoadImm64 { .. }
        | Instruction::Load { .. }
        | Instruction::Store { .. }
        | Instruction::Atomic { .. }
        | Instruction::LoadPacket { .. }
        | Instruction::Call(CallTarget::Helper(_) | CallTarget::Kfunc(_))
        | Instruction::TailCall
        | Instruction::Exit => None,
    };
    Ok(Replacement { insns, jump: jump.map(|target| Jump { at: 0, target }), prologue: 0 })
}
