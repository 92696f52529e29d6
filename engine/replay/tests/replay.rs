//! Whole replays with a scripted program: counters, order, outputs, and what ends one early.

mod common;
#[path = "../../../tests/src/skip.rs"]
#[allow(unreachable_pub, reason = "the file is also a public module, of the tests crate")]
mod skip;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bpfreplay_replay::{
    Capture, EngineSetup, Ndjson, Pipeline, Programs, RecordMaps, Refusal, Replay, Report, Sink,
    VerdictPcapng,
};
use bpfreplay_runtime::skb::{self, Device, Refused, Stamp, TestRun, TestRunContext};
use bpfreplay_runtime::{Executable, ExecutionContext, SkBuff};
use bpfreplay_tc::{Direction, DropReason, Filter, Hook};
use common::{Order, Scripted, ethernet_pcap, pcap_header, pcap_record, tcp};
use skip::skipped;

/// What a sink wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// By the low bits of the destination port: accepts, drops, and everything else.
fn by_port(skb: &mut SkBuff, exec: &mut ExecutionContext) -> u64 {
    let port = u16::from_be_bytes([skb.packet()[34], skb.packet()[35]]);
    skb.mark = u32::from(port);
    skb.cb[0] = exec.cpu;
    [0, 2, 4, 7, 8, u64::MAX, 3][usize::from(port % 7)]
}

fn setup(program: Arc<Scripted>) -> EngineSetup {
    let programs = Arc::new(Programs::new([program.info().clone()]));
    let mut hook = Hook::new(Direction::Ingress);
    hook.add(Filter::direct_action(program)).unwrap();
    EngineSetup { pipeline: Pipeline::Tc(hook), programs, records: RecordMaps::default() }
}

fn ingress() -> skb::Hook {
    skb::Hook::Ingress(Device { stamp: Stamp::Capture, ..Device::default() })
}

fn run(replay: Replay, captures: &[PathBuf]) -> Report {
    run_until(replay, captures, &AtomicBool::new(false))
}

fn run_until(replay: Replay, captures: &[PathBuf], stop: &AtomicBool) -> Report {
    let mut calls = 0;
    let captures = captures.iter().cloned().map(Capture::Path).collect();
    let report = replay.run(captures, stop, &mut |_| calls += 1);
    assert_eq!(report.accounted(), report.frames, "{report:?}");
    assert!(report.frames == 0 || calls > 0);
    report
}

/// 20 000 frames of 500 flows, in several blocks.
fn many_frames() -> Vec<u8> {
    let frames: Vec<Vec<u8>> = (0..20_000_u32).map(|n| tcp((n * 7919 % 500) as u16 + 1)).collect();
    ethernet_pcap(frames.iter().map(Vec::as_slice))
}

#[test]
fn any_number_of_workers_gives_the_same_counters_and_the_same_lines_in_the_same_order() {
    let dir = tempfile::tempdir().unwrap();
    let capture = common::write(dir.path(), "many.pcap", &many_frames());
    let mut first: Option<(String, Report)> = None;
    for workers in [1, 2, 3, 8] {
        let program = Scripted::new(7, "by_port", |skb, exec| {
            let verdict = by_port(skb, exec);
            skb.cb[0] = 0;
            verdict
        });
        let engine = setup(program);
        let (lines, frames) = (Written::default(), Written::default());
        let sinks = vec![
            Sink::new("lines", Arc::new(Ndjson::new(Arc::clone(&engine.programs))), Box::new(lines.clone())),
            Sink::new(
                "frames",
                Arc::new(VerdictPcapng::new(Arc::clone(&engine.programs))),
                Box::new(frames.clone()),
            ),
        ];
        let report = run(
            Replay { engines: vec![engine], hook: ingress(), workers, sinks },
            std::slice::from_ref(&capture),
        );
        assert_eq!((report.frames, report.workers, report.ended_early()), (20_000, workers, false));
        assert_eq!(report.runs[&7], 20_000);
        assert!(report.latency.len() >= 20_000 / 64);
        let text = lines.text();
        for (n, line) in (1..).zip(text.lines()) {
            assert!(line.starts_with(&format!("{{\"frame\":{n},")), "{line}");
        }
        match &first {
            None => first = Some((text, report)),
            Some((expected, one)) => {
                assert!(text == *expected, "{workers} workers write other lines");
                assert_eq!((&report.verdicts, report.bytes), (&one.verdicts, one.bytes));
            }
        }
    }
    let (text, report) = first.unwrap();
    assert_eq!(
        report.verdicts[&(2, Some(DropReason::TcIngress))],
        text.matches("\"TC_ACT_SHOT\"").count() as u64
    );
    // PIPE is not for a direct-action program: it reads as UNSPEC.
    assert_eq!(report.verdicts.keys().map(|key| key.0).collect::<Vec<_>>(), [-1, 0, 2, 4, 7, 8]);
}

