//! SCTP associations, whole and damaged.

use super::{eth_ip, ethernet_capture};
use crate::wire::{Ends, protocol, sctp, sctp_chunk};

// Chunk types (RFC 9260 section 3.2).
const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const HEARTBEAT: u8 = 4;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;

/// An association from INIT to SHUTDOWN COMPLETE over both families, then damaged packets.
pub(crate) fn associations() -> Vec<u8> {
    let mut frames = Vec::new();
    for ends in [Ends::v4(1, 2), Ends::v6(1, 2)].map(|ends| ends.ports(36_412, 36_412)) {
        frames.extend(association(ends));
        frames.extend(damaged(ends));
    }
    ethernet_capture(&frames)
}

fn association(ends: Ends) -> Vec<Vec<u8>> {
    const OURS: u32 = 0x1111_1111;
    const THEIRS: u32 = 0x2222_2222;
    let init = |tag: u32, tsn: u32| {
        let streams = [0, 10, 0, 10];
        [&tag.to_be_bytes()[..], &65_536u32.to_be_bytes(), &streams, &tsn.to_be_bytes()].concat()
    };
    let data = |tsn: u32, text: &[u8]| {
        let begin_and_end = 0x03;
        sctp_chunk(
            DATA,
            begin_and_end,
            &[&tsn.to_be_bytes()[..], &[0, 1, 0, 0], &[0, 0, 0, 0], text].concat(),
        )
    };
    let sack =
        |tsn: u32| sctp_chunk(SACK, 0, &[&tsn.to_be_bytes()[..], &65_536u32.to_be_bytes(), &[0; 4]].concat());
    let there = |tag: u32, chunks: &[Vec<u8>]| eth_ip(ends, protocol::SCTP, &sctp(ends, tag, chunks));
    let back =
        |tag: u32, chunks: &[Vec<u8>]| eth_ip(ends.reply(), protocol::SCTP, &sctp(ends.reply(), tag, chunks));
    vec![
        there(0, &[sctp_chunk(INIT, 0, &init(OURS, 1))]),
        back(
            OURS,
            &[sctp_chunk(INIT_ACK, 0, &[&init(THEIRS, 100)[..], &[0, 7, 0, 12], b"a cookie"].concat())],
        ),
        there(THEIRS, &[sctp_chunk(COOKIE_ECHO, 0, b"a cookie"), data(1, b"first, bundled")]),
        back(OURS, &[sctp_chunk(COOKIE_ACK, 0, b""), sack(1)]),
        there(THEIRS, &[data(2, b"one"), data(3, b"two"), data(4, &[0x5c; 1200])]),
        back(OURS, &[sack(4)]),
        there(THEIRS, &[sctp_chunk(HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4])]),
        there(THEIRS, &[sctp_chunk(SHUTDOWN, 0, &100u32.to_be_bytes())]),
        back(OURS, &[sctp_chunk(SHUTDOWN_ACK, 0, b"")]),
        there(THEIRS, &[sctp_chunk(SHUTDOWN_COMPLETE, 0, b"")]),
    ]
}

fn damaged(ends: Ends) -> Vec<Vec<u8>> {
    let carry = |bytes: &[u8]| eth_ip(ends, protocol::SCTP, bytes);
    let abort = sctp(ends, 7, &[sctp_chunk(ABORT, 0, &[0, 12, 0, 8, b'l', b'o', b's', b't'])]);
    let mut wrong_sum = abort.clone();
    wrong_sum[8] ^= 1;
    let with_chunk_len = |len: u8| {
        let mut bytes = abort.clone();
        bytes[15] = len;
        bytes
    };
    let mut frames = vec![
        carry(&wrong_sum),
        carry(&with_chunk_len(0)),
        carry(&with_chunk_len(3)),
        carry(&with_chunk_len(255)),
        carry(&sctp(ends, 7, &[])),                            // no chunk at all
        carry(&sctp(ends, 7, &[sctp_chunk(0xc1, 0, b"new")])), // a type to skip and report
    ];
    frames.extend((0..=16).map(|len| carry(&abort[..len])));
    frames
}
