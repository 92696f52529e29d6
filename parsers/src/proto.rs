//! The slots of `proto_counters`: `enum proto_slot` of `bpf/parser.h`.

/// Declares the slots once: variant, name in reports, what is counted.
macro_rules! protos {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// A header kind, counted once for each header found whole and valid.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Proto {
            $(#[doc = $doc] $variant,)*
        }

        impl Proto {
            /// Every slot, in the order of `enum proto_slot`.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name a report uses.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

protos! {
    Ethernet "ethernet" "Ethernet headers, inner ones included.",
    Vlan "vlan" "VLAN tags, the one in metadata included.",
    Mpls "mpls" "MPLS labels.",
    Arp "arp" "ARP packets.",
    Ipv4 "ipv4" "IPv4 headers.",
    Ipv4Frag "ipv4-fragment" "IPv4 fragments, first ones included.",
    Ipv6 "ipv6" "IPv6 headers.",
    Ipv6Ext "ipv6-extension" "IPv6 extension headers, fragment headers included.",
    Ipv6Frag "ipv6-fragment" "IPv6 fragment headers.",
    Tcp "tcp" "TCP headers.",
    Udp "udp" "UDP headers.",
    Icmp "icmp" "ICMP headers.",
    Icmpv6 "icmpv6" "ICMPv6 headers.",
    Sctp "sctp" "SCTP packets.",
    Gre "gre" "GRE headers.",
    Ipip "ipip" "IPv4 packets inside IP (protocol 4).",
    Ip6 "ip6" "IPv6 packets inside IP (protocol 41).",
    Vxlan "vxlan" "VXLAN headers.",
    Dns "dns" "DNS messages.",
    Unknown "unknown" "Packets that took the default path.",
}

impl Proto {
    /// How many slots `proto_counters` has.
    pub const COUNT: usize = Self::ALL.len();

    /// Its index in `proto_counters`.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The items of an enum in `bpf/parser.h`, as Rust spells them.
#[cfg(test)]
pub(crate) fn c_enum(name: &str, prefix: &str) -> Vec<String> {
    let header = include_str!("../bpf/parser.h");
    let (_, body) = header.split_once(&format!("enum {name} {{")).expect("the enum is in parser.h");
    let (body, _) = body.split_once("};").expect("the enum ends");
    body.lines()
        .filter_map(|line| line.trim().strip_prefix(prefix)?.split_once(','))
        .map(|(item, _)| item)
        .filter(|item| !item.starts_with("LAST") && *item != "MAX")
        .map(|item| {
            let word = |word: &str| word[..1].to_owned() + &word[1..].to_lowercase();
            item.split('_').map(word).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_list_as_in_c() {
        let ours: Vec<String> = Proto::ALL.iter().map(|proto| format!("{proto:?}")).collect();
        assert_eq!(c_enum("proto_slot", "PROTO_"), ours);
    }
}
