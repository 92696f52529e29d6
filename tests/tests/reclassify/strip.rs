//! `strip_tunnel` in front of `packet_parser`, on both engines, against tunnels taken off natively.

use std::path::Path;
use std::sync::Arc;

use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_parsers::reference::{OuterTag, parse};
use bpfreplay_parsers::{Outcome, PARSER_DPA, Reason, STRIP_TUNNEL, State};
use bpfreplay_runtime::skb::{self, Bytes, Device, Frame, Link};
use bpfreplay_runtime::{ExecutionContext, Packet};
use bpfreplay_tc::{Classified, Direction, DropReason, Filter, Hook, NoObserver, Reclassify, Verdict};
use bpfreplay_tests::captures::{self, ethernet_frames, root};

/// linux: net/sched/cls_api.c `max_reclassify_loop`.
const RESTARTS_MAX: u32 = 16;

/// The stripper and the parsers on one hook.
struct Lane {
    hook: Hook,
    exec: ExecutionContext,
    packet: Packet,
    _instances: [Instance; 2],
}

impl Lane {
    fn new(engine: Engine, reclassify: Reclassify) -> Lane {
        let instances = [STRIP_TUNNEL, PARSER_DPA].map(|shipped| {
            let object = Object::parse(shipped.bytes).expect("a shipped object");
            let entry = Some(shipped.entry.to_owned());
            Instance::load(&object, &Options { engine, entry, ..Options::default() }).expect("it is ready")
        });
        let mut hook = Hook::new(Direction::Ingress).with_reclassify(reclassify);
        for (prio, instance) in (1..).zip(&instances) {
            let filter = Filter::direct_action(Arc::clone(instance.entry()));
            hook.add(Filter { prio, ..filter }).expect("two filters");
        }
        Lane { hook, exec: ExecutionContext::new(0), packet: Packet::new(), _instances: instances }
    }

    /// The verdict, the packet's bytes after it, its mark and cb; None: the hook refuses the frame.
    fn run(&mut self, bytes: &[u8]) -> Option<(Classified, Vec<u8>, u32, [u32; 5])> {
        let wire_len = bytes.len() as u32;
        let frame = Frame { bytes: Bytes::Copied(bytes), link: Link::Ethernet, wire_len, time_ns: 0 };
        let skb = self.packet.load(frame, &skb::Hook::Ingress(Device::default())).ok()?;
        let done = self.hook.classify(skb, &mut self.exec.batch(), &mut NoObserver);
        assert_eq!(self.exec.fault, None);
        Some((done, skb.packet().to_vec(), skb.mark, skb.cb))
    }
}

#[test]
fn passes_are_tunnels_and_one() {
    for engine in Engine::ALL {
        let mut lane = Lane::new(engine, Reclassify::Verdict);
        let (mut by_passes, mut looped) = ([0_u64; RESTARTS_MAX as usize + 1], 0);
        for path in captures::all() {
            for (number, frame) in (1..).zip(ethernet_frames(&path).0) {
                let what = format!("{engine}, {} frame {number}", path.display());
                // With its tag off, as the hook shows it.
                let (shown, tag) = untagged(&frame.bytes);
                let Some((done, left, mark, cb)) = lane.run(&frame.bytes) else { continue };
                let stages = stages(shown);
                let tunnels = stages.len() as u32 - 1;
                if tunnels > RESTARTS_MAX {
                    assert_eq!(done.verdict, Verdict::Shot(DropReason::TcReclassifyLoop), "{what}");
                    // The 17th pass strips too; its restart is what is refused.
                    assert_eq!((done.restarts, mark), (RESTARTS_MAX, RESTARTS_MAX + 1), "{what}");
                    assert_eq!(left, stages[RESTARTS_MAX as usize + 1], "{what}");
                    looped += 1;
                    continue;
                }
                assert_eq!((done.restarts, done.runs, mark), (tunnels, tunnels + 2, tunnels), "{what}");
                let last = stages.last().expect("the frame itself");
                assert_eq!(&left, last, "{what}");
                let parsed = parse(last, tag);
                assert_eq!(State::decode(cb), Ok(parsed.state), "{what}");
                let verdict = match parsed.state.reason.outcome() {
                    Outcome::Accepted => Verdict::Ok,
                    Outcome::Unknown => Verdict::Unspec,
                    Outcome::Malformed => Verdict::Shot(DropReason::TcIngress),
                };
                assert_eq!(done.verdict, verdict, "{what}");
                by_passes[tunnels as usize] += 1;
            }
        }
        eprintln!("{engine}: frames by tunnels stripped {by_passes:?}, {looped} beyond the limit");
        assert!(by_passes[..5].iter().all(|frames| *frames > 0), "the captures nest tunnels");
        assert!(looped > 0, "some captures nest tunnels beyond the limit");
    }
}

