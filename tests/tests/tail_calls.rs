//! The tail-call contract, case by case, on every engine and on the kernel.

use std::collections::BTreeSet;

use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::root;
use bpfreplay_tests::case::{self, Engine, KernelEngine};

#[test]
fn cases_hold_on_the_kernel() {
    let Some(kernel) = Kernel::or_skip("the tail-call cases on the kernel") else { return };
    run_all(&KernelEngine(kernel));
}

#[test]
fn cases_hold_on_the_interpreter() {
    run_all(&bpfreplay_instance::Engine::Interpreter);
}

#[test]
fn cases_hold_on_the_jit() {
    run_all(&bpfreplay_instance::Engine::Jit);
}

/// `README.md` beside the cases says which rule each holds.
#[test]
fn the_ledger_is_whole() {
    let folder = root().join("tests/cases/tail_calls");
    let ledger = std::fs::read_to_string(folder.join("README.md")).expect("the ledger");
    let held_by: Vec<&str> = ledger.lines().filter_map(|line| line.split('|').nth(2)).collect();
    let between = |mark: char| -> BTreeSet<&str> {
        held_by.iter().flat_map(|cell| cell.split(mark).skip(1).step_by(2)).collect()
    };

    let cases = case::cases(&folder).expect("the cases can be read");
    let cases: BTreeSet<&str> = cases.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(between('`'), cases, "left: what the ledger names; right: the cases there are");

    let verifier_cases = case::verifier_cases();
    let names: BTreeSet<&str> =
        verifier_cases.iter().filter_map(|(name, _)| Some(name.split_once(": ")?.1)).collect();
    for name in between('"') {
        assert!(names.contains(name), "the ledger names a case of the verifier that is not there: {name}");
    }

    let is_path = |word: &&str| word.ends_with(".rs");
    for path in held_by.iter().flat_map(|cell| cell.split([' ', ':', ';', ','])).filter(is_path) {
        assert!(root().join(path).exists(), "the ledger names {path}");
    }
}

fn run_all(engine: &dyn Engine) {
    let checked = case::check_all(&root().join("tests/cases/tail_calls"), engine);
    assert!(checked > 20, "the folder holds the cases");
}
