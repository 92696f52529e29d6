//! The packet that is left, the path so far, and what comes next.

use super::{Parsed, Path, Program, dns, link, network, transport, tunnel};
use crate::{Layer, Proto, Reason, State};

/// Bytes of a frame in which headers are looked for (`PARSE_MAX`).
const PARSE_MAX: usize = 0x7fff;

/// What a header leads to.
pub(super) enum Next {
    /// Nothing: the run is over.
    End(Reason),
    /// The payload of IP, by protocol number.
    IpProtocol(u8),
    /// The payload of UDP, by source and destination port.
    UdpPorts(u16, u16),
    /// A packet of its own.
    Inner(Layer),
}

/// A parse under way.
pub(super) struct Walk<'a> {
    /// The frame up to where the innermost packet ends.
    bytes: &'a [u8],
    /// How many of `bytes` are parsed; never more than there are.
    at: usize,
    path: Path,
    /// Without `offset`, `end`, `reason` and `hops`, which the rest tells.
    pub(super) state: State,
    headers: [u16; Proto::COUNT],
}

impl<'a> Walk<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self {
            bytes: &frame[..frame.len().min(PARSE_MAX)],
            at: 0,
            path: Path::new(),
            state: State {
                offset: 0,
                layer: Layer::Ethernet,
                reason: Reason::Parsed,
                l2_off: None,
                l3_off: None,
                l4_off: None,
                end: 0,
                hops: 0,
                depth: 0,
                ip_proto: 0,
                ip_version: 0,
                sport: 0,
                dport: 0,
            },
            headers: [0; Proto::COUNT],
        }
    }

    /// The whole run, for a frame `tags` of whose VLAN tags are in metadata.
    pub(super) fn run(mut self, tags: usize) -> Parsed {
        for _ in 0..tags {
            self.found(Proto::Vlan);
        }
        let mut next = link::ethernet(&mut self, tags);
        let reason = loop {
            next = match next {
                Next::End(reason) => break reason,
                // The limit is looked at before the table.
                _ if self.path.is_full() => {
                    if let Next::Inner(layer) = next {
                        self.state.layer = layer;
                    }
                    break Reason::TailCallLimit;
                }
                Next::IpProtocol(protocol) => match Program::of_ip_protocol(protocol) {
                    Some(program) => self.tail_call(program),
                    None => Next::End(Reason::UnknownIpproto),
                },
                Next::UdpPorts(source, destination) => match Program::of_udp_ports(source, destination) {
                    Some(program) => self.tail_call(program),
                    None => Next::End(Reason::Parsed),
                },
                Next::Inner(layer) => {
                    self.state.layer = layer;
                    self.tail_call(Program::ParseInner)
                }
            };
        };
        self.finish(reason)
    }

    fn tail_call(&mut self, program: Program) -> Next {
        self.path.push(program);
        match program {
            Program::PacketParser => link::ethernet(self, 0),
            Program::ParseInner => self.inner(),
            Program::ParseTcp => transport::tcp(self),
            Program::ParseUdp => transport::udp(self),
            Program::ParseIcmp => transport::icmp(self),
            Program::ParseIcmpv6 => transport::icmpv6(self),
            Program::ParseSctp => transport::sctp(self),
            Program::ParseGre => tunnel::gre(self),
            Program::ParseIpip => tunnel::ip_in_ip(self, Proto::Ipip, Layer::Ipv4),
            Program::ParseIp6 => tunnel::ip_in_ip(self, Proto::Ip6, Layer::Ipv6),
            Program::ParseVxlan => tunnel::vxlan(self),
            Program::ParseDns => dns::message(self),
        }
    }

    fn inner(&mut self) -> Next {
        self.state = State {
            l2_off: None,
            l3_off: None,
            l4_off: None,
            depth: self.state.depth + 1,
            ip_proto: 0,
            ip_version: 0,
            sport: 0,
            dport: 0,
            ..self.state
        };
        match self.state.layer {
            Layer::Ethernet => link::ethernet(self, 0),
            Layer::Mpls => link::mpls(self),
            Layer::Ipv4 => network::ipv4(self),
            Layer::Ipv6 => network::ipv6(self),
        }
    }

    fn finish(mut self, reason: Reason) -> Parsed {
        if reason.outcome() == crate::Outcome::Unknown {
            self.found(Proto::Unknown);
        }
        let small = |at: usize| u16::try_from(at).expect("PARSE_MAX fits in 16 bits");
        self.state.offset = small(self.at);
        self.state.end = small(self.bytes.len());
        self.state.reason = reason;
        self.state.hops = u8::try_from(self.path.len() - 1).expect("at most 33");
        Parsed { path: self.path, state: self.state, headers: self.headers }
    }

    /// What of the innermost packet is not parsed yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Where that begins in the frame.
    pub(super) fn at(&self) -> Option<u16> {
        u16::try_from(self.at).ok()
    }

    /// Passes a header of `len` bytes, which the caller has seen to be there.
    pub(super) fn pass(&mut self, len: usize) {
        self.at = (self.at + len).min(self.bytes.len());
    }

    /// The packet is `len` bytes long from here, if that is less than there is.
    pub(super) fn cut(&mut self, len: usize) {
        self.bytes = &self.bytes[..self.bytes.len().min(self.at + len)];
    }

    /// Counts a header.
    pub(super) fn found(&mut self, proto: Proto) {
        self.headers[proto.index()] += 1;
    }
}
