//! Callbacks, iterators, loops and dynptrs at run time, case by case, on every engine and on the kernel.

use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::root;
use bpfreplay_tests::case::{self, Engine, KernelEngine};

#[test]
fn cases_hold_on_the_kernel() {
    if let Some(kernel) = Kernel::or_skip("callbacks, iterators and loops on the kernel") {
        run_all(&KernelEngine(kernel));
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
    let checked = case::check_all(&root().join("tests/cases/control"), engine);
    assert!(checked > 0, "the folder holds the cases");
}
