use std::io::Write;

use crate::frame::FrameRecord;
use crate::sink::{Format, json};
use crate::source::Interface;

/// `--events`: one JSON object a line, one line a record that programs left for user space.
///
/// ```json
/// {"frame":7,"time_ns":1767225600000000000,"map":"events","type":"ringbuf","cpu":0,"len":4,"data":"01020304"}
/// ```
///
/// In capture order; the records of a frame map by map, each map's in the order a consumer would see.
#[derive(Debug, Default)]
pub struct Events;

impl Format for Events {
    fn header(&self, _: &mut Vec<u8>) {}

    fn interface(&self, _: &Interface, _: &mut Vec<u8>) {}

    fn frame(&self, frame: &FrameRecord<'_>, out: &mut Vec<u8>) {
        for record in frame.records.iter() {
            write!(out, "{{\"frame\":{}", frame.number).expect("writing to memory cannot fail");
            json::number(out, "time_ns", frame.time_ns);
            out.extend(b",\"map\":");
            json::string(out, record.map);
            out.extend(b",\"type\":");
            json::string(out, record.map_type.name());
            json::number(out, "cpu", record.cpu);
            json::number(out, "len", record.data.len());
            out.extend(b",\"data\":\"");
            for byte in record.data {
                write!(out, "{byte:02x}").expect("writing to memory cannot fail");
            }
            out.extend(b"\"}\n");
        }
    }
}

/// `--printk`: a line for every `bpf_trace_printk`, in capture order, in the form of the kernel's `trace_pipe` with the
/// frame in the place of the task.
///
/// ```text
/// frame-7 [000] 1767225600.000000000: bpf_trace_printk: hello
/// ```
#[derive(Debug, Default)]
pub struct Printk;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

impl Format for Printk {
    fn header(&self, _: &mut Vec<u8>) {}

    fn interface(&self, _: &Interface, _: &mut Vec<u8>) {}

    fn frame(&self, frame: &FrameRecord<'_>, out: &mut Vec<u8>) {
        for line in frame.trace.lines() {
            let (seconds, rest) = (line.time_ns / SECOND, line.time_ns % SECOND);
            write!(out, "frame-{} [{:03}] {seconds}.{rest:09}: bpf_trace_printk: ", frame.number, frame.cpu)
                .expect("writing to memory cannot fail");
            // Who ends the text with a newline means the line's end.
            out.extend_from_slice(line.text.strip_suffix(b"\n").unwrap_or(line.text));
            out.push(b'\n');
        }
    }
}
