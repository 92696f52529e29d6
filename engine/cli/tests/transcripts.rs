//! Command lines and what they print: `tests/transcripts/*.txt`.
//!
//! ```text
//! $ bpfreplay replay capture.pcap      run by sh in the project's root; $TMP is an empty folder
//! what it prints on standard output
//! ! what it prints on standard error
//! ? 0                                  the exit code
//! ```
//!
//! `BLESS=1 cargo test -p bpfreplay-cli` writes what is printed now; the diff is the review. Times are replaced by `…`
//! on both sides.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

#[test]
fn transcripts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = String::new();
    for file in files {
        let expected = std::fs::read_to_string(&file).unwrap();
        let found = replay(&expected);
        if found == expected {
            continue;
        }
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, found).unwrap();
            continue;
        }
        let _ = writeln!(wrong, "{}:", file.display());
        for (n, (found, expected)) in (1..).zip(pairs(&found, &expected)) {
            if found != expected {
                let _ = writeln!(wrong, "  line {n}:\n    expected {expected:?}\n    found    {found:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}BLESS=1 accepts what is printed now");
}

fn pairs<'a>(a: &'a str, b: &'a str) -> Vec<(Option<&'a str>, Option<&'a str>)> {
    let (mut a, mut b) = (a.lines(), b.lines());
    std::iter::from_fn(|| Some((a.next(), b.next())).filter(|pair| *pair != (None, None))).collect()
}

/// Runs the commands of a transcript, and writes it anew.
fn replay(transcript: &str) -> String {
    let tmp = tempfile::tempdir().unwrap();
    let mut out = String::new();
    // What stands before the first command says what the file is about.
    for line in transcript.lines().take_while(|line| !line.starts_with("$ ")) {
        out += line;
        out.push('\n');
    }
    for command in transcript.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let _ = writeln!(out, "$ {command}");
        run(command, tmp.path(), &mut out);
    }
    out
}

fn run(command: &str, tmp: &Path, out: &mut String) {
    let bin = Path::new(env!("CARGO_BIN_EXE_bpfreplay")).parent().unwrap();
    // `cargo test` builds the examples, too.
    let path = format!("{0}:{0}/examples:{1}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(root())
        .env("PATH", path)
        .env("TMP", tmp)
        .env("COLUMNS", "100")
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let clean = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(&*tmp.to_string_lossy(), "$TMP");
        text.lines().map(without_times).collect::<Vec<_>>()
    };
    for line in clean(&output.stdout) {
        let _ = writeln!(out, "{line}");
    }
    for line in clean(&output.stderr) {
        let _ = writeln!(out, "! {line}");
    }
    let code = output.status.code().map_or("killed".to_owned(), |code| code.to_string());
    let _ = writeln!(out, "? {code}");
}

/// A line with what a clock says replaced.
fn without_times(line: &str) -> String {
    if line.ends_with("frames a second") {
        return "… frames a second".to_owned();
    }
    if line.starts_with("ns a frame") {
        return "ns a frame …".to_owned();
    }
    match line.split_once(",\"elapsed_ns\":") {
        Some((before, _)) => format!("{before},…"),
        None => line.trim_end().to_owned(),
    }
}
