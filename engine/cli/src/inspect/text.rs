//! As bpftool prints it: `prog show`, `prog dump xlated linum`, `prog dump jited linum`, `map show`.

use std::fmt::Write;

use bpfreplay_program::{LineInfo, MapContent, MapSpec};

use super::jited::Function;
use super::names::{map_name, program_name};
use super::{Inspected, InspectedProgram, Shown};

pub(super) fn report(inspected: &Inspected) -> String {
    let mut out = String::new();
    for (index, map) in inspected.maps.iter().enumerate() {
        show_map(&mut out, index + 1, map);
    }
    for Shown { id, program, .. } in &inspected.programs {
        let Ok(program) = program else { continue };
        out.push('\n');
        show_program(&mut out, *id, program);
        out += "\nxlated:\n";
        for row in &program.xlated {
            if let Some(proto) = &row.proto {
                let _ = writeln!(out, "{proto}:");
            }
            source_line(&mut out, row.line.as_ref());
            let _ = writeln!(out, "{:4}: {}", row.pc, row.disasm);
        }
        out += "\njited:\n";
        match &program.jited {
            Ok(jited) => jited.functions.iter().for_each(|function| machine_code(&mut out, function)),
            Err(why) => {
                let _ = writeln!(out, "not jited: {why}");
            }
        }
    }
    out
}

fn show_map(out: &mut String, id: usize, map: &MapSpec) {
    let _ =
        writeln!(out, "{id}: {}  name {}  flags {:#x}", map.map_type.name(), map_name(map), map.map_flags);
    let (key, value, entries) = (map.key_size, map.value_size, map.max_entries);
    let _ = writeln!(out, "\tkey {key}B  value {value}B  max_entries {entries}");
    if matches!(map.content, MapContent::Data { frozen: true, .. }) {
        *out += "\tfrozen\n";
    }
}

fn show_program(out: &mut String, id: usize, shown: &InspectedProgram) {
    let program = shown.verified.program();
    let gpl = if program.gpl_compatible() { "  gpl" } else { "" };
    let _ = writeln!(
        out,
        "{id}: {}  name {}  tag {}{gpl}",
        program.prog_type.name(),
        program_name(program),
        shown.tag
    );
    let _ = write!(out, "\txlated {}B  ", shown.verified.xlated().len() * 8);
    let _ = match &shown.jited {
        Ok(jited) => write!(out, "jited {}B", jited.bytes),
        Err(_) => write!(out, "not jited"),
    };
    if !shown.map_ids.is_empty() {
        let ids: Vec<_> = shown.map_ids.iter().map(ToString::to_string).collect();
        let _ = write!(out, "  map_ids {}", ids.join(","));
    }
    out.push('\n');
}

fn machine_code(out: &mut String, function: &Function) {
    if let Some(proto) = &function.proto {
        let _ = writeln!(out, "{proto}:");
    }
    let _ = writeln!(out, "{}:", function.name);
    for insn in &function.insns {
        source_line(out, insn.line.as_ref());
        let operands = insn.operands.join(", ");
        let text = format!("{:4x}:\t{:6} {operands}", insn.offset, insn.operation);
        let _ = match &insn.symbol {
            Some(symbol) => writeln!(out, "{text}  <{symbol}>"),
            None => writeln!(out, "{}", text.trim_end()),
        };
    }
}

/// `; int key = 0; [file:prog.c line_num:9 line_col:6]`
fn source_line(out: &mut String, line: Option<&LineInfo>) {
    if let Some(line) = line {
        let text = line.text.trim_start();
        let (file, number, column) = (&line.file, line.line, line.column);
        let _ = writeln!(out, "; {text} [file:{file} line_num:{number} line_col:{column}]");
    }
}
