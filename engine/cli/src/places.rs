//! Where the entry is put, by its type and `--hook`.

use std::sync::Arc;

use anyhow::bail;
use bpfreplay_replay::Pipeline;
use bpfreplay_runtime::Executable;
use bpfreplay_runtime::skb::{self, Device, Layer, Stamp, TestRun, TestRunContext};
use bpfreplay_runtime::xdp::XdpHook;
use bpfreplay_tc::{Direction, Filter};
use bpfreplay_uapi::ProgType;
use bpfreplay_uapi::xdp::{BPF_XDP_CPUMAP, BPF_XDP_DEVMAP};

use crate::lowargs::Hook;

/// How frames are shown to programs of a type that have a `struct __sk_buff`.
pub(crate) fn hook(hook: Hook, prog_type: ProgType) -> skb::Hook {
    match hook {
        // The capture's clock is the only one a replay has: programs that look at tstamp should find it there.
        Hook::Ingress => skb::Hook::Ingress(Device { stamp: Stamp::Capture, ..Device::default() }),
        Hook::Egress => skb::Hook::Egress(Device::default()),
        // As with ctx_out, which is how bpftool gets at mark, priority and cb: wire_len is the frame's length.
        Hook::TestRun => skb::Hook::TestRun(
            TestRun::with_context(TestRunContext::default())
                .expect("a context of zeroes is in range")
                .at_layer(Layer::of(prog_type)),
        ),
    }
}

/// What frames go through.
pub(crate) fn pipeline(entry: &Arc<dyn Executable>, hook: Hook) -> anyhow::Result<Pipeline> {
    let info = entry.info();
    let of = |what| format!("program '{}' is of type {}, {what}", info.name, info.prog_type.name());
    let entry = Arc::clone(entry);
    Ok(match (info.prog_type, hook) {
        (ProgType::SchedCls | ProgType::SchedAct, Hook::Ingress) => clsact(entry, Direction::Ingress)?,
        (ProgType::SchedCls | ProgType::SchedAct, Hook::Egress) => clsact(entry, Direction::Egress)?,
        (ProgType::SocketFilter, Hook::Ingress | Hook::Egress) => Pipeline::Socket(entry),
        (
            ProgType::SchedCls
            | ProgType::SchedAct
            | ProgType::SocketFilter
            | ProgType::CgroupSkb
            | ProgType::LwtIn
            | ProgType::LwtOut
            | ProgType::LwtXmit
            | ProgType::LwtSeg6local,
            Hook::TestRun,
        ) => Pipeline::TestRun(entry),
        (ProgType::Xdp, _) if matches!(info.expected_attach_type, BPF_XDP_DEVMAP | BPF_XDP_CPUMAP) => {
            bail!(of("for frames that another program redirects: neither a device nor a test run enters it"))
        }
        (ProgType::Xdp, Hook::Ingress) => Pipeline::Xdp(entry, XdpHook::Ingress(Device::default())),
        (ProgType::Xdp, Hook::TestRun) => Pipeline::Xdp(entry, XdpHook::TestRun),
        (ProgType::Xdp, Hook::Egress) => bail!(of("which sees frames that come in: try --hook ingress")),
        (
            ProgType::CgroupSkb
            | ProgType::LwtIn
            | ProgType::LwtOut
            | ProgType::LwtXmit
            | ProgType::LwtSeg6local,
            Hook::Ingress | Hook::Egress,
        ) => bail!(of("which needs sockets or routes that a capture has not: try --hook test-run")),
        (ProgType::Kprobe | ProgType::Tracepoint, _) => bail!(of("which takes no frames")),
    })
}

fn clsact(entry: Arc<dyn Executable>, direction: Direction) -> anyhow::Result<Pipeline> {
    let mut hook = bpfreplay_tc::Hook::new(direction);
    hook.add(Filter::direct_action(entry))?;
    Ok(Pipeline::Tc(hook))
}
