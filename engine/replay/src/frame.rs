use std::fmt;

use bpfreplay_runtime::helpers::Trace;
use bpfreplay_runtime::skb::Refused;
use bpfreplay_runtime::{ProgramId, SkBuff};
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
    /// The verdict, `TC_ACT_*`. With the test-run hook, the return value.
    pub action: i32,
    /// Why it was dropped.
    pub drop_reason: Option<DropReason>,
    /// The programs it went through, over all filters and passes.
    pub path: &'a [ProgramId],
    /// Tail calls among them.
    pub tail_calls: u32,
    /// The packet and its context after the run.
    pub skb: &'a SkBuff,
}
