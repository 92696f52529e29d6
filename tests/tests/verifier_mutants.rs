//! Damaged programs: the verifier never panics or hangs on them, takes none that the kernel refuses, and those it takes
//! do nothing on the checked interpreter that they must not.
//!
//! Every case of `tests/cases/verifier` and every shipped program is damaged in many ways. The seed is fixed;
//! `BPFREPLAY_MUTANTS` sets how many there are of each program, `BPFREPLAY_SEED` another seed. For hours instead of
//! seconds there is `cargo run --release -p bpfreplay-tests --bin soundness -- --seconds 3600`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bpfreplay_tests::Kernel;
use bpfreplay_tests::soundness::{AskAboutRefused, Corpus, Mutator, Random, Trial, Verdict};

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
    let (mut counts, mut findings) = (BTreeMap::<_, u64>::new(), Vec::new());
    for (name, original) in corpus.iter() {
        for _ in 0..mutants {
            let donor = Arc::clone(&corpus.any(&mut random).1);
            let mutant = Arc::new(mutator.mutant(original, &donor));
            let what = match trial.judge(&mutant, &mut random) {
                Ok(Verdict::Refused) => "refused",
                Ok(Verdict::Sound) => "accepted and ran",
                Ok(Verdict::NotRun) => "accepted, not run",
                Ok(Verdict::Laxer(_)) => "ran, the kernel knows ranges less well",
                Ok(Verdict::Stricter(_)) => "stricter than the kernel",
                Err(finding) => {
                    findings.push(format!("{name}, damaged: {finding}"));
                    "finding"
                }
            };
            *counts.entry(what).or_default() += 1;
        }
    }
    println!("{counts:?}");
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
    let ran = counts.get("accepted and ran").copied().unwrap_or_default();
    assert!(ran > mutants * corpus.len() as u64 / 20, "most mutants are nonsense: {counts:?}");
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
