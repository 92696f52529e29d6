//! Reading captures: every variant of both formats, every way to be broken, and other readers as judges.

mod common;
#[path = "../../../tests/src/skip.rs"]
#[allow(unreachable_pub, reason = "the file is also a public module, of the tests crate")]
mod skip;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{
    Order, enhanced, ethernet_pcap, interface, pcap_header, pcap_record, pcapng_block, read_all, section, tcp,
};
use skip::skipped;

fn read(bytes: &[u8]) -> (Vec<common::Read>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    read_all(&[common::write(dir.path(), "capture", bytes)])
}

#[test]
fn pcap_in_both_byte_orders_and_units() {
    for (order, magic, ns) in [
        (Order::Little, 0xa1b2_c3d4, 7_000),
        (Order::Big, 0xa1b2_c3d4, 7_000),
        (Order::Little, 0xa1b2_3c4d, 7),
        (Order::Big, 0xa1b2_3c4d, 7),
    ] {
        // The upper half of the link type says that there are 4 bytes of FCS.
        let mut file = pcap_header(order, magic, 0x4400_0001);
        file.extend(pcap_record(order, 3, 7, b"abc", 1514));
        file.extend(pcap_record(order, 4, 2_000_000_000, b"", 0));
        let (frames, endings) = read(&file);
        assert_eq!(frames[0], (3_000_000_000 + ns, 1514, 1, b"abc".to_vec()));
        assert_eq!((frames.len(), frames[1].3.len()), (2, 0));
        assert!(endings.is_empty());
    }
}

#[test]
fn pcapng_with_sections_interfaces_and_resolutions() {
    let mut file = Vec::new();
    for order in [Order::Little, Order::Big] {
        file.extend(section(order));
        file.extend(interface(order, 1, 0, &[]));
        file.extend(interface(order, 113, 64, &[(9, &[9]), (2, b"any\xff"), (0, &[])]));
        file.extend(interface(order, 101, 2, &[(9, &[0x80 | 10]), (14, &[0; 8])]));
        file.extend(enhanced(order, 0, 5, b"microseconds"));
        // A block nobody knows, and the old packet block.
        file.extend(pcapng_block(order, 0x0bad_f00d, b"?"));
        file.extend(enhanced(order, 1, 5, b"nanoseconds"));
        file.extend(enhanced(order, 2, 512, b"binary"));
        let mut old = order.u16(1).to_vec();
        old.extend(order.u16(0xffff));
        old.extend([0, 9, 3, 4].iter().flat_map(|word| order.u32(*word)));
        old.extend(b"old");
        file.extend(pcapng_block(order, 2, &old));
        // A simple packet block is of interface 0 and has no time: the last one stays.
        let mut simple = order.u32(6).to_vec();
        simple.extend(b"simple");
        file.extend(pcapng_block(order, 3, &simple));
    }
    let (frames, endings) = read(&file);
    assert_eq!(endings, Vec::<String>::new());
    let expected = [
        (5_000, 12, 1, b"microseconds".to_vec()),
        (5, 11, 113, b"nanoseconds".to_vec()),
        (500_000_000, 6, 101, b"binary".to_vec()),
        (9, 4, 113, b"old".to_vec()),
        (9, 6, 1, b"simple".to_vec()),
    ];
    assert_eq!(frames[..5], expected);
    assert_eq!(frames[5..], expected);
}

#[test]
fn a_simple_packet_is_cut_at_the_snapshot_length() {
    let mut file = section(Order::Little);
    file.extend(interface(Order::Little, 1, 4, &[]));
    let mut simple = 1000_u32.to_le_bytes().to_vec();
    simple.extend(b"abcd");
    file.extend(pcapng_block(Order::Little, 3, &simple));
    assert_eq!(read(&file).0, [(0, 1000, 1, b"abcd".to_vec())]);
}

