use crate::instruction::{CallTarget, Instruction};
use crate::ops::{AluOp, Size, Width};

/// Conformance groups (RFC 9669 section 2.4): what an implementation may leave out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Group {
    /// 32-bit arithmetic and jumps, loads and stores of up to 4 bytes, `goto`, calls, `exit`.
    Base32,
    /// 64-bit arithmetic and jumps, 8-byte loads and stores, `ld_imm64`.
    Base64,
    /// 4-byte atomics.
    Atomic32,
    /// 8-byte atomics.
    Atomic64,
    /// 32-bit multiplication, division and remainder.
    Divmul32,
    /// 64-bit multiplication, division and remainder.
    Divmul64,
    /// `LD_ABS` and `LD_IND`: deprecated, and needed for programs compiled from classic BPF.
    Packet,
}

impl Group {
    /// Every group.
    pub const ALL: [Group; 7] = [
        Group::Base32,
        Group::Base64,
        Group::Atomic32,
        Group::Atomic64,
        Group::Divmul32,
        Group::Divmul64,
        Group::Packet,
    ];

    /// The name in the RFC.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Group::Base32 => "base32",
            Group::Base64 => "base64",
            Group::Atomic32 => "atomic32",
            Group::Atomic64 => "atomic64",
            Group::Divmul32 => "divmul32",
            Group::Divmul64 => "divmul64",
            Group::Packet => "packet",
        }
    }

    /// The group this one includes (RFC 9669 section 2.4): an engine that has `base64` has `base32`.
    #[must_use]
    pub const fn includes(self) -> Option<Group> {
        match self {
            Group::Base64 => Some(Group::Base32),
            Group::Atomic64 => Some(Group::Atomic32),
            Group::Divmul64 => Some(Group::Divmul32),
            Group::Base32 | Group::Atomic32 | Group::Divmul32 | Group::Packet => None,
        }
    }
}

impl Instruction {
    /// The conformance group that has this instruction; none for the kernel's extensions `may_goto` and `tail_call`.
    #[must_use]
    pub const fn group(self) -> Option<Group> {
        let group = match self {
            Instruction::Alu {
                width,
                op: AluOp::Mul | AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod,
                ..
            } => by_width(width, Group::Divmul32, Group::Divmul64),
            Instruction::Alu { width, .. }
            | Instruction::Neg { width, .. }
            | Instruction::MovSx { width, .. }
            | Instruction::JumpIf { width, .. } => by_width(width, Group::Base32, Group::Base64),
            Instruction::Endian { size, .. }
            | Instruction::Load { size, .. }
            | Instruction::Store { size, .. } => by_size(size, Group::Base32, Group::Base64),
            Instruction::LoadImm64 { .. } => Group::Base64,
            Instruction::Atomic { size, .. } => by_size(size, Group::Atomic32, Group::Atomic64),
            Instruction::LoadPacket { .. } => Group::Packet,
            // RFC 9669 section 4.3: CALL and JA belong to base32 whatever their class; appendix A adds EXIT.
            Instruction::Jump { .. }
            | Instruction::Call(CallTarget::Helper(_) | CallTarget::Local(_) | CallTarget::Kfunc(_))
            | Instruction::Exit => Group::Base32,
            Instruction::MayGoto { .. } | Instruction::TailCall => return None,
        };
        Some(group)
    }
}

const fn by_width(width: Width, narrow: Group, wide: Group) -> Group {
    match width {
        Width::W32 => narrow,
        Width::W64 => wide,
    }
}

const fn by_size(size: Size, narrow: Group, wide: Group) -> Group {
    match size {
        Size::B | Size::H | Size::W => narrow,
        Size::Dw => wide,
    }
}
