//! The x86-64 JIT: a [`VerifiedProgram`](bpfreplay_verifier::VerifiedProgram) in, machine code out.
//!
//! ```text
//!   plan        how each call is done; liveness: what nobody needs; fuse: what is one instruction here
//!      ▼
//!   compile     one arm per instruction            reads like the instruction set
//!      ▼
//!   emit/*      alu mem atomic jump call ...       reads like pseudo-code beside assembly
//!      ▼
//!   x64         registers, frames, encodings       the only file that knows how bytes are chosen
//!      ▼
//!   arena       one stretch of executable memory   written through one address, run through another
//! ```
//!
//! The three types to know: [`Jit`], the compiler with its arena; [`JitedProgram`], what it makes; `x64::Assembler`.
//!
//! Tail calls are jumps. Every frame is made by whoever calls, a program's body has no prologue, and a prog array's
//! slot holds the address of a body's first instruction: so the jump needs no preparation and leaves nothing behind.
//! `emit/tail_call.rs` has the sequence, `x64.rs` the picture of the stack.
//!
//! Deliberately not here: any check that the verifier has made. A program the JIT cannot take is an error with the
//! instruction and the reason; nothing falls back to another engine.
//!
//! Read first: the register plan at the top of `x64.rs`, then `compile.rs`.
#![deny(unsafe_code)]

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("the JIT emits x86-64 code and needs Linux (memfd) for its arena");

mod arena;
mod callback;
mod compile;
mod emit;
mod entry;
mod error;
mod fuse;
mod jit;
mod link;
mod liveness;
mod plan;
mod program;
mod x64;

pub use arena::ARENA_BYTES;
pub use error::JitError;
pub use jit::Jit;
pub use program::JitedProgram;
pub use x64::Cpu;
