//! DNS over UDP and TCP.

use smoltcp::wire::TcpControl;

use super::{eth_ip, ethernet_capture};
use crate::wire::{DnsRecord, Ends, dns_name, dns_query, dns_response, protocol, segment, tcp, udp};

const A: u16 = 1;
const CNAME: u16 = 5;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const ANY: u16 = 255;

/// Questions and answers of several types, EDNS, mDNS, DNS over TCP in one and in two segments, and
/// messages no resolver would send.
pub(crate) fn messages() -> Vec<u8> {
    let mut frames = Vec::new();
    for ends in [Ends::v4(10, 53), Ends::v6(10, 53)].map(|ends| ends.ports(40_001, 53)) {
        frames.extend(over_udp(ends));
        frames.extend(over_tcp(ends));
        frames.extend(malformed(ends));
    }
    ethernet_capture(&frames)
}

fn over_udp(ends: Ends) -> Vec<Vec<u8>> {
    let record = |kind: u16, data: &[u8]| DnsRecord { kind, ttl: 300, data: data.to_vec() };
    let ask = |message: &[u8]| eth_ip(ends, protocol::UDP, &udp(ends, message));
    let answer = |message: &[u8]| eth_ip(ends.reply(), protocol::UDP, &udp(ends.reply(), message));
    let longest =
        [["a"; 31].join("."), ["b"; 31].join("."), ["c"; 31].join("."), ["d"; 30].join(".")].join(".");
    let long_text = [&[250][..], &[b't'; 250]].concat();
    let many: Vec<_> = (1..=40).map(|host| record(A, &[203, 0, 113, host])).collect();

    let mut edns = dns_query(5, "example.com", A);
    edns[11] = 1; // one additional record: the OPT pseudo-record of RFC 6891 section 6.1
    edns.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0]);

    let multicast = Ends { src_port: 5353, dst_port: 5353, ..ends };
    vec![
        ask(&dns_query(1, "example.com", A)),
        answer(&dns_response(1, "example.com", A, &[record(A, &[203, 0, 113, 10])])),
        ask(&dns_query(2, "example.com", AAAA)),
        answer(&dns_response(2, "example.com", AAAA, &[record(AAAA, &[0x20; 16])])),
        ask(&dns_query(3, "www.example.net", ANY)),
        answer(&dns_response(
            3,
            "www.example.net",
            ANY,
            &[
                record(CNAME, &dns_name("web.example.net")),
                record(MX, &[&[0, 10][..], &dns_name("mail.example.net")].concat()),
                record(TXT, &long_text),
            ],
        )),
        ask(&dns_query(4, &longest, A)),
        ask(&edns),
        answer(&dns_response(6, "many.example.org", A, &many)),
        ask(&dns_query(7, "", 2)), // the root
        eth_ip(multicast, protocol::UDP, &udp(multicast, &dns_query(0, "printer.local", A))),
    ]
}

fn over_tcp(ends: Ends) -> Vec<Vec<u8>> {
    let framed = |message: &[u8]| {
        // RFC 1035 section 4.2.2: a two-byte length in front.
        let len = u16::try_from(message.len()).expect("messages here are short");
        [&len.to_be_bytes()[..], message].concat()
    };
    let question = framed(&dns_query(9, "example.com", TXT));
    let (head, tail) = question.split_at(5);
    let text = DnsRecord { kind: TXT, ttl: 60, data: vec![3, b'y', b'e', b's'] };
    let reply = framed(&dns_response(9, "example.com", TXT, &[text]));
    let len32 = |bytes: &[u8]| u32::try_from(bytes.len()).expect("messages here are short");

    let there = |control, seq, ack, payload: &[u8]| {
        eth_ip(ends, protocol::TCP, &tcp(ends, &segment(ends, control, seq, ack, payload)))
    };
    let back = |control, seq, ack, payload: &[u8]| {
        let ends = ends.reply();
        eth_ip(ends, protocol::TCP, &tcp(ends, &segment(ends, control, seq, ack, payload)))
    };
    let (asked, answered) = (101 + len32(&question), 201 + len32(&reply));
    vec![
        there(TcpControl::Syn, 100, None, b""),
        back(TcpControl::Syn, 200, Some(101), b""),
        there(TcpControl::None, 101, Some(201), b""),
        there(TcpControl::Psh, 101, Some(201), head),
        there(TcpControl::Psh, 101 + len32(head), Some(201), tail),
        back(TcpControl::Psh, 201, Some(asked), &reply),
        there(TcpControl::Fin, asked, Some(answered), b""),
        back(TcpControl::Fin, answered, Some(asked + 1), b""),
        there(TcpControl::None, asked + 1, Some(answered + 1), b""),
    ]
}

fn malformed(ends: Ends) -> Vec<Vec<u8>> {
    let carry = |message: &[u8]| eth_ip(ends, protocol::UDP, &udp(ends, message));
    let whole = dns_query(11, "example.com", A);
    let mut pointer_loop = whole.clone();
    pointer_loop.truncate(12);
    pointer_loop.extend([0xc0, 0x0c, 0, 1, 0, 1]);
    let mut label_overruns = whole.clone();
    label_overruns[12] = 63;
    let mut reserved_label = whole.clone();
    reserved_label[12] = 0x80; // 10 in the two top bits is reserved (RFC 1035 section 4.1.4)
    let mut many_promised = whole.clone();
    many_promised[4..6].copy_from_slice(&[0xff, 0xff]);
    let mut frames =
        vec![carry(&pointer_loop), carry(&label_overruns), carry(&reserved_label), carry(&many_promised)];
    frames.extend((0..whole.len()).map(|len| carry(&whole[..len])));
    frames
}
