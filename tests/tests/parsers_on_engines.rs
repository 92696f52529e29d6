//! The shipped parsers on our engines against the native reference: every frame of every capture, both editions, both
//! engines, every hook. Same path, same state in `cb`, same verdict, same counters.

use std::collections::BTreeMap;
use std::sync::Arc;

use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_parsers::reference::{OuterTag, Parsed, parse};
use bpfreplay_parsers::{Outcome, PARSER_DPA, PARSER_LDABS, Proto, Reason, State};
use bpfreplay_replay::{compare_maps, values_by_cpu};
use bpfreplay_runtime::skb::{self, Bytes, Device, Link, Stamp, TestRun, TestRunContext};
use bpfreplay_runtime::{ExecutionContext, Packet, SkBuff};
use bpfreplay_tc::{Direction, DropReason, Filter, Hook, NoObserver, Verdict};
use bpfreplay_tests::captures::{self, EthernetFrame};

/// Where the parsers are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Ingress,
    Egress,
    TestRun,
}

impl Place {
    const ALL: [Place; 3] = [Place::Ingress, Place::Egress, Place::TestRun];

    fn hook(self) -> skb::Hook {
        let device = Device { stamp: Stamp::Capture, ..Device::default() };
        match self {
            Place::Ingress => skb::Hook::Ingress(device),
            Place::Egress => skb::Hook::Egress(device),
            Place::TestRun => skb::Hook::TestRun(
                TestRun::with_context(TestRunContext::default()).expect("an empty context is a valid one"),
            ),
        }
    }

    /// The tc side: `BPF_PROG_TEST_RUN` has no list of filters, but one program is one filter.
    fn direction(self) -> Direction {
        match self {
            Place::Ingress | Place::TestRun => Direction::Ingress,
            Place::Egress => Direction::Egress,
        }
    }

    /// Whether the outer tag is taken off the bytes here: told by the frame, not by asking the hook.
    fn untags(self, frame: &[u8]) -> bool {
        self == Place::Ingress && matches!(frame.get(12..14), Some([0x81, 0x00] | [0x88, 0xa8]))
    }

    /// Whether Linux runs a program on this Ethernet frame here.
    fn takes(self, frame: &[u8]) -> bool {
        let least = match (self, frame.get(12..14)) {
            (Place::TestRun, Some([0x08, 0x00])) => 34,
            (Place::TestRun, Some([0x86, 0xdd])) => 54,
            (Place::Ingress, _) if self.untags(frame) => 20,
            _ => 14,
        };
        frame.len() >= least && (self != Place::TestRun || frame.len() <= 3712)
    }

    /// What the reference is to say of this frame here.
    fn reference(self, frame: &[u8]) -> Parsed {
        if self.untags(frame) {
            parse(&[&frame[..12], &frame[16..]].concat(), OuterTag::InMetadata)
        } else {
            parse(frame, OuterTag::InBytes)
        }
    }

    fn verdict(self, parsed: &Parsed) -> Verdict {
        match (parsed.state.reason.outcome(), self.direction()) {
            (Outcome::Accepted, _) => Verdict::Ok,
            (Outcome::Unknown, _) => Verdict::Unspec,
            (Outcome::Malformed, Direction::Ingress) => Verdict::Shot(DropReason::TcIngress),
            (Outcome::Malformed, Direction::Egress) => Verdict::Shot(DropReason::TcEgress),
        }
    }
}

/// One edition on one engine, with one worker.
struct Lane {
    name: String,
    instance: Instance,
    hook: Hook,
    exec: ExecutionContext,
    packet: Packet,
}

/// What is compared of a frame.
#[derive(PartialEq, Eq, Debug)]
struct Seen {
    path: Vec<String>,
    state: State,
    retval: i32,
    verdict: Verdict,
}

