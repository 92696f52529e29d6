//! How each call is done: decided once, from what the verifier proved and from where the runtime keeps things.

use bpfreplay_isa::Reg;
use bpfreplay_runtime::ContextKind;
use bpfreplay_runtime::helpers::{self, HelperFn};
use bpfreplay_uapi::HelperId;
use bpfreplay_verifier::Facts;

use crate::emit::lookup::Array;
use crate::emit::tail_call::Slots;
use crate::link::Link;
use crate::liveness::RegSet;

/// What is known of a program's calls.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) link: Link<'a>,
    /// What kind of context the program has.
    pub(crate) context: ContextKind,
}

/// A helper: in line where that is a few instructions, else a direct call.
pub(crate) enum HelperCall {
    /// A lookup in an array that is known is arithmetic; with a known key it is a constant.
    Array(Array, Option<u32>),
    /// The number of the worker.
    Cpu,
    /// The clock of the capture.
    Clock,
    /// Any other.
    Function(HelperFn),
}

/// A tail call through a prog array that is known, with its index if that is known.
pub(crate) struct KnownTailCall {
    pub(crate) slots: Slots,
    pub(crate) index: Option<u32>,
}

impl Plan<'_> {
    /// How to do the helper call at `pc`; `None` for a helper that this engine does not have.
    pub(crate) fn helper(&self, pc: usize, helper: HelperId) -> Option<HelperCall> {
        match helper {
            HelperId::MapLookupElem => self.map_lookup(pc),
            HelperId::GetSmpProcessorId => Some(HelperCall::Cpu),
            HelperId::KtimeGetNs
            | HelperId::KtimeGetBootNs
            | HelperId::KtimeGetCoarseNs
            | HelperId::KtimeGetTaiNs => Some(HelperCall::Clock),
            _ => helpers::function(helper, self.context).map(HelperCall::Function),
        }
    }

    /// A hash map that is known has a function for its key's size.
    fn map_lookup(&self, pc: usize) -> Option<HelperCall> {
        let accesses = &self.facts.map_accesses;
        let access =
            accesses.binary_search_by_key(&(pc as u32), |access| access.pc).map(|at| accesses[at]).ok();
        if let Some(access) = access
            && let Some(array) = self.link.array(access.map)
        {
            return Some(HelperCall::Array(array, access.key));
        }
        let special = access.and_then(|access| self.link.lookup_function(access.map));
        special.or_else(|| helpers::function(HelperId::MapLookupElem, self.context)).map(HelperCall::Function)
    }

    /// What is known of the tail call at `pc`, if its prog array is.
    pub(crate) fn tail_call(&self, pc: usize) -> Option<KnownTailCall> {
        let sites = &self.facts.tail_calls;
        let site = sites.binary_search_by_key(&(pc as u32), |site| site.pc).map(|at| sites[at]).ok()?;
        let slots = self.link.slots(site.map?)?;
        Some(KnownTailCall { slots, index: site.index.filter(|&index| index < slots.max_entries) })
    }

    /// The registers that the helper call at `pc` reads, done this way.
    pub(crate) fn helper_reads(&self, pc: usize, id: u32) -> RegSet {
        let Some(helper) = HelperId::from_id(id) else {
            return RegSet::args(Reg::ARGS.len());
        };
        match self.helper(pc, helper) {
            Some(HelperCall::Array(_, Some(_)) | HelperCall::Cpu | HelperCall::Clock) => RegSet::NONE,
            Some(HelperCall::Array(_, None)) => RegSet::NONE.with(Reg::R2),
            Some(HelperCall::Function(_)) | None => RegSet::args(helper.registers_read()),
        }
    }

    /// The registers whose old value is gone after the helper call at `pc`, done this way. A helper that leaves r1 to r5
    /// alone (`bpf_fastcall`) is in line, because a function of Rust would not.
    pub(crate) fn helper_clobbers(&self, pc: usize, id: u32) -> RegSet {
        let in_line = HelperId::from_id(id).and_then(|helper| self.helper(pc, helper));
        match in_line {
            Some(HelperCall::Cpu) => RegSet::NONE.with(Reg::R0),
            Some(HelperCall::Array(..) | HelperCall::Clock | HelperCall::Function(_)) | None => {
                RegSet::CLOBBERED
            }
        }
    }

    /// The registers that the tail call at `pc` reads, done this way.
    pub(crate) fn tail_call_reads(&self, pc: usize) -> RegSet {
        let ctx = RegSet::NONE.with(Reg::R1);
        match self.tail_call(pc) {
            Some(KnownTailCall { index: Some(_), .. }) => ctx,
            Some(KnownTailCall { index: None, .. }) => ctx.with(Reg::R3),
            None => ctx.with(Reg::R2).with(Reg::R3),
        }
    }
}
