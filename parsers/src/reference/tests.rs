//! Literal frames, one per protocol and one per reason at least. Linux 6.18 agreed,
//! in both editions, on each that `BPF_PROG_TEST_RUN` takes.

use std::collections::BTreeSet;

use super::{OuterTag, PROGRAMS_MAX, Parsed, parse};
use crate::{Proto, Reason, State};

/// Bytes from hexadecimal, blanks between them as the eye likes it.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn frame(parts: &[&str]) -> Vec<u8> {
    hex(&parts.concat())
}

/// Both MAC addresses; the EtherType follows.
const MACS: &str = "020000000001 020000000002";
const IP4: &str = "0800";
const IP6: &str = "86dd";
/// 20 bytes; `4500 LLLL 0001 FFFF 40PP ...` with length, fragment and protocol cut out.
const V4_ADDRESSES: &str = "0000 0a000001 0a000002";
const V6_ADDRESSES: &str = "20010db8000000000000000000000001 20010db8000000000000000000000002";
/// 20 bytes, ports 443 and 50000.
const TCP: &str = "01bb c350 00000001 00000000 5002 ffff 0000 0000";

/// An IPv4 header of five words that claims no length (offload), protocol `$p`.
macro_rules! v4 {
    ($p:literal) => {
        concat!("45000000 00010000 40", $p, "0000 0a000001 0a000002")
    };
}

/// An IPv6 header that claims no length, next header `$p`.
macro_rules! v6 {
    ($p:literal) => {
        concat!("60000000 0000", $p, "40 20010db8000000000000000000000001 20010db8000000000000000000000002")
    };
}

/// What the state has that is worth writing down for each frame.
fn offsets(state: &State) -> (Option<u16>, Option<u16>, Option<u16>, u16) {
    (state.l2_off, state.l3_off, state.l4_off, state.offset)
}

#[track_caller]
fn ends(parts: &[&str], path: &[&str], reason: Reason, offset: u16) -> Parsed {
    let parsed = parse(&frame(parts), OuterTag::InBytes);
    assert_eq!(parsed.path.names().collect::<Vec<_>>(), [&["packet_parser"], path].concat());
    assert_eq!((parsed.state.reason, parsed.state.offset), (reason, offset), "{}", parsed.state);
    assert_eq!(usize::from(parsed.state.hops), path.len());
    assert_eq!(State::decode(parsed.state.encode()), Ok(parsed.state));
    parsed
}

#[test]
fn tcp_over_ipv4_with_options() {
    let parsed = ends(
        &[MACS, IP4, "4600002c 00010000 40060000 0a000001 0a000002 94040000", TCP],
        &["parse_tcp"],
        Reason::Parsed,
        58,
    );
    assert_eq!(offsets(&parsed.state), (Some(0), Some(14), Some(38), 58));
    assert_eq!((parsed.state.sport, parsed.state.dport), (443, 50000));
    assert_eq!((parsed.state.ip_version, parsed.state.ip_proto), (4, 6));
    assert_eq!(parsed.retval(), 0);
    assert_eq!(parsed.headers[Proto::Tcp.index()], 1);
    assert_eq!(parsed.headers.iter().sum::<u16>(), 3);
}

#[test]
fn tcp_options_of_a_syn() {
    let syn = "01bb c350 00000001 00000000 a002 ffff 0000 0000 \
               020405b4 0402 080a 00000001 00000000 01 030307";
    let parsed = ends(&[MACS, IP4, v4!("06"), syn, "cafe"], &["parse_tcp"], Reason::Parsed, 74);
    assert_eq!(parsed.state.end, 76);
}

#[test]
fn vlan_tags_in_bytes_and_in_metadata() {
    let qinq = &[MACS, "88a8 0064 8100 0005", IP4, v4!("06"), TCP];
    let parsed = ends(qinq, &["parse_tcp"], Reason::Parsed, 62);
    assert_eq!(parsed.headers[Proto::Vlan.index()], 2);

    let rest = frame(&[MACS, "8100 0005", IP4, v4!("06"), TCP]);
    let parsed = parse(&rest, OuterTag::InMetadata);
    assert_eq!(parsed.headers[Proto::Vlan.index()], 2);
    assert_eq!(parsed.state.offset, 58);

    let four = "8100 0001 8100 0002 8100 0003 8100 0004";
    ends(&[MACS, four, IP4, v4!("06"), TCP], &["parse_tcp"], Reason::Parsed, 70);
    ends(&[MACS, four, "8100 0005", IP4], &[], Reason::TooManyVlan, 30);
    let parsed = parse(&frame(&[MACS, four, IP4, v4!("06"), TCP]), OuterTag::InMetadata);
    assert_eq!((parsed.state.reason, parsed.state.offset), (Reason::TooManyVlan, 26));
    ends(&[MACS, "8100 00"], &[], Reason::TruncVlan, 14);
}

