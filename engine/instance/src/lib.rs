//! An object made ready to run: maps created, programs verified, prepared on an engine, prog arrays filled.
//!
//! ```text
//!   Object ─┬─ maps ─────create──▶ Arc<Map> ────────────┐
//!           │                                           ├──▶ Instance { programs, maps, entry }
//!           └─ programs ─verify──▶ prepare ──▶ Executable┤
//!                                  jit|interpreter       └── prog arrays: .values, then overrides
//! ```
//!
//! The three types to know: [`Instance`], [`Options`], [`InstanceError`].
//!
//! It does what `bpftool prog loadall` does, in that order and with the kernel's conditions: every program of the object
//! is loaded, referring to a prog array binds it to the program's type and engine, and slots are filled when all
//! programs are there. `Load::Reachable` loads less: the entry and what tail calls can lead to;
//! what the loader refused, and maps of kinds that this engine has not, do not matter where nothing leads there.
//!
//! Deliberately not here: reading files (the loader), running frames (tc and replay), choosing an engine when one
//! cannot take a program: that is an error.
#![forbid(unsafe_code)]

mod engine;
mod error;
mod instance;
mod maps;
mod select;
mod tail;

pub use engine::{Engine, UnknownEngine};
pub use error::InstanceError;
pub use instance::{Instance, LoadedProgram, Options};
pub use maps::{check_map, create_map, is_unsupported, maps_named, objects_of};
pub use select::{Load, default_entry};
pub use tail::{BadTail, Tail};
