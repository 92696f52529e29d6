//! The program as a graph, and everything that is refused before a single instruction is executed abstractly.
//!
//! The phases run in the kernel's order (linux: bpf_check()); the first that fails reports. They look at **all**
//! slots, dead code included; what instructions mean is only checked where execution gets to (dead code may break
//! those rules).
//!
//! ```text
//!   subprogs ─▶ functions, jump ranges, what BTF must say     add_subprog, check_subprogs, check_btf_info
//!   kfuncs   ─▶ which kernel functions are called             add_kfunc_call
//!   scan     ─▶ opcodes, ld_imm64 pairs, maps                 resolve_pseudo_ldimm64
//!   reach    ─▶ every slot reachable, points to join paths    check_cfg
//!   fastcall ─▶ spills around calls that need none            mark_fastcall_patterns
//!   scc      ─▶ loops                                         compute_scc
//!   liveness ─▶ registers that still matter, by slot          compute_live_registers
//! ```

mod fastcall;
mod kfuncs;
mod liveness;
mod order;
mod reach;
mod scan;
mod scc;
mod subprogs;

use bpfreplay_isa::{DecodeErrorKind, Insn, Instruction, decode};
use bpfreplay_program::Program;
use bpfreplay_uapi::limits::MAX_INSNS;

use crate::error::{Checked, refuse};

pub(crate) use fastcall::Fastcalls;
pub(crate) use liveness::{RegSet, successors};
pub(crate) use order::post_order;
pub(crate) use reach::Edges;
pub(crate) use subprogs::{Function, function_starts, is_iter_next, is_local_call, throws};

/// A program that passed the phases, as a graph.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) insns: Vec<Insn>,
    /// What each slot says; a slot that says nothing valid is only refused where execution gets to it.
    pub(crate) decoded: Vec<Result<Instruction, DecodeErrorKind>>,
    pub(crate) functions: Vec<Function>,
    /// The function that is handed what the program throws.
    pub(crate) exception_callback: Option<usize>,
    pub(crate) edges: Edges,
    /// The loop each slot is in, by number; 0 for none.
    pub(crate) scc: Vec<u32>,
    /// Registers read before they are written from this slot on, in the slot's function.
    pub(crate) live: Vec<RegSet>,
}

impl Code {
    pub(crate) fn build(program: &Program) -> Checked<Code> {
        let insns = program.insns.clone();
        if insns.is_empty() || insns.len() > MAX_INSNS {
            refuse!(TooBig, "a program has 1 to {MAX_INSNS} instructions, this one {}", insns.len());
        }
        let functions = subprogs::find(program)?;
        let exception_callback = subprogs::exception_callback(program)?;
        subprogs::check_btf(&functions, program)?;
        scan::check(&insns, program)?;
        let edges = reach::check(&insns, exception_callback)?;
        let decoded: Vec<_> =
            (0..insns.len()).map(|pc| decode(&insns, pc).map_err(|error| error.kind)).collect();
        let scc = scc::components(&decoded);
        let live = liveness::live_registers(&decoded, program.prog_type);
        let exception_callback =
            exception_callback.and_then(|start| functions.iter().position(|f| f.start == start));
        Ok(Code { insns, decoded, functions, exception_callback, edges, scc, live })
    }

    /// Where spills could go.
    pub(crate) fn fastcalls(&self, program: &Program) -> Fastcalls {
        Fastcalls::find(program, &self.decoded, &self.functions)
    }

    /// Index of the function a slot belongs to.
    pub(crate) fn function_at(&self, pc: usize) -> usize {
        self.functions.partition_point(|f| f.start <= pc).saturating_sub(1)
    }
}
