//! The instruction set as tables, one per instruction class.
//!
//! A row has the name, the operator in LLVM's text, the encoding and the meaning. Enums, `ALL`, decoding, encoding,
//! text and [`crate::sem`] are all expanded from these rows: a new row breaks every match that does not handle it.

/// Width of an arithmetic or jump instruction: class ALU64/JMP or ALU/JMP32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Width {
    /// On `w` registers: the low half; a result zero-extends to 64 bits.
    W32,
    /// On whole registers.
    W64,
}

/// Size of a memory access (RFC 9669 section 5, table 11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Size {
    /// 1 byte, `u8`.
    B,
    /// 2 bytes, `u16`.
    H,
    /// 4 bytes, `u32`.
    W,
    /// 8 bytes, `u64`.
    Dw,
}

impl Size {
    /// All sizes, smallest first.
    pub const ALL: [Size; 4] = [Size::B, Size::H, Size::W, Size::Dw];

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Size::B => 1,
            Size::H => 2,
            Size::W => 4,
            Size::Dw => 8,
        }
    }

    /// The number of bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.bytes() * 8
    }

    /// The size of that many bytes, if there is one.
    #[must_use]
    pub const fn from_bytes(bytes: u32) -> Option<Size> {
        match bytes {
            1 => Some(Size::B),
            2 => Some(Size::H),
            4 => Some(Size::W),
            8 => Some(Size::Dw),
            _ => None,
        }
    }
}

/// Binary arithmetic (RFC 9669 section 4.1, table 5).
///
/// Row: name, operator, code (high nibble of the opcode), instruction offset, meaning. In the meaning `U` and `S` are
/// the unsigned and signed integers of the width and `MASK` is its number of bits less one.
/// `mov` with an offset (movsx), `neg` and the byte swaps are not binary and have instructions of their own.
#[macro_export]
macro_rules! for_each_alu_op {
    ($consume:ident) => {
        $consume! {
            /// Addition modulo 2^width.
            Add  "+="   0x00 0 |a, b| a.wrapping_add(b);
            /// Subtraction modulo 2^width.
            Sub  "-="   0x10 0 |a, b| a.wrapping_sub(b);
            /// Multiplication modulo 2^width.
            Mul  "*="   0x20 0 |a, b| a.wrapping_mul(b);
            /// Unsigned division; by zero gives 0.
            Div  "/="   0x30 0 |a, b| a.checked_div(b).unwrap_or(0);
            /// Signed division; by zero gives 0, MIN / -1 gives MIN.
            Sdiv "s/="  0x30 1 |a, b| if b == 0 { 0 } else { (a as S).wrapping_div(b as S) as U };
            /// Bitwise or.
            Or   "|="   0x40 0 |a, b| a | b;
            /// Bitwise and.
            And  "&="   0x50 0 |a, b| a & b;
            /// Left shift by the source's low bits.
            Lsh  "<<="  0x60 0 |a, b| a << (b & MASK);
            /// Logical right shift by the source's low bits.
            Rsh  ">>="  0x70 0 |a, b| a >> (b & MASK);
            /// Unsigned remainder; by zero leaves the dividend.
            Mod  "%="   0x90 0 |a, b| a.checked_rem(b).unwrap_or(a);
            /// Signed remainder, sign of the dividend; by zero leaves the dividend, MIN % -1 gives 0.
            Smod "s%="  0x90 1 |a, b| if b == 0 { a } else { (a as S).wrapping_rem(b as S) as U };
            /// Bitwise exclusive or.
            Xor  "^="   0xa0 0 |a, b| a ^ b;
            /// The source.
            Mov  "="    0xb0 0 |_a, b| b;
            /// Arithmetic right shift by the source's low bits.
            Arsh "s>>=" 0xc0 0 |a, b| ((a as S) >> (b & MASK)) as U;
        }
    };
}

/// Conditional jumps (RFC 9669 section 4.3, table 9). Row: name, operator, code, condition.
#[macro_export]
macro_rules! for_each_jmp_op {
    ($consume:ident) => {
        $consume! {
            /// Equal.
            Eq   "=="  0x10 |a, b| a == b;
            /// Greater, unsigned.
            Gt   ">"   0x20 |a, b| a > b;
            /// Greater or equal, unsigned.
            Ge   ">="  0x30 |a, b| a >= b;
            /// Any bit in common.
            Set  "&"   0x40 |a, b| a & b != 0;
            /// Not equal.
            Ne   "!="  0x50 |a, b| a != b;
            /// Greater, signed.
            Sgt  "s>"  0x60 |a, b| (a as S) > (b as S);
            /// Greater or equal, signed.
            Sge  "s>=" 0x70 |a, b| (a as S) >= (b as S);
            /// Less, unsigned.
            Lt   "<"   0xa0 |a, b| a < b;
            /// Less or equal, unsigned.
            Le   "<="  0xb0 |a, b| a <= b;
            /// Less, signed.
            Slt  "s<"  0xc0 |a, b| (a as S) < (b as S);
            /// Less or equal, signed.
            Sle  "s<=" 0xd0 |a, b| (a as S) <= (b as S);
        }
    };
}

