//! Packets as our ingress and egress hooks show them, against what the kernel's show on a live veth pair: every field of
//! the context, the header offsets and the bytes, for the same frames.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link, Stamp};
use bpfreplay_runtime::{Context, ExecutionContext, Packet};
use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures;
use bpfreplay_tests::case::{ProgramDef, assemble_program};
use bpfreplay_tests::kernel::{KernelInstance, LiveHook, LiveLink};
use bpfreplay_tests::skip::skipped;
use bpfreplay_uapi::MapType;
use bpfreplay_uapi::skb::SkbField;
use bpfreplay_uapi::tc::{TC_ACT_SHOT, TC_ACT_UNSPEC};

/// The fields that are noted, `cb` word by word. Not: those of sockets, and addresses.
const FIELDS: &[SkbField] = &[
    SkbField::Len,
    SkbField::PktType,
    SkbField::Mark,
    SkbField::QueueMapping,
    SkbField::Protocol,
    SkbField::VlanPresent,
    SkbField::VlanTci,
    SkbField::VlanProto,
    SkbField::Priority,
    SkbField::IngressIfindex,
    SkbField::Ifindex,
    SkbField::TcIndex,
    SkbField::Cb,
    SkbField::Hash,
    SkbField::TcClassid,
    SkbField::NapiId,
    SkbField::Tstamp,
    SkbField::WireLen,
    SkbField::GsoSegs,
    SkbField::GsoSize,
    SkbField::TstampType,
    SkbField::Hwtstamp,
];

/// What is not compared, and why.
const NOT_COMPARED: &[(LiveHook, &str, &str)] =
    &[(LiveHook::Ingress, "tstamp", "0 only while nobody on the machine has asked for receive time stamps")];

/// Bytes of a packet that are noted.
const BYTES_MAX: usize = 256;
/// How long a frame may take from one end to the other, in ms.
const ARRIVAL_MS: u32 = 1000;

/// A program that notes what it is shown in the one value of its map: which 8-byte word is what, and its text.
struct Noter {
    words: Vec<String>,
    program: Arc<Program>,
}

impl Noter {
    fn new(name: &str, returns: i32) -> Noter {
        let mut words = vec!["runs".to_owned()];
        let mut notes = String::new();
        let mut note = |word: String, code: &str| {
            notes += &format!("{code}\n *(u64 *)(r7 + {}) = r1\n", words.len() * 8);
            words.push(word);
        };
        for field in FIELDS {
            let (width, count) = match field.size() {
                20 => (4, 5),
                size => (size, 1),
            };
            for at in 0..count {
                let word =
                    if count > 1 { format!("{}[{at}]", field.name()) } else { field.name().to_owned() };
                note(word, &format!("r1 = *(u{} *)(r6 + {})", width * 8, field.offset() + at * 4));
            }
        }
        note("data_end - data".to_owned(), "r1 = *(u32 *)(r6 + 80)\n r2 = *(u32 *)(r6 + 76)\n r1 -= r2");
        note("data - data_meta".to_owned(), "r1 = *(u32 *)(r6 + 76)\n r2 = *(u32 *)(r6 + 140)\n r1 -= r2");
        for (start, name) in ["mac header", "network header"].iter().enumerate() {
            // Two bytes from there, and the helper's error if there are none.
            let load = format!(
                "r1 = r6\n r2 = 0\n r3 = r10\n r3 += -16\n *(u64 *)(r10 - 16) = 0\n r4 = 2\n r5 = {start}\n \
                 call bpf_skb_load_bytes_relative\n r1 = r0\n r2 = *(u64 *)(r10 - 16)\n r1 ^= r2"
            );
            note(format!("bytes at the {name}"), &load);
        }
        let bytes = words.len() * 8;
        let code = format!(
            "
            r6 = r1
            *(u32 *)(r10 - 4) = 0
            r2 = r10
            r2 += -4
            r1 = map(noted) ll
            call bpf_map_lookup_elem
            if r0 == 0 goto out
            r7 = r0
            r1 = *(u64 *)(r7 + 0)
            r1 += 1
            *(u64 *)(r7 + 0) = r1
            {notes}
            r4 = *(u32 *)(r6 + 0)
            if r4 == 0 goto out
            if r4 > {BYTES_MAX} goto long
            goto load
        long:
            r4 = {BYTES_MAX}
        load:
            r1 = r6
            r2 = 0
            r3 = r7
            r3 += {bytes}
            call bpf_skb_load_bytes
        out:
            r0 = {returns}
            exit
            "
        );
        let size = bytes + BYTES_MAX;
        let maps: Arc<[MapSpec]> = Arc::new([MapSpec::new("noted", MapType::Array, 4, size as u32, 1)]);
        let def = ProgramDef::new(name, code);
        let program = assemble_program(&def, &maps).unwrap_or_else(|error| panic!("{error:#}"));
        Noter { words, program: Arc::new(program) }
    }

