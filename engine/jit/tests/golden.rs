//! The machine code of each instruction, as text. `BLESS=1 cargo test -p bpfreplay-jit --test golden` rewrites the
//! files; the diff is the review.
//!
//! A file of `golden/` has an instruction a line and below it, indented, what the JIT makes of it. Addresses that
//! differ from run to run are replaced by what they are of.

mod support;

use std::fmt::Write as _;
use std::path::Path;

use bpfreplay_jit::JitedProgram;
use bpfreplay_program::MapSpec;
use bpfreplay_runtime::Executable;
use bpfreplay_uapi::MapType;
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, OpKind, Register};
use support::{Known, World};

#[test]
fn golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut different = Vec::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        let actual = render(&text);
        seen += 1;
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &actual).expect("it can be written");
        } else if actual != text {
            different.push(format!("{}:\n{actual}", path.display()));
        }
    }
    assert!(seen > 0, "there are golden files");
    assert!(different.is_empty(), "BLESS=1 accepts:\n{}", different.join("\n"));
}

/// The file as it should be: comments and instructions kept, machine code fresh. `known:` at the end of a comment
/// line says what the JIT knows of the tail calls below it.
fn render(text: &str) -> String {
    let world = World::new(vec![
        MapSpec::new("jmp", MapType::ProgArray, 4, 4, 4),
        MapSpec::new("array", MapType::Array, 4, 12, 100),
        MapSpec::new("percpu", MapType::PercpuArray, 4, 8, 4),
    ]);
    let mut known = Known::Nothing;
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with(' ')) {
        let _ = writeln!(out, "{line}");
        if let Some(comment) = line.strip_prefix('#') {
            known = match comment.split_once("known: ").map(|(_, known)| known.trim()) {
                Some("map") => Known::Map,
                Some("map and index") => Known::MapAndIndex(2),
                Some(_) | None => Known::Nothing,
            };
        } else if !line.is_empty() {
            listing(&mut out, &world, known, line);
        }
    }
    out
}

/// Writes the machine code of one line: one instruction, or several with `;` between them.
fn listing(out: &mut String, world: &World, known: Known, line: &str) {
    // All registers are needed afterwards, or there would be no code.
    let needed: String = (0..10).map(|i| format!("*(u64 *)(r10 - {}) = r{i}\n", 8 * i + 8)).collect();
    let code = format!("{}\n{needed}exit", line.replace(';', "\n"));
    let program = world.program("golden", known, &code);
    let program: &JitedProgram = program.as_any().downcast_ref().expect("a jited program");
    let offsets = program.offsets();
    let slots = offsets.len() - 1;
    let code = offsets[0] as usize..offsets[slots - 11] as usize;
    let ids = line.ends_with("call 12");
    instructions(out, program, ids, code);
    // What seldom runs.
    let cold = offsets[slots] as usize..program.code().len() - 1;
    if !cold.is_empty() {
        let _ = writeln!(out, "  seldom:");
        instructions(out, program, ids, cold);
    }
}

/// `ids`: whether the program's id is among the operands.
fn instructions(out: &mut String, program: &JitedProgram, ids: bool, range: std::ops::Range<usize>) {
    let base = program.address() as u64;
    let start = range.start;
    let mut decoder = Decoder::with_ip(64, &program.code()[range], base + start as u64, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let _ = writeln!(out, "    {}", anonymous(program, ids, &instruction, &text));
    }
}

/// The text with addresses that differ from run to run replaced.
fn anonymous(program: &JitedProgram, ids: bool, instruction: &Instruction, text: &str) -> String {
    let (base, len) = (program.address() as u64, program.code().len() as u64);
    let near = instruction.op0_kind() == OpKind::NearBranch64;
    let mnemonic = text.split_whitespace().next().unwrap_or_default();
    if near {
        let target = instruction.near_branch_target();
        return match target.checked_sub(base).filter(|&offset| offset < len) {
            Some(offset) => format!("{mnemonic} {:+}", offset as i64 - (instruction.ip() - base) as i64),
            None => format!("{mnemonic} <runtime>"),
        };
    }
    let address = instruction.op_count() == 2
        && instruction.op1_kind() == OpKind::Immediate64
        && (0x1000_0000_0000..0x8000_0000_0000).contains(&instruction.immediate64());
    // Ids go to the runtime in these two registers.
    let id = ids
        && matches!(instruction.op0_register(), Register::EDI | Register::R8D)
        && instruction.op1_kind() == OpKind::Immediate32
        && instruction.immediate32() == program.info().id;
    match text.rsplit_once(' ') {
        Some((front, _)) if address => format!("{front} <address>"),
        Some((front, _)) if id => format!("{front} <id>"),
        Some(_) | None => text.to_owned(),
    }
}
