//! A tunnel-stripping program that reclassifies, in front of the parsers.
//!
//! ```text
//!              ┌────────── RECLASSIFY, with what the pass left in bytes, mark, cb and tc_index ──┐
//!              ▼                                                                                 │
//!   frame ─▶ strip_tunnel ── a tunnel: its inner packet is moved to the front ───────────────────┘
//!                 └── no tunnel: UNSPEC ─▶ packet_parser ─▶ parse_… ─▶ verdict
//! ```
//!
//! `cargo run -p bpfreplay-instance --example reclassify [CAPTURE…]`: without captures, `tunnels.pcap` and `vxlan.pcap`
//! of `pcaps/generated`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bpfreplay_instance::{Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_parsers::{PARSER_DPA, STRIP_TUNNEL, State};
use bpfreplay_replay::source::{Block, Capture, Source, as_ethernet};
use bpfreplay_replay::verdict_name;
use bpfreplay_runtime::skb::{self, Bytes, Device, Frame, Link};
use bpfreplay_runtime::{ExecutionContext, Packet, SkBuff};
use bpfreplay_tc::{Direction, Filter, Hook, Observer, Reclassify};

fn main() -> Result<(), Box<dyn Error>> {
    let mut captures: Vec<Capture> =
        std::env::args_os().skip(1).map(|arg| Capture::Path(arg.into())).collect();
    if captures.is_empty() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/generated");
        captures = ["tunnels.pcap", "vxlan.pcap"].map(|name| Capture::Path(shipped.join(name))).into();
    }
    let stripper = instance(STRIP_TUNNEL)?;
    let parsers = instance(PARSER_DPA)?;
    // On Linux a direct-action program's RECLASSIFY reads as UNSPEC; this hook takes it as asked.
    let mut hook = Hook::new(Direction::Ingress).with_reclassify(Reclassify::Verdict);
    hook.add(Filter { prio: 1, ..Filter::direct_action(Arc::clone(stripper.entry())) })?;
    hook.add(Filter { prio: 2, ..Filter::direct_action(Arc::clone(parsers.entry())) })?;

    println!("{:>6} {:>6} {:>8}  {:12} path and result", "frame", "passes", "stripped", "verdict");
    let ingress = skb::Hook::Ingress(Device::default());
    let mut exec = ExecutionContext::new(0);
    let mut packet = Packet::new();
    let mut source = Source::new(captures);
    let mut block = Block::default();
    while source.next_block(&mut block, &AtomicBool::new(false)) {
        for (number, frame) in (block.first_frame..).zip(&block.frames) {
            let Ok(view) = as_ethernet(block.link(frame), block.bytes(frame)) else { continue };
            let bytes = [view.header.as_ref().map_or(&[][..], |header| &header[..]), view.rest].concat();
            let framed = Frame {
                bytes: Bytes::Copied(&bytes),
                link: Link::Ethernet,
                wire_len: bytes.len() as u32,
                time_ns: frame.time_ns,
            };
            let Ok(skb) = packet.load(framed, &ingress) else { continue };
            let mut last = LastPath::default();
            let done = hook.classify(skb, &mut exec.batch(), &mut last);
            let names: Vec<&str> = last
                .0
                .iter()
                .map(|prog| stripper.program_name(*prog).or(parsers.program_name(*prog)).unwrap_or("?"))
                .collect();
            let result = match (done.verdict.drop_reason(), State::decode(skb.cb)) {
                (Some(reason), _) if names == [STRIP_TUNNEL.entry] => reason.name().to_owned(),
                (_, Ok(state)) => state.to_string(),
                (_, Err(other)) => other.to_string(),
            };
            println!(
                "{number:6} {:6} {:8}  {:12} {}: {result}",
                done.restarts + 1,
                skb.mark,
                verdict_name(done.verdict.action()),
                names.join(" > "),
            );
        }
    }
    if let Some(ending) = source.endings().first() {
        return Err(format!("{}: {}", ending.capture, ending.error).into());
    }
    Ok(())
}

fn instance(shipped: bpfreplay_parsers::Object) -> Result<Instance, Box<dyn Error>> {
    let object = Object::parse(shipped.bytes)?;
    Ok(Instance::load(&object, &Options { entry: Some(shipped.entry.to_owned()), ..Options::default() })?)
}

/// The programs of the last run: the one that decided.
#[derive(Default)]
struct LastPath(Vec<u32>);

impl Observer for LastPath {
    fn ran(&mut self, exec: &ExecutionContext, _: &SkBuff, _: u32) {
        self.0.clear();
        self.0.extend(exec.path().iter().map(|entry| entry.prog));
    }
}
