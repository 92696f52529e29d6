//! Small programs that are accepted or refused, and the kernel's word on each.
//!
//! The cases are files of `tests/cases/verifier`, one an area. A case without `refuse` is accepted; one with it is
//! refused with that text in the message. The kernel must agree on the verdict and, unless the case says `kernel`, on
//! the text; a case on which it does not has `differs` with the reason.

use std::sync::Arc;

use bpfreplay_isa::Insn;
use bpfreplay_program::{MapContent, MapSpec, Program};
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::root;
use bpfreplay_tests::case::{ProgramDef, assemble_program};
use bpfreplay_tests::kernel::{KernelInstance, LoadError};
use bpfreplay_uapi::map::create_flags;
use bpfreplay_uapi::{MapType, ProgType};
use bpfreplay_verifier::{LogLevel, Options, verify};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// bpftool's name of the type; `sched_cls` if not stated.
    #[serde(rename = "type")]
    prog_type: Option<String>,
    /// GPL if not stated.
    license: Option<String>,
    /// Text of the refusal. Accepted if not stated.
    refuse: Option<String>,
    /// Text of the kernel's log, where it is not the same.
    kernel: Option<String>,
    /// Why the kernel's verdict, or what it says, is another.
    differs: Option<String>,
    /// `accept` or `refuse`: the kernel's verdict where it differs.
    kernel_verdict: Option<String>,
    /// `none`: no BTF.
    btf: Option<String>,
    /// Assembly.
    code: Option<String>,
    /// Slots in hex, for what no assembler makes.
    raw: Option<String>,
}

#[test]
fn cases_are_judged_as_they_say() {
    let mut failures = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for (name, case) in cases() {
        let program = Arc::new(program(&case));
        let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
        match (verify(program, &options), &case.refuse) {
            (Ok(_), None) => accepted += 1,
            (Err(error), Some(text)) if error.message.contains(text.as_str()) => refused += 1,
            (Ok(_), Some(text)) => failures.push(format!("{name}: accepted, not refused with {text:?}")),
            (Err(error), Some(text)) => failures.push(format!("{name}: expected {text:?}, got {error}")),
            (Err(error), None) => failures.push(format!("{name}: refused: {error}")),
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
    assert!(refused >= 100, "only {refused} unsafe programs");
    assert!(accepted >= 60, "only {accepted} safe programs");
    println!("{accepted} accepted, {refused} refused");
}

#[test]
fn the_kernel_agrees() {
    let kernel = match Kernel::probe() {
        Ok(kernel) => kernel,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let mut failures = Vec::new();
    for (name, case) in cases() {
        let loaded = KernelInstance::load(kernel, &[Arc::new(program(&case))]);
        let refuse = match case.kernel_verdict.as_deref() {
            Some("accept") => None,
            Some(_) => Some(""),
            None => case.refuse.as_deref(),
        };
        if case.kernel_verdict.is_some() && case.differs.is_none() {
            failures.push(format!("{name}: another verdict needs a reason"));
        }
        match (loaded, refuse.map(|text| case.kernel.as_deref().unwrap_or(text))) {
            (Ok(_), None) => {}
            (Ok(_), Some(text)) => failures.push(format!("{name}: the kernel accepts, expected {text:?}")),
            (Err(LoadError::Program(refused)), Some(text)) if refused.log.contains(text) => {}
            (Err(error), Some(text)) => {
                failures.push(format!("{name}: expected {text:?}, the kernel: {error}"))
            }
            (Err(error), None) => failures.push(format!("{name}: the kernel refuses: {error}")),
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

/// Every case with its area.
fn cases() -> Vec<(String, Case)> {
    let folder = root().join("tests/cases/verifier");
    let entries = std::fs::read_dir(&folder).expect("the folder of cases");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("readable");
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let area = path.file_stem().expect("a name").to_string_lossy().into_owned();
        out.extend(file.case.into_iter().map(|case| (format!("{area}: {}", case.name), case)));
    }
    out
}

fn program(case: &Case) -> Program {
    let maps: Arc<[MapSpec]> = maps().into();
    let mut program = match (&case.code, &case.raw) {
        (Some(code), None) => {
            let def = ProgramDef {
                name: "case".to_owned(),
                prog_type: case.prog_type.clone(),
                attach_type: 0,
                code: code.clone(),
            };
            assemble_program(&def, &maps).unwrap_or_else(|error| panic!("{}: {error}", case.name))
        }
        (None, Some(raw)) => Program { maps, ..Program::new("case", ProgType::SchedCls, slots(raw)) },
        _ => panic!("{}: either code or raw", case.name),
    };
    if let Some(license) = &case.license {
        program.license.clone_from(license);
    }
    // Functions of a program with one are found without BTF; the kernel wants `struct __sk_buff` for the rest.
    let has_functions = program.funcs.len() > 1;
    if case.btf.as_deref() == Some("none") || !has_functions {
        program.funcs.clear();
        program.btf = None;
    }
    program
}

fn slots(raw: &str) -> Vec<Insn> {
    let lines = raw.lines().map(str::trim).filter(|line| !line.is_empty());
    let byte = |text: &str| u8::from_str_radix(text, 16).expect("hex bytes");
    lines
        .map(|line| {
            let bytes: Vec<u8> = line.split_whitespace().map(byte).collect();
            Insn::from_le_bytes(bytes.try_into().expect("eight bytes a slot"))
        })
        .collect()
}

/// The maps every case may name.
fn maps() -> Vec<MapSpec> {
    let flags = |map_flags, spec: MapSpec| MapSpec { map_flags, ..spec };
    let data = |name, frozen, bytes: [u8; 16]| MapSpec {
        content: MapContent::Data { bytes: bytes.to_vec(), frozen },
        map_flags: if frozen { create_flags::RDONLY_PROG } else { 0 },
        ..MapSpec::new(name, MapType::Array, 4, 16, 1)
    };
    vec![
        MapSpec::new("array", MapType::Array, 4, 16, 4),
        MapSpec::new("hash", MapType::Hash, 8, 16, 4),
        MapSpec::new("percpu_array", MapType::PercpuArray, 4, 16, 4),
        MapSpec::new("percpu_hash", MapType::PercpuHash, 8, 16, 4),
        MapSpec::new("jmp", MapType::ProgArray, 4, 4, 4),
        MapSpec::new("jmp2", MapType::ProgArray, 4, 4, 4),
        data("data", false, [0; 16]),
        // 32-bit words: 1, 8, -1, 0.
        data("rodata", true, [1, 0, 0, 0, 8, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]),
        flags(create_flags::RDONLY_PROG, MapSpec::new("read_only", MapType::Array, 4, 16, 1)),
        flags(create_flags::WRONLY_PROG, MapSpec::new("write_only", MapType::Array, 4, 16, 1)),
    ]
}
