//! `struct xdp_md` accesses become accesses of the engine's struct (linux: xdp_convert_ctx_access()). Whole fields are
//! loaded, nothing is stored.

use bpfreplay_isa::{AluOp, Insn, Instruction, Operand, Size, Width, encode};
use bpfreplay_uapi::{ContextLayout, XdpField};

use crate::error::{Checked, refuse};

/// What an accepted load becomes.
pub(super) fn convert(instruction: Instruction, layout: &ContextLayout) -> Checked<Vec<Insn>> {
    let Instruction::Load { signed, dst, base, off, .. } = instruction else {
        refuse!(Access, "only loads can reach struct xdp_md");
    };
    let Some(field) = XdpField::ALL.into_iter().find(|field| i64::from(field.offset()) == i64::from(off))
    else {
        refuse!(Access, "invalid bpf_context access off={off}");
    };
    let native = layout.xdp_field(field);
    let loaded = match Size::from_bytes(native.width.into()) {
        Some(size) => {
            Instruction::Load { size, signed: signed && size != Size::Dw, dst, base, off: native.off as i16 }
        }
        // The engine has no such field.
        None => Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Operand::Imm(0) },
    };
    Ok(vec![encode(loaded).0])
}