#[test]
fn broken_captures_keep_what_was_read_and_say_where_they_break() {
    let frame = tcp(1);
    let good = ethernet_pcap([&frame[..], &frame]);
    let record = |len: u32| [&[0; 8][..], &len.to_le_bytes(), &len.to_le_bytes()].concat();
    let with = |tail: &[u8]| [&good, tail].concat();
    let ng = |blocks: &[Vec<u8>]| blocks.concat();
    let le = Order::Little;
    let start = ng(&[section(le), interface(le, 1, 0, &[]), enhanced(le, 0, 1, &frame)]);
    let mut mismatch = enhanced(le, 0, 1, &frame);
    *mismatch.last_mut().unwrap() = 1;
    let overlong =
        pcapng_block(le, 6, &[&[0; 12][..], &50_u32.to_le_bytes(), &50_u32.to_le_bytes(), b"short"].concat());
    for (name, file, frames, message) in [
        ("empty", vec![], 0, "the file is empty"),
        ("one byte", vec![0xd4], 0, "not a capture: it begins with d4"),
        ("text", b"hello, world\n".to_vec(), 0, "it looks like text"),
        ("gzip", vec![0x1f, 0x8b, 8, 0, 0, 0], 0, "zcat FILE | bpfreplay replay -"),
        ("elf", b"\x7fELF\x02\x01".to_vec(), 0, "objects are given with --object"),
        ("noise", vec![0xde, 0xad, 0xbe, 0xef, 0], 0, "begins with deadbeef, and neither pcap"),
        (
            "half a header",
            good[..20].to_vec(),
            0,
            "cut short: the record at byte 0 needs 24 bytes and the file has 20",
        ),
        (
            "a cut record",
            good[..good.len() - 1].to_vec(),
            1,
            "record at byte 94 needs 70 bytes and the file has 69",
        ),
        ("a cut record header", good[..24 + 70 + 15].to_vec(), 1, "needs 16 bytes and the file has 15"),
        (
            "a huge record",
            with(&record(0x7fff_ffff)),
            2,
            "record at byte 164 claims 2147483647 bytes; the limit",
        ),
        ("just too large", with(&[&record(262_145)[..], &[0; 300_000]].concat()), 2, "claims 262145 bytes"),
        (
            "no interface",
            ng(&[section(le), enhanced(le, 0, 1, &frame)]),
            0,
            "a frame of interface 0, and 0 are described",
        ),
        (
            "wrong interface",
            ng(&[start.clone(), enhanced(le, 3, 1, &frame)]),
            1,
            "interface 3, and 1 are described",
        ),
        (
            "an unknown version",
            [&good[..4], &[3, 0], &good[6..]].concat(),
            0,
            "pcap version 3.4 at byte 4; known is 2.4: editcap",
        ),
        (
            "an old version",
            [&good[..6], &[2, 0], &good[8..]].concat(),
            0,
            "pcap version 2.2 at byte 4; known is 2.4: editcap",
        ),
        (
            "a section of an unknown version",
            ng(&[start.clone(), [&section(le)[..12], &[2, 0], &section(le)[14..]].concat()]),
            1,
            &format!("pcapng version 2.0 at byte {}; known is 1.0", start.len() + 12),
        ),
        (
            "a tiny section header",
            ng(&[start.clone(), pcapng_block(le, 0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a])]),
            1,
            "section header with 4 bytes of the 16",
        ),
        (
            "a section option past its block",
            ng(&[pcapng_block(
                Order::Big,
                0x0a0d_0d0a,
                &[&section(Order::Big)[8..24], &[0, 4, 0, 1]].concat(),
            )]),
            0,
            "block at byte 0: its option 4 at byte 24 has 1 bytes, and the block has room for 0",
        ),
        (
            "units of 10^-20 s",
            ng(&[start.clone(), interface(le, 1, 0, &[(9, &[20])])]),
            1,
            &format!("the interface at byte {} counts time in units of 10^-20 s", start.len()),
        ),
        (
            "units of 2^-64 s",
            ng(&[start.clone(), interface(le, 1, 0, &[(9, &[0x80 | 64])])]),
            1,
            "units of 2^-64 s; 64 bits count a second of 10^-19 s or 2^-63 s",
        ),
        (
            "a resolution of two bytes",
            ng(&[start.clone(), interface(le, 1, 0, &[(2, b"eth0"), (9, &[6, 6])])]),
            1,
            &format!("its option 9 at byte {} has 2 bytes instead of 1", start.len() + 24),
        ),
        (
            "a time offset of four bytes",
            ng(&[start.clone(), interface(le, 1, 0, &[(14, &[0; 4])])]),
            1,
            "has 4 bytes instead of 8",
        ),
        (
            "an interface option past its block",
            ng(&[
                start.clone(),
                pcapng_block(le, 1, &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 5, 0, b'e', b't', b'h', b'0']),
            ]),
            1,
            &format!(
                "block at byte {0}: its option 2 at byte {1} has 5 bytes, and the block has room for 4",
                start.len(),
                start.len() + 16
            ),
        ),
        (
            "a packet option past its block",
            ng(&[
                start.clone(),
                enhanced_with(le, &frame, &[1, 0, 0xff, 0xff, b'x', b'x', b'x', b'x']),
                enhanced(le, 0, 1, &frame),
            ]),
            1,
            &format!(
                "its option 1 at byte {} has 65535 bytes, and the block has room for 4; if it is a frame's, tcpdump",
                start.len() + 28 + 56
            ),
        ),
        (
            "a second packet option past its block",
            ng(&[
                start.clone(),
                enhanced_with(Order::Little, &frame, &[1, 0, 1, 0, b'x', 0, 0, 0, 2, 0, 1, 0]),
            ]),
            1,
            "its option 2 at byte",
        ),
        ("lengths differ", ng(&[start.clone(), mismatch]), 1, "in front and"),
        (
            "frame past its block",
            ng(&[start.clone(), overlong]),
            1,
            "a frame of 50 bytes, and the block has room for 8",
        ),
        (
            "a block of 5 bytes",
            ng(&[start.clone(), vec![9, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]]),
            1,
            "not a multiple of 4",
        ),
        (
            "a block of 8 bytes",
            ng(&[start.clone(), vec![9, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]]),
            1,
            "the least is 12",
        ),
        (
            "a tiny packet block",
            ng(&[start.clone(), pcapng_block(le, 6, &[0; 8])]),
            1,
            "with 8 bytes of the 20",
        ),
        ("a cut block", ng(&[start.clone(), enhanced(le, 0, 1, &frame)[..50].to_vec()]), 1, "cut short"),
        (
            "a huge packet block",
            ng(&[start.clone(), vec![6, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0]]),
            1,
            "claims 268435456 bytes",
        ),
    ] {
        let (read, endings) = read(&file);
        assert_eq!(read.len(), frames, "{name}: {endings:?}");
        assert_eq!(endings.len(), 1, "{name}: {endings:?}");
        assert!(endings[0].contains(message), "{name}: {}", endings[0]);
    }
}

