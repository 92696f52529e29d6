//! Captures built byte by byte, and a program that does what a closure says.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use std::any::Any;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bpfreplay_replay::source::Block;
use bpfreplay_replay::{Capture, Source};
use bpfreplay_runtime::maps::{Element, Map};
use bpfreplay_runtime::{Batch, Context, Executable, ExecutionContext, ProgramInfo, SkBuff};
use bpfreplay_uapi::ProgType;

/// Numbers in the byte order of a capture.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    pub fn u16(self, n: u16) -> [u8; 2] {
        match self {
            Order::Little => n.to_le_bytes(),
            Order::Big => n.to_be_bytes(),
        }
    }

    pub fn u32(self, n: u32) -> [u8; 4] {
        match self {
            Order::Little => n.to_le_bytes(),
            Order::Big => n.to_be_bytes(),
        }
    }
}

pub fn pcap_header(order: Order, magic: u32, network: u32) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(order.u32(magic));
    file.extend(order.u16(2));
    file.extend(order.u16(4));
    for word in [0, 0, 65535, network] {
        file.extend(order.u32(word));
    }
    file
}

pub fn pcap_record(order: Order, seconds: u32, fraction: u32, frame: &[u8], orig_len: u32) -> Vec<u8> {
    let mut record = Vec::new();
    for word in [seconds, fraction, frame.len() as u32, orig_len] {
        record.extend(order.u32(word));
    }
    record.extend(frame);
    record
}

pub fn pcapng_block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    let len = (body.len().next_multiple_of(4) + 12) as u32;
    block.extend(order.u32(kind));
    block.extend(order.u32(len));
    block.extend(body);
    block.resize(len as usize - 4, 0);
    block.extend(order.u32(len));
    block
}

pub fn section(order: Order) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend([0xff; 8]);
    pcapng_block(order, 0x0a0d_0d0a, &body)
}

pub fn interface(order: Order, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = order.u16(link).to_vec();
    body.extend([0, 0]);
    body.extend(order.u32(snaplen));
    for (code, value) in options {
        body.extend(order.u16(*code));
        body.extend(order.u16(value.len() as u16));
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    pcapng_block(order, 1, &body)
}

pub fn enhanced(order: Order, interface: u32, units: u64, frame: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for word in [interface, (units >> 32) as u32, units as u32, frame.len() as u32, frame.len() as u32] {
        body.extend(order.u32(word));
    }
    body.extend(frame);
    pcapng_block(order, 6, &body)
}

/// A TCP SYN of 54 bytes from this port to port 80.
pub fn tcp(port: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(port.to_be_bytes());
    frame.extend([0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    frame
}

/// A little-endian pcap file of Ethernet frames, a microsecond apart.
pub fn ethernet_pcap<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 1);
    for (n, frame) in (0..).zip(frames) {
        file.extend(pcap_record(
            Order::Little,
            1_700_000_000 + n / 1_000_000,
            n % 1_000_000,
            frame,
            frame.len() as u32,
        ));
    }
    file
}

pub fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    path
}

/// A frame as the source gives it: time, length on the wire, link type, bytes.
pub type Read = (u64, u32, u16, Vec<u8>);

/// Reads captures to the end.
pub fn read_all(paths: &[PathBuf]) -> (Vec<Read>, Vec<String>) {
    let mut source = Source::new(paths.iter().cloned().map(Capture::Path).collect());
    let (mut frames, mut block) = (Vec::new(), Block::default());
    let stop = AtomicBool::new(false);
    while source.next_block(&mut block, &stop) {
        assert_eq!(block.first_frame, frames.len() as u64 + 1);
        for frame in &block.frames {
            frames.push((frame.time_ns, frame.orig_len, block.link(frame).0, block.bytes(frame).to_vec()));
        }
    }
    assert_eq!(source.frames(), frames.len() as u64);
    let endings = source.endings().iter().map(|ending| ending.error.to_string()).collect();
    (frames, endings)
}

type Script = dyn Fn(&mut SkBuff, &mut ExecutionContext) -> u64 + Send + Sync;

/// A program that does what a closure says.
pub struct Scripted {
    info: ProgramInfo,
    script: Box<Script>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.info.name)
    }
}

impl Scripted {
    pub fn new(
        id: u32,
        name: &str,
        script: impl Fn(&mut SkBuff, &mut ExecutionContext) -> u64 + Send + Sync + 'static,
    ) -> Arc<Scripted> {
        let info = ProgramInfo {
            id,
            name: name.to_owned(),
            prog_type: ProgType::SchedCls,
            expected_attach_type: 0,
            xdp_has_frags: false,
            jited: false,
            writes_packet: false,
        };
        Arc::new(Scripted { info, script: Box::new(script) })
    }
}

impl Executable for Scripted {
    fn info(&self) -> &ProgramInfo {
        &self.info
    }

    fn run(&self, context: Context<'_>, batch: &mut Batch<'_>) -> u64 {
        batch.tail_call_cnt = 0;
        batch.fault = None;
        batch.path[0].prog = self.info.id;
        match context {
            Context::Skb(skb) => (self.script)(skb, batch),
            Context::Xdp(_) | Context::Plain(_) => panic!("a classifier takes a packet"),
        }
    }

    fn run_callback(&self, _: u64, _: &Arc<Map>, _: Element, _: &mut Batch<'_>) {
        unreachable!("no timer has a callback of it")
    }

    fn tail_entry(&self) -> usize {
        1
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
