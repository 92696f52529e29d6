use byteorder_slice::{BigEndian, ByteOrder, LittleEndian};
use pcap_file::pcapng::RawBlock;
use pcap_file::pcapng::blocks::{
    ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, PACKET_BLOCK, SECTION_HEADER_BLOCK,
    SIMPLE_PACKET_BLOCK,
};
use pcap_file::pcapng::{PcapNgFormatError, RawBlockParseError};

use crate::source::time::Clock;
use crate::source::{
    Frame, Indexed, Interface, Interfaces, LinkType, MAX_FRAME_LEN, MAX_PACKET_RECORD, SourceError, Stop,
};

/// Bytes around the body of a block: type and length before, length after.
const BLOCK_OVERHEAD: usize = 12;
/// Where the body begins.
const BODY: usize = 8;
/// `if_name`, `if_tsresol`, `if_tsoffset`.
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// A pcapng file being read: the section it is in.
///
/// Blocks are split by pcap-file's raw layer; what is in them is decoded here, because the typed layer refuses whole
/// files over an option that nobody reads.
#[derive(Debug)]
pub(crate) struct PcapNg {
    big_endian: bool,
    /// Interfaces of the section.
    section: Vec<SectionInterface>,
    /// The time of the last frame that had one: simple packet blocks do not.
    last_time_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct SectionInterface {
    number: u32,
    clock: Clock,
    snaplen: u32,
}

/// What a block contributes.
enum Content {
    Frame(Frame),
    Nothing,
}

impl PcapNg {
    /// Before the first section header, which the stream has to begin with.
    pub(crate) fn new() -> PcapNg {
        PcapNg { big_endian: false, section: Vec::new(), last_time_ns: 0 }
    }

    /// Adds the frames of the whole blocks in `bytes` to `frames`.
    pub(crate) fn index(
        &mut self,
        bytes: &[u8],
        offset: u64,
        frames: &mut Vec<Frame>,
        interfaces: &mut Interfaces,
    ) -> Result<Indexed, (usize, SourceError)> {
        let mut rest = bytes;
        loop {
            let consumed = bytes.len() - rest.len();
            let here = offset + consumed as u64;
            let split = if self.big_endian {
                RawBlock::from_slice::<BigEndian>(rest)
            } else {
                RawBlock::from_slice::<LittleEndian>(rest)
            };
            let (after, block) = match split {
                Ok(split) => split,
                Err(RawBlockParseError::IncompleteBuffer(..)) => {
                    let stop = self.incomplete(rest, here).map_err(|e| (consumed, e))?;
                    return Ok(Indexed { consumed, stop });
                }
                Err(RawBlockParseError::InvalidFormat(reason)) => {
                    return Err((consumed, bad_block(here, format_error(&reason))));
                }
            };
            let content = if block.type_ == SECTION_HEADER_BLOCK {
                self.section_header(&block.body, here).map(|()| Content::Nothing)
            } else if self.big_endian {
                self.content::<BigEndian>(block.type_, &block.body, here, consumed, interfaces)
            } else {
                self.content::<LittleEndian>(block.type_, &block.body, here, consumed, interfaces)
            };
            match content.map_err(|e| (consumed, e))? {
                Content::Frame(frame) => {
                    self.last_time_ns = frame.time_ns;
                    frames.push(frame);
                }
                Content::Nothing => {}
            }
            rest = after;
        }
    }

    /// What to do about a block that is not whole: read on, or, if nobody needs it and it is huge, skip it.
    fn incomplete(&self, rest: &[u8], here: u64) -> Result<Stop, SourceError> {
        if rest.len() < BLOCK_OVERHEAD {
            return Ok(Stop::Need(BLOCK_OVERHEAD));
        }
        let read = |at: usize, big| read_u32(&rest[at..], big);
        let kind = read(0, self.big_endian);
        // The length of a section header is in the byte order that its own magic tells.
        let big = if kind == SECTION_HEADER_BLOCK { rest[8] == 0x1a } else { self.big_endian };
        let len = read(4, big);
        if len as usize <= MAX_PACKET_RECORD {
            return Ok(Stop::Need(len as usize));
        }
        match kind {
            SECTION_HEADER_BLOCK
            | INTERFACE_DESCRIPTION_BLOCK
            | ENHANCED_PACKET_BLOCK
            | SIMPLE_PACKET_BLOCK
            | PACKET_BLOCK => Err(SourceError::RecordTooLarge { offset: here, len: u64::from(len) }),
            _ => Ok(Stop::Skip(u64::from(len))),
        }
    }