#[test]
fn a_flow_stays_on_one_worker() {
    let dir = tempfile::tempdir().unwrap();
    let capture = common::write(dir.path(), "many.pcap", &many_frames());
    let cpus: Arc<Mutex<std::collections::HashMap<u32, std::collections::BTreeSet<u32>>>> = Arc::default();
    let seen = Arc::clone(&cpus);
    let program = Scripted::new(1, "by_port", move |skb, exec| {
        by_port(skb, exec);
        seen.lock().unwrap().entry(skb.mark).or_default().insert(exec.cpu);
        0
    });
    let report =
        run(Replay { engines: vec![setup(program)], hook: ingress(), workers: 4, sinks: vec![] }, &[capture]);
    assert_eq!(report.frames, 20_000);
    let cpus = cpus.lock().unwrap();
    assert_eq!(cpus.len(), 500);
    assert!(cpus.values().all(|cpus| cpus.len() == 1));
    assert_eq!(cpus.values().flatten().collect::<std::collections::BTreeSet<_>>().len(), 4);
}

#[test]
fn a_line_has_the_fields_users_rely_on() {
    let dir = tempfile::tempdir().unwrap();
    // Tagged: at ingress the tag is in the metadata and not in the bytes.
    let mut tagged = tcp(9);
    tagged.splice(12..12, [0x81, 0, 0x20, 5]);
    let mut file = ethernet_pcap([&tagged[..]]);
    file.extend(pcap_record(Order::Little, 1, 2, &[1, 2, 3], 99));
    let program = Scripted::new(1, "prog", |skb, _| {
        (skb.mark, skb.priority, skb.queue_mapping) = (1, 2, 3);
        skb.tc_classid = 4;
        skb.cb = [5, 6, 7, 8, 9];
        0
    });
    let engine = setup(program);
    let lines = Written::default();
    let sinks = vec![Sink::new(
        "lines",
        Arc::new(Ndjson::new(Arc::clone(&engine.programs))),
        Box::new(lines.clone()),
    )];
    let replay = Replay { engines: vec![engine], hook: ingress(), workers: 1, sinks };
    let report = run(replay, &[common::write(dir.path(), "one.pcap", &file)]);
    let crc = crc32fast::hash(&tcp(9));
    let expected = format!(
        "{{\"frame\":1,\"time_ns\":1700000000000000000,\"len\":58,\"retval\":0,\"verdict\":\"TC_ACT_OK\",\
         \"path\":[\"prog\"],\"tail_calls\":0,\"data_len\":54,\"data_crc32\":\"{crc:08x}\",\"mark\":1,\"priority\":2,\
         \"tc_index\":4,\"tc_classid\":4,\"cb\":[5,6,7,8,9],\"vlan_present\":1,\"vlan_tci\":8197,\"queue_mapping\":3,\
         \"tstamp\":1700000000000000000}}\n\
         {{\"frame\":2,\"time_ns\":1000002000,\"len\":3,\"refused\":true,\
         \"reason\":\"shorter than the 14 bytes of an Ethernet header\"}}\n"
    );
    assert_eq!(lines.text(), expected);
    assert_eq!(report.refused[&Refusal::Hook(Refused::NoEthernetHeader)], 1);
    assert_eq!(report.snapped, 1);
}

#[test]
fn refused_frames_are_counted_by_reason_and_the_rest_runs() {
    let dir = tempfile::tempdir().unwrap();
    let mut captures = Vec::new();
    for (link, frame) in [(105, &b"wlan"[..]), (105, b""), (101, b"\x45"), (101, b"\x15"), (0, b"\x07\0\0\0")]
    {
        let mut file = pcap_header(Order::Big, 0xa1b2_c3d4, link);
        file.extend(pcap_record(Order::Big, 1, 2, frame, frame.len() as u32));
        captures.push(common::write(dir.path(), &format!("{}", captures.len()), &file));
    }
    let engine = setup(Scripted::new(1, "prog", |_, _| 0));
    let report = run(Replay { engines: vec![engine], hook: ingress(), workers: 2, sinks: vec![] }, &captures);
    assert_eq!((report.frames, report.frames_refused(), report.ended_early()), (5, 4, false));
    let wlan = report.refused.iter().find(|(_, frames)| **frames == 2).unwrap();
    assert_eq!(wlan.0.to_string(), "link type IEEE802_11 (105) is not supported");
    assert_eq!(report.refused[&Refusal::IpVersion], 1);
    assert_eq!(report.refused[&Refusal::AddressFamily], 1);
}

