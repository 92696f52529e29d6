use bpfreplay_runtime::{Batch, Context, ExecutionContext, SkBuff};
use bpfreplay_uapi::limits::MAX_RECLASSIFY_LOOP;
use bpfreplay_uapi::tc;

use crate::action::{TCA_ACT_MAX_PRIO, is_extended};
use crate::filter::{Filter, Mode, Protocol, skb_protocol};
use crate::verdict::{DropReason, Verdict};

/// The preference the first filter without one gets (linux: `TC_H_MAKE(0xC0000000)`).
const FIRST_AUTOMATIC_PRIO: u16 = 0xc000;

/// A clsact hook: its filters in the order they are asked.
#[derive(Clone, Debug)]
pub struct Hook {
    direction: Direction,
    reclassify: Reclassify,
    /// By (chain, prio, protocol); within one of these the newest first.
    filters: Vec<Filter>,
}

/// Which of the two hooks of clsact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Before the stack.
    Ingress,
    /// Before the qdisc.
    Egress,
}

/// Who may restart a classification.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reclassify {
    /// Linux: only the actions of classid-mode filters. A direct-action program's RECLASSIFY reads as UNSPEC.
    #[default]
    Linux,
    /// Ours: a direct-action program's RECLASSIFY restarts the list too, with what the program left in the frame, its
    /// mark, cb and tc_index, under the same limit.
    Verdict,
}

/// What a classification came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Classified {
    /// How the packet leaves the hook.
    pub verdict: Verdict,
    /// r0 of the last program that ran, as u32; 0 if none did.
    pub retval: u32,
    /// Programs run (each with all its tail calls).
    pub runs: u32,
    /// Restarts by RECLASSIFY and GOTO_CHAIN.
    pub restarts: u32,
}

/// Where a classification goes after a filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// Nowhere: the filter decided.
    Done,
    /// To the next filter of the chain.
    Filter,
    /// To the first filter of this chain: a restart.
    Chain(u32),
}

/// Sees every program run of a classification while its path and context are still there.
pub trait Observer {
    /// A filter's program ended with this r0. (A fault the interpreter stopped at is in `exec`.)
    fn ran(&mut self, exec: &ExecutionContext, skb: &SkBuff, retval: u32);
}

/// Looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn ran(&mut self, _: &ExecutionContext, _: &SkBuff, _: u32) {}
}

/// Why a filter cannot be added.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HookError {
    /// One preference, two protocols.
    #[error(
        "protocol mismatch for filter with specified priority {prio}: the filters there are for {existing:?}"
    )]
    ProtocolMismatch {
        /// The preference.
        prio: u16,
        /// The protocol of the filters that have it.
        existing: Protocol,
    },
    /// A list of actions too long.
    #[error("{count} actions on one filter: the limit is {TCA_ACT_MAX_PRIO}")]
    TooManyActions {
        /// How many there are.
        count: usize,
    },
    /// No preference is left below the lowest one.
    #[error("no automatic priority left: a filter has priority 1")]
    NoPriorityLeft,
}

impl Hook {
    /// A hook without filters: it accepts everything, with verdict [`Verdict::Unspec`].
    #[must_use]
    pub fn new(direction: Direction) -> Hook {
        Hook { direction, reclassify: Reclassify::Linux, filters: Vec::new() }
    }

    /// Says who may restart a classification.
    #[must_use]
    pub fn with_reclassify(mut self, reclassify: Reclassify) -> Hook {
        self.reclassify = reclassify;
        self
    }

    /// Adds a filter where `tc filter add` would: by chain and preference, before older ones of the same preference.
    /// Preference 0 becomes 49152, or one less than the lowest there is: later ones run first.
    ///
    /// # Errors
    ///
    /// A preference that has another protocol already, too many actions, or no preference left.
    pub fn add(&mut self, mut filter: Filter) -> Result<(), HookError> {
        if let Mode::Classid(actions) = &filter.mode
            && actions.len() > TCA_ACT_MAX_PRIO
        {
            return Err(HookError::TooManyActions { count: actions.len() });
        }
        let in_chain = || self.filters.iter().filter(|other| other.chain == filter.chain);
        if filter.prio == 0 {
            filter.prio = match in_chain().map(|other| other.prio).min() {
                None => FIRST_AUTOMATIC_PRIO,
                Some(lowest) if lowest > 1 => lowest - 1,
                Some(_) => return Err(HookError::NoPriorityLeft),
            };
        } else if let Some(other) =
            in_chain().find(|other| other.prio == filter.prio && other.protocol != filter.protocol)
        {
            return Err(HookError::ProtocolMismatch { prio: filter.prio, existing: other.protocol });
        }
        let key = (filter.chain, filter.prio);
        let at = self.filters.partition_point(|other| (other.chain, other.prio) < key);
        self.filters.insert(at, filter);
        Ok(())
    }

