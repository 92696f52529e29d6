use std::sync::Arc;

use bpfreplay_runtime::{Executable, SkBuff};
use bpfreplay_uapi::tc;

use crate::{Action, Reclassify};

/// One `cls_bpf` entry: which packets it sees, the program, and what its return value means.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Preference, ascending; 0 asks for an automatic one ([`crate::Hook::add`]).
    pub prio: u16,
    /// Which packets it sees.
    pub protocol: Protocol,
    /// The chain it is in; classification starts in chain 0.
    pub chain: u32,
    /// What the return value means.
    pub mode: Mode,
    /// Handle of the class it is bound to, `major << 16 | minor`; 0: none.
    pub classid: u32,
    /// What it runs.
    pub program: Arc<dyn Executable>,
}

/// Which packets an entry sees.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protocol {
    /// `ETH_P_ALL`.
    All,
    /// One EtherType, host order. A packet with a VLAN tag in its metadata has the tag's protocol.
    EtherType(u16),
}

/// What a program's return value means.
#[derive(Clone, Debug)]
pub enum Mode {
    /// `da`: a verdict.
    DirectAction,
    /// Classic: 0 is no match, -1 the filter's own class, anything else a class id; then these actions run
    /// ([`crate::TCA_ACT_MAX_PRIO`] of them at the most). Without actions a match is OK.
    Classid(Vec<Action>),
}

/// What one entry makes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FilterResult {
    /// A `TC_ACT_*` value; negative: go on with the next entry.
    pub action: i32,
    /// The class of a match.
    pub classid: u32,
}

const NO_MATCH: FilterResult = FilterResult { action: tc::TC_ACT_UNSPEC, classid: 0 };

impl Filter {
    /// A direct-action entry for all protocols in chain 0, with automatic preference and no class.
    #[must_use]
    pub fn direct_action(program: Arc<dyn Executable>) -> Filter {
        Filter { prio: 0, protocol: Protocol::All, chain: 0, mode: Mode::DirectAction, classid: 0, program }
    }

    /// A classid-mode entry for all protocols in chain 0, with automatic preference.
    #[must_use]
    pub fn classid(program: Arc<dyn Executable>, classid: u32, actions: Vec<Action>) -> Filter {
        Filter { mode: Mode::Classid(actions), classid, ..Filter::direct_action(program) }
    }

    /// linux: net/sched/cls_bpf.c cls_bpf_classify, the part after the program ran.
    #[inline]
    pub(crate) fn result(&self, retval: i32, skb: &SkBuff, reclassify: Reclassify) -> FilterResult {
        match &self.mode {
            Mode::DirectAction => FilterResult {
                action: direct_action(retval, reclassify),
                classid: (self.classid & TC_H_MAJ_MASK) | u32::from(skb.tc_classid),
            },
            Mode::Classid(actions) => self.classid_result(retval, actions),
        }
    }

    /// Out of the way of direct action, which nearly all programs use.
    #[inline(never)]
    fn classid_result(&self, retval: i32, actions: &[Action]) -> FilterResult {
        match retval {
            0 => NO_MATCH,
            -1 => FilterResult { action: crate::action::exec(actions), classid: self.classid },
            class => FilterResult { action: crate::action::exec(actions), classid: class as u32 },
        }
    }
}

const TC_H_MAJ_MASK: u32 = 0xffff_0000;

/// linux: net/sched/cls_bpf.c cls_bpf_exec_opcode. What is not listed reads as UNSPEC, RECLASSIFY with it: no
/// direct-action program restarts a classification, unless the hook is in our [`Reclassify::Verdict`] mode.
#[inline]
fn direct_action(retval: i32, reclassify: Reclassify) -> i32 {
    match retval {
        tc::TC_ACT_OK | tc::TC_ACT_SHOT | tc::TC_ACT_STOLEN | tc::TC_ACT_REDIRECT | tc::TC_ACT_TRAP => retval,
        tc::TC_ACT_RECLASSIFY if reclassify == Reclassify::Verdict => retval,
        _ => tc::TC_ACT_UNSPEC,
    }
}

impl Protocol {
    /// Whether a packet with this `skb_protocol` (network order, as the skb has it) is seen.
    #[must_use]
    #[inline]
    pub fn matches(self, protocol: u16) -> bool {
        match self {
            Protocol::All => true,
            Protocol::EtherType(ethertype) => ethertype.to_be() == protocol,
        }
    }
}

/// linux: include/linux/if_vlan.h skb_protocol(skb, false).
#[inline]
pub(crate) fn skb_protocol(skb: &SkBuff) -> u16 {
    if skb.vlan_present != 0 { skb.vlan_proto } else { skb.protocol }
}