    fn word(&self, noted: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(noted[at * 8..at * 8 + 8].try_into().expect("eight bytes"))
    }

    /// What differs, in words.
    fn differences(&self, hook: LiveHook, ours: &[u8], kernels: &[u8]) -> Vec<String> {
        let skipped = |word: &str| NOT_COMPARED.iter().any(|(at, name, _)| *at == hook && *name == word);
        let mut all: Vec<String> = (0..self.words.len())
            .filter(|at| !skipped(&self.words[*at]))
            .map(|at| (at, self.word(ours, at), self.word(kernels, at)))
            .filter(|(_, ours, kernels)| ours != kernels)
            .map(|(at, ours, kernels)| format!("{} is {ours:#x}, the kernel's {kernels:#x}", self.words[at]))
            .collect();
        let bytes = self.words.len() * 8;
        if ours[bytes..] != kernels[bytes..] {
            all.push(format!("bytes {:02x?}, the kernel's {:02x?}", &ours[bytes..], &kernels[bytes..]));
        }
        all
    }
}

/// Our side of one hook on one engine.
struct Lane {
    name: String,
    instance: Instance,
    hook: Hook,
    exec: ExecutionContext,
    packet: Packet,
}

impl Lane {
    fn new(engine: Engine, noter: &Noter, link: &LiveLink, at: LiveHook) -> Lane {
        let options = Options { engine, ..Options::default() };
        let instance = Instance::from_programs(&[Arc::clone(&noter.program)], &options).expect("it is ready");
        let mac = match at {
            LiveHook::Ingress => LiveLink::RECEIVER_MAC,
            LiveHook::Egress => LiveLink::SENDER_MAC,
        };
        let device =
            Device { ifindex: link.ifindex(at), mac: Some(mac), stamp: Stamp::Zero, ..Device::default() };
        let hook = match at {
            LiveHook::Ingress => Hook::Ingress(device),
            LiveHook::Egress => Hook::Egress(device),
        };
        let name = format!("{engine} at {at:?}");
        Lane { name, instance, hook, exec: ExecutionContext::new(0), packet: Packet::new() }
    }

    /// What is noted after this frame; the same as before if the hook refuses it.
    fn run(&mut self, bytes: &[u8]) -> Vec<u8> {
        let frame = Frame {
            bytes: Bytes::Shared(bytes),
            link: Link::Ethernet,
            wire_len: bytes.len() as u32,
            time_ns: 7,
        };
        if let Ok(skb) = self.packet.load(frame, &self.hook) {
            self.instance.entry().run(Context::Skb(skb), &mut self.exec.batch());
            assert_eq!(self.exec.fault, None, "{}", self.name);
        }
        self.instance.map("noted").expect("the map").lookup(&[0; 4]).expect("its one entry")
    }
}

