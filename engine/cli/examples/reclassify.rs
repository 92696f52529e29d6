//! Tunnels stripped layer by layer: a program that reclassifies, and the parsers behind it.
//!
//! ```text
//!            ┌────────── RECLASSIFY, with the frame one tunnel header shorter ──┐
//!            ▼                                                                  │
//!   frame ─▶ prio 1: strip_tunnel ──────────────────────────────────────────────┘
//!            │ UNSPEC: nothing left to strip
//!            └▶ prio 2: packet_parser ⇢ parse_tcp, parse_udp, …
//! ```
//!
//! In Linux a direct-action program cannot restart a classification; [`Reclassify::Verdict`] is a mode of ours in which
//! it can, under Linux's limit of 16 restarts.
//!
//! ```text
//! cargo run -p bpfreplay-cli --example reclassify -- pcaps/generated/tunnels.pcap
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::bail;
use bpfreplay_instance::{Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_parsers::{PARSER_DPA, STRIP_TUNNEL};
use bpfreplay_replay::source::Interface;
use bpfreplay_replay::{
    Capture, EngineSetup, Format, FrameRecord, Pipeline, Programs, RecordMaps, Replay, Sink, verdict_name,
};
use bpfreplay_runtime::skb::{self, Device};
use bpfreplay_tc::{Direction, Filter, Hook, Reclassify};

fn main() -> anyhow::Result<()> {
    let captures: Vec<Capture> =
        std::env::args_os().skip(1).map(|path| Capture::Path(PathBuf::from(path))).collect();
    if captures.is_empty() {
        bail!("usage: reclassify CAPTURE...");
    }
    let strip = load(&STRIP_TUNNEL)?;
    let parser = load(&PARSER_DPA)?;

    let mut hook = Hook::new(Direction::Ingress).with_reclassify(Reclassify::Verdict);
    hook.add(Filter { prio: 1, ..Filter::direct_action(Arc::clone(strip.entry())) })?;
    hook.add(Filter { prio: 2, ..Filter::direct_action(Arc::clone(parser.entry())) })?;

    let loaded = strip.programs().iter().chain(parser.programs());
    let programs = Arc::new(Programs::new(loaded.map(|program| program.executable.info().clone())));
    let paths = Paths { programs: Arc::clone(&programs) };
    let replay = Replay {
        engines: vec![EngineSetup { pipeline: Pipeline::Tc(hook), programs, records: RecordMaps::default() }],
        hook: skb::Hook::Ingress(Device::default()),
        workers: 1,
        sinks: vec![Sink::new("standard output", Arc::new(paths), Box::new(std::io::stdout()))],
    };
    let report = replay.run(captures, &AtomicBool::new(false), &mut |_| {});
    println!("{} frames, {} restarts", report.frames, report.restarts);
    for ((action, reason), frames) in &report.verdicts {
        println!("{frames} {} {}", verdict_name(*action), reason.map_or("", |reason| reason.name()));
    }
    for (refusal, frames) in &report.refused {
        println!("{frames} refused: {refusal}");
    }
    for ending in &report.endings {
        eprintln!("{}: {}", ending.capture, ending.error);
    }
    for error in &report.sink_errors {
        eprintln!("{error}");
    }
    if !report.refused.is_empty() || report.ended_early() {
        bail!("not all frames were run");
    }
    Ok(())
}

fn load(object: &bpfreplay_parsers::Object) -> anyhow::Result<Instance> {
    let options = Options { entry: Some(object.entry.to_owned()), ..Options::default() };
    Ok(Instance::load(&Object::parse(object.bytes)?, &options)?)
}

/// One line a frame: how many headers were stripped (the program counts them in `mark`), the verdict, the path.
struct Paths {
    programs: Arc<Programs>,
}

impl Format for Paths {
    fn header(&self, _: &mut Vec<u8>) {}

    fn interface(&self, _: &Interface, _: &mut Vec<u8>) {}

    fn frame(&self, record: &FrameRecord<'_>, out: &mut Vec<u8>) {
        let line = match &record.outcome {
            Ok(ran) => {
                let path: Vec<&str> = ran.path.iter().map(|prog| self.programs.name(*prog)).collect();
                let verdict = verdict_name(ran.action);
                format!(
                    "{}: {} stripped, {verdict}: {}\n",
                    record.number,
                    ran.packet.skb().map_or(0, |skb| skb.mark),
                    path.join(" > ")
                )
            }
            Err(refusal) => format!("{}: refused: {refusal}\n", record.number),
        };
        out.extend_from_slice(line.as_bytes());
    }
}
