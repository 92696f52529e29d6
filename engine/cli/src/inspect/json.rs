//! With bpftool's keys: of `prog show`, `map show`, `prog dump xlated linum` and `prog dump jited linum`.

use bpfreplay_program::{LineInfo, MapContent, MapSpec};
use serde_json::{Map, Value, json};

use super::jited::Function;
use super::names::{map_name, program_name};
use super::{Inspected, InspectedProgram, Shown};

pub(super) fn report(inspected: &Inspected) -> String {
    let programs: Vec<Value> = inspected.programs.iter().map(program).collect();
    let maps: Vec<Value> =
        inspected.maps.iter().enumerate().map(|(index, spec)| map(index + 1, spec)).collect();
    format!("{}\n", json!({ "programs": programs, "maps": maps }))
}

/// What cannot be shown has bpftool's key for that: `error`.
fn program(shown: &Shown) -> Value {
    match &shown.program {
        Ok(program) => accepted(shown.id, program),
        Err(why) => json!({ "id": shown.id, "name": shown.name, "error": why.to_string() }),
    }
}

fn accepted(id: usize, inspected: &InspectedProgram) -> Value {
    let program = inspected.verified.program();
    let xlated: Vec<Value> = inspected
        .xlated
        .iter()
        .map(|row| {
            let mut object = Map::new();
            if let Some(proto) = &row.proto {
                object.insert("proto".to_owned(), json!(proto));
            }
            source_line(&mut object, row.line.as_ref());
            object.insert("disasm".to_owned(), json!(row.disasm));
            Value::Object(object)
        })
        .collect();
    let mut object = json!({
        "id": id,
        "type": program.prog_type.name(),
        "name": program_name(program),
        "tag": inspected.tag,
        "gpl_compatible": program.gpl_compatible(),
        "bytes_xlated": inspected.verified.xlated().len() * 8,
        "jited": inspected.jited.is_ok(),
        "map_ids": inspected.map_ids,
        "dump_xlated": xlated,
    });
    match &inspected.jited {
        Ok(jited) => {
            object["bytes_jited"] = json!(jited.bytes);
            object["dump_jited"] = jited.functions.iter().map(function).collect();
        }
        Err(why) => object["error"] = json!(why),
    }
    object
}

fn function(function: &Function) -> Value {
    let insns = function.insns.iter().map(|insn| {
        let mut object = Map::new();
        source_line(&mut object, insn.line.as_ref());
        object.insert("pc".to_owned(), json!(format!("{:#x}", insn.offset)));
        object.insert("operation".to_owned(), json!(insn.operation));
        object.insert("operands".to_owned(), json!(insn.operands));
        if let Some(symbol) = &insn.symbol {
            object.insert("symbol".to_owned(), json!(symbol));
        }
        Value::Object(object)
    });
    let mut object = Map::new();
    if let Some(proto) = &function.proto {
        object.insert("proto".to_owned(), json!(proto));
    }
    object.insert("name".to_owned(), json!(function.name));
    object.insert("insns".to_owned(), insns.collect());
    Value::Object(object)
}

/// bpftool leaves out a column that is not known.
fn source_line(object: &mut Map<String, Value>, line: Option<&LineInfo>) {
    let Some(line) = line else { return };
    object.insert("src".to_owned(), json!(line.text.trim_start()));
    object.insert("file".to_owned(), json!(&*line.file));
    object.insert("line_num".to_owned(), json!(line.line));
    if line.column > 0 {
        object.insert("line_col".to_owned(), json!(line.column));
    }
}

fn map(id: usize, spec: &MapSpec) -> Value {
    json!({
        "id": id,
        "type": spec.map_type.name(),
        "name": map_name(spec),
        "flags": spec.map_flags,
        "bytes_key": spec.key_size,
        "bytes_value": spec.value_size,
        "max_entries": spec.max_entries,
        "frozen": u8::from(matches!(spec.content, MapContent::Data { frozen: true, .. })),
    })
}