/// Atomic read-modify-write (RFC 9669 section 5.3, tables 12 and 13).
///
/// Row: name, operator or function in LLVM's text, immediate, whether the old value goes to a register, meaning: the
/// new memory value from the old one, the source and (compare-and-exchange only) r0. All fetching forms write the
/// source register except `Cmpxchg`, which writes r0.
#[macro_export]
macro_rules! for_each_atomic_op {
    ($consume:ident) => {
        $consume! {
            /// `*mem += src`.
            Add      "+="               0x00 false |old, src, _r0| old.wrapping_add(src);
            /// `*mem |= src`.
            Or       "|="               0x40 false |old, src, _r0| old | src;
            /// `*mem &= src`.
            And      "&="               0x50 false |old, src, _r0| old & src;
            /// `*mem ^= src`.
            Xor      "^="               0xa0 false |old, src, _r0| old ^ src;
            /// `src = fetch_add(mem, src)`.
            FetchAdd "atomic_fetch_add" 0x01 true  |old, src, _r0| old.wrapping_add(src);
            /// `src = fetch_or(mem, src)`.
            FetchOr  "atomic_fetch_or"  0x41 true  |old, src, _r0| old | src;
            /// `src = fetch_and(mem, src)`.
            FetchAnd "atomic_fetch_and" 0x51 true  |old, src, _r0| old & src;
            /// `src = fetch_xor(mem, src)`.
            FetchXor "atomic_fetch_xor" 0xa1 true  |old, src, _r0| old ^ src;
            /// `src = xchg(mem, src)`.
            Xchg     "xchg"             0xe1 true  |_old, src, _r0| src;
            /// `r0 = cmpxchg(mem, r0, src)`: stores the source where memory equals r0; r0 gets the old value.
            Cmpxchg  "cmpxchg"          0xf1 true  |old, src, r0| if old == r0 { src } else { old };
        }
    };
}

macro_rules! alu_enum {
    ($($(#[$doc:meta])* $name:ident $text:literal $code:literal $off:literal |$a:ident, $b:ident| $body:expr;)*) => {
        /// A binary arithmetic operation.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum AluOp { $($(#[$doc])* $name,)* }

        impl AluOp {
            /// Every operation, in table order.
            pub const ALL: &[AluOp] = &[$(AluOp::$name),*];

            /// The operator in LLVM's BPF syntax.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(AluOp::$name => $text,)* }
            }

            /// The code (high nibble of the opcode) and the instruction offset that encode it.
            #[must_use]
            pub const fn code(self) -> (u8, i16) {
                match self { $(AluOp::$name => ($code, $off),)* }
            }

            /// The operation with this code and instruction offset.
            #[must_use]
            pub const fn from_code(code: u8, off: i16) -> Option<AluOp> {
                match (code, off) { $(($code, $off) => Some(AluOp::$name),)* _ => None }
            }
        }
    };
}
for_each_alu_op!(alu_enum);

macro_rules! jmp_enum {
    ($($(#[$doc:meta])* $name:ident $text:literal $code:literal |$a:ident, $b:ident| $body:expr;)*) => {
        /// The condition of a jump.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum JmpOp { $($(#[$doc])* $name,)* }

        impl JmpOp {
            /// Every condition, in table order.
            pub const ALL: &[JmpOp] = &[$(JmpOp::$name),*];

            /// The operator in LLVM's BPF syntax.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(JmpOp::$name => $text,)* }
            }

            /// The code, the high nibble of the opcode.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(JmpOp::$name => $code,)* }
            }

            /// The condition with this code.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<JmpOp> {
                match code { $($code => Some(JmpOp::$name),)* _ => None }
            }
        }
    };
}
for_each_jmp_op!(jmp_enum);

macro_rules! atomic_enum {
    ($($(#[$doc:meta])* $name:ident $text:literal $imm:literal $fetch:literal |$o:ident, $s:ident, $r:ident| $body:expr;)*) => {
        /// An atomic operation.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum AtomicOp { $($(#[$doc])* $name,)* }

        impl AtomicOp {
            /// Every operation, in table order.
            pub const ALL: &[AtomicOp] = &[$(AtomicOp::$name),*];

            /// The operator (forms that fetch nothing) or function (forms that do) in LLVM's BPF syntax.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(AtomicOp::$name => $text,)* }
            }

            /// The immediate that encodes it.
            #[must_use]
            pub const fn code(self) -> i32 {
                match self { $(AtomicOp::$name => $imm,)* }
            }

            /// The operation with this immediate.
            #[must_use]
            pub const fn from_code(imm: i32) -> Option<AtomicOp> {
                match imm { $($imm => Some(AtomicOp::$name),)* _ => None }
            }

            /// Whether the old memory value is written to a register: r0 for `Cmpxchg`, else the source.
            #[must_use]
            pub const fn fetches(self) -> bool {
                match self { $(AtomicOp::$name => $fetch,)* }
            }
        }
    };
}
for_each_atomic_op!(atomic_enum);

/// Byte order instructions (RFC 9669 section 4.2). On a little-endian host `ToLe` truncates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EndianOp {
    /// `le16`, `le32`, `le64`: to little-endian order.
    ToLe,
    /// `be16`, `be32`, `be64`: to big-endian order.
    ToBe,
    /// `bswap16`, `bswap32`, `bswap64`: unconditional swap (cpu v4).
    Swap,
}

impl EndianOp {
    /// Every operation.
    pub const ALL: [EndianOp; 3] = [EndianOp::ToLe, EndianOp::ToBe, EndianOp::Swap];

    /// The name in LLVM's BPF syntax, without the number of bits.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            EndianOp::ToLe => "le",
            EndianOp::ToBe => "be",
            EndianOp::Swap => "bswap",
        }
    }
}