#[test]
fn ethertypes_that_are_not_parsed() {
    let parsed = ends(&[MACS, "88cc 0207"], &[], Reason::UnknownEthertype, 14);
    assert_eq!(parsed.retval(), -1);
    assert_eq!(parsed.headers[Proto::Unknown.index()], 1);
    ends(&[MACS, "05ff 4242 03"], &[], Reason::UnknownLlc, 14);
    ends(&[MACS, "0600 4242 03"], &[], Reason::UnknownEthertype, 14);
}

#[test]
fn frames_shorter_than_a_header() {
    let parsed = ends(&[""], &[], Reason::TruncEthernet, 0);
    assert_eq!((offsets(&parsed.state), parsed.state.end), ((None, None, None, 0), 0));
    assert_eq!(parsed.retval(), 2);
    ends(&[MACS, "08"], &[], Reason::TruncEthernet, 0);
}

#[test]
fn mpls() {
    let parsed = ends(&[MACS, "8847 00010040 00011140", v4!("06"), TCP], &["parse_tcp"], Reason::Parsed, 62);
    assert_eq!(parsed.headers[Proto::Mpls.index()], 2);
    ends(&[MACS, "8848 00011140", v6!("06"), TCP], &["parse_tcp"], Reason::Parsed, 78);
    ends(&[MACS, "8847 00011140 00000000"], &[], Reason::UnknownMpls, 18);
    ends(&[MACS, "8847 00011140"], &[], Reason::TruncMpls, 18);
    ends(&[MACS, "8847 00010040 000111"], &[], Reason::TruncMpls, 18);
    ends(&[MACS, "8847", &"00010040".repeat(9)], &[], Reason::TooManyMpls, 46);
}

#[test]
fn arp() {
    let request = "0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002";
    let parsed = ends(&[MACS, "0806", request, "0000"], &[], Reason::Parsed, 42);
    assert_eq!(offsets(&parsed.state), (Some(0), Some(14), None, 42));
    assert_eq!(parsed.state.ip_version, 0);
    ends(&[MACS, "0806", "0001 0800 06 04 0001 0200"], &[], Reason::TruncArp, 14);
    ends(&[MACS, "0806", "0001 0800 06"], &[], Reason::TruncArp, 14);
    ends(&[MACS, "0806", "0001 0800 08 04 0001"], &[], Reason::BadArp, 14);
    ends(&[MACS, "0806", "0006 0800 08 06 0001"], &[], Reason::BadArp, 14);
    // IEEE 1394 (24) has addresses of another length, and may.
    ends(&[MACS, "0806", "0018 86dd 01 02 0001 aabbbb ccdddd"], &[], Reason::Parsed, 28);
}

#[test]
fn ipv4_malformed() {
    ends(&[MACS, IP4, "45000014 00010000 4006"], &[], Reason::TruncIpv4, 14);
    ends(&[MACS, IP4, "55000014 00010000 40060000", V4_ADDRESSES], &[], Reason::BadIpv4Version, 14);
    ends(&[MACS, IP4, "44000014 00010000 4006", V4_ADDRESSES], &[], Reason::BadIpv4Ihl, 14);
    ends(&[MACS, IP4, "45000013 00010000 4006", V4_ADDRESSES], &[], Reason::BadIpv4Length, 14);
    ends(&[MACS, IP4, "46000018 00010000 4006", V4_ADDRESSES], &[], Reason::TruncIpv4, 14);
    // An option longer than the list, one shorter than itself, one cut at its kind.
    for options in ["94050000", "94010000", "01010194"] {
        let header = &[MACS, IP4, "46000018 00010000 4006", V4_ADDRESSES, options];
        ends(header, &[], Reason::BadIpv4Options, 14);
    }
    // Behind the end of the list anything goes.
    let header = &[MACS, IP4, "46000018 00010000 40fd", V4_ADDRESSES, "0094ff01"];
    ends(header, &[], Reason::UnknownIpproto, 38);
}

