//! Where captures lie: those shipped in `pcaps/`, and a folder of others beside the project, if there is one.

use std::path::{Path, PathBuf};

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
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
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
