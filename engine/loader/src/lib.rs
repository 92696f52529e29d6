//! A clang object file to programs and maps, linked and ready for the verifier.
//!
//! ```text
//!   prog.bpf.o ──elf──▶ sections, symbols, relocations ─┐
//!              ──btf──▶ types, func and line info ──────┤
//!                                                       ├──▶ maps       .maps, maps, .data/.bss/.rodata, .values
//!                                                       ├──▶ functions  by symbol; a section's name says the type
//!                                                       └──▶ link       CO-RE, references, subprograms appended
//!                                                              │
//!                                                              ▼
//!                                               Object { programs, refused, maps }
//! ```
//!
//! The three types to know: [`Object`], what a file holds; [`Options`], what to assume about it; [`LoadError`], what
//! is wrong with it, naming section and offset.
//!
//! Programs come out complete: each has its entry function first and the subprograms it reaches behind it, map
//! references are indices into the object's list of maps, and `BTF.ext` is rewritten to the linked offsets.
//!
//! Deliberately not here: anything that needs a running kernel. CO-RE relocations are resolved against the object's
//! own types (or a BTF file that is given); programs that need kfuncs the engine does not have, ksyms, kconfig externs,
//! struct_ops or arenas are refused by name.
//! The `version` section is ignored, as kernels since 5.0 do; pinning and NUMA nodes of maps have no meaning here.
//!
//! Heads up: the conventions are collected in libbpf's documentation ("Program types and ELF sections") and in
//! `Documentation/bpf/llvm_reloc.rst` and `btf.rst` of the kernel.
#![forbid(unsafe_code)]

mod btf;
mod core_relo;
mod elf;
mod error;
mod function;
mod link;
mod maps;
mod note;
mod object_file;
mod reference;
mod section_name;
mod special;

pub use bpfreplay_btf::BtfProblem;
pub use core_relo::{CORE_STEPS_MAX, POISON};
pub use elf::OBJECT_SIZE_MAX;
pub use error::{BtfObjectProblem, CoreProblem, LoadError, LoadErrorKind, MapProblem, Place};
pub use link::LINKED_INSNS_MAX;
pub use maps::{DATA_SECTION_MAX, MAPS_MAX, object_name};
pub use note::Note;
pub use object_file::{Object, Options, RefusedProgram};