#[test]
fn live_hooks_show_what_ours_show() {
    let Some(kernel) = Kernel::or_skip("the kernel's hooks") else { return };
    match LiveLink::with(kernel, |link| compare(kernel, link)) {
        Ok((frames, report)) => {
            eprintln!("{frames} frames at both hooks");
            assert!(
                report.is_empty(),
                "{} differences:\n{}",
                report.len(),
                report[..report.len().min(20)].join("\n")
            );
        }
        Err(reason) => skipped("the kernel's hooks", &reason),
    }
}

fn compare(kernel: Kernel, link: &LiveLink) -> (usize, Vec<String>) {
    // What arrives is dropped there: no stack shall answer it.
    let sides = [(LiveHook::Egress, TC_ACT_UNSPEC), (LiveHook::Ingress, TC_ACT_SHOT)].map(|(at, returns)| {
        let noter = Noter::new("noter", returns);
        let instance = KernelInstance::load(kernel, &[Arc::clone(&noter.program)])
            .unwrap_or_else(|error| panic!("{error}"));
        let fd = instance.program("noter").expect("it was loaded");
        link.attach(at, 1, fd, [&["da"], &[]]).unwrap_or_else(|error| panic!("{error}"));
        (at, noter, instance)
    });
    let mut lanes: Vec<(usize, Lane)> = Vec::new();
    for (side, (at, noter, _)) in sides.iter().enumerate() {
        lanes.extend(Engine::ALL.map(|engine| (side, Lane::new(engine, noter, link, *at))));
    }
    let frames = frames();
    let mut report = Vec::new();
    for (name, frame) in &frames {
        let ours: Vec<(usize, String, Vec<u8>)> =
            lanes.iter_mut().map(|(side, lane)| (*side, lane.name.clone(), lane.run(frame))).collect();
        if let Err(error) = link.send(frame) {
            report.push(format!("{name}: sending {} bytes: {error}", frame.len()));
            continue;
        }
        for (side, lane, ours) in ours {
            let (at, noter, instance) = &sides[side];
            let kernels = noted(kernel, instance, noter.word(&ours, 0));
            let differences = noter.differences(*at, &ours, &kernels);
            if !differences.is_empty() {
                report.push(format!(
                    "{lane}, {name}, {} bytes:\n    {}",
                    frame.len(),
                    differences.join("\n    ")
                ));
            }
        }
    }
    (frames.len(), report)
}

/// What the kernel's program has noted once it has run this often, or after a while.
fn noted(kernel: Kernel, instance: &KernelInstance, runs: u64) -> Vec<u8> {
    let (spec, fd) = instance.map("noted").expect("the map");
    for _ in 0..ARRIVAL_MS {
        let noted = kernel.lookup(fd, &[0; 4], spec.value_size as usize).expect("the map can be read");
        if noted[..8] == runs.to_le_bytes() {
            return noted;
        }
        sleep(Duration::from_millis(1));
    }
    kernel.lookup(fd, &[0; 4], spec.value_size as usize).expect("the map can be read")
}

