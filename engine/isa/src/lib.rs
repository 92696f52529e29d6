//! RFC 9669, the BPF instruction set: bytes to typed instructions to text and back, and what each one means.
//!
//! ```text
//!   [u8; 8] ──▶ Insn ──decode──▶ Instruction ──Display──▶ "r1 += r2"
//!           ◀──      ◀──encode──             ◀──assemble──    labels, names
//!                                    │
//!                                   sem    what it computes: the one definition every engine answers to
//! ```
//!
//! The three types to know: [`Insn`], one 8-byte slot as it is stored; [`Instruction`], what a slot (or a pair of
//! slots) says, with every reserved field checked; [`Reg`], r0 to r10.
//!
//! The tables in [`ops`] are the instruction set: enums, opcodes, text and meaning are generated from their rows, so
//! that they cannot drift apart.
//!
//! Deliberately not here: programs, maps, helpers, memory. An instruction that touches memory has its address and
//! width here; what lies at the address is the engine's business.
//!
//! Heads up: before changing this crate read RFC 9669 sections 3 to 5.
#![forbid(unsafe_code)]
// A new row of a table must break every match that does not handle it.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod ops;
pub mod sem;

mod assemble;
mod decode;
mod disassemble;
mod encode;
mod group;
mod insn;
mod instruction;
mod kernel_text;
mod reg;

pub use assemble::{AssembleError, AssembleErrorKind, Assembly, Symbols, assemble};
pub use decode::{DecodeError, DecodeErrorKind, decode, decode_program};
pub use encode::encode;
pub use group::Group;
pub use insn::{Class, Insn};
pub use instruction::{CallTarget, Imm64, Instruction, Operand, PacketIndex};
pub use kernel_text::{KernelText, Names};
pub use ops::{AluOp, AtomicOp, EndianOp, JmpOp, Size, Width};
pub use reg::Reg;
