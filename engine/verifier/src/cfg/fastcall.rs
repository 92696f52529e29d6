//! Spills around calls that leave their registers alone (`bpf_fastcall`).
//!
//! For kernels that do not know better, compilers save r0 to r5 around every call, below all that the function keeps
//! on its stack otherwise:
//!
//! ```text
//!   *(u64 *)(r10 - 16) = r1         removed, if nothing
//!   *(u64 *)(r10 - 8) = r2          else looks at -16 or -8
//!   call bpf_get_smp_processor_id   leaves r1 to r5 alone
//!   r2 = *(u64 *)(r10 - 8)          removed
//!   r1 = *(u64 *)(r10 - 16)         removed
//! ```
//!
//! What is found here is where that could be done (linux: mark_fastcall_patterns()); whether anything else looks at the
//! slots turns out as paths are explored (linux: check_fastcall_stack_contract()).

use std::collections::{BTreeMap, BTreeSet};

use bpfreplay_isa::{CallTarget, DecodeErrorKind, Insn, Instruction, Operand, Reg, Size};
use bpfreplay_program::Program;
use bpfreplay_uapi::{HelperId, Kfunc, RetType};

use super::subprogs::{Function, is_func_address, is_local_call, jump_target};

/// Bytes of a slot.
const SLOT: i16 = 8;

/// The patterns of a program.
#[derive(Debug, Default)]
pub(crate) struct Fastcalls {
    /// Spills and fills that belong to one.
    members: BTreeSet<usize>,
    /// Calls that leave registers alone, and how many are spilled before and filled after each.
    removable: BTreeMap<usize, usize>,
    /// By function, of those that have a pattern.
    slots: BTreeMap<usize, Slots>,
}

/// The slots that patterns of one function use.
#[derive(Clone, Copy, Debug)]
struct Slots {
    /// They are all below this, from r10.
    top: i16,
    /// A call that does clobber registers uses them too: its spills stay.
    stay: bool,
}

impl Fastcalls {
    pub(super) fn find(
        program: &Program,
        decoded: &[Result<Instruction, DecodeErrorKind>],
        functions: &[Function],
    ) -> Fastcalls {
        let mut found = Fastcalls::default();
        let mut targets = None;
        for (index, function) in functions.iter().enumerate() {
            // What is spilled is lowest on the stack.
            let spills = decoded[function.start..function.end].iter().filter_map(|i| spill(i.as_ref().ok()));
            let lowest = spills.map(|(_, off)| off).min().unwrap_or(0).min(0);
            if lowest == 0 {
                continue;
            }
            let targets = targets.get_or_insert_with(|| jump_targets(&program.insns));
            for pc in function.start..function.end {
                let Some((free, removable)) = call(program, decoded[pc].as_ref().ok()) else { continue };
                let pairs = pairs_around(decoded, targets, pc, free, lowest);
                if pairs > 0 {
                    found.add(index, pc, pairs, lowest + pairs as i16 * SLOT, removable);
                }
            }
        }
        found
    }

    fn add(&mut self, function: usize, pc: usize, pairs: usize, top: i16, removable: bool) {
        for distance in 1..=pairs {
            self.members.extend([pc - distance, pc + distance]);
        }
        let slots = self.slots.entry(function).or_insert(Slots { top, stay: false });
        slots.top = slots.top.min(top);
        slots.stay |= !removable;
        if removable {
            self.removable.insert(pc, pairs);
        }
    }

    /// An access to the stack of a function, from `off` on. In the slots of a pattern, and by who is not part of one,
    /// it ends all patterns of the function.
    pub(crate) fn note_access(&mut self, functions: &[Function], function: usize, pc: usize, off: i64) {
        let Some(slots) = self.slots.get(&function) else { return };
        if i64::from(slots.top) <= off || self.members.contains(&pc) {
            return;
        }
        self.slots.remove(&function);
        let Function { start, end, .. } = functions[function];
        self.members.retain(|pc| !(start..end).contains(pc));
        self.removable.retain(|pc, _| !(start..end).contains(pc));
    }

