//! What fuzzing found stays found, and the generator of programs stays worth its time.

use std::path::PathBuf;

use bpfreplay_tests::captures::root;
use bpfreplay_tests::fuzz;
use bpfreplay_tests::fuzz::engines::{Finding, Outcome, Scenario};

/// Inputs of the generator's test, unless the environment's `FUZZ_INPUTS` says more.
const INPUTS: u64 = 2000;

#[test]
fn decode() {
    replay("decode", fuzz::decode);
}

#[test]
fn object() {
    replay("object", fuzz::object);
}

#[test]
fn capture() {
    replay("capture", fuzz::capture);
}

#[test]
fn verify() {
    replay("verify", fuzz::verify);
}

/// Findings of this target are scenarios in words, because the same bytes mean another one when the generator changes.
#[test]
fn engines() {
    let mut failures = Vec::new();
    for path in findings("engines") {
        let text = std::fs::read_to_string(&path).expect("readable");
        let finding: Finding =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let scenario = finding.scenario().unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        if let Err(what) = scenario.check() {
            failures.push(format!("{}: {what}", path.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A finding says the same as the scenario it came from.
#[test]
fn findings_are_scenarios() {
    let scenario = Scenario::generate(&random(7, 700));
    let text = Finding::of(&scenario, "nothing").to_string();
    let again =
        toml::from_str::<Finding>(&text).expect("it reads what it writes").scenario().expect("a scenario");
    assert_eq!(again.frames, scenario.frames);
    for (again, program) in again.programs.iter().zip(&scenario.programs) {
        assert_eq!(again.insns, program.insns, "{text}");
    }
}

/// The verifier accepts a good share of what is generated from random bytes; else fuzzing would only test refusals.
#[test]
fn many_programs_are_accepted() {
    let (mut alike, mut ran, mut refused) = (0, 0, std::collections::BTreeMap::new());
    let inputs = std::env::var("FUZZ_INPUTS").map_or(INPUTS, |n| n.parse().expect("FUZZ_INPUTS is a number"));
    for seed in 0..inputs {
        let bytes = random(seed, 64 + 8 * (seed as usize % 128));
        match fuzz::engines(&bytes) {
            Outcome::Alike => alike += 1,
            Outcome::Ran => ran += 1,
            Outcome::Refused(why) => {
                let why = why.lines().next().unwrap_or_default();
                let why: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
                *refused.entry(why).or_insert(0) += 1;
            }
        }
    }
    let mut reasons: Vec<(i32, String)> = refused.into_iter().map(|(why, n)| (n, why)).collect();
    reasons.sort();
    println!("{inputs} inputs: {alike} alike, {ran} ran, the others refused:");
    for (count, why) in reasons.iter().rev() {
        println!("{count:6} {why}");
    }
    assert!(alike >= inputs / 4, "only {alike} of {inputs} are accepted and compared");
    assert!(ran >= inputs / 20, "only {ran} of {inputs} are bold and accepted");
}

fn replay(target: &str, body: fn(&[u8])) {
    for path in findings(target) {
        println!("{}", path.display());
        body(&std::fs::read(&path).expect("readable"));
    }
}

/// The committed findings of a target.
fn findings(target: &str) -> Vec<PathBuf> {
    let folder = root().join("tests/fuzz/findings").join(target);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("{target}: nothing was found so far");
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// Bytes by seed: splitmix64.
fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let word = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u8
    };
    std::iter::repeat_with(word).take(len).collect()
}