/// Frames by hand for every way a hook has of looking at one, then those of the shipped captures.
fn frames() -> Vec<(String, Vec<u8>)> {
    const HOST: [u8; 6] = LiveLink::RECEIVER_MAC;
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 0x77];
    const BROADCAST: [u8; 6] = [0xff; 6];
    let frame = |destination: [u8; 6], rest: &[u8], len: usize| {
        let mut frame = [&destination[..], &LiveLink::SENDER_MAC, rest].concat();
        while frame.len() < len {
            frame.push(frame.len() as u8);
        }
        frame
    };
    let ipv4 = [0x08, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17];
    let by_hand = [
        ("IPv4", frame(HOST, &ipv4, 60)),
        ("IPv4 to another host", frame(OTHER, &ipv4, 60)),
        ("IPv4 to the sender", frame(LiveLink::SENDER_MAC, &ipv4, 60)),
        ("IPv4 broadcast", frame(BROADCAST, &ipv4, 60)),
        ("IPv4 multicast", frame([1, 0, 0x5e, 0, 0, 1], &ipv4, 60)),
        ("IPv6", frame(HOST, &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64], 62)),
        ("IPv6 multicast", frame([0x33, 0x33, 0, 0, 0, 1], &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64], 62)),
        ("ARP broadcast", frame(BROADCAST, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], 42)),
        ("802.3 LLC", frame(HOST, &[0, 0x30, 0x42, 0x42, 3], 62)),
        ("802.3 to multicast", frame([1, 0x80, 0xc2, 0, 0, 0], &[0, 0x26, 0x42, 0x42, 3], 60)),
        ("802.3 raw", frame(HOST, &[0, 0x30, 0xff, 0xff], 62)),
        ("length 1535", frame(HOST, &[5, 0xff, 0xff, 0xff], 62)),
        ("EtherType 1536", frame(HOST, &[6, 0], 62)),
        ("802.1Q", frame(HOST, &[&[0x81, 0, 0x20, 5][..], &ipv4].concat(), 64)),
        ("802.1Q all bits", frame(HOST, &[&[0x81, 0, 0xff, 0xff][..], &ipv4].concat(), 64)),
        ("802.1Q VLAN 0", frame(HOST, &[&[0x81, 0, 0, 0][..], &ipv4].concat(), 64)),
        ("802.1Q with 802.3", frame(HOST, &[0x81, 0, 0, 5, 0, 0x20, 0x42, 0x42, 3], 64)),
        ("802.1Q with raw 802.3", frame(HOST, &[0x81, 0, 0, 5, 0, 0x20, 0xff, 0xff], 64)),
        ("802.1ad", frame(HOST, &[&[0x88, 0xa8, 0, 7][..], &ipv4].concat(), 64)),
        ("QinQ", frame(HOST, &[&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9][..], &ipv4].concat(), 68)),
        ("QinQ of 802.1Q", frame(HOST, &[&[0x81, 0, 0, 7, 0x81, 0, 0, 9][..], &ipv4].concat(), 68)),
        (
            "three tags",
            frame(BROADCAST, &[&[0x81, 0, 0, 7, 0x81, 0, 0, 9, 0x81, 0, 0, 1][..], &ipv4].concat(), 72),
        ),
        ("tag cut off", frame(HOST, &[0x81, 0], 16)),
        ("tag with an EtherType behind", frame(HOST, &[0x81, 0, 0, 5, 8, 0], 18)),
        ("tag with 1 byte behind", frame(HOST, &[0x81, 0, 0, 5, 8, 0], 19)),
        ("tag with 2 bytes behind", frame(HOST, &[0x81, 0, 0, 5, 8, 0], 20)),
        ("second tag cut off", frame(HOST, &[0x81, 0, 0, 5, 0x81, 0, 0, 6], 20)),
        ("tag with type 0", frame(HOST, &[0x81, 0, 0, 5, 0, 0], 64)),
        ("seven tags", frame(HOST, &[&[0x81, 0, 0, 5].repeat(7)[..], &ipv4].concat(), 90)),
        ("eight tags", frame(HOST, &[&[0x81, 0, 0, 5].repeat(8)[..], &ipv4].concat(), 90)),
        ("nine tags", frame(HOST, &[&[0x81, 0, 0, 5].repeat(9)[..], &ipv4].concat(), 90)),
        ("header alone", frame(HOST, &[8, 0], 14)),
        ("length alone", frame(HOST, &[0, 0], 14)),
        ("length and 1 byte", frame(HOST, &[0, 1, 0xff], 15)),
        ("MTU", frame(HOST, &ipv4, LiveLink::FRAME_MAX)),
    ];
    let mut frames: Vec<(String, Vec<u8>)> =
        by_hand.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    for path in captures::shipped() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let of_it = (1..).zip(captures::test_run_frames(&path));
        let fitting = of_it.filter(|(_, frame)| frame.len() <= LiveLink::FRAME_MAX);
        frames.extend(fitting.map(|(at, frame)| (format!("{name} frame {at}"), frame)));
    }
    frames
}