#[test]
fn other_link_types_begin_with_the_ethernet_header_they_were_given() {
    let dir = tempfile::tempdir().unwrap();
    let ip = &tcp(1)[14..];
    let mut cooked = vec![0, 3, 0, 1, 0, 6, 2, 3, 4, 5, 6, 7, 0, 0, 8, 0];
    cooked.extend(ip);
    for (link, frame, source, pkt_type) in [(101, ip, [0; 6], 0), (113, &cooked, [2, 3, 4, 5, 6, 7], 3)] {
        let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, link);
        file.extend(pcap_record(Order::Little, 1, 2, frame, frame.len() as u32));
        let program = Scripted::new(1, "prog", move |skb, _| {
            assert_eq!(skb.packet()[6..12], source);
            assert_eq!(skb.packet()[12..], tcp(1)[12..]);
            assert_eq!((skb.protocol, skb.pkt_type, skb.wire_len), (0x0800_u16.to_be(), pkt_type, 40));
            0
        });
        let replay = Replay { engines: vec![setup(program)], hook: ingress(), workers: 1, sinks: vec![] };
        assert_eq!(run(replay, &[common::write(dir.path(), "capture", &file)]).verdicts[&(0, None)], 1);
    }
}

#[test]
fn test_run_reports_the_return_value_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let frames: Vec<Vec<u8>> = (0..10).map(tcp).collect();
    let mut file = ethernet_pcap(frames.iter().map(Vec::as_slice));
    file.extend(pcap_record(Order::Little, 1, 2, &tcp(1)[..33], 33));
    let capture = common::write(dir.path(), "capture", &file);
    let program = Scripted::new(1, "prog", |skb, exec| match by_port(skb, exec) {
        4 => 0xffff_fff0,
        other => other,
    });
    let programs = Arc::new(Programs::new([program.info().clone()]));
    let hook = skb::Hook::TestRun(TestRun::with_context(TestRunContext::default()).unwrap());
    let engines =
        vec![EngineSetup { pipeline: Pipeline::TestRun(program), programs, records: RecordMaps::default() }];
    let report = run(Replay { engines, hook, workers: 1, sinks: vec![] }, &[capture]);
    assert_eq!(report.refused[&Refusal::Hook(Refused::TestRunShortIp)], 1);
    assert_eq!(report.verdicts[&(3, None)], 1);
    assert_eq!(report.verdicts[&(-16, None)], 2);
}

#[test]
fn two_engines_stop_at_the_first_difference() {
    let dir = tempfile::tempdir().unwrap();
    let frames: Vec<Vec<u8>> = (0..100).map(tcp).collect();
    let capture = common::write(dir.path(), "capture", &ethernet_pcap(frames.iter().map(Vec::as_slice)));
    let pair = |wrong: fn(&mut SkBuff)| {
        let good = Scripted::new(1, "prog", by_port);
        let bad = Scripted::new(2, "prog", move |skb, exec| {
            let verdict = by_port(skb, exec);
            if skb.mark == 42 {
                wrong(skb);
            }
            verdict
        });
        vec![setup(good), setup(bad)]
    };
    let same = Replay { engines: pair(|_| {}), hook: ingress(), workers: 1, sinks: vec![] };
    assert!(!run(same, std::slice::from_ref(&capture)).ended_early());

    for (wrong, expected) in [
        ((|skb| skb.priority = 5) as fn(&mut SkBuff), ("priority", "0", "5")),
        (|skb| skb.packet_mut()[20] = 0xaa, ("packet byte 20", "0x00", "0xaa")),
    ] {
        let replay = Replay { engines: pair(wrong), hook: ingress(), workers: 1, sinks: vec![] };
        let report = run(replay, std::slice::from_ref(&capture));
        let difference = report.difference.unwrap();
        assert_eq!(difference.frame, 43);
        let (what, first, second) = expected;
        assert_eq!(difference.fields, [(what.to_owned(), first.to_owned(), second.to_owned())]);
        assert_eq!(report.not_run, 57);
    }
}

