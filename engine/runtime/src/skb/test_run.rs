//! The context `BPF_PROG_TEST_RUN` builds (`bpf_prog_test_run_skb`, `convert___skb_to_skb`).

use bpfreplay_uapi::{Errno, ProgType};

use super::hook::{self, ETH_HLEN, Refused};
use super::{Link, SkBuff};

/// Bytes of the longest frame it takes on x86-64: a page without headroom (64) and `skb_shared_info` (320).
pub const TEST_RUN_MAX: u32 = 4096 - 64 - 320;
/// `GSO_LEGACY_MAX_SIZE`, the limit of `wire_len`.
const GSO_LEGACY_MAX_SIZE: u32 = 65536;
/// The loopback device, which frames seem to come from.
const LOOPBACK: u32 = 1;
/// Its MTU.
const LOOPBACK_MTU: u32 = 65536;

/// How frames are shown by `BPF_PROG_TEST_RUN`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TestRun {
    context: Option<TestRunContext>,
    layer: Layer,
}

/// What programs see first of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Layer {
    /// The link header: `sched_cls`, `sched_act`.
    #[default]
    Link,
    /// The network header: the other types with a `struct __sk_buff`. [`SkBuff::restore_link_header`] gives what the
    /// kernel gives back.
    Network,
}

impl Layer {
    /// What programs of a type see under `BPF_PROG_TEST_RUN`.
    #[must_use]
    pub fn of(prog_type: ProgType) -> Layer {
        if matches!(prog_type, ProgType::SchedCls | ProgType::SchedAct) {
            Layer::Link
        } else {
            Layer::Network
        }
    }
}

/// What user space may set through `ctx_in`. Everything else in it must be 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "fields of struct __sk_buff")]
pub struct TestRunContext {
    pub mark: u32,
    pub priority: u32,
    pub ingress_ifindex: u32,
    /// 0 and 1 are the loopback device.
    pub ifindex: u32,
    pub cb: [u32; 5],
    pub tstamp: u64,
    /// 0: the frame's length.
    pub wire_len: u32,
    pub gso_segs: u32,
    /// The low 16 bits count.
    pub gso_size: u32,
    pub hwtstamp: u64,
}

impl TestRun {
    /// Without a context buffer.
    #[must_use]
    pub fn new() -> TestRun {
        TestRun::default()
    }

    /// With a context buffer.
    ///
    /// # Errors
    ///
    /// EINVAL for `gso_segs` above 65535 and for `wire_len` above 65536.
    pub fn with_context(context: TestRunContext) -> Result<TestRun, Errno> {
        if context.gso_segs > u32::from(u16::MAX) || context.wire_len > GSO_LEGACY_MAX_SIZE {
            return Err(Errno::EINVAL);
        }
        Ok(TestRun { context: Some(context), layer: Layer::Link })
    }

    /// Shown from this layer on.
    #[must_use]
    pub fn at_layer(self, layer: Layer) -> TestRun {
        TestRun { layer, ..self }
    }

    /// The frame is on the loopback device (address and broadcast address 0), its VLAN tags stay where they are.
    #[inline]
    pub(super) fn receive(&self, skb: &mut SkBuff, link: Link) -> Result<(), Refused> {
        if link != Link::Ethernet {
            return Err(Refused::NotEthernet);
        }
        if skb.len > TEST_RUN_MAX {
            return Err(Refused::TestRunTooLong);
        }
        let header = hook::ethernet(skb)?;
        let proto = hook::eth_type(skb, header.proto);
        let ip_header = match proto {
            0x0800 => 20,
            0x86dd => 40,
            _ => 0,
        };
        if skb.len < ETH_HLEN + ip_header {
            return Err(Refused::TestRunShortIp);
        }
        skb.protocol = proto.to_be();
        // The loopback device's address, and its broadcast address.
        skb.pkt_type = hook::pkt_type(header.dst, Some(0), 0);
        skb.ifindex = LOOPBACK;
        skb.mtu = LOOPBACK_MTU;
        hook::network_after_ethernet(skb);
        match self.layer {
            Layer::Link => {}
            Layer::Network => skb.trim_front(ETH_HLEN),
        }
        if let Some(context) = &self.context {
            context.apply(skb)?;
        }
        Ok(())
    }
}

impl TestRunContext {
    #[cold]
    fn apply(&self, skb: &mut SkBuff) -> Result<(), Refused> {
        skb.mark = self.mark;
        skb.priority = self.priority;
        skb.ingress_ifindex = self.ingress_ifindex;
        skb.ifindex = self.ifindex.max(LOOPBACK);
        skb.cb = self.cb;
        skb.tstamp = self.tstamp;
        skb.hwtstamp = self.hwtstamp;
        skb.gso_segs = self.gso_segs as u16;
        skb.gso_size = self.gso_size as u16;
        skb.wire_len = if self.wire_len == 0 { skb.len } else { self.wire_len };
        if skb.wire_len < skb.len { Err(Refused::TestRunWireLen) } else { Ok(()) }
    }
}
