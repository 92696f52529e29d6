//! Every capture of `pcaps/`, in the order of the table in its README.

use std::path::{Path, PathBuf};

use pcap_file::Endianness::{Big, Little};

use crate::cases::{
    broken, dns, formats, gre, icmp, ipv4, ipv6, l2, links, malformed, mixed, mpls, pcapng, sctp, session,
    tcp, tunnels, vlan, vxlan,
};
use crate::file::Resolution::{MicroSecond, NanoSecond};
use crate::file::linktype;
use crate::wire::ethertype;

/// One committed capture.
#[derive(Clone, Copy, Debug)]
pub struct Capture {
    /// Path below `pcaps/`; the folder says whether it is generated, recorded, or broken on purpose.
    pub file: &'static str,
    /// What it shows, one line.
    pub shows: &'static str,
    /// Where it comes from.
    pub origin: Origin,
}

/// How a capture came to be.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// Rebuilt byte for byte by this function.
    Generated {
        /// The function's name below `bpfreplay_pcaps::cases`.
        case: &'static str,
        /// Gives the whole file.
        build: fn() -> Vec<u8>,
    },
    /// Recorded once from real stacks.
    Recorded {
        /// The section of `pcaps/record.sh` that records its like again.
        section: &'static str,
    },
}

/// The folder `pcaps/` of this source tree.
pub fn directory() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Capture {
    /// Where the file lies.
    pub fn path(&self) -> PathBuf {
        directory().join(self.file)
    }

    /// Whether a reader is expected to get through the whole file.
    pub fn is_readable(&self) -> bool {
        !self.file.starts_with("broken/")
    }
}

/// The paths of all captures a reader gets through, generated and recorded, in table order.
pub fn readable() -> Vec<PathBuf> {
    CAPTURES.iter().filter(|capture| capture.is_readable()).map(Capture::path).collect()
}

/// The paths of the files broken on purpose, in table order.
pub fn broken() -> Vec<PathBuf> {
    CAPTURES.iter().filter(|capture| !capture.is_readable()).map(Capture::path).collect()
}

macro_rules! captures {
    ($($file:literal, $shows:literal, $origin:expr;)*) => {
        &[$(Capture { file: $file, shows: $shows, origin: $origin }),*]
    };
}

macro_rules! generated {
    ($($path:ident)::+ $(($($argument:expr),*))?) => {
        Origin::Generated {
            case: stringify!($($path)::+ $(($($argument),*))?),
            build: generated!(@build $($path)::+ $(($($argument),*))?),
        }
    };
    (@build $($path:ident)::+) => { $($path)::+ };
    (@build $($path:ident)::+ ($($argument:expr),*)) => { || $($path)::+($($argument),*) };
}

const fn recorded(section: &'static str) -> Origin {
    Origin::Recorded { section }
}

