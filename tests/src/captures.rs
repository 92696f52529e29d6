//! Where captures lie: those shipped in `pcaps/`, and a folder of others beside the project, if there is one.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bpfreplay_replay::source::{Block, Capture, LinkType, Source, as_ethernet};
use bpfreplay_runtime::skb::TEST_RUN_MAX;

/// The project's root.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the tests crate lies in the project").to_owned()
}

/// The shipped captures that are whole, sorted by name.
#[must_use]
pub fn shipped() -> Vec<PathBuf> {
    let mut files = in_folder(&root().join("pcaps/generated"));
    files.extend(in_folder(&root().join("pcaps/recorded")));
    assert!(!files.is_empty(), "the project ships captures");
    files
}

/// Captures of other projects in `../shared/captures`, sorted by name. Empty, and said so, where the folder is absent.
#[must_use]
pub fn foreign() -> Vec<PathBuf> {
    let folder = root().join("../shared/captures");
    if !folder.is_dir() {
        eprintln!("skipped: the captures of other projects ({} is absent)", folder.display());
        return Vec::new();
    }
    in_folder(&folder)
}

/// Shipped and foreign captures.
#[must_use]
pub fn all() -> Vec<PathBuf> {
    let mut all = shipped();
    all.extend(foreign());
    all
}

fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "pcap" || ext == "pcapng");
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_capture).collect();
    files.sort();
    files
}

/// Every compiled BPF object of the project, sorted.
#[must_use]
pub fn objects() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["parsers/bpf", "parsers/bpf/oracle"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("the folder of objects");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        files.extend(paths.filter(|path| path.to_string_lossy().ends_with(".bpf.o")));
    }
    files.sort();
    assert!(files.len() > 10, "the project ships objects");
    files
}

/// A frame of a capture as a replay shows it to a hook: with an Ethernet header, made up where the link type has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EthernetFrame {
    /// Bytes, from the Ethernet header on.
    pub bytes: Vec<u8>,
    /// Bytes on the wire, the header included.
    pub wire_len: u32,
    /// When it was captured, ns since 1970.
    pub time_ns: u64,
    /// `PACKET_HOST` and so on, where the link type tells it.
    pub pkt_type: Option<u8>,
}

/// Every frame of a capture, of whatever link type; and how many have no Ethernet form.
#[must_use]
pub fn ethernet_frames(path: &Path) -> (Vec<EthernetFrame>, usize) {
    let mut source = Source::new(vec![Capture::Path(path.to_owned())]);
    let mut block = Block::default();
    let stop = AtomicBool::new(false);
    let (mut frames, mut without) = (Vec::new(), 0);
    while source.next_block(&mut block, &stop) {
        for frame in &block.frames {
            let Ok(view) = as_ethernet(block.link(frame), block.bytes(frame)) else {
                without += 1;
                continue;
            };
            let bytes = [view.header.as_ref().map_or(&[][..], |header| &header[..]), view.rest].concat();
            let cut = frame.orig_len.saturating_sub(frame.len);
            frames.push(EthernetFrame {
                wire_len: bytes.len() as u32 + cut,
                bytes,
                time_ns: frame.time_ns,
                pkt_type: view.pkt_type,
            });
        }
    }
    (frames, without)
}

/// The frames of a capture that `BPF_PROG_TEST_RUN` takes: Ethernet, 14 to 3712 bytes.
#[must_use]
pub fn test_run_frames(path: &Path) -> Vec<Vec<u8>> {
    let mut source = Source::new(vec![Capture::Path(path.to_owned())]);
    let mut block = Block::default();
    let stop = AtomicBool::new(false);
    let mut frames = Vec::new();
    while source.next_block(&mut block, &stop) {
        for frame in &block.frames {
            let bytes = block.bytes(frame);
            if block.link(frame) == LinkType::ETHERNET && (14..=TEST_RUN_MAX as usize).contains(&bytes.len())
            {
                frames.push(bytes.to_vec());
            }
        }
    }
    frames
}