impl Lane {
    fn new(shipped: bpfreplay_parsers::Object, engine: Engine, place: Place) -> Lane {
        let object = Object::parse(shipped.bytes).expect("a shipped object");
        let options = Options { engine, entry: Some(shipped.entry.to_owned()), ..Options::default() };
        let instance = Instance::load(&object, &options).expect("it is ready");
        let mut hook = Hook::new(place.direction());
        hook.add(Filter::direct_action(Arc::clone(instance.entry()))).expect("one filter");
        Lane {
            name: format!("{} on {engine} at {place:?}", shipped.name),
            instance,
            hook,
            exec: ExecutionContext::new(0),
            packet: Packet::new(),
        }
    }

    /// None: the hook refuses the frame.
    fn run(&mut self, frame: skb::Frame<'_>, at: &skb::Hook) -> Option<Seen> {
        let skb: &mut SkBuff = self.packet.load(frame, at).ok()?;
        let done = {
            let mut batch = self.exec.batch();
            self.hook.classify(skb, &mut batch, &mut NoObserver)
        };
        assert_eq!(self.exec.fault, None, "{}", self.name);
        let name = |prog| self.instance.program_name(prog).unwrap_or("?").to_owned();
        Some(Seen {
            path: self.exec.path().iter().map(|entry| name(entry.prog)).collect(),
            state: State::decode(skb.cb).expect("the parsers leave their state"),
            retval: done.retval.cast_signed(),
            verdict: done.verdict,
        })
    }

    /// The sums over all CPUs of a per-CPU array of 8-byte words.
    fn words(&self, map: &str) -> Vec<u64> {
        let map = self.instance.map(map).expect("a map of the parsers");
        let mut words = Vec::new();
        map.for_each(|_, values| {
            let cpus: Vec<&[u8]> = values_by_cpu(map, values).collect();
            for at in (0..cpus[0].len()).step_by(8) {
                let word = |value: &&[u8]| u64::from_le_bytes(value[at..at + 8].try_into().expect("8 bytes"));
                words.push(cpus.iter().map(word).sum());
            }
        })
        .expect("the map can be read");
        words
    }
}

/// What the reference counts.
#[derive(Default)]
struct Tally {
    /// Packets and bytes by `Proto`.
    headers: [[u64; 2]; Proto::COUNT],
    reasons: BTreeMap<Reason, u64>,
}

impl Tally {
    fn add(&mut self, parsed: &Parsed, len: u32) {
        for (sum, found) in self.headers.iter_mut().zip(parsed.headers) {
            sum[0] += u64::from(found);
            sum[1] += u64::from(found) * u64::from(len);
        }
        *self.reasons.entry(parsed.state.reason).or_default() += 1;
    }

    fn frames(&self) -> u64 {
        self.reasons.values().sum()
    }
}

#[test]
fn every_frame_of_every_capture_is_parsed_as_the_reference_does() {
    let mut frames: Vec<(String, EthernetFrame)> = Vec::new();
    for path in captures::all() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (of_it, _) = captures::ethernet_frames(&path);
        frames.extend((1..).zip(of_it).map(|(number, frame)| (format!("{name} frame {number}"), frame)));
    }
    for place in Place::ALL {
        let mut lanes = lanes(place);
        let (mut tally, mut refused) = (Tally::default(), 0);
        for (name, frame) in &frames {
            let len = on_all(&mut lanes, place, name, &frame.bytes, Link::Ethernet, frame);
            assert_eq!(
                len.is_some(),
                place.takes(&frame.bytes),
                "{place:?}, {name}: {} bytes",
                frame.bytes.len()
            );
            match len {
                Some(len) => tally.add(&place.reference(&frame.bytes), len),
                None => refused += 1,
            }
        }
        eprintln!("{place:?}: {} frames on {} lanes, {refused} refused", tally.frames(), lanes.len());
        assert!(tally.frames() > 5000, "the captures hold {} frames", tally.frames());
        assert!(tally.reasons.len() > 30, "the captures reach {} reasons", tally.reasons.len());
        check_maps(&lanes, &tally);
    }
}