#[test]
fn options_end_with_their_end_or_with_their_block() {
    let le = Order::Little;
    let frame = tcp(1);
    let file = [
        section(le),
        interface(le, 1, 0, &[(9, &[9])]),
        enhanced_with(le, &frame, &[1, 0, 3, 0, b'a', b'b', b'c', 0]),
        // What follows the end is nobody's.
        enhanced_with(le, &frame, &[1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        enhanced(le, 0, 2, &frame),
    ]
    .concat();
    let (frames, endings) = read(&file);
    assert_eq!((frames.len(), endings), (3, vec![]));
}

/// An enhanced packet block of interface 0 with options.
fn enhanced_with(order: Order, frame: &[u8], options: &[u8]) -> Vec<u8> {
    let len = frame.len() as u32;
    let mut body: Vec<u8> = [0, 0, 1, len, len].iter().flat_map(|word| order.u32(*word)).collect();
    body.extend(frame);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(options);
    pcapng_block(order, 6, &body)
}

#[test]
fn no_broken_capture_is_read_without_a_word() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/broken");
    let mut broken = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (frames, endings) = read_all(std::slice::from_ref(&path));
        if path.ends_with("link_type.pcap") {
            // Broken for the engine only: its frames are refused one by one.
            assert_eq!((frames.len(), endings), (3, vec![]));
        } else {
            assert_eq!(endings.len(), 1, "{}: {} frames", path.display(), frames.len());
        }
        broken += 1;
    }
    assert!(broken > 20, "{broken} broken captures");
}

#[test]
fn a_huge_block_nobody_needs_is_passed_over() {
    let le = Order::Little;
    let frame = tcp(1);
    let mut file = [section(le), interface(le, 1, 0, &[]), enhanced(le, 0, 1, &frame)].concat();
    file.extend(pcapng_block(le, 10, &vec![0xee; 5 << 20]));
    file.extend(enhanced(le, 0, 2, &frame));
    let (frames, endings) = read(&file);
    assert_eq!((frames.len(), endings.len()), (2, 0));

    // And cut inside it, it is cut short.
    let (frames, endings) = read(&file[..3 << 20]);
    assert_eq!((frames.len(), endings.len()), (1, 1));
}

