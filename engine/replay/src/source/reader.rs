use std::sync::atomic::{AtomicBool, Ordering};

use pcap_file::pcap::PcapHeader;

use crate::source::input::{Input, ReadOutcome};
use crate::source::pcap::{self, Pcap};
use crate::source::pcapng::PcapNg;
use crate::source::{BLOCK_LEN, Block, Capture, Frame, Indexed, Interfaces, SourceError, Stop};

/// Bytes that tell pcap and pcapng.
const MAGIC_LEN: u64 = 4;

/// Any number of captures as one stream of blocks, in constant memory.
#[derive(Debug)]
pub struct Source {
    captures: std::vec::IntoIter<Capture>,
    open: Option<Open>,
    interfaces: Interfaces,
    blocks: u64,
    frames: u64,
    bytes_read: u64,
    endings: Vec<Ending>,
}

/// A capture that ended early.
#[derive(Debug)]
pub struct Ending {
    /// What the capture is called.
    pub capture: String,
    /// Frames of it that were read before.
    pub frames: u64,
    /// Why.
    pub error: SourceError,
}

/// The capture being read.
#[derive(Debug)]
struct Open {
    name: String,
    input: Input,
    format: Option<Format>,
    /// Bytes of a record that is not whole yet.
    carry: Vec<u8>,
    /// Where `carry` begins in the file.
    offset: u64,
    /// Bytes still to pass over.
    skip: u64,
    frames: u64,
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

/// What is left of a capture.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    More,
    Nothing,
    Stopped,
}

impl Source {
    /// The captures, to be read one after the other. Nothing is opened yet.
    #[must_use]
    pub fn new(captures: Vec<Capture>) -> Source {
        Source {
            captures: captures.into_iter(),
            open: None,
            interfaces: Interfaces::default(),
            blocks: 0,
            frames: 0,
            bytes_read: 0,
            endings: Vec::new(),
        }
    }

    /// Fills a block (a used one will do) with the next frames; false if there are none left or `stop` is set.
    ///
    /// A capture that breaks off ends up in [`Source::endings`], and the next one is read.
    pub fn next_block(&mut self, block: &mut Block, stop: &AtomicBool) -> bool {
        block.frames.clear();
        while block.frames.is_empty() {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            let open = match &mut self.open {
                Some(open) => open,
                None => match self.captures.next() {
                    None => return false,
                    Some(capture) => match Open::new(&capture) {
                        Ok(open) => self.open.insert(open),
                        Err(error) => {
                            self.endings.push(Ending { capture: capture.name(), frames: 0, error });
                            continue;
                        }
                    },
                },
            };
            let before = open.offset;
            let outcome = open.fill(block, &mut self.interfaces, stop);
            self.bytes_read += open.offset - before;
            open.frames += block.frames.len() as u64;
            match outcome {
                Ok(Left::More) => {}
                Ok(Left::Stopped) => return false,
                Ok(Left::Nothing) => self.open = None,
                Err(error) => {
                    self.endings.push(Ending { capture: open.name.clone(), frames: open.frames, error });
                    self.open = None;
                }
            }
        }
        block.seq = self.blocks;
        block.first_frame = self.frames + 1;
        block.interfaces = self.interfaces.snapshot();
        self.blocks += 1;
        self.frames += block.frames.len() as u64;
        true
    }

    /// Frames read.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes of captures read.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The captures that ended early, so far.
    #[must_use]
    pub fn endings(&self) -> &[Ending] {
        &self.endings
    }

    pub(crate) fn into_endings(self) -> Vec<Ending> {
        self.endings
    }
}

impl Open {
    fn new(capture: &Capture) -> Result<Open, SourceError> {
        let input = Input::open(capture).map_err(SourceError::Open)?;
        Ok(Open {
            name: capture.name(),
            input,
            format: None,
            carry: Vec::new(),
            offset: 0,
            skip: 0,
            frames: 0,
        })
    }

    /// Reads until there is a frame, or nothing left. Frames read before an error are in the block.
    fn fill(
        &mut self,
        block: &mut Block,
        interfaces: &mut Interfaces,
        stop: &AtomicBool,
    ) -> Result<Left, SourceError> {
        let Block { bytes, frames, .. } = block;
        if bytes.len() < BLOCK_LEN {
            bytes.resize(BLOCK_LEN, 0);
        }
        if bytes.len() < self.carry.len() {
            bytes.resize(self.carry.len(), 0);
        }
        bytes[..self.carry.len()].copy_from_slice(&self.carry);
        let mut filled = self.carry.len();
        self.carry.clear();
        let mut need = filled + 1;
        loop {
            if bytes.len() < need {
                bytes.resize(need, 0);
            }
            let end = match self.input.read(&mut bytes[filled..], stop) {
                Ok(ReadOutcome::Bytes(n)) => {
                    filled += n;
                    false
                }
                Ok(ReadOutcome::End) => true,
                Ok(ReadOutcome::Stopped) => return Ok(Left::Stopped),
                Err(source) => return Err(SourceError::Read { offset: self.offset + filled as u64, source }),
            };
            self.pass_over(bytes, &mut filled);
            if !end && filled < need.min(bytes.len()) {
                continue;
            }
            let Indexed { consumed, stop: wait } = match self.index(bytes, &mut filled, frames, interfaces) {
                Ok(indexed) => indexed,
                Err((consumed, error)) => {
                    self.offset += consumed as u64;
                    return Err(error);
                }
            };
            self.offset += consumed as u64;
            let rest = consumed..filled;
            if end {
                return self.end(&bytes[rest], wait);
            }
            if let Stop::Skip(len) = wait {
                self.skip = len;
            }
            if !frames.is_empty() {
                self.carry.extend_from_slice(&bytes[rest]);
                return Ok(Left::More);
            }
            filled = rest.len();
            bytes.copy_within(rest, 0);
            self.pass_over(bytes, &mut filled);
            need = match wait {
                Stop::Need(need) => need.max(filled + 1),
                Stop::Skip(_) => filled + 1,
            };
        }
    }

