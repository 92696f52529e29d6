//! The text is LLVM's: against a committed listing of every instruction form, and against llvm-objdump itself.
//!
//! `BLESS=1 cargo test -p bpfreplay-isa --test llvm` writes the listing anew; it needs llvm-mc-19 and llvm-objdump-19.

mod common;
#[path = "../../../tests/src/skip.rs"]
#[allow(unreachable_pub, reason = "the file is also a public module, of the tests crate")]
mod skip;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bpfreplay_isa::{Insn, Instruction, Reg, decode, decode_program, encode};
use object::{Object, ObjectSection};
use skip::skipped;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/llvm-objdump-19.txt");

/// One of each form, without `tail_call`, for which LLVM has no text.
fn forms() -> Vec<Instruction> {
    let mut all = common::every_instruction(&[(Reg::R1, Reg::R10)], &[0, 0x1234_5678, -1], &[0, -32768]);
    all.retain(|&instruction| instruction != Instruction::TailCall);
    all
}

fn slots(instruction: Instruction) -> Vec<Insn> {
    let (first, second) = encode(instruction);
    std::iter::once(first).chain(second).collect()
}

#[test]
fn text_equals_the_committed_listing() {
    if std::env::var_os("BLESS").is_some() {
        let listing = listing_by_llvm(&forms()).expect("BLESS needs llvm-mc-19 and llvm-objdump-19");
        std::fs::write(GOLDEN, listing).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    let mut lines = 0;
    for line in golden.lines() {
        let (hex, text) = line.split_once('\t').unwrap();
        let bytes: Vec<u8> = hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let slots: Vec<Insn> = bytes.as_chunks::<8>().0.iter().copied().map(Insn::from_le_bytes).collect();
        assert_eq!(format!("{:#}", decode(&slots, 0).unwrap()), text, "{hex}");
        lines += 1;
    }
    assert_eq!(lines, forms().len(), "the listing is not of these forms: BLESS=1");
}

#[test]
fn the_committed_listing_is_what_llvm_prints() {
    match listing_by_llvm(&forms()) {
        Some(listing) => {
            let golden = std::fs::read_to_string(GOLDEN).unwrap();
            let differ = listing.lines().zip(golden.lines()).find(|(now, then)| now != then);
            assert_eq!((differ, listing.len()), (None, golden.len()));
        }
        None => skipped("LLVM's text of every form", &"llvm-mc-19 or llvm-objdump-19 is not installed"),
    }
}

/// Bytes and LLVM's text of each instruction.
fn listing_by_llvm(instructions: &[Instruction]) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let (source, object) = (dir.path().join("forms.s"), dir.path().join("forms.o"));
    let mut asm = String::from(".text\n");
    for insn in instructions.iter().flat_map(|&i| slots(i)) {
        writeln!(asm, ".byte {}", insn.to_le_bytes().map(|b| b.to_string()).join(",")).unwrap();
    }
    std::fs::write(&source, asm).unwrap();
    run("llvm-mc-19", ["-triple=bpfel", "-filetype=obj", "-o"].map(OsStr::new), &[&object, &source])?;
    let sections = llvm_text(&object)?;
    let [(_, texts)] = sections.as_slice() else { panic!("one section expected") };
    assert_eq!(texts.len(), instructions.len());

    let mut out = String::new();
    for (instruction, text) in instructions.iter().zip(texts) {
        let bytes: Vec<String> =
            slots(*instruction).iter().flat_map(|i| i.to_le_bytes()).map(|b| format!("{b:02x}")).collect();
        writeln!(out, "{}\t{}", bytes.join(" "), text).unwrap();
    }
    Some(out)
}

#[test]
fn objects_read_as_llvm_reads_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut objects = Vec::new();
    for folder in ["parsers/bpf", "bench/bpf", "engine/loader/tests/objects"] {
        let before = objects.len();
        find_objects(&root.join(folder), &mut objects);
        assert!(objects.len() > before, "{folder} holds objects");
    }
    // Nothing else is big-endian: it is there for the loader to refuse.
    objects.retain(|path| !path.ends_with("big_endian.bpf.o"));
    let mut compared = 0;
    for path in objects {
        let Some(sections) = llvm_text(&path) else {
            return skipped("objects as LLVM reads them", &"llvm-objdump-19 is not installed");
        };
        let data = std::fs::read(&path).unwrap();
        let file = object::File::parse(&*data).unwrap();
        for (name, texts) in sections {
            let code = file.section_by_name(&name).unwrap().data().unwrap();
            let slots: Vec<Insn> = code.as_chunks::<8>().0.iter().copied().map(Insn::from_le_bytes).collect();
            let ours: Vec<String> =
                decode_program(&slots).unwrap().iter().map(|(_, i)| format!("{i:#}")).collect();
            let differ = ours.iter().zip(&texts).find(|(ours, text)| ours != text);
            assert_eq!((differ, ours.len()), (None, texts.len()), "{} section {name}", path.display());
            compared += ours.len();
        }
    }
    assert!(compared > 5000, "{compared} instructions compared");
}

fn find_objects(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            find_objects(&path, out);
        } else if path.to_str().is_some_and(|path| path.ends_with(".bpf.o")) {
            out.push(path);
        }
    }
}

/// Sections with LLVM's text of each instruction.
///
/// Without a cpu llvm-objdump does not know the 32-bit atomics of cpu v3: it prints `<unknown>`, or a fetching add as
/// one that fetches nothing. Those lines are taken from `--mcpu=v4`.
fn llvm_text(object: &Path) -> Option<Vec<(String, Vec<String>)>> {
    let mut sections = objdump(object, &[])?;
    let v4 = objdump(object, &["--mcpu=v4"])?;
    assert_eq!(sections.len(), v4.len());
    for ((_, plain), (_, v4)) in sections.iter_mut().zip(v4) {
        assert_eq!(plain.len(), v4.len());
        for (plain, v4) in plain.iter_mut().zip(v4) {
            if plain == "<unknown>" || v4.contains("atomic_fetch_add") {
                *plain = v4;
            }
        }
    }
    Some(sections)
}

/// Sections with the text of each instruction, symbols of jump targets left out.
fn objdump(object: &Path, options: &[&str]) -> Option<Vec<(String, Vec<String>)>> {
    let options = ["-d", "--no-show-raw-insn"].iter().chain(options).map(OsStr::new);
    let listing = run("llvm-objdump-19", options, &[object])?;
    let mut sections: Vec<(String, Vec<String>)> = Vec::new();
    for line in listing.lines() {
        if let Some(name) = line.strip_prefix("Disassembly of section ") {
            sections.push((name.trim_end_matches(':').to_owned(), Vec::new()));
        } else if let Some((number, text)) = line.split_once(":\t")
            && number.trim().parse::<usize>().is_ok()
        {
            let target = text.rfind(" <").filter(|_| text.ends_with('>'));
            let text = &text[..target.unwrap_or(text.len())];
            sections.last_mut().unwrap().1.push(text.replace('\t', " "));
        }
    }
    Some(sections)
}

/// Standard output of a tool, or nothing where the tool is not installed.
fn run<'a>(tool: &str, options: impl IntoIterator<Item = &'a OsStr>, files: &[&Path]) -> Option<String> {
    let output = Command::new(tool).args(options).args(files).output().ok()?;
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}
