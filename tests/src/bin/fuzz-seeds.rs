//! Writes seeds for the fuzz target `verify` into a folder: the cases of `tests/cases/verifier` and the programs of the
//! shipped objects. Map references count as those of the cases' maps.

use std::path::PathBuf;

use anyhow::Context as _;
use bpfreplay_loader::Object;
use bpfreplay_parsers::ALL;
use bpfreplay_tests::case::{verifier_cases, verifier_program};
use bpfreplay_tests::fuzz::verify_input;

/// Bytes of a seed: longer ones take the time of many.
const BYTES_MAX: usize = 16 << 10;

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).context("a folder")?.into();
    std::fs::create_dir_all(&folder)?;
    let mut seeds = Vec::new();
    for (name, case) in verifier_cases() {
        seeds.push((name, verify_input(&verifier_program(&case))));
    }
    for object in ALL.iter().copied().flatten() {
        for program in Object::parse(object.bytes)?.programs {
            seeds.push((format!("{} {}", object.name, program.name), verify_input(&program)));
        }
    }
    for (name, bytes) in seeds {
        // Programs of a million steps take the fuzzer's time.
        if bytes.len() > BYTES_MAX || name.contains("million") {
            continue;
        }
        let file: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        std::fs::write(folder.join(file), bytes)?;
    }
    Ok(())
}
