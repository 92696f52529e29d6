//! Cases of the verifier: files of `tests/cases/verifier`, one an area.

use std::collections::BTreeMap;
use std::sync::Arc;

use bpfreplay_isa::Insn;
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::ProgType;
use serde::Deserialize;

use super::fixture_maps::fixture_maps;
use super::{ProgramDef, Returns, assemble_program};
use crate::captures::root;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<VerifierCase>,
}

/// One small program and what is to be said of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierCase {
    /// What it shows.
    pub name: String,
    /// bpftool's name of the type; `sched_cls` if not stated.
    #[serde(rename = "type")]
    pub prog_type: Option<String>,
    /// `expected_attach_type`; 0 if not stated.
    pub attach_type: Option<u32>,
    /// GPL if not stated.
    pub license: Option<String>,
    /// Text of the refusal. Accepted if not stated.
    pub refuse: Option<String>,
    /// Text of the help that goes with the refusal; whatever it is if not stated.
    pub help: Option<String>,
    /// Text of the kernel's log, where it is not the same.
    pub kernel: Option<String>,
    /// Why the kernel's verdict, or what it says, is another.
    pub differs: Option<String>,
    /// `accept` or `refuse`: the kernel's verdict where it differs.
    pub kernel_verdict: Option<String>,
    /// `none`: no BTF.
    pub btf: Option<String>,
    /// What subprograms return, by label; `int` if not stated.
    #[serde(default)]
    pub returns: BTreeMap<String, Returns>,
    /// Label of the function that is handed what the program throws.
    pub exception_callback: Option<String>,
    /// Labels of subprograms that are global.
    #[serde(default)]
    pub globals: Vec<String>,
    /// Assembly.
    pub code: Option<String>,
    /// Slots in hex, for what no assembler makes.
    pub raw: Option<String>,
}

/// Every case with its area.
///
/// # Panics
///
/// If a file is no list of cases.
#[must_use]
pub fn verifier_cases() -> Vec<(String, VerifierCase)> {
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

/// The program of a case.
///
/// # Panics
///
/// If it does not assemble.
#[must_use]
pub fn verifier_program(case: &VerifierCase) -> Program {
    let maps: Arc<[MapSpec]> = fixture_maps().into();
    let mut program = match (&case.code, &case.raw) {
        (Some(code), None) => {
            let def = ProgramDef {
                prog_type: case.prog_type.clone(),
                attach_type: case.attach_type.unwrap_or(0),
                returns: case.returns.clone(),
                exception_callback: case.exception_callback.clone(),
                globals: case.globals.clone(),
                ..ProgramDef::new("case", code)
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
