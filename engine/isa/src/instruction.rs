use crate::ops::{AluOp, AtomicOp, EndianOp, JmpOp, Size, Width};
use crate::reg::Reg;

/// What one instruction says, with reserved fields known to be zero and registers known to exist.
///
/// Jump and local-call offsets are in slots and relative to the slot after the instruction, as encoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Instruction {
    /// `dst op= src`: binary arithmetic, moves included (RFC 9669 section 4.1).
    Alu { width: Width, op: AluOp, dst: Reg, src: Operand },
    /// `dst = -dst`.
    Neg { width: Width, dst: Reg },
    /// `dst = (s8|s16|s32)src`: move with sign extension, cpu v4.
    MovSx { width: Width, size: Size, dst: Reg, src: Reg },
    /// `dst = be16 dst` and its kin (RFC 9669 section 4.2). `size` is H, W or Dw.
    Endian { op: EndianOp, size: Size, dst: Reg },
    /// A 64-bit immediate in two slots (RFC 9669 section 5.4).
    LoadImm64 { dst: Reg, value: Imm64 },
    /// `dst = *(size *)(base + off)`, sign-extending if `signed` (RFC 9669 section 5.1, 5.2).
    Load { size: Size, signed: bool, dst: Reg, base: Reg, off: i16 },
    /// `*(size *)(base + off) = src`.
    Store { size: Size, base: Reg, off: i16, src: Operand },
    /// `lock *(size *)(base + off) op= src` (RFC 9669 section 5.3). `size` is W or Dw.
    Atomic { size: Size, op: AtomicOp, base: Reg, off: i16, src: Reg },
    /// `LD_ABS`, `LD_IND`: r0 = packet bytes in host order; r6 is the context (RFC 9669 section 5.5).
    LoadPacket { size: Size, index: PacketIndex, imm: i32 },
    /// `goto +off`; gotol (class JMP32) where the offset came from imm.
    Jump { width: Width, off: i32 },
    /// `if dst op src goto +off`.
    JumpIf { width: Width, op: JmpOp, dst: Reg, src: Operand, off: i16 },
    /// `may_goto +off` (kernel 6.9): like a jump taken once a budget is spent.
    MayGoto { off: i16 },
    /// `call`.
    Call(CallTarget),
    /// `bpf_tail_call` after verification (opcode 0xf5, xlated programs only): r1 ctx, r2 prog array, r3 index.
    TailCall,
    /// `exit`: returns r0.
    Exit,
}

/// The source of an arithmetic, jump or store instruction: source bit K or X.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operand {
    /// K: the immediate, sign-extended to the width of the instruction.
    Imm(i32),
    /// X: a register.
    Reg(Reg),
}

/// What a `ld_imm64` loads, by its source field (RFC 9669 section 5.4, table 14).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Imm64 {
    /// src 0: a constant.
    Const(u64),
    /// src 1: a map by file descriptor; in our programs an index into the program's maps.
    Map(u32),
    /// src 2: the address `off` bytes into the value of a single-entry map.
    MapValue { map: u32, off: u32 },
    /// src 3: a kernel variable by BTF id.
    BtfId(u32),
    /// src 4: the address of a program-local function, relative in slots like a call.
    Func(i32),
    /// src 5: a map by index into `fd_array`.
    MapIndex(u32),
    /// src 6: the address `off` bytes into the value of the map at an index of `fd_array`.
    MapIndexValue { map: u32, off: u32 },
}

/// Which bytes a legacy packet load reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PacketIndex {
    /// At `imm`.
    Abs,
    /// At the register plus `imm`.
    Ind(Reg),
}

/// What a call reaches, by its source field (RFC 9669 section 4.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallTarget {
    /// src 0: a helper function by static id.
    Helper(u32),
    /// src 1: a program-local function; the offset is in slots, relative to the slot after the call.
    Local(i32),
    /// src 2: a kernel function by BTF id.
    Kfunc(i32),
}

impl Instruction {
    /// How many slots it takes: 2 for `ld_imm64`, else 1.
    #[must_use]
    pub const fn slots(self) -> usize {
        match self {
            Instruction::LoadImm64 { .. } => 2,
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
            | Instruction::Exit => 1,
        }
    }
}
