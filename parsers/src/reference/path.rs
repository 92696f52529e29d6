//! The programs a frame takes.

use std::fmt;
use std::ops::Deref;

/// Programs that can run for one frame: the entry and 33 tail calls
/// (the kernel's `MAX_TAIL_CALL_CNT`).
pub const PROGRAMS_MAX: usize = 34;

/// A program of the parsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// The entry.
    PacketParser,
    /// The re-entry for the packet inside a tunnel.
    ParseInner,
    /// `ipproto_jmp_table[6]`.
    ParseTcp,
    /// `ipproto_jmp_table[17]`.
    ParseUdp,
    /// `ipproto_jmp_table[1]`.
    ParseIcmp,
    /// `ipproto_jmp_table[58]`.
    ParseIcmpv6,
    /// `ipproto_jmp_table[132]`.
    ParseSctp,
    /// `ipproto_jmp_table[47]`.
    ParseGre,
    /// `ipproto_jmp_table[4]`.
    ParseIpip,
    /// `ipproto_jmp_table[41]`.
    ParseIp6,
    /// `port_jmp_table[4789]`.
    ParseVxlan,
    /// `port_jmp_table[53]`.
    ParseDns,
}

impl Program {
    /// Its C symbol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PacketParser => "packet_parser",
            Self::ParseInner => "parse_inner",
            Self::ParseTcp => "parse_tcp",
            Self::ParseUdp => "parse_udp",
            Self::ParseIcmp => "parse_icmp",
            Self::ParseIcmpv6 => "parse_icmpv6",
            Self::ParseSctp => "parse_sctp",
            Self::ParseGre => "parse_gre",
            Self::ParseIpip => "parse_ipip",
            Self::ParseIp6 => "parse_ip6",
            Self::ParseVxlan => "parse_vxlan",
            Self::ParseDns => "parse_dns",
        }
    }

    /// Who parses an IP protocol (IANA assigned Internet protocol numbers).
    pub(super) const fn of_ip_protocol(protocol: u8) -> Option<Self> {
        match protocol {
            1 => Some(Self::ParseIcmp),
            4 => Some(Self::ParseIpip),
            6 => Some(Self::ParseTcp),
            17 => Some(Self::ParseUdp),
            41 => Some(Self::ParseIp6),
            47 => Some(Self::ParseGre),
            58 => Some(Self::ParseIcmpv6),
            132 => Some(Self::ParseSctp),
            _ => None,
        }
    }

    /// Who parses what is sent to a UDP port, or sent back from it if it is a
    /// system port (RFC 6335: 0 to 1023). An ephemeral source port that happens
    /// to be a service's is nobody's.
    pub(super) fn of_udp_ports(source: u16, destination: u16) -> Option<Self> {
        let service = |port| match port {
            53 => Some(Self::ParseDns),
            4789 => Some(Self::ParseVxlan),
            _ => None,
        };
        service(destination).or_else(|| if source < 1024 { service(source) } else { None })
    }
}

/// The programs of one run in order, the entry first; at most [`PROGRAMS_MAX`].
#[derive(Clone, Copy)]
pub struct Path {
    programs: [Program; PROGRAMS_MAX],
    len: usize,
}

impl Path {
    pub(super) const fn new() -> Self {
        Self { programs: [Program::PacketParser; PROGRAMS_MAX], len: 1 }
    }

    /// Whether one more tail call would fail.
    pub(super) const fn is_full(&self) -> bool {
        self.len == PROGRAMS_MAX
    }

    /// Appends a program. The caller has seen that there is room.
    pub(super) fn push(&mut self, program: Program) {
        self.programs[self.len] = program;
        self.len += 1;
    }

    /// The C symbols, as the engine's own path has them.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.iter().map(|program| program.name())
    }
}

impl Deref for Path {
    type Target = [Program];

    fn deref(&self) -> &[Program] {
        &self.programs[..self.len]
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Path {}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