/// In well-formed frames the depth is the parsers' own.
#[test]
fn passes_are_the_depth_the_parsers_find_and_one() {
    let mut lane = Lane::new(Engine::Jit, Reclassify::Verdict);
    let mut compared = 0;
    for name in ["tunnels.pcap", "vxlan.pcap", "tunnels_deep.pcap"] {
        for frame in ethernet_frames(&root().join("pcaps/generated").join(name)).0 {
            let parsed = parse(&frame.bytes, OuterTag::InBytes).state;
            // A tag inside a tunnel hides from the stripper what the parsers find behind it.
            let (done, left, ..) = lane.run(&frame.bytes).expect("an Ethernet frame");
            let plain = parse(&left, OuterTag::InBytes).state.depth == 0;
            if parsed.reason == Reason::Parsed && plain {
                assert_eq!(done.restarts, u32::from(parsed.depth).min(RESTARTS_MAX), "{name}: {parsed}");
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "{compared} frames compared");
}

/// linux: net/sched/cls_bpf.c cls_bpf_exec_opcode. One tunnel is off, and then the next filter is asked.
#[test]
fn linux_reads_a_programs_reclassify_as_unspec() {
    for engine in Engine::ALL {
        let mut lane = Lane::new(engine, Reclassify::Linux);
        for frame in ethernet_frames(Path::new(&root().join("pcaps/generated/tunnels.pcap"))).0 {
            let (done, left, mark, _) = lane.run(&frame.bytes).expect("an Ethernet frame");
            let stages = stages(frame.bytes);
            assert_eq!((done.restarts, done.runs), (0, 2));
            assert_eq!((mark as usize, &left), (stages.len().min(2) - 1, &stages[mark as usize]));
        }
    }
}

fn untagged(frame: &[u8]) -> (Vec<u8>, OuterTag) {
    match frame.get(12..14) {
        Some([0x81, 0] | [0x88, 0xa8]) if frame.len() >= 20 => {
            ([&frame[..12], &frame[16..]].concat(), OuterTag::InMetadata)
        }
        Some(_) | None => (frame.to_vec(), OuterTag::InBytes),
    }
}

/// The frame, and what is left of it after one tunnel, two, and so on.
fn stages(frame: Vec<u8>) -> Vec<Vec<u8>> {
    let mut stages = vec![frame];
    while let Some(next) = strip(stages.last().expect("at least the frame")) {
        stages.push(next);
    }
    stages
}

/// One tunnel off: IP in IP, GRE (RFC 2784, 2890) to IP or Ethernet, VXLAN (RFC 7348). The length stays, zeroes follow.
fn strip(frame: &[u8]) -> Option<Vec<u8>> {
    let packet = frame.get(14..)?;
    let (protocol, payload) = match frame.get(12..14)? {
        [0x08, 0x00] if packet.len() >= 20 => {
            let words = usize::from(packet[0] & 0xf);
            let fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0;
            if words < 5 || fragment {
                return None;
            }
            (packet[9], packet.get(words * 4..)?)
        }
        [0x86, 0xdd] if packet.len() >= 40 => (packet[6], &packet[40..]),
        _ => return None,
    };
    let (ethertype, inner) = match protocol {
        4 => ([0x08, 0x00], payload),
        41 => ([0x86, 0xdd], payload),
        47 => {
            let (header, rest) = payload.split_first_chunk::<4>()?;
            let flags = u16::from_be_bytes([header[0], header[1]]);
            if flags & !0xb000 != 0 {
                return None;
            }
            ([header[2], header[3]], rest.get((flags & 0xb000).count_ones() as usize * 4..)?)
        }
        17 if payload.len() >= 8 && payload[2..4] == 4789_u16.to_be_bytes() => {
            ([0x65, 0x58], payload.get(16..)?)
        }
        _ => return None,
    };
    // More than the stripper moves.
    if inner.is_empty() || frame.len() > 64 * 160 {
        return None;
    }
    let mut stripped = match ethertype {
        [0x65, 0x58] => inner.to_vec(),
        [0x08, 0x00] | [0x86, 0xdd] => [&frame[..12], &ethertype, inner].concat(),
        _ => return None,
    };
    stripped.resize(frame.len(), 0);
    Some(stripped)
}
