use byteorder_slice::{BigEndian, ByteOrder, LittleEndian};
use pcap_file::Endianness;
use pcap_file::pcap::{PcapHeader, PcapTsResolution, RawPcapPacket};

use crate::source::{Frame, Indexed, Interface, Interfaces, LinkType, MAX_FRAME_LEN, SourceError, Stop};

/// Bytes of the header of a file.
pub(crate) const HEADER_LEN: usize = 24;
/// The version all writers have written since 1998. Before 2.4 the two lengths of a record may be swapped, and AIX's
/// 543.0 has records of its own (libpcap: `sf-pcap.c`).
const VERSION: (u16, u16) = (2, 4);
/// Where the version is.
const VERSION_AT: u64 = 4;
/// Bytes of the header of a record.
const RECORD_HEADER_LEN: usize = 16;

/// A pcap file being read: its byte order, unit of time and one interface.
#[derive(Debug)]
pub(crate) struct Pcap {
    endianness: Endianness,
    ns_per_unit: u64,
    interface: u32,
}

impl Pcap {
    pub(crate) fn new(header: &PcapHeader, interfaces: &mut Interfaces) -> Result<Pcap, SourceError> {
        let (major, minor) = (header.version_major, header.version_minor);
        if (major, minor) != VERSION {
            return Err(SourceError::Version {
                format: "pcap",
                offset: VERSION_AT,
                major,
                minor,
                known: "2.4",
            });
        }
        let interface = Interface {
            // The upper half of the field says how long the frame check sequence is; the class bits are unused.
            link: LinkType((u32::from(header.datalink) & 0xffff) as u16),
            snaplen: header.snaplen,
            name: None,
        };
        Ok(Pcap {
            endianness: header.endianness,
            ns_per_unit: match header.ts_resolution {
                PcapTsResolution::MicroSecond => 1000,
                PcapTsResolution::NanoSecond => 1,
            },
            interface: interfaces.number(interface, 0)?,
        })
    }

    /// Adds the whole records in `bytes` to `frames`.
    pub(crate) fn index(
        &self,
        bytes: &[u8],
        offset: u64,
        frames: &mut Vec<Frame>,
    ) -> Result<Indexed, (usize, SourceError)> {
        match self.endianness {
            Endianness::Big => self.index_as::<BigEndian>(bytes, offset, frames),
            Endianness::Little => self.index_as::<LittleEndian>(bytes, offset, frames),
        }
    }

    fn index_as<B: ByteOrder>(
        &self,
        bytes: &[u8],
        offset: u64,
        frames: &mut Vec<Frame>,
    ) -> Result<Indexed, (usize, SourceError)> {
        let mut rest = bytes;
        loop {
            let consumed = bytes.len() - rest.len();
            let Ok((after, record)) = RawPcapPacket::from_slice::<B>(rest) else {
                // The raw layer knows one error, that the slice ends too early.
                let need = match rest.get(8..12) {
                    Some(len) if rest.len() >= RECORD_HEADER_LEN => {
                        let len = B::read_u32(len);
                        check(len, offset + consumed as u64).map_err(|e| (consumed, e))?;
                        RECORD_HEADER_LEN + len as usize
                    }
                    _ => RECORD_HEADER_LEN,
                };
                return Ok(Indexed { consumed, stop: Stop::Need(need) });
            };
            check(record.incl_len, offset + consumed as u64).map_err(|e| (consumed, e))?;
            frames.push(Frame {
                time_ns: u64::from(record.ts_sec) * 1_000_000_000
                    + u64::from(record.ts_frac) * self.ns_per_unit,
                offset: (consumed + RECORD_HEADER_LEN) as u32,
                len: record.incl_len,
                orig_len: record.orig_len,
                interface: self.interface,
            });
            rest = after;
        }
    }
}

fn check(len: u32, offset: u64) -> Result<(), SourceError> {
    if len > MAX_FRAME_LEN {
        return Err(SourceError::RecordTooLarge { offset, len: u64::from(len) });
    }
    Ok(())
}
