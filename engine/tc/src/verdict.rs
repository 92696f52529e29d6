use bpfreplay_runtime::Redirect;
use bpfreplay_uapi::tc;

/// How a packet leaves a hook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No filter decided: accepted, `tc_index` as it was.
    Unspec,
    /// Accepted; `tc_index` is the minor number of the class.
    Ok,
    /// Dropped.
    Shot(DropReason),
    /// An action list ended in PIPE: accepted, later filters not run, `tc_index` as it was.
    Pipe,
    /// Consumed; not a drop.
    Stolen,
    /// Consumed, as [`Verdict::Stolen`].
    Queued,
    /// Consumed: sent to the device `bpf_redirect` named, or without one dropped silently.
    Redirect(Option<Redirect>),
    /// Consumed in software, as [`Verdict::Stolen`].
    Trap,
    /// A number without a meaning at the end of an action list: accepted.
    Other(i32),
}

/// Why a packet was dropped (`enum skb_drop_reason`, its `TC_*` members).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum DropReason {
    /// A filter's verdict at the ingress hook.
    TcIngress,
    /// A filter's verdict at the egress hook.
    TcEgress,
    /// More than `MAX_RECLASSIFY_LOOP` restarts.
    TcReclassifyLoop,
}

impl DropReason {
    /// The kernel's name, such as `TC_INGRESS`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::TcIngress => "TC_INGRESS",
            DropReason::TcEgress => "TC_EGRESS",
            DropReason::TcReclassifyLoop => "TC_RECLASSIFY_LOOP",
        }
    }
}

impl Verdict {
    /// The `TC_ACT_*` number.
    #[must_use]
    #[inline]
    pub const fn action(self) -> i32 {
        match self {
            Verdict::Unspec => tc::TC_ACT_UNSPEC,
            Verdict::Ok => tc::TC_ACT_OK,
            Verdict::Shot(_) => tc::TC_ACT_SHOT,
            Verdict::Pipe => tc::TC_ACT_PIPE,
            Verdict::Stolen => tc::TC_ACT_STOLEN,
            Verdict::Queued => tc::TC_ACT_QUEUED,
            Verdict::Redirect(_) => tc::TC_ACT_REDIRECT,
            Verdict::Trap => tc::TC_ACT_TRAP,
            Verdict::Other(action) => action,
        }
    }

    /// Why it was dropped, if it was.
    #[must_use]
    #[inline]
    pub const fn drop_reason(self) -> Option<DropReason> {
        match self {
            Verdict::Shot(reason) => Some(reason),
            Verdict::Unspec
            | Verdict::Ok
            | Verdict::Pipe
            | Verdict::Stolen
            | Verdict::Queued
            | Verdict::Redirect(_)
            | Verdict::Trap
            | Verdict::Other(_) => None,
        }
    }

    /// Whether the packet goes on to the stack (ingress) or the qdisc (egress).
    #[must_use]
    pub const fn accepted(self) -> bool {
        match self {
            Verdict::Unspec | Verdict::Ok | Verdict::Pipe | Verdict::Other(_) => true,
            Verdict::Shot(_) | Verdict::Stolen | Verdict::Queued | Verdict::Redirect(_) | Verdict::Trap => {
                false
            }
        }
    }
}
