//! Why a run ended: `enum parse_reason` of `bpf/parser.h`.

/// The three kinds of ending, each with its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Parsed as far as there is something to parse: `TC_ACT_OK`.
    Accepted,
    /// A protocol without a parser: `TC_ACT_UNSPEC`, the next filter decides.
    Unknown,
    /// Not what its RFC says, or nested too deep: `TC_ACT_SHOT`.
    Malformed,
}

impl Outcome {
    /// The programs' return value (include/uapi/linux/pkt_cls.h).
    #[must_use]
    pub const fn retval(self) -> i32 {
        match self {
            Self::Accepted => 0,
            Self::Unknown => -1,
            Self::Malformed => 2,
        }
    }
}

/// Declares the reasons once: variant, kind of ending, text.
macro_rules! reasons {
    ($($variant:ident $outcome:ident $text:literal,)*) => {
        /// How a run of the parsers ended, as the last program left it in `cb` and
        /// as `parse_errors` is indexed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason {
            $(#[doc = concat!("The frame is counted as: ", $text, ".")] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of `enum parse_reason`.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What a report says, in a few words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The kind of ending, which is the verdict.
            #[must_use]
            pub const fn outcome(self) -> Outcome {
                match self {
                    $(Self::$variant => Outcome::$outcome,)*
                }
            }
        }
    };
}

reasons! {
    Parsed Accepted "parsed",
    Fragment Accepted "fragment without its first bytes",
    UnknownLlc Unknown "802.3 length instead of an EtherType",
    UnknownEthertype Unknown "unknown EtherType",
    UnknownMpls Unknown "MPLS payload neither IPv4 nor IPv6",
    UnknownIpproto Unknown "unknown IP protocol",
    UnknownGre Unknown "unknown GRE protocol type",
    TruncEthernet Malformed "truncated Ethernet header",
    TruncVlan Malformed "truncated VLAN tag",
    TruncMpls Malformed "truncated MPLS label stack",
    TruncArp Malformed "truncated ARP packet",
    TruncIpv4 Malformed "truncated IPv4 header",
    TruncIpv6 Malformed "truncated IPv6 header",
    TruncIpv6Ext Malformed "truncated IPv6 extension header",
    TruncTcp Malformed "truncated TCP header",
    TruncUdp Malformed "truncated UDP header",
    TruncIcmp Malformed "truncated ICMP header",
    TruncIcmpv6 Malformed "truncated ICMPv6 header",
    TruncSctp Malformed "truncated SCTP header or first chunk",
    TruncGre Malformed "truncated GRE header",
    TruncVxlan Malformed "truncated VXLAN header",
    TruncDns Malformed "truncated DNS header or question",
    TooManyVlan Malformed "more than 4 VLAN tags",
    TooManyMpls Malformed "more than 8 MPLS labels",
    TooManyIpv6Ext Malformed "more than 8 IPv6 extension headers",
    BadArp Malformed "ARP address lengths contradict the types",
    BadIpv4Version Malformed "IPv4 version is not 4",
    BadIpv4Ihl Malformed "IPv4 header length below 5 words",
    BadIpv4Length Malformed "IPv4 total length below the header's",
    BadIpv4Options Malformed "malformed IPv4 options",
    BadIpv6Version Malformed "IPv6 version is not 6",
    BadIpv6Ext Malformed "misplaced hop-by-hop options, or an authentication header too short",
    BadTcpDoff Malformed "TCP data offset below 5 words",
    BadTcpOptions Malformed "malformed TCP options",
    BadUdpLength Malformed "UDP length below the header's",
    BadSctpChunk Malformed "SCTP chunk shorter than its header",
    BadGreVersion Malformed "GRE version above 1",
    BadGreRouting Malformed "GRE with RFC 1701 routing",
    BadVxlanFlags Malformed "VXLAN without a valid VNI",
    BadDnsName Malformed "malformed DNS question name",
    TailCallLimit Malformed "tunnels nested beyond 33 tail calls",
}

impl Reason {
    /// The reason numbered `number`, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its index in `parse_errors`.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_list_as_in_c() {
        let ours: Vec<String> = Reason::ALL.iter().map(|reason| format!("{reason:?}")).collect();
        assert_eq!(crate::proto::c_enum("parse_reason", "REASON_"), ours);
    }

    #[test]
    fn outcomes_change_where_the_c_markers_stand() {
        let last = |outcome| Reason::ALL.iter().rposition(|reason| reason.outcome() == outcome);
        assert_eq!(last(Outcome::Accepted), Some(Reason::Fragment as usize));
        assert_eq!(last(Outcome::Unknown), Some(Reason::UnknownGre as usize));
        assert!(Reason::ALL.is_sorted_by_key(|reason| reason.outcome()));
        let header = include_str!("../bpf/parser.h");
        assert!(header.contains("REASON_LAST_OK = REASON_FRAGMENT,"));
        assert!(header.contains("REASON_LAST_UNKNOWN = REASON_UNKNOWN_GRE,"));
    }

    #[test]
    fn numbers_round_trip() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_number(reason.number()), Some(*reason));
        }
        assert_eq!(Reason::from_number(u8::try_from(Reason::ALL.len()).unwrap()), None);
    }
}
