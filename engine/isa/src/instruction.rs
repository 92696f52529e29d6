use crate::ops::{AluOp, AtomicOp, EndianOp, JmpOp, Size, Width};
use crate::reg::Reg;

/// What one instruction says, with reserved fields known to be zero and registers known to exist.
///
/// Jump and local-call offsets are in slots and relative to the slot after the instruction, as encoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Instruction {
    /// `dst op= src`: binary arithmetic, moves included (RFC 9669 section 4.1).
    Alu {
        /// Whole registers or low halves.
        width: Width,
        /// The operation.
        op: AluOp,
        /// Left operand and result.
        dst: Reg,
        /// Right operand.
        src: Operand,
    },
    /// `dst = -dst` (RFC 9669 section 4.1).
    Neg {
        /// Whole registers or low halves.
        width: Width,
        /// Operand and result.
        dst: Reg,
    },
    /// `dst = (s8|s16|s32)src`: move with sign extension, cpu v4 (RFC 9669 section 4.1).
    MovSx {
        /// Width of the result.
        width: Width,
        /// What is extended: B or H, and W where the width is W64.
        size: Size,
        /// Result.
        dst: Reg,
        /// Operand.
        src: Reg,
    },
    /// `dst = be16 dst` and its kin (RFC 9669 section 4.2).
    Endian {
        /// The direction.
        op: EndianOp,
        /// The low bytes converted: H, W or Dw.
        size: Size,
        /// Operand and result.
        dst: Reg,
    },
    /// `dst = value ll`: a 64-bit immediate in two slots (RFC 9669 section 5.4).
    LoadImm64 {
        /// Result.
        dst: Reg,
        /// The value or what it stands for.
        value: Imm64,
    },
    /// `dst = *(size *)(base + off)` (RFC 9669 sections 5.1 and 5.2).
    Load {
        /// Bytes read.
        size: Size,
        /// Whether B, H and W sign-extend to 64 bits (mode MEMSX); else they zero-extend. Never set with Dw.
        signed: bool,
        /// Result.
        dst: Reg,
        /// Address.
        base: Reg,
        /// Bytes added to the address.
        off: i16,
    },
    /// `*(size *)(base + off) = src` (RFC 9669 section 5.1).
    Store {
        /// Bytes written.
        size: Size,
        /// Address.
        base: Reg,
        /// Bytes added to the address.
        off: i16,
        /// The value, cut to the size; an immediate sign-extends to it.
        src: Operand,
    },
    /// `lock *(size *)(base + off) op= src` and the fetching forms (RFC 9669 section 5.3).
    Atomic {
        /// Bytes accessed: W or Dw.
        size: Size,
        /// The operation.
        op: AtomicOp,
        /// Address.
        base: Reg,
        /// Bytes added to the address.
        off: i16,
        /// Operand, and for fetching forms other than `Cmpxchg` the result.
        src: Reg,
    },
    /// `r0 = *(size *)skb[index]`: `LD_ABS` and `LD_IND` (RFC 9669 section 5.5). r0 gets packet bytes in host order,
    /// r6 holds the context.
    LoadPacket {
        /// Bytes read: B, H or W.
        size: Size,
        /// Whether a register is added to the offset.
        index: PacketIndex,
        /// Offset in bytes.
        imm: i32,
    },
    /// `goto +off`.
    Jump {
        /// W64: class JMP, offset from the 16-bit field. W32: `gotol`, class JMP32, offset from the immediate.
        width: Width,
        /// Slots skipped; with W64 it fits 16 bits.
        off: i32,
    },
    /// `if dst op src goto +off` (RFC 9669 section 4.3).
    JumpIf {
        /// Whole registers or low halves.
        width: Width,
        /// The condition.
        op: JmpOp,
        /// Left operand.
        dst: Reg,
        /// Right operand.
        src: Operand,
        /// Slots skipped where the condition holds.
        off: i16,
    },
    /// `may_goto +off` (kernel 6.9): a jump taken once the loop budget is spent.
    MayGoto {
        /// Slots skipped.
        off: i16,
    },
    /// `call` (RFC 9669 section 4.3.1).
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
    MapValue {
        /// The map, as for `Map`.
        map: u32,
        /// Bytes into the value.
        off: u32,
    },
    /// src 3: a kernel variable by BTF id.
    BtfId(u32),
    /// src 4: the address of a program-local function, relative in slots like a call.
    Func(i32),
    /// src 5: a map by index into `fd_array`.
    MapIndex(u32),
    /// src 6: the address `off` bytes into the value of the map at an index of `fd_array`.
    MapIndexValue {
        /// Index into `fd_array`.
        map: u32,
        /// Bytes into the value.
        off: u32,
    },
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