    fn section_header(&mut self, body: &[u8], here: u64) -> Result<(), SourceError> {
        let Some(magic) = body.get(..4) else {
            return Err(bad_block(here, "a section header of less than 4 bytes".to_owned()));
        };
        // The raw layer accepted the magic, so it is one of two.
        self.big_endian = magic[0] == 0x1a;
        self.section.clear();
        Ok(())
    }

    #[inline]
    fn content<B: ByteOrder>(
        &mut self,
        kind: u32,
        body: &[u8],
        here: u64,
        consumed: usize,
        interfaces: &mut Interfaces,
    ) -> Result<Content, SourceError> {
        match kind {
            ENHANCED_PACKET_BLOCK => {
                // interface, time high, time low, captured, original, bytes
                let header = fixed::<20>(body, here, "enhanced packet block")?;
                let [interface, high, low, captured, original] = words::<B, 5>(header);
                self.packet(
                    here,
                    body,
                    consumed,
                    &Packet { interface, high, low, captured, original, header: 20 },
                )
            }
            PACKET_BLOCK => {
                // As above, with the interface and a drop count in 16 bits each.
                let header = fixed::<20>(body, here, "packet block")?;
                let interface = u32::from(B::read_u16(header));
                let [_, high, low, captured, original] = words::<B, 5>(header);
                self.packet(
                    here,
                    body,
                    consumed,
                    &Packet { interface, high, low, captured, original, header: 20 },
                )
            }
            SIMPLE_PACKET_BLOCK => self.simple_packet::<B>(here, body, consumed),
            INTERFACE_DESCRIPTION_BLOCK => self.interface::<B>(here, body, interfaces),
            _ => Ok(Content::Nothing),
        }
    }

    #[inline]
    fn packet(
        &self,
        here: u64,
        body: &[u8],
        consumed: usize,
        packet: &Packet,
    ) -> Result<Content, SourceError> {
        let Some(interface) = self.section.get(packet.interface as usize) else {
            return Err(bad_block(
                here,
                format!(
                    "a frame of interface {}, and {} are described",
                    packet.interface,
                    self.section.len()
                ),
            ));
        };
        let units = u64::from(packet.high) << 32 | u64::from(packet.low);
        frame(here, body, consumed, packet, interface, interface.clock.nanoseconds(units))
    }

    /// A simple packet block: interface 0, no time (the last one read stays), and the captured length follows from
    /// the snapshot length.
    fn simple_packet<B: ByteOrder>(
        &self,
        here: u64,
        body: &[u8],
        consumed: usize,
    ) -> Result<Content, SourceError> {
        let original = B::read_u32(fixed::<4>(body, here, "simple packet block")?);
        let Some(interface) = self.section.first() else {
            return Err(bad_block(here, "a simple packet block in a section without interfaces".to_owned()));
        };
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let captured = original.min(snaplen);
        let packet = Packet { interface: 0, high: 0, low: 0, captured, original, header: 4 };
        frame(here, body, consumed, &packet, interface, self.last_time_ns)
    }

