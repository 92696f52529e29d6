use byteorder_slice::{BigEndian, ByteOrder, LittleEndian};
use pcap_file::pcapng::RawBlock;
use pcap_file::pcapng::blocks::{
    ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, PACKET_BLOCK, SECTION_HEADER_BLOCK,
    SIMPLE_PACKET_BLOCK,
};
use pcap_file::pcapng::{PcapNgFormatError, RawBlockParseError};

use crate::source::time::Clock;
use crate::source::{
    Frame, Indexed, Interface, Interfaces, LinkType, MAX_FRAME_LEN, MAX_PACKET_RECORD, OptionProblem,
    SourceError, Stop,
};

/// Bytes around the body of a block: type and length before, length after.
const BLOCK_OVERHEAD: usize = 12;
/// Where the body begins.
const BODY: usize = 8;
/// `if_name`, `if_tsresol`, `if_tsoffset`.
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// The major version of a section; minor ones change nothing for those who pass over what they do not know.
const VERSION_MAJOR: u16 = 1;
/// Where the version is in a section header.
const VERSION_AT: u64 = 12;

/// A pcapng file being read: the section it is in.
///
/// Blocks are split by pcap-file's raw layer; what is in them is decoded here, because the typed layer refuses whole
/// files over the value of an option that nobody reads. That options end where their block does is checked here, too.
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
        // byte-order magic, version in two halves, length of the section
        let header = fixed::<16>(body, here, "section header")?;
        // The raw layer accepted the magic, so it is one of two.
        self.big_endian = header[0] == 0x1a;
        self.section.clear();
        if self.big_endian { section::<BigEndian>(body, here) } else { section::<LittleEndian>(body, here) }
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
                self.packet::<B>(
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
                self.packet::<B>(
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
    fn packet<B: ByteOrder>(
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
        let time_ns = interface.clock.nanoseconds(units);
        let content = frame(here, body, consumed, packet, interface, time_ns)?;
        // Behind the frame and its padding.
        let options = packet.header + (packet.captured as usize).next_multiple_of(4);
        if options < body.len() {
            options_are_whole::<B>(here, body, options)?;
        }
        Ok(content)
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
        for option in Options::<B>::new(here, body, 8) {
            let option = option?;
            match option.code {
                IF_NAME => name = Some(String::from_utf8_lossy(option.value).into_owned()),
                IF_TSRESOL => {
                    let [octet] = option.exactly::<1>()?;
                    clock = Clock::from_tsresol(*octet).map_err(|too_fine| SourceError::TimeResolution {
                        offset: here,
                        base: too_fine.base,
                        exponent: too_fine.exponent,
                    })?;
                }
                IF_TSOFFSET => offset_s = B::read_i64(option.exactly::<8>()?),
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

/// What a section header says besides its byte order.
fn section<B: ByteOrder>(body: &[u8], here: u64) -> Result<(), SourceError> {
    let (major, minor) = (B::read_u16(&body[4..]), B::read_u16(&body[6..]));
    if major != VERSION_MAJOR {
        let offset = here + VERSION_AT;
        return Err(SourceError::Version { format: "pcapng", offset, major, minor, known: "1.0" });
    }
    options_are_whole::<B>(here, body, 16)
}

#[inline(never)]
fn options_are_whole<B: ByteOrder>(here: u64, body: &[u8], from: usize) -> Result<(), SourceError> {
    Options::<B>::new(here, body, from).try_for_each(|option| option.map(drop))
}

/// The options at the end of a block. Ends at `opt_endofopt`, at the end of the block, or with an error.
struct Options<'a, B> {
    body: &'a [u8],
    /// Where the next option begins in the body.
    at: usize,
    /// Where the block begins in the file.
    here: u64,
    order: std::marker::PhantomData<B>,
}

struct BlockOption<'a> {
    code: u16,
    value: &'a [u8],
    /// Where the block and the option begin in the file.
    here: u64,
    at: u64,
}

impl<'a, B: ByteOrder> Options<'a, B> {
    fn new(here: u64, body: &'a [u8], from: usize) -> Options<'a, B> {
        Options { body, at: from, here, order: std::marker::PhantomData }
    }
}

impl<'a, B: ByteOrder> Iterator for Options<'a, B> {
    type Item = Result<BlockOption<'a>, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Blocks and options are padded to 4 bytes, so there is room for a header or for nothing.
        let (header, after) = self.body.get(self.at..)?.split_first_chunk::<4>()?;
        let (code, len) = (B::read_u16(header), B::read_u16(&header[2..]));
        if code == 0 {
            return None;
        }
        let (here, at) = (self.here, self.here + (BODY + self.at) as u64);
        let Some(value) = after.get(..usize::from(len)) else {
            self.at = self.body.len();
            let problem = OptionProblem::Overrun { len, room: after.len() };
            return Some(Err(SourceError::BadOption { offset: here, at, code, problem }));
        };
        self.at += header.len() + value.len().next_multiple_of(4);
        Some(Ok(BlockOption { code, value, here, at }))
    }
}

impl<'a> BlockOption<'a> {
    fn exactly<const N: usize>(&self) -> Result<&'a [u8; N], SourceError> {
        self.value.try_into().map_err(|_| SourceError::BadOption {
            offset: self.here,
            at: self.at,
            code: self.code,
            problem: OptionProblem::Length { len: self.value.len(), expected: N },
        })
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