    /// Drops what is to be skipped from the front of the buffer.
    fn pass_over(&mut self, bytes: &mut [u8], filled: &mut usize) {
        if self.skip == 0 {
            return;
        }
        let drop = usize::try_from(self.skip).unwrap_or(usize::MAX).min(*filled);
        bytes.copy_within(drop..*filled, 0);
        *filled -= drop;
        self.skip -= drop as u64;
        self.offset += drop as u64;
    }

    fn index(
        &mut self,
        bytes: &mut [u8],
        filled: &mut usize,
        frames: &mut Vec<Frame>,
        interfaces: &mut Interfaces,
    ) -> Result<Indexed, (usize, SourceError)> {
        if self.format.is_none() {
            let (format, header) = match sniff(&bytes[..*filled], interfaces) {
                Ok(Some(known)) => known,
                Ok(None) => return Ok(Indexed { consumed: 0, stop: Stop::Need(pcap::HEADER_LEN) }),
                Err(error) => return Err((0, error)),
            };
            // Frames are found by their offset in the block: let it begin with the first record.
            bytes.copy_within(header..*filled, 0);
            *filled -= header;
            self.offset += header as u64;
            self.format = Some(format);
        }
        let bytes = &bytes[..*filled];
        match &mut self.format {
            Some(Format::Pcap(pcap)) => pcap.index(bytes, self.offset, frames),
            Some(Format::PcapNg(pcapng)) => pcapng.index(bytes, self.offset, frames, interfaces),
            None => Ok(Indexed { consumed: 0, stop: Stop::Need(pcap::HEADER_LEN) }),
        }
    }

    /// The end of the file, with these bytes left over.
    fn end(&self, rest: &[u8], wait: Stop) -> Result<Left, SourceError> {
        let have = rest.len() as u64;
        if self.format.is_none() && have < MAGIC_LEN {
            return Err(if rest.is_empty() { SourceError::Empty } else { not_a_capture(rest) });
        }
        let need = match wait {
            Stop::Need(need) => need as u64,
            Stop::Skip(len) => len,
        };
        if have > 0 || self.skip > 0 {
            return Err(SourceError::CutShort { offset: self.offset, need: need.max(have + 1), have });
        }
        Ok(Left::Nothing)
    }
}

/// What a stream is by its first bytes, and how many of them are a header of the file; None: too few bytes to tell.
fn sniff(bytes: &[u8], interfaces: &mut Interfaces) -> Result<Option<(Format, usize)>, SourceError> {
    match bytes {
        [0x0a, 0x0d, 0x0d, 0x0a, ..] => Ok(Some((Format::PcapNg(PcapNg::new()), 0))),
        [0xa1, 0xb2, 0xc3, 0xd4, ..]
        | [0xd4, 0xc3, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0x3c, 0x4d, ..]
        | [0x4d, 0x3c, 0xb2, 0xa1, ..] => match PcapHeader::from_slice(bytes) {
            Ok((_, header)) => Ok(Some((Format::Pcap(Pcap::new(&header, interfaces)?), pcap::HEADER_LEN))),
            // The magic is right, so it can only be too short.
            Err(_) => Ok(None),
        },
        [] | [_] | [_, _] | [_, _, _] => Ok(None),
        _ => Err(not_a_capture(bytes)),
    }
}

fn not_a_capture(bytes: &[u8]) -> SourceError {
    let first = bytes.iter().take(MAGIC_LEN as usize).map(|byte| format!("{byte:02x}")).collect();
    SourceError::NotACapture { first, hint: hint(bytes) }
}

fn hint(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x1f, 0x8b, ..] => "; it is gzip: zcat FILE | bpfreplay replay -",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "; it is zstd: zstdcat FILE | bpfreplay replay -",
        [0xfd, b'7', b'z', b'X', ..] => "; it is xz: xzcat FILE | bpfreplay replay -",
        [0x7f, b'E', b'L', b'F', ..] => "; it is an ELF file: objects are given with --object",
        [0xa1, 0xb2, 0xcd, 0x34, ..] | [0x34, 0xcd, 0xb2, 0xa1, ..] => {
            "; it is Kuznetzov's variant of pcap: editcap -F pcap FILE OUT converts it"
        }
        [b's', b'n', b'o', b'o', ..] => "; it is snoop: editcap -F pcap FILE OUT converts it",
        _ if bytes.iter().take(64).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            "; it looks like text"
        }
        _ => "",
    }
}
