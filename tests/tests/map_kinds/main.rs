//! What every kind of map does for user space and for programs, step by step: on the JIT, on the interpreter, and on
//! the kernel, which is the judge.
//!
//! `step`: the language of the cases in `tests/cases/maps`. `programs`: one program a step that a program makes.

mod on_kernel;
mod ours;
mod programs;
mod step;

use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::root;
use bpfreplay_tests::case::map_spec;
use bpfreplay_tests::kernel::stay_on_this_cpu;

use on_kernel::OnKernel;
use ours::{Engine, Ours};
use step::{Case, Side};

#[test]
fn cases_hold_on_the_kernel() {
    let Some(kernel) = Kernel::or_skip("the map cases on the kernel") else { return };
    stay_on_this_cpu().expect("the thread can be kept on a CPU");
    run_all("kernel", |specs| Box::new(OnKernel::new(kernel, specs)));
}

#[test]
fn cases_hold_on_the_interpreter() {
    run_all("interpreter", |specs| Box::new(Ours::new(Engine::Interpreter, specs)));
}

#[test]
fn cases_hold_on_the_jit() {
    run_all("jit", |specs| Box::new(Ours::new(Engine::Jit, specs)));
}

fn run_all(name: &str, side: impl Fn(Vec<bpfreplay_program::MapSpec>) -> Box<dyn Side>) {
    let folder = root().join("tests/cases/maps");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the cases").map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut failed, mut steps) = (Vec::new(), 0);
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a case");
        let case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let specs = case.maps.iter().map(|def| map_spec(def).expect("a map")).collect();
        let mut side = side(specs);
        for step in case.steps() {
            steps += 1;
            let got = side.step(&step);
            if got != step.expected {
                let file = path.file_name().unwrap().to_string_lossy();
                failed.push(format!("{file}: {}: expected {}, got {got}", step.text, step.expected));
            }
        }
    }
    assert!(steps > 100, "the cases have {steps} steps");
    assert!(failed.is_empty(), "{} of {steps} steps on the {name}:\n{}", failed.len(), failed.join("\n"));
}