    /// The spills and fills that need not be done (linux: remove_fastcall_spills_fills()).
    pub(crate) fn needless(&self) -> BTreeSet<usize> {
        let around = |(&pc, &pairs): (&usize, &usize)| (1..=pairs).flat_map(move |d| [pc - d, pc + d]);
        self.removable.iter().flat_map(around).collect()
    }

    /// How deep the stack of a function goes without them, if that is less.
    pub(crate) fn stack_depth(&self, functions: &[Function], function: usize) -> Option<u16> {
        let slots = self.slots.get(&function)?;
        let Function { start, end, .. } = functions[function];
        let removes = self.removable.range(start..end).next().is_some();
        (removes && !slots.stay).then_some(slots.top.unsigned_abs())
    }
}

/// For a call: the registers among r0 to r5 that its prototype says nothing of, and whether it leaves them alone.
fn call(program: &Program, instruction: Option<&Instruction>) -> Option<(Vec<Reg>, bool)> {
    let Instruction::Call(target) = *instruction? else { return None };
    let (returns, args, removable) = match target {
        CallTarget::Helper(id) => {
            let proto = HelperId::from_id(id)?.proto();
            if !(proto.allowed)(program.prog_type) {
                return None;
            }
            (!matches!(proto.ret, RetType::Void), proto.args.len(), proto.fastcall_in(program.prog_type))
        }
        CallTarget::Kfunc(id) => {
            let kfunc = Kfunc::from_id(id as u32)?;
            (kfunc.returns(), kfunc.args().len(), false)
        }
        CallTarget::Local(_) => return None,
    };
    let r0 = (!returns).then_some(Reg::R0);
    Some((r0.into_iter().chain(Reg::ARGS.into_iter().skip(args)).collect(), removable))
}

/// How many registers are spilled before a call and filled after it, each once and in slots one above the other,
/// the lowest next to the call. Nobody jumps in between.
fn pairs_around(
    decoded: &[Result<Instruction, DecodeErrorKind>],
    targets: &BTreeSet<usize>,
    call: usize,
    mut free: Vec<Reg>,
    lowest: i16,
) -> usize {
    let mut pairs = 0;
    while let (Some(before), Some(after)) = (call.checked_sub(pairs + 1), decoded.get(call + pairs + 1)) {
        let off = lowest + pairs as i16 * SLOT;
        if targets.contains(&(before + 1)) || targets.contains(&(call + pairs + 1)) {
            break;
        }
        let (Some((spilled, to)), Some((filled, from))) =
            (spill(decoded[before].as_ref().ok()), fill(after.as_ref().ok()))
        else {
            break;
        };
        let Some(at) = free.iter().position(|&reg| reg == spilled) else { break };
        if filled != spilled || to != off || from != off {
            break;
        }
        free.swap_remove(at);
        pairs += 1;
    }
    pairs
}

/// `*(u64 *)(r10 + off) = reg`.
fn spill(instruction: Option<&Instruction>) -> Option<(Reg, i16)> {
    let Instruction::Store { size: Size::Dw, base: Reg::FP, off, src: Operand::Reg(reg) } = *instruction?
    else {
        return None;
    };
    Some((reg, off))
}

/// `reg = *(u64 *)(r10 + off)`.
fn fill(instruction: Option<&Instruction>) -> Option<(Reg, i16)> {
    let Instruction::Load { size: Size::Dw, signed: false, dst, base: Reg::FP, off } = *instruction? else {
        return None;
    };
    Some((dst, off))
}

/// Where jumps and calls go.
fn jump_targets(insns: &[Insn]) -> BTreeSet<usize> {
    let target = |(pc, &insn): (usize, &Insn)| {
        let function = is_local_call(insn) || is_func_address(insn);
        let called = function.then(|| pc as i64 + 1 + i64::from(insn.imm));
        usize::try_from(called.or(jump_target(insn, pc))?).ok()
    };
    insns.iter().enumerate().filter_map(target).collect()
}