#[test]
fn padding_behind_the_ip_length_is_not_the_packet() {
    let padded = &[MACS, IP4, "4500001c 00010000 4006", V4_ADDRESSES, TCP];
    let parsed = ends(padded, &["parse_tcp"], Reason::TruncTcp, 34);
    assert_eq!(parsed.state.end, 42);
    let padded = &[MACS, IP6, "60000000 0008 06 40", V6_ADDRESSES, TCP];
    let parsed = ends(padded, &["parse_tcp"], Reason::TruncTcp, 54);
    assert_eq!(parsed.state.end, 62);
}

#[test]
fn ipv4_fragments() {
    let first = &[MACS, IP4, "45000000 00012000 4006", V4_ADDRESSES, TCP];
    let parsed = ends(first, &["parse_tcp"], Reason::Parsed, 54);
    assert_eq!(parsed.headers[Proto::Ipv4Frag.index()], 1);
    let last = &[MACS, IP4, "45000000 00010001 4006", V4_ADDRESSES, TCP];
    let parsed = ends(last, &[], Reason::Fragment, 34);
    assert_eq!((parsed.retval(), parsed.state.l4_off), (0, None));
    let whole = &[MACS, IP4, "45000000 00014000 4006", V4_ADDRESSES, TCP];
    let parsed = ends(whole, &["parse_tcp"], Reason::Parsed, 54);
    assert_eq!(parsed.headers[Proto::Ipv4Frag.index()], 0);
}

#[test]
fn ipv6_extension_headers() {
    let hop_routing = "2b 00 0502 0000 0100 2c 00 0000 00000000";
    let fragment_ah_dest = "33 00 0001 00000007 3c 04 0000 00000001 00000001 \
                            000000000000000000000000 06 01 0000 00000000 0000000000000000";
    let parsed = ends(
        &[MACS, IP6, v6!("00"), hop_routing, fragment_ah_dest, TCP],
        &["parse_tcp"],
        Reason::Parsed,
        138,
    );
    assert_eq!(offsets(&parsed.state), (Some(0), Some(14), Some(118), 138));
    assert_eq!(parsed.headers[Proto::Ipv6Ext.index()], 5);
    assert_eq!((parsed.state.ip_version, parsed.state.ip_proto), (6, 6));

    let later = &[MACS, IP6, v6!("2c"), "06 00 0008 00000007", TCP];
    let parsed = ends(later, &[], Reason::Fragment, 62);
    assert_eq!(parsed.headers[Proto::Ipv6Frag.index()], 1);
    ends(&[MACS, IP6, v6!("3b"), "0000"], &[], Reason::Parsed, 54);
}

#[test]
fn ipv6_malformed() {
    ends(&[MACS, IP6, "60000000"], &[], Reason::TruncIpv6, 14);
    ends(&[MACS, IP6, "40000000 0000 0640", V6_ADDRESSES], &[], Reason::BadIpv6Version, 14);
    ends(&[MACS, IP6, v6!("3c"), "06000000"], &[], Reason::TruncIpv6Ext, 54);
    ends(&[MACS, IP6, v6!("3c"), "06010000 00000000"], &[], Reason::TruncIpv6Ext, 54);
    ends(&[MACS, IP6, v6!("3c"), "00000000 00000000", TCP], &[], Reason::BadIpv6Ext, 62);
    ends(&[MACS, IP6, v6!("33"), "06000000 00000000", TCP], &[], Reason::BadIpv6Ext, 54);
    let nine = &"3c000000 00000000".repeat(9);
    ends(&[MACS, IP6, v6!("3c"), nine, TCP], &[], Reason::TooManyIpv6Ext, 118);
}

#[test]
fn tcp_malformed() {
    let path = &["parse_tcp"];
    ends(&[MACS, IP4, v4!("06"), "01bb c350"], path, Reason::TruncTcp, 34);
    let ports = "01bb c350 00000001 00000000";
    let parsed = ends(&[MACS, IP4, v4!("06"), ports, "4002 ffff 00000000"], path, Reason::BadTcpDoff, 34);
    assert_eq!(parsed.state.dport, 50000);
    ends(&[MACS, IP4, v4!("06"), ports, "6002 ffff 00000000"], path, Reason::TruncTcp, 34);
    // MSS of 3 bytes, window scale of 4, SACK of 9, timestamps of 4, an unknown one of 1.
    for options in ["02030000", "03040000", "05090000", "08040000", "fd010000"] {
        let header = &[MACS, IP4, v4!("06"), ports, "6002 ffff 00000000", options];
        ends(header, path, Reason::BadTcpOptions, 34);
    }
}

