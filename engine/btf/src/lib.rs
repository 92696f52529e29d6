//! BTF, the type information clang puts next to the code (`Documentation/bpf/btf.rst`): read, and used to show values.
//!
//! ```text
//!   .BTF      header │ types, id 1.. in order │ strings ──parse──▶ Btf { Type { name, Kind } }
//!                                                                    │
//!   a value's bytes ─────────────────────────────────────────────────┴──▶ {"packets":5,"proto":"TCP"}
//! ```
//!
//! The three types to know: [`Btf`], all types of an object; [`Kind`], what one of them is; [`Formatter`], which
//! writes a value as `bpftool map dump` does.
//!
//! Every id and string a parsed type mentions exists; that types end, fit and do not contain themselves is for each
//! use to find out, and each does within [`RESOLVE_DEPTH_MAX`] steps.
//!
//! Deliberately not here: `.BTF.ext`, the maps defined in BTF, and CO-RE, which are about objects (the loader's).
//!
//! Read `types.rs` first.
#![forbid(unsafe_code)]

mod bytes;
mod error;
mod format;
mod parse;
mod types;

pub use bytes::{Bytes, put_u32, u32_at};
pub use error::{BtfError, BtfProblem, FormatError};
pub use format::{FORMATTED_MAX, FORMATTED_MIN, FORMATTED_PER_BYTE_MAX, Formatter};
pub use parse::{BTF_MAGIC, BTF_VERSION};
pub use types::{
    Btf, EnumValue, FuncLinkage, IntEncoding, Kind, Member, Param, RESOLVE_DEPTH_MAX, SecVar, Type,
};
