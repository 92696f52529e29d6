//! Callbacks, iterators, loops and dynptrs at run time, case by case, on every engine and on the kernel.

use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::root;
use bpfreplay_tests::case::{self, Engine, KernelEngine};

#[test]
fn cases_hold_on_the_kernel() {
    match Kernel::probe() {
        Ok(kernel) => run_all(&KernelEngine(kernel)),
        Err(reason) => eprintln!("skipped: {reason}"),
    }
}

#[test]
fn cases_hold_on_the_interpreter() {
    run_all(&bpfreplay_instance::Engine::Interpreter);
}

#[test]
fn cases_hold_on_the_jit() {
    run_all(&bpfreplay_instance::Engine::Jit);
}

fn run_all(engine: &dyn Engine) {
    let cases = case::cases(&root().join("tests/cases/control")).expect("the cases can be read");
    assert!(!cases.is_empty(), "the folder holds the cases");
    let mut failed = Vec::new();
    for (name, case) in &cases {
        match &case.kernel_skip {
            Some(reason) if engine.name() == "kernel" => eprintln!("skipped on the kernel: {name}: {reason}"),
            _ => {
                if let Err(error) = case::check(case, engine) {
                    failed.push(format!("{name}: {error:#}"));
                }
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} on {}:\n{}",
        failed.len(),
        cases.len(),
        engine.name(),
        failed.join("\n")
    );
}
