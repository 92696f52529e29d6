use std::fmt;

/// One instruction slot as it is stored, host little-endian (RFC 9669 section 3.1).
///
/// ```text
///   byte  0        1               2..4    4..8
///        +--------+-------+-------+-------+---------------+
///        | opcode | src:4 | dst:4 |  off  |      imm      |
///        +--------+-------+-------+-------+---------------+
///           │
///           ├── class  = opcode & 0x07
///           ├── ALU and JMP: source bit 0x08 (K: imm, X: src), code = opcode & 0xf0
///           └── LD and ST:   size = opcode & 0x18, mode = opcode & 0xe0
/// ```
///
/// A wide instruction (`ld_imm64`) takes two slots; the second has opcode 0 and its imm is the high half.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct Insn {
    /// Class, and by class: source and code, or size and mode.
    pub opcode: u8,
    /// `src << 4 | dst`.
    pub regs: u8,
    /// Signed offset: of memory accesses in bytes, of jumps in slots.
    pub off: i16,
    /// Signed immediate.
    pub imm: i32,
}

impl Insn {
    /// Bytes of one slot.
    pub const SIZE: usize = 8;

    /// A slot from its fields. `dst` and `src` are cut to four bits.
    #[must_use]
    pub const fn new(opcode: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
        Insn { opcode, regs: (src << 4) | (dst & 0x0f), off, imm }
    }

    /// The slot stored in these little-endian bytes.
    #[must_use]
    pub const fn from_le_bytes(b: [u8; 8]) -> Insn {
        Insn {
            opcode: b[0],
            regs: b[1],
            off: i16::from_le_bytes([b[2], b[3]]),
            imm: i32::from_le_bytes([b[4], b[5], b[6], b[7]]),
        }
    }

    /// The bytes as stored in a little-endian object.
    #[must_use]
    pub const fn to_le_bytes(self) -> [u8; 8] {
        let [o0, o1] = self.off.to_le_bytes();
        let [i0, i1, i2, i3] = self.imm.to_le_bytes();
        [self.opcode, self.regs, o0, o1, i0, i1, i2, i3]
    }

    /// Destination register number, 0 to 15: not checked.
    #[must_use]
    pub const fn dst(self) -> u8 {
        self.regs & 0x0f
    }

    /// Source register number, 0 to 15: not checked. In calls and `ld_imm64` it is a kind, not a register.
    #[must_use]
    pub const fn src(self) -> u8 {
        self.regs >> 4
    }

    /// The instruction class.
    #[must_use]
    pub const fn class(self) -> Class {
        Class::of(self.opcode)
    }

    /// Whether this is the first slot of a wide instruction.
    #[must_use]
    pub const fn is_wide(self) -> bool {
        self.opcode == 0x18
    }
}

impl fmt::Debug for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "({:02x}) dst={} src={} off={} imm={:#x}",
            self.opcode,
            self.dst(),
            self.src(),
            self.off,
            self.imm
        )
    }
}

/// Instruction class, the low three bits of the opcode (RFC 9669 section 3.3, table 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Class {
    /// Non-standard loads: `ld_imm64`, `LD_ABS`, `LD_IND`.
    Ld = 0,
    /// Loads from memory into a register.
    Ldx = 1,
    /// Stores of an immediate.
    St = 2,
    /// Stores of a register, and atomics.
    Stx = 3,
    /// 32-bit arithmetic.
    Alu = 4,
    /// 64-bit jumps, calls, exit.
    Jmp = 5,
    /// 32-bit jumps.
    Jmp32 = 6,
    /// 64-bit arithmetic.
    Alu64 = 7,
}

impl Class {
    const ALL: [Class; 8] =
        [Class::Ld, Class::Ldx, Class::St, Class::Stx, Class::Alu, Class::Jmp, Class::Jmp32, Class::Alu64];

    /// The class of an opcode. Every opcode has one.
    #[must_use]
    pub const fn of(opcode: u8) -> Class {
        Class::ALL[(opcode & 7) as usize]
    }
}
