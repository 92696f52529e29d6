//! What the control plane hands along: a program and its maps, as the loader links them and the verifier takes them.
//!
//! ```text
//!   object ──loader──▶ Program { insns, maps, funcs, lines } ──verifier──▶ VerifiedProgram
//! ```
//!
//! The three types to know: [`Program`], [`MapSpec`], [`FuncInfo`].
//!
//! Deliberately not here: ELF, reading BTF (`bpfreplay-btf`), and maps that hold values (the runtime's).
#![forbid(unsafe_code)]

mod map_spec;
mod program;
mod special;

pub use map_spec::{MapContent, MapSpec};
pub use program::{
    ABSENT_KFUNC, ArgKind, ExceptionCallback, FuncInfo, LineInfo, Linkage, Program, ReturnKind,
};
pub use special::{KptrKind, LocalType, SpecialField, SpecialKind};
