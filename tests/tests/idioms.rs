//! Idioms of BPF C (`tests/idioms`), as clang 19 compiles them at `-mcpu` v1, v2, v3 and v4: every program is accepted
//! by our verifier and by the kernel, and does the same on interpreter, JIT and kernel for every frame of the captures.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use bpfreplay_instance::Engine as OurEngine;
use bpfreplay_loader::Object;
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::{self, root, test_run_frames};
use bpfreplay_tests::case::{Engine, KernelEngine};
use bpfreplay_tests::kernel::stay_on_this_cpu;
use bpfreplay_tests::oracle::{compare, takes_frames};
use bpfreplay_verifier::{LogLevel, Options, verify};

const CPUS: [&str; 4] = ["v1", "v2", "v3", "v4"];
/// As many sources there are at the least; most hold one program, some two.
const SOURCES_MIN: usize = 20;

#[test]
fn v1() {
    every_idiom_does_the_same_everywhere("v1");
}

#[test]
fn v2() {
    every_idiom_does_the_same_everywhere("v2");
}

#[test]
fn v3() {
    every_idiom_does_the_same_everywhere("v3");
}

#[test]
fn v4() {
    every_idiom_does_the_same_everywhere("v4");
}

fn every_idiom_does_the_same_everywhere(cpu: &str) {
    let kernel = Kernel::or_skip("the kernel as a judge of idioms").map(KernelEngine);
    if kernel.is_some() {
        stay_on_this_cpu().expect("the thread can be kept on a CPU");
    }
    let mut engines: Vec<&dyn Engine> = vec![&OurEngine::Interpreter, &OurEngine::Jit];
    if let Some(kernel) = &kernel {
        // It refuses what its verifier refuses, and that is reported as any other difference.
        engines.insert(0, kernel);
    }
    let frames: Vec<Vec<u8>> = captures::all().iter().flat_map(|path| test_run_frames(path)).collect();
    assert!(frames.len() > 5000, "the captures hold {} frames", frames.len());

    let names = sources();
    assert!(names.len() >= SOURCES_MIN, "{} sources", names.len());
    let mut report = String::new();
    let mut programs = 0;
    for name in &names {
        let file = format!("{cpu}/{name}.bpf.o");
        let bytes = std::fs::read(folder().join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let object = Object::parse(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(!object.programs.is_empty(), "{file} has no program");
        for entry in &object.programs {
            programs += 1;
            assert!(takes_frames(entry.prog_type), "{file}: {}", entry.name);
            compare(&file, &object, entry, &engines, &frames, &mut report);
        }
    }
    eprintln!("{cpu}: {programs} programs, {} frames, {} engines", frames.len(), engines.len());
    assert!(programs >= SOURCES_MIN, "{programs} programs at {cpu}");
    assert!(report.is_empty(), "{report}");
}

/// Alone, so that a refusal shows whole and takes no capture.
#[test]
fn our_verifier_accepts_every_idiom() {
    let mut refused = Vec::new();
    for (cpu, name) in CPUS.iter().flat_map(|cpu| sources().into_iter().map(move |name| (cpu, name))) {
        let bytes = std::fs::read(folder().join(format!("{cpu}/{name}.bpf.o"))).expect("an object");
        for program in &Object::parse(&bytes).expect("a good object").programs {
            let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
            if let Err(error) = verify(Arc::clone(program), &options) {
                refused.push(format!("{cpu}/{name} {}: {error}", program.name));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

fn folder() -> PathBuf {
    root().join("tests/idioms")
}

/// The names of the sources, without `.bpf.c`.
fn sources() -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder()).expect("the folder of idioms");
    let names = entries.filter_map(|entry| entry.expect("an entry").file_name().into_string().ok());
    names.filter_map(|name| name.strip_suffix(".bpf.c").map(str::to_owned)).collect()
}