/// Fails after some bytes, as a full disk does.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_replay_with_everything_counted() {
    let dir = tempfile::tempdir().unwrap();
    let capture = common::write(dir.path(), "many.pcap", &many_frames());
    for workers in [1, 3] {
        let engine = setup(Scripted::new(1, "by_port", by_port));
        let format = Arc::new(Ndjson::new(Arc::clone(&engine.programs)));
        let sinks = vec![Sink::new("frames.ndjson", format, Box::new(Full(2 << 20)))];
        let report = run(
            Replay { engines: vec![engine], hook: ingress(), workers, sinks },
            std::slice::from_ref(&capture),
        );
        assert!(report.ended_early() && !report.interrupted);
        assert!(report.sink_errors[0].to_string().starts_with("cannot write frames.ndjson: "), "{report:?}");
    }
}

#[test]
fn a_replay_can_be_stopped_in_the_middle() {
    let dir = tempfile::tempdir().unwrap();
    let capture = common::write(dir.path(), "many.pcap", &many_frames());
    for workers in [1, 3] {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop_in_program, counted) = (Arc::clone(&stop), Arc::clone(&seen));
        let program = Scripted::new(1, "prog", move |_, _| {
            if counted.fetch_add(1, Ordering::Relaxed) == 1000 {
                stop_in_program.store(true, Ordering::Relaxed);
            }
            0
        });
        let replay = Replay { engines: vec![setup(program)], hook: ingress(), workers, sinks: vec![] };
        let report = run_until(replay, std::slice::from_ref(&capture), &stop);
        assert!(report.interrupted && report.not_run > 0);
        assert_eq!(report.verdicts[&(0, None)], seen.load(Ordering::Relaxed));
        // With more workers all blocks may be in flight by then.
        assert!(workers > 1 || report.frames < 20_000);
    }
}

#[test]
fn tshark_reads_and_filters_what_is_written() {
    if let Err(error) = Command::new("tshark").arg("--version").output() {
        return skipped("what is written as tshark reads it", &error);
    }
    let dir = tempfile::tempdir().unwrap();
    let frames: Vec<Vec<u8>> = (0..14).map(tcp).collect();
    let ethernet = common::write(dir.path(), "ethernet", &ethernet_pcap(frames.iter().map(Vec::as_slice)));
    let mut wlan = pcap_header(Order::Big, 0xa1b2_c3d4, 105);
    wlan.extend(pcap_record(Order::Big, 1, 999_999, b"not a frame of ours", 100));
    let wlan = common::write(dir.path(), "wlan", &wlan);
    let engine = setup(Scripted::new(1, "by_port", by_port));
    let out = dir.path().join("out.pcapng");
    let format = Arc::new(VerdictPcapng::new(Arc::clone(&engine.programs)));
    let sinks = vec![Sink::new("out.pcapng", format, Box::new(std::fs::File::create(&out).unwrap()))];
    run(Replay { engines: vec![engine], hook: ingress(), workers: 2, sinks }, &[ethernet, wlan]);

    let fields = |filter: &str| tshark(&out, filter);
    assert_eq!(
        fields("frame.verdict.ebpf_tc == 2"),
        "2\t54\t1700000000.000001000\t2\tpath=by_port verdict=TC_ACT_SHOT reason=TC_INGRESS\n\
         9\t54\t1700000000.000008000\t2\tpath=by_port verdict=TC_ACT_SHOT reason=TC_INGRESS\n"
    );
    assert_eq!(
        fields("!frame.verdict.ebpf_tc"),
        "15\t100\t1.999999000\t\trefused: link type IEEE802_11 (105) is not supported\n"
    );
    assert_eq!(fields("frame.verdict.ebpf_tc == -1").lines().count(), 4);
    assert_eq!(fields("").lines().count(), 15);
}

fn tshark(file: &Path, filter: &str) -> String {
    let mut command = Command::new("tshark");
    command.args([
        "-n",
        "-Y",
        filter,
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-e",
        "frame.len",
        "-e",
        "frame.time_epoch",
    ]);
    command.args(["-e", "frame.verdict.ebpf_tc", "-e", "frame.comment", "-r"]).arg(file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