/// No driver hands up a frame without an Ethernet header. A device without link headers has packets of any length.
#[test]
fn packets_shorter_than_a_header_are_truncated() {
    let (frames, _) = captures::ethernet_frames(&captures::root().join("pcaps/generated/tiny.pcap"));
    let whole = frames.iter().max_by_key(|frame| frame.bytes.len()).expect("tiny.pcap has frames");
    for place in [Place::Ingress, Place::Egress] {
        let mut lanes = lanes(place);
        let mut tally = Tally::default();
        for len in 0..14 {
            let bytes = &whole.bytes[..len];
            let name = format!("{len} bytes");
            let link = Link::Stripped { protocol: 0x0800, pkt_type: 0 };
            assert_eq!(on_all(&mut lanes, place, &name, bytes, Link::Ethernet, whole), None);
            assert_eq!(on_all(&mut lanes, place, &name, bytes, link, whole), Some(len as u32));
            tally.add(&parse(bytes, OuterTag::InBytes), len as u32);
        }
        assert_eq!(tally.reasons, BTreeMap::from([(Reason::TruncEthernet, 14)]));
        check_maps(&lanes, &tally);
    }
}

/// Both engines, both editions.
fn lanes(place: Place) -> Vec<Lane> {
    let pairs =
        [PARSER_DPA, PARSER_LDABS].into_iter().flat_map(|shipped| Engine::ALL.map(|on| (shipped, on)));
    pairs.map(|(shipped, engine)| Lane::new(shipped, engine, place)).collect()
}

/// Runs a frame on every lane. Its length as programs see it, or None: the hook refuses it, on all of them.
fn on_all(
    lanes: &mut [Lane],
    place: Place,
    name: &str,
    bytes: &[u8],
    link: Link,
    frame: &EthernetFrame,
) -> Option<u32> {
    let at = place.hook();
    let mut lens = lanes.iter_mut().map(|lane| {
        // A copy for one edition, in place for the other.
        let shown = if lane.name.contains("dpa") { Bytes::Copied(bytes) } else { Bytes::Shared(bytes) };
        let framed = skb::Frame { bytes: shown, link, wire_len: frame.wire_len, time_ns: frame.time_ns };
        let seen = lane.run(framed, &at)?;
        let parsed = place.reference(bytes);
        let expected = Seen {
            path: parsed.path.names().map(str::to_owned).collect(),
            state: parsed.state,
            retval: parsed.retval(),
            verdict: place.verdict(&parsed),
        };
        assert_eq!(seen, expected, "{}, {name}: {bytes:02x?}", lane.name);
        Some(bytes.len() as u32 - if place.untags(bytes) { 4 } else { 0 })
    });
    let first = lens.next().expect("there are lanes");
    assert!(lens.all(|len| len == first), "{name}: the same frames are refused everywhere");
    first
}

fn check_maps(lanes: &[Lane], tally: &Tally) {
    let reasons: Vec<u64> =
        Reason::ALL.iter().map(|reason| tally.reasons.get(reason).copied().unwrap_or(0)).collect();
    for lane in lanes {
        assert_eq!(lane.words("proto_counters"), tally.headers.as_flattened(), "{}", lane.name);
        assert_eq!(lane.words("parse_errors"), reasons, "{}", lane.name);
        assert_eq!(lane.words("flow_misses"), [0], "{}", lane.name);
        let difference = compare_maps(lanes[0].instance.maps(), lane.instance.maps()).expect("readable maps");
        assert_eq!(difference, None, "{} and {}", lanes[0].name, lane.name);
    }
    let mut flows = 0;
    lanes[0].instance.map("flows").expect("flows").for_each(|_, _| flows += 1).expect("readable");
    let l4 = [Proto::Tcp, Proto::Udp, Proto::Sctp].map(|proto| tally.headers[proto.index()][0]);
    assert_eq!(flows > 0, l4.iter().sum::<u64>() > 0, "flows are recorded if there are any");
}