#[test]
fn udp_and_its_ports() {
    let parsed =
        ends(&[MACS, IP4, v4!("11"), "c350 01bb 0009 0000 ab cd"], &["parse_udp"], Reason::Parsed, 42);
    assert_eq!(parsed.state.end, 43);
    ends(&[MACS, IP4, v4!("11"), "c350 01bb 00"], &["parse_udp"], Reason::TruncUdp, 34);
    ends(&[MACS, IP4, v4!("11"), "c350 01bb 0007 0000"], &["parse_udp"], Reason::BadUdpLength, 34);
    // A client's port that happens to be VXLAN's does not make its packet VXLAN.
    ends(&[MACS, IP4, v4!("11"), "12b5 01bb 0000 0000"], &["parse_udp"], Reason::Parsed, 42);
}

#[test]
fn dns() {
    let path = &["parse_udp", "parse_dns"];
    let query = "c350 0035 0000 0000";
    let header = "1234 0100 0001 0000 0000 0000";
    let question = "07 6578616d706c65 03 636f6d 00 0001 0001";
    let parsed = ends(&[MACS, IP4, v4!("11"), query, header, question], path, Reason::Parsed, 71);
    assert_eq!(offsets(&parsed.state), (Some(0), Some(14), Some(34), 71));
    let answer = "0035 c350 0000 0000";
    ends(&[MACS, IP4, v4!("11"), answer, header, question, "c00c"], path, Reason::Parsed, 71);
    let none = "1234 0100 0000 0000 0000 0000";
    ends(&[MACS, IP4, v4!("11"), query, none], path, Reason::Parsed, 54);

    ends(&[MACS, IP4, v4!("11"), query, "1234"], path, Reason::TruncDns, 42);
    ends(&[MACS, IP4, v4!("11"), query, header, "03 6162"], path, Reason::TruncDns, 42);
    ends(&[MACS, IP4, v4!("11"), query, header, "00 0001 00"], path, Reason::TruncDns, 42);
    ends(&[MACS, IP4, v4!("11"), query, header, "c00c 0001 0001"], path, Reason::BadDnsName, 42);
    let long = &("3f".to_owned() + &"61".repeat(63)).repeat(4);
    ends(&[MACS, IP4, v4!("11"), query, header, long, "00"], path, Reason::BadDnsName, 42);
}

#[test]
fn icmp_icmpv6_sctp() {
    ends(&[MACS, IP4, v4!("01"), "0800 f7ff 0001 0002"], &["parse_icmp"], Reason::Parsed, 42);
    ends(&[MACS, IP4, v4!("01"), "0800 f7ff 0001 00"], &["parse_icmp"], Reason::TruncIcmp, 34);
    ends(&[MACS, IP6, v6!("3a"), "8000 0000"], &["parse_icmpv6"], Reason::Parsed, 58);
    ends(&[MACS, IP6, v6!("3a"), "8000 00"], &["parse_icmpv6"], Reason::TruncIcmpv6, 54);

    let common = "0b59 0b5a 00000001 00000000";
    let path = &["parse_sctp"];
    let parsed = ends(&[MACS, IP4, v4!("84"), common, "0100 0014"], path, Reason::Parsed, 46);
    assert_eq!((parsed.state.sport, parsed.state.dport), (2905, 2906));
    ends(&[MACS, IP4, v4!("84"), common, "0100"], path, Reason::TruncSctp, 34);
    ends(&[MACS, IP4, v4!("84"), common, "0100 0003"], path, Reason::BadSctpChunk, 34);
}

