use std::sync::Arc;

use bpfreplay_isa::Insn;
use bpfreplay_program::Program;

/// A program the verifier accepted, in the form engines run.
///
/// `xlated` is what bpftool calls the xlated program: context accesses converted to the engine's own layout, dead code
/// removed, `call bpf_tail_call` turned into [`bpfreplay_isa::Instruction::TailCall`]. Map references are still
/// `ld_imm64` with an index into `program().maps`; engines put their addresses in.
///
/// Only the verifier makes one (its fields are private), and engines trust it.
#[derive(Clone, Debug)]
pub struct VerifiedProgram {
    pub(crate) program: Arc<Program>,
    pub(crate) xlated: Vec<Insn>,
    pub(crate) orig_pc: Vec<u32>,
    pub(crate) subprogs: Vec<Subprog>,
    pub(crate) facts: Facts,
    pub(crate) log: String,
}

/// One function of a verified program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subprog {
    /// First xlated slot.
    pub start: u32,
    /// One past its last xlated slot.
    pub end: u32,
    /// Bytes of stack it uses below r10: at most [`MAX_BPF_STACK`] and a budget.
    ///
    /// [`MAX_BPF_STACK`]: bpfreplay_uapi::limits::MAX_BPF_STACK
    pub stack_depth: u16,
    /// Whether it has a `may_goto`: then the lowest eight bytes of its stack are the budget, which its first
    /// instruction sets.
    pub has_budget: bool,
    /// Whether a tail call can happen in it or below it (`tail_call_reachable`).
    pub tail_call_reachable: bool,
    /// Whether it has a `LD_ABS` or `LD_IND`.
    pub has_ld_abs: bool,
}

/// What the verifier proved that engines can use. All pcs are xlated slots; lists ascend by pc.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Whether any instruction or helper may write packet bytes.
    pub writes_packet: bool,
    /// Whether any helper may move or resize the packet (part of [`Facts::writes_packet`]'s question for callers that
    /// use a capture's bytes in place).
    pub changes_packet_data: bool,
    /// Possible tail calls.
    pub tail_calls: Vec<TailCallSite>,
    /// Helper calls whose map is the same on every path.
    pub map_accesses: Vec<MapAccess>,
    /// Whether it can throw (`bpf_throw`).
    pub throws: bool,
    /// Where the function begins that is handed what is thrown; none: the program returns it.
    pub exception_callback: Option<u32>,
    /// Instructions processed over all paths, the kernel's measure of complexity.
    pub insns_processed: u32,
}

/// A possible tail call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TailCallSite {
    /// Where.
    pub pc: u32,
    /// Through which prog array, if it is one on every path.
    pub map: Option<u32>,
    /// With which index, if it is one known constant on every path and below `max_entries`.
    pub index: Option<u32>,
}

/// A helper call with a map known on every path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapAccess {
    /// Where.
    pub pc: u32,
    /// Index into the program's maps.
    pub map: u32,
    /// A 4-byte key that is one known constant on every path.
    pub key: Option<u32>,
}

impl VerifiedProgram {
    /// The program as it was given.
    #[must_use]
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The instructions engines run.
    #[must_use]
    pub fn xlated(&self) -> &[Insn] {
        &self.xlated
    }

    /// The original slot each xlated slot came from; for inserted instructions the one they belong to.
    #[must_use]
    pub fn orig_pc(&self) -> &[u32] {
        &self.orig_pc
    }

    /// The functions, by start; the first is the entry.
    #[must_use]
    pub fn subprogs(&self) -> &[Subprog] {
        &self.subprogs
    }

    /// What was proved.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The verifier's log at the level asked for.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }
}