/// All captures.
#[rustfmt::skip] // one line each: this is a table
pub const CAPTURES: &[Capture] = captures![
    "generated/mixed.pcap", "the demonstration: 4000 frames of TCP, UDP and ICMP over 200 flows, a tenth of them through VLAN, MPLS, GRE, IPIP or VXLAN, some ARP and SCTP, 1 % malformed", generated!(mixed::traffic);
    "generated/tcp_lossy_session.pcap", "120 kB between two smoltcp sockets with 4 % loss: retransmissions, duplicate ACKs, close", generated!(session::lossy_tcp);
    "generated/ipv4_options.pcap", "IPv4 options, right and wrong, headers of 24 to 60 bytes", generated!(ipv4::options);
    "generated/ipv4_fragments.pcap", "fragment trains: in order, reversed, with holes, overlapping, inside the TCP header", generated!(ipv4::fragmented);
    "generated/every_protocol.pcap", "all 256 protocol numbers over IPv4 and IPv6", generated!(ipv4::every_protocol);
    "generated/ipv6_extensions.pcap", "chains of hop-by-hop, routing, fragment, AH, destination, mobility, HIP and shim6 headers; ESP", generated!(ipv6::extensions);
    "generated/ipv6_long_chains.pcap", "1 to 24 destination options headers in a row", generated!(ipv6::long_chains);
    "generated/ipv6_neighbours.pcap", "neighbour discovery, echo, traffic class, flow label, empty payload", generated!(ipv6::neighbours);
    "generated/vlan.pcap", "802.1Q, 802.1ad and QinQ, one to five tags, before IPv4, IPv6, ARP, MPLS, LLC", generated!(vlan::tags);
    "generated/vlan_cut.pcap", "frames that end inside or behind a tag; tags that lie", generated!(vlan::cut_tags);
    "generated/mpls.pcap", "one to four labels and more, reserved labels, pseudowires, no bottom of stack", generated!(mpls::labels);
    "generated/gre.pcap", "GRE with each set of checksum, key and sequence around IPv4, IPv6, Ethernet, MPLS", generated!(gre::flags);
    "generated/gre_oddities.pcap", "GRE version 1, source routing, keepalive, ERSPAN, reserved bits, cut headers", generated!(gre::oddities);
    "generated/tunnels.pcap", "IPIP, 6in4, 4in6, 6in6 and GRE in each other", generated!(tunnels::mixed);
    "generated/tunnels_deep.pcap", "1 to 48 levels of IPIP, 6in6, GRE, Ethernet in GRE, VXLAN: past 33 tail calls", generated!(tunnels::deep);
    "generated/vxlan.pcap", "VXLAN around everything, flags, cut headers; VXLAN-GPE and Geneve beside it", generated!(vxlan::frames);
    "generated/sctp.pcap", "SCTP associations with CRC32c, bundled chunks, damaged chunks", generated!(sctp::associations);
    "generated/dns.pcap", "DNS over UDP and TCP, EDNS, mDNS; pointer loops, overlong labels, cut messages", generated!(dns::messages);
    "generated/icmp.pcap", "ICMP and ICMPv6: echoes, errors that quote, unknown types, cut headers", generated!(icmp::messages);
    "generated/tcp_options.pcap", "TCP options as stacks send them, and of length 0, 1, past the end", generated!(tcp::options);
    "generated/tcp_flags.pcap", "all 256 flag bytes, all data offsets, port 0", generated!(tcp::flags_and_offsets);
    "generated/arp.pcap", "ARP requests, replies, probes, announcements, RARP, odd lengths, cut", generated!(l2::arps);
    "generated/ethertypes.pcap", "802.3 with LLC and SNAP, control protocols, unknown EtherTypes, padding and trailers", generated!(l2::others);
    "generated/tiny.pcap", "frames of 0 to 64 bytes", generated!(l2::tiny);
    "generated/huge.pcap", "frames around 1514 and 3712 bytes, jumbo, 64 KiB of IPv4, 256 KiB", generated!(l2::huge);
    "generated/truncated_on_wire.pcap", "ten header chains cut after every byte", generated!(malformed::truncated_on_wire);
    "generated/truncated_by_snaplen.pcap", "the same cut by the capture: original length kept", generated!(malformed::truncated_by_snaplen);
    "generated/lying_lengths.pcap", "versions, IHL, total, payload and UDP lengths that cannot be", generated!(malformed::lying_lengths);
    "generated/mutated.pcap", "2000 frames with random bytes changed, a quarter also cut", generated!(malformed::mutated);
    "generated/link_raw.pcap", "raw IP, link type 101", generated!(links::raw(linktype::RAW));
    "generated/link_raw_12.pcap", "raw IP, link type 12 of old writers", generated!(links::raw(linktype::RAW_BSD));
    "generated/link_ipv4.pcap", "raw IPv4, link type 228", generated!(links::raw_family(linktype::IPV4, ethertype::IPV4));
    "generated/link_ipv6.pcap", "raw IPv6, link type 229", generated!(links::raw_family(linktype::IPV6, ethertype::IPV6));
    "generated/link_sll.pcap", "Linux cooked v1, all packet types, VLAN, cut", generated!(links::sll);
    "generated/link_sll2.pcap", "Linux cooked v2, two interfaces, VLAN, cut", generated!(links::sll2);
    "generated/link_null_le.pcap", "BSD null, little-endian, the three numbers of IPv6", generated!(links::null(Little));
    "generated/link_null_be.pcap", "BSD null, big-endian", generated!(links::null(Big));
    "generated/link_loop.pcap", "OpenBSD loop", generated!(links::looped);
    "generated/format_us_le.pcap", "pcap, µs, little-endian", generated!(formats::pcap(Little, MicroSecond));
    "generated/format_us_be.pcap", "pcap, µs, big-endian", generated!(formats::pcap(Big, MicroSecond));
    "generated/format_ns_le.pcap", "pcap, ns, little-endian", generated!(formats::pcap(Little, NanoSecond));
    "generated/format_ns_be.pcap", "pcap, ns, big-endian", generated!(formats::pcap(Big, NanoSecond));
    "generated/format_snaplen.pcap", "frames cut at 48 bytes", generated!(formats::snaplen);
    "generated/format_snaplen_zero.pcap", "a header that states snaplen 0", generated!(formats::snaplen_zero);
    "generated/format_odd_lengths.pcap", "records longer than the snaplen, original length 0", generated!(formats::odd_lengths);
    "generated/format_odd_times.pcap", "fractions of a second and more, times backwards", generated!(formats::odd_times);
    "generated/format_no_frames.pcap", "a header and no frame", generated!(formats::no_frames);
    "generated/format_fcs.pcap", "frames with FCS, announced in the link-type field", generated!(formats::fcs);
    "generated/format_le.pcapng", "pcapng, little-endian", generated!(pcapng::plain(Little));
    "generated/format_be.pcapng", "pcapng, big-endian", generated!(pcapng::plain(Big));
    "generated/format_interfaces.pcapng", "four interfaces of three link types, one described in mid-file", generated!(pcapng::interfaces);
    "generated/format_resolutions.pcapng", "if_tsresol 10^-0..10^-9 and 2^-0..2^-29, if_tsoffset both ways", generated!(pcapng::resolutions);
    "generated/format_simple_packets.pcapng", "simple packet blocks cut at 60 bytes", generated!(pcapng::simple_packets);
    "generated/format_sections.pcapng", "four sections of both byte orders", generated!(pcapng::sections);
    "generated/format_blocks.pcapng", "unknown, custom, secrets and statistics blocks; comments, flags, hashes", generated!(pcapng::blocks);
    "generated/format_loose_options.pcapng", "options without an end, a comment that is not UTF-8, original length 0", generated!(pcapng::loose_options);

    "recorded/tcp_loss.pcap", "300 kB of Linux TCP through a relay that loses 3 % of the frames and lets 3 % be overtaken: SACK, D-SACK, fast retransmission; ns", recorded("tcp_loss");
    "recorded/tcp_offload.pcap", "400 kB of Linux TCP with offload on: frames up to 64 KiB, checksums not filled in", recorded("tcp_offload");
    "recorded/http.pcapng", "curl and python's http.server over IPv4 and IPv6; two interfaces, of which lo with checksums not filled in", recorded("http");
    "recorded/dns.pcap", "dig and dnsmasq over UDP and TCP, IPv4 and IPv6: A, AAAA, CNAME, MX, TXT, SRV, misses, EDNS", recorded("dns");
    "recorded/icmp.pcap", "echoes, fragmented up to 20 kB, record-route and timestamp options; refused UDP ports; ARP without an answer", recorded("icmp");
    "recorded/ipv6.pcap", "neighbour and router discovery, MLD, echoes, fragments, hop-by-hop and destination options, refused ports, HTTP", recorded("ipv6");
    "recorded/vlan.pcap", "802.1Q VLAN 100, then 802.1ad VLAN 200 around it, pushed and popped by a tc program: ARP, ping, HTTP", recorded("vlan");
    "recorded/vxlan.pcap", "VXLAN with VNI 42: ARP, neighbour discovery, ping with inner fragments, HTTP", recorded("vxlan");
    "recorded/cooked.pcap", "all interfaces of a host, Linux cooked v2: ARP, ping, HTTP", recorded("cooked");

    "broken/empty.pcap", "no byte at all", generated!(broken::empty);
    "broken/text.pcap", "a text file", generated!(broken::text);
    "broken/bad_magic.pcap", "an unknown magic number", generated!(broken::bad_magic);
    "broken/modified_magic.pcap", "Kuznetzov's magic over ordinary records", generated!(broken::modified_magic);
    "broken/version.pcap", "pcap version 99", generated!(broken::version);
    "broken/link_type.pcap", "link type 147 (private use)", generated!(broken::link_type);
    "broken/cut_header.pcap", "half a file header", generated!(broken::cut_header);
    "broken/cut_record_header.pcap", "three frames and half a record header", generated!(broken::cut_record_header);
    "broken/cut_tail.pcap", "the last frame cut", generated!(broken::cut_tail);
    "broken/record_length.pcap", "a record of 4 GiB", generated!(broken::record_length);
    "broken/byte_order.pcapng", "a byte-order magic of neither order", generated!(broken::byte_order);
    "broken/cut_section.pcapng", "half a section header", generated!(broken::cut_section);
    "broken/cut_block.pcapng", "the last block cut", generated!(broken::cut_block);
    "broken/block_length_0.pcapng", "a block of total length 0", generated!(broken::block_length(0));
    "broken/block_length_odd.pcapng", "a block length that is no multiple of 4", generated!(broken::block_length(61));
    "broken/block_length_4g.pcapng", "a block of 4 GiB", generated!(broken::block_length(0xffff_fffc));
    "broken/trailer.pcapng", "the two lengths of a block differ", generated!(broken::trailer);
    "broken/no_interface.pcapng", "a packet of an interface never described", generated!(broken::no_interface);
    "broken/no_interface_at_all.pcapng", "a simple packet without any interface", generated!(broken::no_interface_at_all);
    "broken/captured_length.pcapng", "a captured length past the block", generated!(broken::captured_length);
    "broken/option_length.pcapng", "a packet option past the block", generated!(broken::option_length);
    "broken/interface_option_length.pcapng", "an interface option past the block", generated!(broken::interface_option_length);
    "broken/resolution.pcapng", "a time resolution of 10^-127 s", generated!(broken::resolution);
];
