use std::sync::Arc;

use bpfreplay_btf::Btf;
use bpfreplay_isa::Insn;
use bpfreplay_uapi::ProgType;

use crate::{LocalType, MapSpec};

/// A linked program, complete in itself: the entry function first, the subprograms it reaches behind it.
///
/// `ld_imm64` with source 1 or 2 has an index into `maps` where a loaded program has a file descriptor; calls with
/// source 1 are relative within `insns`.
#[derive(Clone, Debug)]
pub struct Program {
    /// The C symbol of the entry function.
    pub name: String,
    /// The ELF section it came from, such as `tc`; empty where it did not come from an object.
    pub section: String,
    /// The program type.
    pub prog_type: ProgType,
    /// `expected_attach_type`: 0, or for instance 46 for `tcx/ingress`.
    pub expected_attach_type: u32,
    /// `BPF_F_XDP_HAS_FRAGS`: an XDP program that copes with frames whose linear part is not all of them.
    pub xdp_has_frags: bool,
    /// The object's licence string.
    pub license: String,
    /// The instructions.
    pub insns: Vec<Insn>,
    /// The object's maps; programs of one object share them, so an index means the same map in all of them.
    pub maps: Arc<[MapSpec]>,
    /// The functions by first slot; `funcs[0]` is the entry. Empty for a program without BTF (subprograms are then
    /// known only by the calls to them).
    pub funcs: Vec<FuncInfo>,
    /// Source lines by slot, ascending.
    pub lines: Vec<LineInfo>,
    /// The object's `.BTF`, fit for `BPF_BTF_LOAD`.
    pub btf: Option<Arc<[u8]>>,
    /// The types in it, for programs that allocate objects of them.
    pub types: Option<Arc<Btf>>,
    /// What becomes of what `bpf_throw` throws.
    pub exception_callback: ExceptionCallback,
    /// Kernel functions that the object declares weak and this engine does not have, by the number of their calls
    /// above [`ABSENT_KFUNC`]; programs of one object share them.
    pub absent_kfuncs: Arc<[String]>,
    /// The structures of `btf` that have special fields, by BTF id; programs of one object share them.
    pub local_types: Arc<[LocalType]>,
}

/// The helper that a call of the first of [`Program::absent_kfuncs`] is one of: none, as all above it
/// (libbpf: `POISON_CALL_KFUNC_BASE`).
pub const ABSENT_KFUNC: u32 = 2_002_000_000;

/// Who is handed the cookie of `bpf_throw`, by the tag `exception_callback:NAME` of the entry function.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ExceptionCallback {
    /// Nobody: it is what the program returns.
    #[default]
    None,
    /// The function with this index in `funcs`.
    Function(u32),
    /// The tags say nothing that Linux takes, in its words.
    Invalid(String),
}

/// One function of a program: what BTF says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FuncInfo {
    /// First slot.
    pub insn_off: u32,
    /// The C symbol.
    pub name: String,
    /// Static, global, or the entry.
    pub linkage: Linkage,
    /// What it returns.
    pub ret: ReturnKind,
    /// What it takes, in order.
    pub args: Vec<ArgKind>,
    /// Its BTF id (`BTF_KIND_FUNC`).
    pub btf_id: u32,
}

/// Linkage of a function (`enum btf_func_linkage`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Linkage {
    /// Verified inline at each call.
    Static,
    /// Verified once by its prototype.
    Global,
}

/// What a function returns, as far as rules ask.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReturnKind {
    /// An integer or enum.
    Scalar,
    /// Nothing.
    Void,
    /// A pointer, struct or anything else.
    Other,
}

/// What a function takes, as far as rules ask (global functions are verified by these alone).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ArgKind {
    /// An integer or enum.
    Scalar,
    /// The context: `struct __sk_buff *` and its kin.
    Ctx,
    /// A pointer to memory of a known size, possibly NULL.
    Mem {
        /// Bytes behind the pointer.
        size: u32,
        /// `arg:nonnull`: callers must not pass NULL.
        nonnull: bool,
    },
    /// A dynptr, initialised, to read: `const struct bpf_dynptr *`.
    Dynptr,
    /// What Linux does not take of global functions, in its words.
    Invalid(String),
    /// What Linux takes and this engine does not: a global function with one is refused.
    Other(String),
}

/// The source line a slot was compiled from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineInfo {
    /// First slot of the line.
    pub insn_off: u32,
    /// The C file as the compiler named it.
    pub file: Arc<str>,
    /// Line, from 1; 0 where unknown.
    pub line: u32,
    /// Column, from 1; 0 where unknown.
    pub column: u32,
    /// The text of the line.
    pub text: Arc<str>,
    /// Offsets into the BTF string section, as `BPF_PROG_LOAD` takes them: file name and text.
    pub btf_off: (u32, u32),
}

impl Program {
    /// A program of these instructions and nothing else: no maps, no BTF, GPL licence.
    #[must_use]
    pub fn new(name: &str, prog_type: ProgType, insns: Vec<Insn>) -> Program {
        Program {
            name: name.to_owned(),
            section: String::new(),
            prog_type,
            expected_attach_type: 0,
            xdp_has_frags: false,
            license: "GPL".to_owned(),
            insns,
            maps: Arc::new([]),
            funcs: Vec::new(),
            lines: Vec::new(),
            btf: None,
            types: None,
            exception_callback: ExceptionCallback::None,
            absent_kfuncs: Arc::new([]),
            local_types: Arc::new([]),
        }
    }

    /// The kernel function that a call of this helper was one of, if it is absent.
    #[must_use]
    pub fn absent_kfunc(&self, helper: u32) -> Option<&str> {
        let index = helper.checked_sub(ABSENT_KFUNC)?;
        self.absent_kfuncs.get(index as usize).map(String::as_str)
    }

    /// The structure with this BTF id among `local_types`, and its index there.
    #[must_use]
    pub fn local_type(&self, btf_id: u32) -> Option<(usize, &LocalType)> {
        let index = self.local_types.binary_search_by_key(&btf_id, |ty| ty.btf_id).ok()?;
        Some((index, &self.local_types[index]))
    }

    /// Whether GPL-only helpers may be called (`license_is_gpl_compatible`).
    #[must_use]
    pub fn gpl_compatible(&self) -> bool {
        matches!(
            self.license.as_str(),
            "GPL" | "GPL v2" | "GPL and additional rights" | "Dual BSD/GPL" | "Dual MIT/GPL" | "Dual MPL/GPL"
        )
    }

    /// The source line of a slot.
    #[must_use]
    pub fn line_at(&self, pc: usize) -> Option<&LineInfo> {
        let after = self.lines.partition_point(|line| line.insn_off as usize <= pc);
        self.lines[..after].last()
    }

    /// The function a slot belongs to, where BTF tells.
    #[must_use]
    pub fn func_at(&self, pc: usize) -> Option<&FuncInfo> {
        let after = self.funcs.partition_point(|func| func.insn_off as usize <= pc);
        self.funcs[..after].last()
    }
}
