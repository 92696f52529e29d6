use std::fmt;

use bpfreplay_runtime::helpers::Trace;
use bpfreplay_runtime::skb::Refused;
use bpfreplay_runtime::{ProgramId, SkBuff, XdpBuff};
use bpfreplay_tc::DropReason;

use crate::records::{Record, Records};
use crate::source::LinkType;

/// Why a frame was not run. It is counted, and never lost silently.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// Of a link type that is not supported.
    LinkType(LinkType),
    /// Shorter than the header of its link type.
    Short,
    /// Raw IP, and the version is neither 4 nor 6.
    IpVersion,
    /// A loopback frame of an address family that is not IP.
    AddressFamily,
    /// A cooked frame whose protocol has no EtherType.
    CookedProtocol,
    /// A cooked frame of a device that carries no packets.
    CookedDevice,
    /// Linux would not run a program on it at this hook.
    Hook(Refused),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::LinkType(link) => write!(f, "link type {link} is not supported"),
            Refusal::Short => f.write_str("shorter than the header of its link type"),
            Refusal::IpVersion => f.write_str("raw IP of a version that is neither 4 nor 6"),
            Refusal::AddressFamily => f.write_str("loopback frame of an address family that is not IP"),
            Refusal::CookedProtocol => f.write_str("cooked frame of a protocol without an EtherType"),
            Refusal::CookedDevice => f.write_str("cooked frame of a device that carries no packets"),
            Refusal::Hook(refused) => refused.fmt(f),
        }
    }
}

/// A frame and what became of it, as sinks see it: borrowed, valid until the worker takes the next one.
#[derive(Debug)]
pub struct FrameRecord<'a> {
    /// Number in the replay, from 1.
    pub number: u64,
    /// Capture time, nanoseconds since 1970.
    pub time_ns: u64,
    /// The frame as captured.
    pub captured: &'a [u8],
    /// Its length on the wire.
    pub orig_len: u32,
    /// Index of the interface it was captured on.
    pub interface: u32,
    /// What became of it.
    pub outcome: Result<Ran<'a>, Refusal>,
    /// The worker that ran it.
    pub cpu: u32,
    /// What programs left for user space.
    pub(crate) records: &'a Records,
    /// What programs printed.
    pub trace: &'a Trace,
}

impl FrameRecord<'_> {
    /// The records programs left for user space: map by map, each in its order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.records.iter()
    }
}

/// A frame that ran.
#[derive(Clone, Copy, Debug)]
pub struct Ran<'a> {
    /// r0 of the last program, as u32.
    pub retval: u32,
    /// The verdict, as [`Programs::verdict_name`](crate::Programs::verdict_name) names it: `TC_ACT_*`, `XDP_*`, what
    /// became of a frame at a socket. With the test-run hook, the return value (of a socket filter what it comes to).
    pub action: i32,
    /// Why it was dropped.
    pub drop_reason: Option<DropReason>,
    /// The programs it went through, over all filters and passes.
    pub path: &'a [ProgramId],
    /// Tail calls among them.
    pub tail_calls: u32,
    /// Of a socket filter, how many bytes of the packet the socket is given.
    pub kept: Option<u32>,
    /// The packet and its context after the run.
    pub packet: PacketView<'a>,
}

/// A packet and its context after a run.
#[derive(Clone, Copy, Debug)]
pub enum PacketView<'a> {
    /// With a `struct __sk_buff`.
    Skb(&'a SkBuff),
    /// With a `struct xdp_md`.
    Xdp(&'a XdpBuff),
}

impl<'a> PacketView<'a> {
    /// The context, if it is a `struct __sk_buff`.
    #[must_use]
    pub fn skb(self) -> Option<&'a SkBuff> {
        match self {
            PacketView::Skb(skb) => Some(skb),
            PacketView::Xdp(_) => None,
        }
    }

    /// The packet's bytes: the linear part and what lies beyond it.
    #[must_use]
    pub fn parts(self) -> [&'a [u8]; 2] {
        match self {
            PacketView::Skb(skb) => [skb.packet(), &[]],
            PacketView::Xdp(xdp) => [xdp.linear(), xdp.fragments()],
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}
