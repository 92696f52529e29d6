use std::sync::Arc;

use bpfreplay_runtime::skb::Layer;
use bpfreplay_runtime::xdp::XdpHook;
use bpfreplay_runtime::{Batch, Context, Executable, SkBuff, XdpBuff};
use bpfreplay_tc::{DropReason, Hook};
use bpfreplay_uapi::{ProgType, xdp};

use crate::programs::kept;
use crate::tally::Tally;

/// What a frame goes through.
#[derive(Clone, Debug)]
pub enum Pipeline {
    /// A live tc hook.
    Tc(Hook),
    /// A filter on a packet socket (`AF_PACKET`, `SOCK_RAW`): what it returns is how many bytes the socket is given.
    Socket(Arc<dyn Executable>),
    /// One program as `BPF_PROG_TEST_RUN` runs it: no filters, and the verdict is the return value as it is.
    TestRun(Arc<dyn Executable>),
    /// An XDP program. At a live hook what is no `XDP_*` is `XDP_ABORTED`.
    Xdp(Arc<dyn Executable>, XdpHook),
}

/// What a pipeline says of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PipelineResult {
    pub retval: u32,
    pub action: i32,
    pub drop_reason: Option<DropReason>,
    pub restarts: u32,
    /// Of a socket filter.
    pub kept: Option<u32>,
}

/// A packet through a tc hook.
#[inline]
pub(crate) fn through_tc(
    hook: &Hook,
    skb: &mut SkBuff,
    batch: &mut Batch<'_>,
    tally: &mut Tally,
) -> PipelineResult {
    let done = hook.classify(skb, batch, tally);
    PipelineResult {
        retval: done.retval,
        action: done.verdict.action(),
        drop_reason: done.verdict.drop_reason(),
        restarts: done.restarts,
        kept: None,
    }
}

/// A packet through a socket's filter.
#[inline]
pub(crate) fn through_socket(
    program: &Arc<dyn Executable>,
    skb: &mut SkBuff,
    batch: &mut Batch<'_>,
    tally: &mut Tally,
) -> PipelineResult {
    batch.redirect = None;
    let retval = program.run(Context::Skb(skb), batch) as u32;
    tally.ran(batch);
    kept_of(retval, skb.len())
}

/// A packet through one program.
#[inline]
pub(crate) fn through_test_run(
    program: &Arc<dyn Executable>,
    skb: &mut SkBuff,
    batch: &mut Batch<'_>,
    tally: &mut Tally,
) -> PipelineResult {
    let prog_type = program.info().prog_type;
    let result = if prog_type == ProgType::SocketFilter {
        through_socket(program, skb, batch, tally)
    } else {
        batch.redirect = None;
        let retval = program.run(Context::Skb(skb), batch) as u32;
        tally.ran(batch);
        number(retval, retval)
    };
    skb.restore_link_header(Layer::of(prog_type));
    result
}

/// A frame through an XDP program.
#[inline]
pub(crate) fn through_xdp(
    program: &Arc<dyn Executable>,
    hook: &XdpHook,
    frame: &mut XdpBuff,
    batch: &mut Batch<'_>,
    tally: &mut Tally,
) -> PipelineResult {
    batch.redirect = None;
    let retval = program.run(Context::Xdp(frame), batch) as u32;
    tally.ran(batch);
    match hook {
        // `bpf_warn_invalid_xdp_action`, and on as after XDP_ABORTED.
        XdpHook::Ingress(_) if retval > xdp::XDP_REDIRECT => number(retval, xdp::XDP_ABORTED),
        XdpHook::Ingress(_) | XdpHook::TestRun => number(retval, retval),
    }
}

fn number(retval: u32, action: u32) -> PipelineResult {
    PipelineResult { retval, action: action.cast_signed(), drop_reason: None, restarts: 0, kept: None }
}

/// `packet_rcv`: the socket is given so many bytes, all of them at the most.
fn kept_of(retval: u32, len: u32) -> PipelineResult {
    let action = match retval {
        0 => kept::DROPPED,
        bytes if bytes < len => kept::TRUNCATED,
        _ => kept::WHOLE,
    };
    PipelineResult { retval, action, drop_reason: None, restarts: 0, kept: Some(retval.min(len)) }
}
