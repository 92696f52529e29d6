//! The programs of `bpf/` by hand, in Rust: what the engines are measured against.
//!
//! Compiled by rustc and not clang, with slices instead of pointers; the checks are the same ones the programs make.

use std::hint::black_box;

use crate::definition::Native;

/// A function in the table: the frame, and what is handed along.
type Parser = fn(&[u8], &mut State) -> u32;

/// What programs keep in maps and in `cb`.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Where the transport header starts.
    offset: usize,
    counters: [u64; 2],
}

/// `ipproto_jmp_table`.
pub(crate) struct Table([Option<Parser>; 256]);

const OK: u32 = 0;
const SHOT: u32 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Destination port 22, as it lies in the header.
const PORT_REFUSED: [u8; 2] = [0, 22];

impl Table {
    /// With parsers for TCP and UDP. The compiler shall not know what is in it.
    pub(crate) fn new() -> Table {
        let mut table: [Option<Parser>; 256] = [None; 256];
        table[usize::from(TCP)] = Some(parse_tcp);
        table[usize::from(UDP)] = Some(parse_udp);
        Table(black_box(table))
    }
}

impl Native {
    /// Runs a frame; the same verdicts as the program of the same name.
    #[inline]
    pub(crate) fn run(self, frame: &[u8], table: &Table, state: &mut State) -> u32 {
        match self {
            Native::Chain => packet_parser(frame, table, state),
            Native::OneProgram => one_program(frame, state),
            Native::Checksum => checksum(frame),
        }
    }
}

#[inline(never)]
fn packet_parser(frame: &[u8], table: &Table, state: &mut State) -> u32 {
    let Some((protocol, offset)) = network(frame) else { return OK };
    state.offset = offset;
    match table.0[usize::from(protocol)] {
        Some(parser) => parser(frame, state),
        None => OK,
    }
}

#[inline(never)]
fn parse_tcp(frame: &[u8], state: &mut State) -> u32 {
    tcp(frame, state.offset, state)
}

#[inline(never)]
fn parse_udp(frame: &[u8], state: &mut State) -> u32 {
    udp(frame, state.offset, state)
}

#[inline(never)]
fn one_program(frame: &[u8], state: &mut State) -> u32 {
    match network(frame) {
        Some((TCP, offset)) => tcp(frame, offset, state),
        Some((UDP, offset)) => udp(frame, offset, state),
        Some(_) | None => OK,
    }
}

/// Protocol and offset of the transport header.
#[inline(always)]
fn network(frame: &[u8]) -> Option<(u8, usize)> {
    let ethernet = frame.first_chunk::<14>()?;
    match [ethernet[12], ethernet[13]] {
        [0x08, 0x00] => {
            let ip = frame[14..].first_chunk::<20>()?;
            let words = usize::from(ip[0] & 0x0f);
            (words >= 5).then_some((ip[9], 14 + 4 * words))
        }
        [0x86, 0xdd] => {
            let ip = frame[14..].first_chunk::<40>()?;
            Some((ip[6], 54))
        }
        _ => None,
    }
}

#[inline(always)]
fn tcp(frame: &[u8], offset: usize, state: &mut State) -> u32 {
    let Some(header) = frame.get(offset..).and_then(|rest| rest.first_chunk::<20>()) else { return OK };
    state.counters[0] += 1;
    if [header[2], header[3]] == PORT_REFUSED { SHOT } else { OK }
}

#[inline(always)]
fn udp(frame: &[u8], offset: usize, state: &mut State) -> u32 {
    if frame.get(offset..).and_then(|rest| rest.first_chunk::<8>()).is_some() {
        state.counters[1] += 1;
    }
    OK
}

#[inline(never)]
fn checksum(frame: &[u8]) -> u32 {
    let mut sum = 0u64;
    for index in 0..750 {
        let at = 14 + 2 * index;
        let Some(&[low, high]) = frame.get(at..at + 2) else { break };
        sum += u64::from(u16::from_le_bytes([low, high]));
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    if sum & 0xffff != 0 { OK } else { SHOT }
}

impl State {
    /// Frames counted, so that nothing of the work can be left out.
    pub(crate) fn counted(&self) -> u64 {
        self.counters.iter().sum()
    }
}
