//! Damaged programs: the verifier never panics or hangs on them, takes none that the kernel refuses, and those it takes
//! do nothing on the checked interpreter that they must not.
//!
//! Every case of `tests/cases/verifier` and every shipped program is damaged in many ways. The seed is fixed;
//! `BPFREPLAY_MUTANTS` sets how many there are of each program, `BPFREPLAY_SEED` another seed. For hours instead of
//! seconds there is `cargo run --release -p bpfreplay-tests --bin soundness -- --seconds 3600`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bpfreplay_tests::Kernel;
use bpfreplay_tests::case::verifier_cases;
use bpfreplay_tests::soundness::{AskAboutRefused, Corpus, Mutator, Random, Sort, Tally, Trial, laxer_rows};

/// Mutants of each program, unless the environment says otherwise.
const MUTANTS: u64 = 6;

#[test]
fn damaged_programs_are_judged_as_the_kernel_does() {
    let kernel = Kernel::or_skip("the kernel as a judge of mutants");
    let mutants = from_environment("BPFREPLAY_MUTANTS", MUTANTS);
    let seed = from_environment("BPFREPLAY_SEED", 0);
    let corpus = Corpus::shipped();
    let mut trial = Trial::new(kernel, AskAboutRefused::Yes);
    let (mut mutator, mut random) = (Mutator { random: Random::new(seed) }, Random::new(!seed));
    let (mut tally, mut findings) = (Tally::default(), Vec::new());
    for (name, original) in corpus.iter() {
        for _ in 0..mutants {
            let donor = Arc::clone(&corpus.any(&mut random).1);
            let mutant = Arc::new(mutator.mutant(original, &donor));
            let outcome = trial.judge(&mutant, &mut random);
            tally.count(mutant.prog_type, &outcome);
            if let Err(finding) = outcome {
                findings.push(format!("{name}, damaged, {}: {finding}", mutant.prog_type.name()));
            }
        }
    }
    println!("{}", tally.report(&trial));
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    assert!(tally.ran() > mutants * corpus.len() as u64 / 20, "most mutants are nonsense");
}

/// Every class of what we accept and the kernel refuses has a reason, and, limits apart, a case that shows it.
#[test]
fn what_the_kernel_refuses_and_we_accept_is_explained() {
    let cases: BTreeMap<_, _> = verifier_cases().into_iter().collect();
    for row in laxer_rows() {
        assert!(row.reason.len() > 40, "{}: no reason", row.kernel);
        match (row.sort, &row.example) {
            (Sort::Limit, None) => {}
            (Sort::Range | Sort::Bug, Some(example)) => {
                let case = cases.get(example).unwrap_or_else(|| panic!("no case {example}"));
                assert_eq!(case.kernel_verdict.as_deref(), Some("refuse"), "{example}");
                assert!(case.refuse.is_none() && case.kernel.as_ref() == Some(&row.kernel), "{example}");
            }
            (Sort::Limit, Some(_)) | (Sort::Range | Sort::Bug, None) => {
                panic!("{}: an example for all but limits", row.kernel)
            }
        }
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
