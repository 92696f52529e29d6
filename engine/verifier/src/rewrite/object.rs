//! Calls on objects: what the verifier knows of the type goes into registers that the program leaves alone
//! (linux: fixup_kfunc_call()).
//!
//! ```text
//!   new           r1 = size, r2 = type
//!   drop, acquire            r2 = type
//!   push                     r3 = type, r4 = where the node is
//!   add                      r4 = type, r5 = where the node is
//! ```
//! The type is 1 and its index among the program's local types, 0 of one that has no special fields; for a drop also
//! where paths differ.

use bpfreplay_isa::{AluOp, CallTarget, Imm64, Instruction, Operand, Reg, Width, encode};
use bpfreplay_uapi::Kfunc;

use super::Replacement;
use crate::explore::ObjectCall;

/// The call with what goes before it.
pub(super) fn call(kfunc: Kfunc, object: ObjectCall) -> Replacement {
    let mov = |dst, imm: u32| Instruction::Alu {
        width: Width::W64,
        op: AluOp::Mov,
        dst,
        src: Operand::Imm(imm.cast_signed()),
    };
    let local_type = Imm64::Const(object.local_type.map_or(0, |index| u64::from(index) + 1));
    let ty = |dst| Instruction::LoadImm64 { dst, value: local_type };
    let node = |dst| mov(dst, object.node_off.cast_unsigned());
    let before = match kfunc {
        Kfunc::ObjNew | Kfunc::PercpuObjNew => vec![mov(Reg::R1, object.size), ty(Reg::R2)],
        Kfunc::ObjDrop | Kfunc::PercpuObjDrop | Kfunc::RefcountAcquire => vec![ty(Reg::R2)],
        Kfunc::ListPushFront | Kfunc::ListPushBack => vec![ty(Reg::R3), node(Reg::R4)],
        Kfunc::RbtreeAdd => vec![ty(Reg::R4), node(Reg::R5)],
        _ => Vec::new(),
    };
    let call = Instruction::Call(CallTarget::Kfunc(kfunc.id().cast_signed()));
    let insns = before.into_iter().chain([call]).flat_map(|instruction| {
        let (first, second) = encode(instruction);
        std::iter::once(first).chain(second)
    });
    Replacement { insns: insns.collect(), ..Replacement::default() }
}
