//! The verdicts for programs.

use bpfreplay_program::LineInfo;
use serde_json::{Value, json};

use super::snippet::steps;
use super::{Judged, Refused, Verdict};

pub(super) fn report(verdicts: &[Verdict]) -> String {
    let programs: Vec<Value> = verdicts.iter().map(verdict).collect();
    format!("{}\n", json!({ "programs": programs }))
}

fn verdict(verdict: &Verdict) -> Value {
    let name = &verdict.name;
    match &verdict.judged {
        Judged::Accepted(verified) => json!({
            "name": name,
            "verdict": "accepted",
            "type": verified.program().prog_type.name(),
            "insns": verified.program().insns.len(),
            "insns_processed": verified.facts().insns_processed,
            "log": verified.log(),
        }),
        Judged::Refused(refused) => refusal(name, refused),
        Judged::NotLoaded(error) => {
            json!({ "name": name, "verdict": "not loaded", "message": error.to_string() })
        }
    }
}

fn refusal(name: &str, refused: &Refused) -> Value {
    let error = &refused.error;
    let evidence = &error.evidence;
    let origin: Vec<Value> = steps(refused)
        .iter()
        .map(|step| json!({ "insn": step.pc, "text": step.text, "at": at(step.line) }))
        .collect();
    json!({
        "name": name,
        "verdict": "refused",
        "type": refused.program.prog_type.name(),
        "insns": refused.program.insns.len(),
        "message": error.message,
        "errno": format!("{:?}", error.kind.errno()),
        "insn": error.pc,
        "instruction": error.instruction,
        "at": at(error.line.as_deref()),
        "registers": error.registers,
        "register": evidence.register.map(|reg| format!("R{}", reg.number())),
        "origin": origin,
        "hint": evidence.hint,
        "log": refused.log,
    })
}

/// Where in the C source; null without BTF.
fn at(line: Option<&LineInfo>) -> Value {
    match line {
        Some(line) => json!({
            "file": &*line.file,
            "line_num": line.line,
            "line_col": line.column,
            "src": line.text.trim_start(),
        }),
        None => Value::Null,
    }
}
