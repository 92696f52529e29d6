//! Rules of objects that programs allocate, each broken once (`tests/objects/refused`): what the verifier says is in the
//! table beside the source, and the kernel says the same. What the kernel accepts, although it may use NULL, is in a table
//! of its own (`stricter.toml`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bpfreplay_loader::Object;
use bpfreplay_program::Program;
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::root;
use bpfreplay_tests::kernel::KernelInstance;
use bpfreplay_verifier::{LogLevel, Options, verify};

#[test]
fn each_is_refused_in_the_words_of_the_table() {
    let programs = programs("refused");
    are_refused(&programs, &table("refused"));
    assert!(programs.len() >= 70, "{} programs", programs.len());
}

#[test]
fn so_is_what_may_use_null() {
    let programs = programs("stricter");
    are_refused(&programs, &table("stricter"));
    assert!(programs.len() >= 6, "{} programs", programs.len());
}

fn are_refused(programs: &[Arc<Program>], expected: &BTreeMap<String, String>) {
    let mut wrong = Vec::new();
    for program in programs {
        let name = &program.name;
        let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
        match (verify(Arc::clone(program), &options), expected.get(name)) {
            (Ok(_), _) => wrong.push(format!("{name} is accepted")),
            (Err(error), Some(text)) if error.message == *text => {
                if error.evidence.hint.is_none() {
                    wrong.push(format!("{name}: what is missing is not said: {text}"));
                }
            }
            (Err(error), text) => wrong.push(format!("{name} = {:?}\n  expected {text:?}", error.message)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(programs.len(), expected.len(), "the table has a row for each program");
}

#[test]
fn the_kernel_says_the_same() {
    let Some(kernel) = Kernel::or_skip("the kernel as a judge of rules of objects") else { return };
    let (programs, mut expected) = (programs("refused"), table("refused"));
    let maps = KernelInstance::load(kernel, &[Arc::new(nothing(&programs[0]))]).expect("maps can be made");
    let mut wrong = Vec::new();
    for (program, text) in
        programs.iter().filter_map(|program| Some((program, expected.remove(&program.name)?)))
    {
        let log = maps.log_of(program, 1);
        if !log.contains(&text) {
            let end = log.lines().rev().nth(1).unwrap_or_default();
            wrong.push(format!("{}: {text:?}, the kernel: {end}", program.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_kernel_accepts_what_may_use_null() {
    let Some(kernel) = Kernel::or_skip("the kernel as a judge of rules of objects") else { return };
    let programs = programs("stricter");
    if let Err(error) = KernelInstance::load(kernel, &programs) {
        panic!("the kernel refuses one, too: {error}");
    }
}

/// A program with the maps and types of another.
fn nothing(program: &Program) -> Program {
    let insns = bpfreplay_isa::assemble("r0 = 0\nexit", &()).expect("it is a program").insns;
    let (maps, btf) = (Arc::clone(&program.maps), program.btf.clone());
    Program { maps, btf, ..Program::new("maps", program.prog_type, insns) }
}

fn programs(object: &str) -> Vec<Arc<Program>> {
    let bytes = std::fs::read(folder().join(format!("{object}.bpf.o"))).expect("the object");
    Object::parse(&bytes).unwrap_or_else(|error| panic!("{error}")).programs
}

fn table(object: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder().join(format!("{object}.toml"))).expect("the table");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn folder() -> PathBuf {
    root().join("tests/objects/refused")
}
