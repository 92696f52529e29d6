use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use byteorder_slice::LittleEndian;
use pcap_file::pcapng::RawBlock;
use pcap_file::pcapng::blocks::{ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, SECTION_HEADER_BLOCK};

use crate::frame::FrameRecord;
use crate::programs::{Programs, VerdictKind};
use crate::sink::Format;
use crate::source::Interface;

const OPT_ENDOFOPT: u16 = 0;
const OPT_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_VERDICT: u16 = 7;
/// `epb_verdict`: what follows is a `TC_ACT_*` of a Linux eBPF TC program, 64 bits signed.
const VERDICT_LINUX_EBPF_TC: u8 = 1;
/// The same of an XDP program, `XDP_*`.
const VERDICT_LINUX_EBPF_XDP: u8 = 2;
/// `if_tsresol`: 10^-9 s.
const NANOSECONDS: u8 = 9;

/// `--write`: every frame as it was captured, with its verdict and a comment that names its path.
///
/// Wireshark shows the verdict as `frame.verdict.ebpf_tc` or `frame.verdict.ebpf_xdp`, the comment as `frame.comment`.
///
/// Of a socket filter it is what the socket would be given, as `tcpdump -w` has it: frames it drops are left out, others
/// are cut to the bytes it keeps. There is no kind of `epb_verdict` for it.
#[derive(Debug)]
pub struct VerdictPcapng {
    programs: Arc<Programs>,
}

impl VerdictPcapng {
    /// With the names of these programs.
    #[must_use]
    pub fn new(programs: Arc<Programs>) -> VerdictPcapng {
        VerdictPcapng { programs }
    }

    fn comment(&self, record: &FrameRecord<'_>, comment: &mut Vec<u8>) {
        match &record.outcome {
            Ok(ran) => {
                for (n, prog) in ran.path.iter().enumerate() {
                    let arrow = if n == 0 { "path=" } else { " > " };
                    comment.extend(arrow.as_bytes());
                    comment.extend(self.programs.name(*prog).as_bytes());
                }
                let space = if ran.path.is_empty() { "" } else { " " };
                write!(comment, "{space}verdict={}", self.programs.verdict_name(ran.action))
                    .expect("writing to memory cannot fail");
                if let Some(reason) = ran.drop_reason {
                    write!(comment, " reason={}", reason.name()).expect("writing to memory cannot fail");
                }
            }
            Err(refusal) => write!(comment, "refused: {refusal}").expect("writing to memory cannot fail"),
        }
        comment.truncate(usize::from(u16::MAX));
    }
}

impl Format for VerdictPcapng {
    fn header(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        body.extend(0x1a2b_3c4d_u32.to_le_bytes());
        body.extend([1, 0, 0, 0]); // version 1.0
        body.extend((-1_i64).to_le_bytes()); // section length unknown
        option(&mut body, SHB_USERAPPL, concat!("bpfreplay ", env!("CARGO_PKG_VERSION")).as_bytes());
        option(&mut body, OPT_ENDOFOPT, &[]);
        block(out, SECTION_HEADER_BLOCK, &body);
    }

    fn interface(&self, interface: &Interface, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        body.extend(interface.link.0.to_le_bytes());
        body.extend([0, 0]);
        body.extend(interface.snaplen.to_le_bytes());
        if let Some(name) = &interface.name {
            option(&mut body, IF_NAME, name.as_bytes());
        }
        option(&mut body, IF_TSRESOL, &[NANOSECONDS]);
        option(&mut body, OPT_ENDOFOPT, &[]);
        block(out, INTERFACE_DESCRIPTION_BLOCK, &body);
    }

    fn frame(&self, record: &FrameRecord<'_>, out: &mut Vec<u8>) {
        let Some(captured) = given(record) else { return };
        let len = captured.len() as u32;
        let mut body = Vec::with_capacity(captured.len() + 256);
        body.extend(record.interface.to_le_bytes());
        body.extend(((record.time_ns >> 32) as u32).to_le_bytes());
        body.extend((record.time_ns as u32).to_le_bytes());
        body.extend(len.to_le_bytes());
        // Some writers leave the original length 0.
        body.extend(record.orig_len.max(record.captured.len() as u32).to_le_bytes());
        body.extend(captured);
        pad(&mut body);
        let kind = match self.programs.verdict_kind() {
            VerdictKind::Tc => Some(VERDICT_LINUX_EBPF_TC),
            VerdictKind::Xdp => Some(VERDICT_LINUX_EBPF_XDP),
            VerdictKind::Socket | VerdictKind::Lwt | VerdictKind::Number => None,
        };
        if let (Ok(ran), Some(kind)) = (&record.outcome, kind) {
            let mut verdict = [0; 9];
            verdict[0] = kind;
            verdict[1..].copy_from_slice(&i64::from(ran.action).to_le_bytes());
            option(&mut body, EPB_VERDICT, &verdict);
        }
        let mut comment = Vec::with_capacity(128);
        self.comment(record, &mut comment);
        option(&mut body, OPT_COMMENT, &comment);
        option(&mut body, OPT_ENDOFOPT, &[]);
        block(out, ENHANCED_PACKET_BLOCK, &body);
    }
}

/// The bytes of a frame to write: all that was captured, or what a socket filter kept of it; none of a frame it dropped.
///
/// The filter counts bytes of the packet as it saw it, without a VLAN tag that was in the metadata and behind an
/// Ethernet header that may not have been captured: the difference is kept, too.
fn given<'a>(record: &FrameRecord<'a>) -> Option<&'a [u8]> {
    let captured = record.captured;
    let Some((kept, packet)) =
        record.outcome.as_ref().ok().and_then(|ran| Some((ran.kept? as usize, ran.packet)))
    else {
        return Some(captured);
    };
    if kept == 0 {
        return None;
    }
    let len = (kept + captured.len()).saturating_sub(packet.len()).min(captured.len());
    Some(&captured[..len])
}

/// Code, length, value, padding. Values are cut at what the length can say.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(&value[..usize::from(len)]);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn block(out: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let len = body.len() as u32 + 12;
    let block = RawBlock { type_: kind, initial_len: len, body: Cow::Borrowed(body), trailer_len: len };
    block.write_to::<LittleEndian, _>(out).expect("the lengths agree, and writing to memory cannot fail");
}