#[test]
fn gre() {
    let inner_path = &["parse_gre", "parse_inner", "parse_tcp"];
    let parsed = ends(&[MACS, IP4, v4!("2f"), "0000 0800", v4!("06"), TCP], inner_path, Reason::Parsed, 78);
    assert_eq!(offsets(&parsed.state), (None, Some(38), Some(58), 78));
    assert_eq!(parsed.state.depth, 1);
    let all = "b000 86dd 12340000 00000001 00000002";
    ends(&[MACS, IP4, v4!("2f"), all, v6!("06"), TCP], inner_path, Reason::Parsed, 110);
    let bridged = &[MACS, IP4, v4!("2f"), "0000 6558", MACS, IP4, v4!("06"), TCP];
    let parsed = ends(bridged, inner_path, Reason::Parsed, 92);
    assert_eq!(parsed.state.l2_off, Some(38));
    let labels = &[MACS, IP4, v4!("2f"), "0000 8847 00011140", v4!("06"), TCP];
    ends(labels, inner_path, Reason::Parsed, 82);

    let path = &["parse_gre"];
    ends(&[MACS, IP4, v4!("2f"), "0000 88be"], path, Reason::UnknownGre, 38);
    ends(&[MACS, IP4, v4!("2f"), "3001 880b"], path, Reason::UnknownGre, 34);
    ends(&[MACS, IP4, v4!("2f"), "0002 0800"], path, Reason::BadGreVersion, 34);
    ends(&[MACS, IP4, v4!("2f"), "4000 0800"], path, Reason::BadGreRouting, 34);
    ends(&[MACS, IP4, v4!("2f"), "0000"], path, Reason::TruncGre, 34);
    ends(&[MACS, IP4, v4!("2f"), "2000 0800"], path, Reason::TruncGre, 34);
}

#[test]
fn vxlan() {
    let udp = "c350 12b5 0000 0000";
    let header = "08000000 00002a00";
    let inner = &[MACS, IP4, v4!("11"), udp, header, MACS, "8100 0007", IP6, v6!("06"), TCP];
    let path = &["parse_udp", "parse_vxlan", "parse_inner", "parse_tcp"];
    let parsed = ends(inner, path, Reason::Parsed, 128);
    assert_eq!(offsets(&parsed.state), (Some(50), Some(68), Some(108), 128));
    assert_eq!(parsed.headers[Proto::Ethernet.index()], 2);

    let path = &["parse_udp", "parse_vxlan"];
    ends(&[MACS, IP4, v4!("11"), udp, "00000000 00002a00"], path, Reason::BadVxlanFlags, 42);
    ends(&[MACS, IP4, v4!("11"), udp, "08000000"], path, Reason::TruncVxlan, 42);
    let path = &["parse_udp", "parse_vxlan", "parse_inner"];
    let parsed = ends(&[MACS, IP4, v4!("11"), udp, header], path, Reason::TruncEthernet, 50);
    assert_eq!((parsed.state.depth, parsed.state.l2_off), (1, None));
}

#[test]
fn nested_tunnels_meet_the_limit() {
    let nested = |depth: usize| [MACS, IP4, &v4!("04").repeat(depth), v4!("06"), TCP].concat();
    let parsed = parse(&hex(&nested(16)), OuterTag::InBytes);
    assert_eq!((parsed.state.reason, parsed.path.len()), (Reason::Parsed, PROGRAMS_MAX));
    assert_eq!((parsed.state.depth, parsed.state.hops), (16, 33));

    // The 17th cannot be entered: the state stays that of the packet around it.
    let parsed = parse(&hex(&nested(17)), OuterTag::InBytes);
    assert_eq!((parsed.state.reason, parsed.path.len()), (Reason::TailCallLimit, PROGRAMS_MAX));
    assert_eq!((parsed.state.depth, parsed.state.offset), (16, 14 + 17 * 20));
    assert_eq!(parsed.retval(), 2);
}

#[test]
fn headers_beyond_32_kib_are_not_looked_for() {
    let udp = "c350 12b5 0000 0000 08000000 00002a00";
    let mut long = frame(&[MACS, IP4, v4!("11"), udp, MACS, "88cc"]);
    long.resize(300_000, 0);
    let parsed = parse(&long, OuterTag::InBytes);
    assert_eq!((parsed.state.reason, parsed.state.end), (Reason::UnknownEthertype, 32767));
}

#[test]
fn every_reason_has_a_frame_here() {
    let text = include_str!("tests.rs");
    let missing: BTreeSet<&Reason> =
        Reason::ALL.iter().filter(|reason| !text.contains(&format!("Reason::{reason:?}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_prefix_of_a_frame_and_no_flipped_bit_panics() {
    let udp = "c350 12b5 0000 0000 08000000 00002a00";
    let whole = frame(&[MACS, IP4, v4!("11"), udp, MACS, "8847 00011140", v6!("2f"), "b0006558"]);
    for len in 0..=whole.len() {
        let parsed = parse(&whole[..len], OuterTag::InBytes);
        assert!(usize::from(parsed.state.offset) <= len);
        for bit in 0..len * 8 {
            let mut flipped = whole[..len].to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let parsed = parse(&flipped, OuterTag::InMetadata);
            assert!(parsed.state.offset <= parsed.state.end);
        }
    }
}