    /// The filters in the order they are asked.
    #[must_use]
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// Which hook it is.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Runs a packet through the filters and sets `tc_index` by the verdict.
    ///
    /// linux: net/core/dev.c tc_run, net/sched/cls_api.c __tcf_classify, net/sched/cls_bpf.c cls_bpf_classify.
    #[inline]
    pub fn classify(
        &self,
        skb: &mut SkBuff,
        batch: &mut Batch<'_>,
        observer: &mut impl Observer,
    ) -> Classified {
        batch.redirect = None;
        let mut done = Classified { verdict: Verdict::Unspec, retval: 0, runs: 0, restarts: 0 };
        // Chain 0 sorts first. Nearly always its first filter decides, or is the only one: that is the short way.
        let Some(first) = self.filters.first().filter(|filter| filter.chain == 0) else { return done };
        match self.ask(first, skb, batch, observer, &mut done) {
            Next::Done => {}
            Next::Filter if self.filters.len() == 1 => {}
            next => self.walk(next, skb, batch, observer, &mut done),
        }
        done
    }

    /// Goes on after the first filter.
    #[inline(never)]
    fn walk(
        &self,
        mut next: Next,
        skb: &mut SkBuff,
        batch: &mut Batch<'_>,
        observer: &mut impl Observer,
        done: &mut Classified,
    ) {
        let (mut at, mut chain) = (0, 0);
        loop {
            match next {
                Next::Done => return,
                Next::Filter => at += 1,
                Next::Chain(_) if done.restarts == MAX_RECLASSIFY_LOOP => {
                    done.verdict = Verdict::Shot(DropReason::TcReclassifyLoop);
                    return;
                }
                Next::Chain(number) => {
                    done.restarts += 1;
                    chain = number;
                    at = self.filters.partition_point(|filter| filter.chain < chain);
                }
            }
            let Some(filter) = self.filters.get(at).filter(|filter| filter.chain == chain) else { return };
            next = self.ask(filter, skb, batch, observer, done);
        }
    }

    /// Asks one filter.
    #[inline(always)]
    fn ask(
        &self,
        filter: &Filter,
        skb: &mut SkBuff,
        batch: &mut Batch<'_>,
        observer: &mut impl Observer,
        done: &mut Classified,
    ) -> Next {
        if !filter.protocol.matches(skb_protocol(skb)) {
            return Next::Filter;
        }
        skb.tc_classid = filter.classid as u16;
        done.retval = filter.program.run(Context::Skb(skb), batch) as u32;
        done.runs += 1;
        observer.ran(batch, skb, done.retval);
        let result = filter.result(done.retval as i32, skb, self.reclassify);
        match result.action {
            tc::TC_ACT_OK => {
                skb.tc_index = result.classid as u16;
                done.verdict = Verdict::Ok;
                Next::Done
            }
            // RECLASSIFY starts again in chain 0, whichever chain asked; GOTO_CHAIN never comes back.
            tc::TC_ACT_RECLASSIFY => Next::Chain(0),
            action if action < 0 => Next::Filter,
            action if is_extended(action, tc::TC_ACT_GOTO_CHAIN) => {
                Next::Chain((action & tc::TC_ACT_EXT_VAL_MASK) as u32)
            }
            action => {
                done.verdict = self.verdict(action, batch);
                Next::Done
            }
        }
    }

    #[inline(never)]
    fn verdict(&self, action: i32, exec: &ExecutionContext) -> Verdict {
        match action {
            tc::TC_ACT_OK => Verdict::Ok,
            tc::TC_ACT_SHOT => Verdict::Shot(match self.direction {
                Direction::Ingress => DropReason::TcIngress,
                Direction::Egress => DropReason::TcEgress,
            }),
            tc::TC_ACT_PIPE => Verdict::Pipe,
            tc::TC_ACT_STOLEN => Verdict::Stolen,
            tc::TC_ACT_QUEUED => Verdict::Queued,
            tc::TC_ACT_REDIRECT => Verdict::Redirect(exec.redirect),
            tc::TC_ACT_TRAP => Verdict::Trap,
            other => Verdict::Other(other),
        }
    }
}