#[test]
fn frames_of_every_size_cross_the_edges_of_blocks() {
    // Sizes that leave the end of a read at every place of a record, and frames as large as one may be.
    let mut frames = Vec::new();
    for n in 0..3000_usize {
        frames.push(vec![n as u8; n * 7 % 1500]);
    }
    frames.push(vec![1; 256 << 10]);
    frames.push(vec![2; 10]);
    frames.push(vec![3; 256 << 10]);
    let slices = || frames.iter().map(Vec::as_slice);
    let (read_frames, endings) = read(&ethernet_pcap(slices()));
    assert!(endings.is_empty(), "{endings:?}");
    assert!(read_frames.iter().map(|frame| frame.3.as_slice()).eq(slices()));

    let le = Order::Little;
    let mut file = [section(le), interface(le, 1, 0, &[])].concat();
    frames.iter().for_each(|frame| file.extend(enhanced(le, 0, 0, frame)));
    let (read_frames, endings) = read(&file);
    assert!(endings.is_empty(), "{endings:?}");
    assert!(read_frames.iter().map(|frame| frame.3.as_slice()).eq(slices()));
}

#[test]
fn captures_follow_each_other_and_a_broken_one_does_not_stop_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let frame = tcp(1);
    let good = ethernet_pcap([&frame[..]]);
    let paths = [
        common::write(dir.path(), "a", &good),
        common::write(dir.path(), "b", &good[..50]),
        dir.path().join("missing"),
        dir.path().to_owned(),
        common::write(dir.path(), "c", &good),
    ];
    let (frames, endings) = read_all(&paths);
    assert_eq!(frames.len(), 2);
    assert_eq!(endings.len(), 3);
    assert!(endings[1].contains("cannot open: No such file"), "{}", endings[1]);
    assert!(endings[2].contains("cannot open"), "{}", endings[2]);
}

/// Every capture at hand: ours and, where it is there, the shared folder.
fn captures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for dir in ["pcaps/recorded", "pcaps/generated", "pcaps/broken", "../shared/captures"] {
        let entries = match std::fs::read_dir(root.join(dir)) {
            Ok(entries) => entries,
            Err(_) if dir.starts_with("..") => continue,
            Err(error) => panic!("{dir}: {error}"),
        };
        let is_capture =
            |path: &PathBuf| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng" || e == "cap");
        found.extend(entries.map(|entry| entry.unwrap().path()).filter(is_capture));
    }
    found.sort();
    found
}

/// Files whose fractions of a second have bit 31 set, which capinfos takes for negative.
const STRANGE_TIMES: [&str; 3] =
    ["atm-oam-loopback-print-overrun.pcap", "timestamp_invalid_nano.pcap", "format_odd_times.pcap"];

fn ends_with_any(path: &str, names: &[&str]) -> bool {
    names.iter().any(|name| path.ends_with(name))
}

#[test]
fn capinfos_finds_the_same_frames_bytes_and_times() {
    let captures = captures();
    let arguments = ["-T", "-m", "-Q", "-M", "-c", "-d", "-a", "-e", "-S"];
    let output = match Command::new("capinfos").args(arguments).args(&captures).output() {
        Ok(output) => output,
        Err(error) => return skipped("captures as capinfos reads them", &error),
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut compared, mut broken) = (0, 0);
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim_matches('"')).collect();
        let [path, packets, bytes, first, last] = fields[..] else { panic!("{line}") };
        let (frames, endings) = read_all(&[PathBuf::from(path)]);
        if !endings.is_empty() {
            // Readers differ in what they make of the broken end of a file.
            eprintln!("{path}: {} frames, then {endings:?}", frames.len());
            broken += 1;
            continue;
        }
        assert_eq!(frames.len().to_string(), packets, "{path}");
        // Wireshark takes pseudo-headers of some other link types off the length.
        if frames.iter().all(|frame| [0, 1, 12, 14, 101, 108, 113, 228, 229, 276].contains(&frame.2)) {
            assert_eq!(
                frames.iter().map(|frame| u64::from(frame.1)).sum::<u64>().to_string(),
                bytes,
                "{path}"
            );
        }
        let times = || frames.iter().map(|frame| frame.0);
        for (ns, shown) in [(times().min(), first), (times().max(), last)] {
            let Some(ns) = ns.filter(|_| shown != "n/a" && !ends_with_any(path, &STRANGE_TIMES)) else {
                continue;
            };
            let exact = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
            assert!(exact.starts_with(shown.trim_end_matches('0')), "{path}: {exact} and {shown}");
        }
        compared += 1;
    }
    assert_eq!(compared + broken, text.lines().count() - 1);
    eprintln!("{compared} compared, {broken} broken");
    assert!(compared > broken, "{compared} compared, {broken} broken");
}
