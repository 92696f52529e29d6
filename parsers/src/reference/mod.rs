//! The same parse, natively: what every engine's run is held against.
//!
//! Written from the RFCs on `pnet_packet`'s views and on slices, not from the
//! C: there are no tail calls here, no `cb`, and no offsets to be checked. A
//! frame is a slice that gets shorter at both ends, and a protocol is a function
//! from what is left of it to what comes next. What the two must agree on is in
//! [`Parsed`].
//!
//! | file | what |
//! |---|---|
//! | `walk` | the packet, the path, and the step from one program to the next |
//! | `link` | Ethernet, VLAN, MPLS, ARP |
//! | `network` | IPv4, IPv6 and its extension headers |
//! | `transport` | TCP, UDP, ICMP, ICMPv6, SCTP |
//! | `tunnel` | GRE, VXLAN, IP in IP |
//! | `dns` | DNS |
//! | `options` | the option lists of IPv4 and TCP |

mod dns;
mod link;
mod network;
mod options;
mod path;
mod transport;
mod tunnel;
mod walk;

pub use path::{PROGRAMS_MAX, Path, Program};

use crate::{Proto, State};

/// Where the outer VLAN tag of a frame is, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OuterTag {
    /// In the bytes, or there is none: `BPF_PROG_TEST_RUN`, and tc egress.
    InBytes,
    /// In `vlan_tci` and `vlan_proto`, with `vlan_present` set: tc ingress.
    InMetadata,
}

/// What should be found in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The programs that should run, the entry first.
    pub path: Path,
    /// What they should leave in `cb`, the reason and the offsets among it.
    pub state: State,
    /// Headers found whole and valid, by [`Proto::index`]: what the frame adds
    /// to the packets of `proto_counters`.
    pub headers: [u16; Proto::COUNT],
}

impl Parsed {
    /// What the last program should return.
    #[must_use]
    pub fn retval(&self) -> i32 {
        self.state.reason.outcome().retval()
    }
}

/// Parses a frame from its Ethernet header on. Never panics, whatever the bytes.
#[must_use]
pub fn parse(frame: &[u8], outer_tag: OuterTag) -> Parsed {
    let tags = match outer_tag {
        OuterTag::InBytes => 0,
        OuterTag::InMetadata => 1,
    };
    walk::Walk::new(frame).run(tags)
}

#[cfg(test)]
mod tests;
