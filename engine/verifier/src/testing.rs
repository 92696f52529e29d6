//! For tests of engines only (feature `unverified`, which no dependency but a dev-dependency may ask for): a
//! [`VerifiedProgram`] nobody has verified.
//!
//! Engines trust what they are given. Whoever calls this answers for the program: it must be one the verifier could
//! accept.

use std::collections::BTreeSet;
use std::sync::Arc;

use bpfreplay_isa::{CallTarget, Instruction, PacketIndex, decode_program, encode};
use bpfreplay_program::Program;
use bpfreplay_uapi::HelperId;
use bpfreplay_uapi::limits::MAX_BPF_STACK;

use crate::verified::{Facts, Subprog, VerifiedProgram};

/// The program as it is, but for `call bpf_tail_call`, which becomes the instruction engines run. Subprograms are
/// found by the calls to them.
///
/// # Panics
///
/// If an instruction does not decode.
#[must_use]
pub fn unverified(program: Arc<Program>, facts: Facts) -> VerifiedProgram {
    let mut xlated = program.insns.clone();
    let decoded = decode_program(&xlated).expect("a test's program decodes");
    let mut starts = BTreeSet::from([0]);
    for &(pc, instruction) in &decoded {
        match instruction {
            Instruction::Call(CallTarget::Helper(id)) if id == HelperId::TailCall.id() => {
                xlated[pc] = encode(Instruction::TailCall).0;
            }
            Instruction::Call(CallTarget::Local(off)) => {
                starts.insert((pc as i64 + 1 + i64::from(off)) as u32);
            }
            _ => {}
        }
    }
    let ends = starts.iter().copied().skip(1).chain([xlated.len() as u32]);
    let subprogs = starts.iter().copied().zip(ends).map(|(start, end)| {
        let body = || decoded.iter().filter(move |&&(pc, _)| (start..end).contains(&(pc as u32)));
        Subprog {
            start,
            end,
            stack_depth: MAX_BPF_STACK as u16,
            has_budget: false,
            tail_call_reachable: true,
            has_ld_abs: body().any(|&(_, instruction)| {
                matches!(
                    instruction,
                    Instruction::LoadPacket { index: PacketIndex::Abs | PacketIndex::Ind(_), .. }
                )
            }),
        }
    });
    VerifiedProgram {
        orig_pc: (0..xlated.len() as u32).collect(),
        subprogs: subprogs.collect(),
        program,
        xlated,
        facts,
        log: String::new(),
    }
}
