//! The tail-call parsers: BPF objects to run, and what they are held against.
//!
//! `bpf/` holds the programs in C and the objects clang made of them. This
//! crate embeds the objects and knows what they leave behind in `skb->cb`. It
//! also parses the same frames natively, on `pnet_packet` and written from the
//! RFCs, so that every frame of every capture can be checked: same protocol
//! path, same header offsets, same reason.
//!
//! The types to know:
//! - [`Object`]: an embedded `.bpf.o` with the program to enter it by
//!   ([`PARSER_DPA`], [`PARSER_LDABS`], [`STRIP_TUNNEL`], [`SYSCALL_DISPATCH`],
//!   and the small ones of [`ORACLE`]).
//! - [`State`]: what the parsers hand along in `cb`, decoded; its [`Reason`]
//!   says how the run ended and which verdict that is.
//! - [`reference::Parsed`]: what [`reference::parse`] says should have happened.
//!
//! The syscall dispatcher has the same pair: [`SyscallEvent`] is the context its
//! programs read, [`SyscallTally`] what its maps should hold afterwards.
//!
//! What it does not do: run anything (that is the engine's), build the objects
//! (`make -C parsers/bpf`), or verify checksums, which a capture taken before
//! offload has not got.
//!
//! Read `bpf/parser.h` first: the picture of the state, the reasons, the maps.
//! Then `bpf/layers.h` and `bpf/programs.h`, top to bottom.

#![forbid(unsafe_code)]

mod objects;
mod proto;
mod reason;
pub mod reference;
mod state;
mod syscall;

pub use objects::{ALL, ORACLE, Object, PARSER_DPA, PARSER_LDABS, STRIP_TUNNEL, SYSCALL_DISPATCH};
pub use proto::Proto;
pub use reason::{Outcome, Reason};
pub use state::{Layer, NotAState, OFF_NONE, State};
pub use syscall::{FdIo, NotAnEvent, RECORDED_EVENTS, SyscallEvent, SyscallTally};
