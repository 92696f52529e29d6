use std::io::Write;
use std::sync::Arc;

use bpfreplay_runtime::SkBuff;

use crate::frame::{FrameRecord, PacketView, Ran};
use crate::programs::Programs;
use crate::sink::{Format, json};
use crate::source::Interface;

/// `--frames`: one JSON object a line, one line a frame.
///
/// A frame that ran has `retval` (r0 as u32), the verdict (of a socket filter also `kept`, how many bytes the socket is
/// given), the path and the context after the run (of XDP the length of the metadata); `data_len` and
/// `data_crc32` describe the packet's bytes after the run. A frame that was refused has a `reason` instead.
#[derive(Debug)]
pub struct Ndjson {
    programs: Arc<Programs>,
}

impl Ndjson {
    /// With the names of these programs.
    #[must_use]
    pub fn new(programs: Arc<Programs>) -> Ndjson {
        Ndjson { programs }
    }

    fn ran(&self, ran: &Ran<'_>, out: &mut Vec<u8>) {
        json::number(out, "retval", ran.retval);
        out.extend(b",\"verdict\":");
        json::string(out, &self.programs.verdict_name(ran.action));
        if let Some(kept) = ran.kept {
            json::number(out, "kept", kept);
        }
        out.extend(b",\"path\":[");
        for (n, prog) in ran.path.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            json::string(out, self.programs.name(*prog));
        }
        out.push(b']');
        json::number(out, "tail_calls", ran.tail_calls);
        json::number(out, "data_len", ran.packet.len());
        let mut crc = crc32fast::Hasher::new();
        ran.packet.parts().iter().for_each(|part| crc.update(part));
        write!(out, ",\"data_crc32\":\"{:08x}\"", crc.finalize()).expect("writing to memory cannot fail");
        match ran.packet {
            PacketView::Skb(skb) => sk_buff(skb, out),
            PacketView::Xdp(xdp) => json::number(out, "meta_len", xdp.metadata().len()),
        }
    }
}

/// What programs leave in a `struct __sk_buff`.
fn sk_buff(skb: &SkBuff, out: &mut Vec<u8>) {
    json::number(out, "mark", skb.mark);
    json::number(out, "priority", skb.priority);
    json::number(out, "tc_index", skb.tc_index);
    json::number(out, "tc_classid", skb.tc_classid);
    let [a, b, c, d, e] = skb.cb;
    json::number(out, "cb", format_args!("[{a},{b},{c},{d},{e}]"));
    json::number(out, "vlan_present", skb.vlan_present);
    json::number(out, "vlan_tci", skb.vlan_tci);
    json::number(out, "queue_mapping", skb.queue_mapping);
    json::number(out, "tstamp", skb.tstamp);
}

impl Format for Ndjson {
    fn header(&self, _: &mut Vec<u8>) {}

    fn interface(&self, _: &Interface, _: &mut Vec<u8>) {}

    fn frame(&self, record: &FrameRecord<'_>, out: &mut Vec<u8>) {
        write!(out, "{{\"frame\":{}", record.number).expect("writing to memory cannot fail");
        json::number(out, "time_ns", record.time_ns);
        json::number(out, "len", record.captured.len());
        match &record.outcome {
            Ok(ran) => self.ran(ran, out),
            Err(refusal) => {
                out.extend(b",\"refused\":true,\"reason\":");
                json::string(out, &refusal.to_string());
            }
        }
        out.extend(b"}\n");
    }
}