    fn interface<B: ByteOrder>(
        &mut self,
        here: u64,
        body: &[u8],
        interfaces: &mut Interfaces,
    ) -> Result<Content, SourceError> {
        let header = fixed::<8>(body, here, "interface description block")?;
        let (link, snaplen) = (LinkType(B::read_u16(header)), B::read_u32(&header[4..]));
        let mut clock = Clock::MICROSECONDS;
        let mut offset_s = 0;
        let mut name = None;
        for (code, value) in Options::<B>::new(&body[8..]) {
            match (code, value) {
                (IF_NAME, name_bytes) => name = Some(String::from_utf8_lossy(name_bytes).into_owned()),
                (IF_TSRESOL, [octet, ..]) => clock = Clock::from_tsresol(*octet, 0),
                (IF_TSOFFSET, seconds) if seconds.len() >= 8 => offset_s = B::read_i64(seconds),
                _ => {}
            }
        }
        if self.section.len() == super::MAX_INTERFACES {
            return Err(SourceError::TooManyInterfaces { offset: here });
        }
        let number = interfaces.number(Interface { link, snaplen, name }, here)?;
        self.section.push(SectionInterface { number, clock: clock.with_offset(offset_s), snaplen });
        Ok(Content::Nothing)
    }
}

/// The fixed part of a block with a frame in it.
struct Packet {
    interface: u32,
    high: u32,
    low: u32,
    captured: u32,
    original: u32,
    /// Bytes before the frame.
    header: usize,
}

#[inline]
fn frame(
    here: u64,
    body: &[u8],
    consumed: usize,
    packet: &Packet,
    interface: &SectionInterface,
    time_ns: u64,
) -> Result<Content, SourceError> {
    if packet.captured > MAX_FRAME_LEN {
        return Err(SourceError::RecordTooLarge { offset: here, len: u64::from(packet.captured) });
    }
    let room = body.len() - packet.header;
    if packet.captured as usize > room {
        return Err(bad_block(
            here,
            format!("a frame of {} bytes, and the block has room for {room}", packet.captured),
        ));
    }
    Ok(Content::Frame(Frame {
        time_ns,
        offset: (consumed + BODY + packet.header) as u32,
        len: packet.captured,
        orig_len: packet.original,
        interface: interface.number,
    }))
}

/// The options at the end of a block. Ends at `opt_endofopt`, or where they stop making sense.
struct Options<'a, B> {
    rest: &'a [u8],
    order: std::marker::PhantomData<B>,
}

impl<'a, B: ByteOrder> Options<'a, B> {
    fn new(rest: &'a [u8]) -> Options<'a, B> {
        Options { rest, order: std::marker::PhantomData }
    }
}

impl<'a, B: ByteOrder> Iterator for Options<'a, B> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let (header, after) = self.rest.split_at_checked(4)?;
        let (code, len) = (B::read_u16(header), usize::from(B::read_u16(&header[2..])));
        if code == 0 {
            return None;
        }
        let value = after.get(..len)?;
        self.rest = after.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    }
}

fn fixed<'a, const N: usize>(body: &'a [u8], here: u64, what: &str) -> Result<&'a [u8; N], SourceError> {
    body.first_chunk()
        .ok_or_else(|| bad_block(here, format!("{what} with {} bytes of the {N} it begins with", body.len())))
}

fn words<B: ByteOrder, const N: usize>(bytes: &[u8]) -> [u32; N] {
    std::array::from_fn(|n| B::read_u32(&bytes[n * 4..]))
}

fn read_u32(bytes: &[u8], big_endian: bool) -> u32 {
    if big_endian { BigEndian::read_u32(bytes) } else { LittleEndian::read_u32(bytes) }
}

fn bad_block(offset: u64, reason: String) -> SourceError {
    SourceError::BadBlock { offset, reason }
}

fn format_error(reason: &PcapNgFormatError) -> String {
    match reason {
        PcapNgFormatError::MissingSectionHeader => "no section header".to_owned(),
        PcapNgFormatError::InvalidMagicNumber(magic) => format!("byte-order magic {magic:#010x}"),
        PcapNgFormatError::BlockNotAligned(len) => format!("its length {len} is not a multiple of 4"),
        PcapNgFormatError::BlockTooShort(least, len) => format!("its length is {len}, the least is {least}"),
        PcapNgFormatError::BlockLengthMismatch(first, last) => {
            format!("its length is {first} in front and {last} behind")
        }
        PcapNgFormatError::InvalidBlockLength { expected, actual } => {
            format!("its length is {actual} and should be {expected}")
        }
    }
}
