use std::sync::Arc;

use bpfreplay_isa::{CallTarget, Imm64, Insn, Instruction, Reg, decode_program};
use bpfreplay_runtime::helpers::{function, kfunc};
use bpfreplay_runtime::{ContextKind, Map};
use bpfreplay_uapi::{HelperId, Kfunc};

use crate::prepare::PrepareError;

/// A program's instructions side by side, `ld_imm64` no longer taking two places.
#[derive(Debug)]
pub(crate) struct Code {
    steps: Box<[Step]>,
    /// Steps whose addresses are taken: functions that helpers may call, ascending.
    callbacks: Box<[u32]>,
    /// The xlated slot of each step.
    slots: Box<[u32]>,
}

/// Where the addresses of functions begin: where nothing else is.
const CALLBACKS: u64 = 0xffff_f000_0000_0000;

/// One instruction, ready to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// What it says; a `ld_imm64` is a constant: addresses are in.
    pub(crate) instruction: Instruction,
    /// For jumps and program-local calls the step it goes to.
    pub(crate) target: u32,
}

impl Code {
    /// Decodes a program and resolves its jumps, map references and helper ids.
    pub(crate) fn new(xlated: &[Insn], maps: &[Arc<Map>], kind: ContextKind) -> Result<Code, PrepareError> {
        let decoded = decode_program(xlated).map_err(PrepareError::Decode)?;
        let slots: Box<[u32]> = decoded.iter().map(|&(slot, _)| slot as u32).collect();
        let mut callbacks = Vec::new();
        let steps = decoded.into_iter().map(|(slot, instruction)| {
            let target = match target(slot, instruction) {
                None => 0,
                Some(target) => match u32::try_from(target).map(|target| slots.binary_search(&target)) {
                    Ok(Ok(step)) => step as u32,
                    Ok(Err(_)) | Err(_) => return Err(PrepareError::BadTarget { pc: slot, target }),
                },
            };
            let instruction = if let Instruction::LoadImm64 { dst, value: Imm64::Func(_) } = instruction {
                callbacks.push(target);
                Instruction::LoadImm64 { dst, value: Imm64::Const(CALLBACKS | u64::from(target)) }
            } else {
                link(slot, instruction, maps, kind)?
            };
            Ok(Step { instruction, target })
        });
        let steps = steps.collect::<Result<_, PrepareError>>()?;
        callbacks.sort_unstable();
        Ok(Code { steps, callbacks: callbacks.into(), slots })
    }

    #[inline]
    pub(crate) fn step(&self, index: u32) -> Option<&Step> {
        self.steps.get(index as usize)
    }

    /// The function a register names, as `ld_imm64` left it there.
    pub(crate) fn callback(&self, address: u64) -> Option<u32> {
        let step = u32::try_from(address.checked_sub(CALLBACKS)?).ok()?;
        self.callbacks.binary_search(&step).is_ok().then_some(step)
    }

    /// The step that is at an xlated slot.
    pub(crate) fn step_at(&self, slot: u32) -> Option<u32> {
        self.slots.binary_search(&slot).ok().map(|step| step as u32)
    }

    /// The xlated slot of a step; for the one after the last, the end of the program.
    pub(crate) fn slot(&self, index: u32) -> u32 {
        let end = || self.slots.last().map_or(0, |last| last + 1);
        self.slots.get(index as usize).copied().unwrap_or_else(end)
    }
}

/// The slot a jump or program-local call goes to.
fn target(slot: usize, instruction: Instruction) -> Option<i64> {
    let off = match instruction {
        Instruction::Jump { off, .. }
        | Instruction::Call(CallTarget::Local(off))
        | Instruction::LoadImm64 { value: Imm64::Func(off), .. } => i64::from(off),
        Instruction::JumpIf { off, .. } | Instruction::MayGoto { off } => i64::from(off),
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
        | Instruction::Exit => return None,
    };
    Some(slot as i64 + 1 + off)
}

/// The instruction with addresses put in; refuses what no verified program of this engine has.
fn link(
    pc: usize,
    instruction: Instruction,
    maps: &[Arc<Map>],
    kind: ContextKind,
) -> Result<Instruction, PrepareError> {
    if written(instruction) == Some(Reg::FP) {
        return Err(PrepareError::FramePointer { pc });
    }
    let unsupported = |what| Err(PrepareError::Unsupported { pc, what });
    let map = |index: u32| maps.get(index as usize).ok_or(PrepareError::NoSuchMap { pc, map: index });
    match instruction {
        Instruction::LoadImm64 { dst, value } => {
            let address = match value {
                Imm64::Const(value) => value,
                Imm64::Map(index) => map(index)?.address(),
                Imm64::MapValue { map: index, off } => map(index)?
                    .value_address(off)
                    .map_err(|source| PrepareError::NoValueAddress { pc, source })?,
                Imm64::BtfId(_) => return unsupported("the address of a kernel variable"),
                Imm64::Func(_) => return unsupported("the address of a function"),
                Imm64::MapIndex(_) | Imm64::MapIndexValue { .. } => return unsupported("a map of fd_array"),
            };
            Ok(Instruction::LoadImm64 { dst, value: Imm64::Const(address) })
        }
        Instruction::Call(CallTarget::Helper(id))
            if HelperId::from_id(id).and_then(|helper| function(helper, kind)).is_none() =>
        {
            Err(PrepareError::UnknownHelper { pc, id })
        }
        Instruction::Call(CallTarget::Kfunc(id)) if !is_there(Kfunc::from_id(id as u32)) => {
            unsupported("a call of a kernel function this engine does not have")
        }
        Instruction::Alu { .. }
        | Instruction::Neg { .. }
        | Instruction::MovSx { .. }
        | Instruction::Endian { .. }
        | Instruction::Load { .. }
        | Instruction::Store { .. }
        | Instruction::Atomic { .. }
        | Instruction::LoadPacket { .. }
        | Instruction::Jump { .. }
        | Instruction::JumpIf { .. }
        | Instruction::MayGoto { .. }
        | Instruction::Call(_)
        | Instruction::TailCall
        | Instruction::Exit => Ok(instruction),
    }
}

/// Whether there is a kernel function; throwing is the machine's.
fn is_there(found: Option<Kfunc>) -> bool {
    found == Some(Kfunc::Throw) || found.and_then(kfunc).is_some()
}

/// The register an instruction names as its result.
fn written(instruction: Instruction) -> Option<Reg> {
    match instruction {
        Instruction::Alu { dst, .. }
        | Instruction::Neg { dst, .. }
        | Instruction::MovSx { dst, .. }
        | Instruction::Endian { dst, .. }
        | Instruction::LoadImm64 { dst, .. }
        | Instruction::Load { dst, .. } => Some(dst),
        Instruction::Atomic { op, src, .. } if op.fetches() && op != bpfreplay_isa::AtomicOp::Cmpxchg => {
            Some(src)
        }
        Instruction::Atomic { .. }
        | Instruction::Store { .. }
        | Instruction::LoadPacket { .. }
        | Instruction::Jump { .. }
        | Instruction::JumpIf { .. }
        | Instruction::MayGoto { .. }
        | Instruction::Call(_)
        | Instruction::TailCall
        | Instruction::Exit => None,
    }
}
