//! What is committed is what the catalogue, the table and the generator say.

use std::collections::BTreeSet;
use std::fs;

use bpfreplay_pcaps::{CAPTURES, Origin, directory, inspect, readme_with_table, sums};

/// The issue allows 20 MiB; half of it is a warning early enough.
const TOTAL_BYTES_MAX: u64 = 10 << 20;

#[test]
fn generated_captures_come_out_the_same() {
    for capture in CAPTURES {
        if let Origin::Generated { build, .. } = capture.origin {
            let committed = fs::read(capture.path()).unwrap();
            assert!(build() == committed, "{} differs: run `cargo run -p bpfreplay-pcaps`", capture.file);
        }
    }
}

#[test]
fn sums_and_table_are_current() {
    let committed = fs::read_to_string(directory().join("SHA256SUMS")).unwrap();
    assert_eq!(sums().unwrap(), committed, "run `cargo run -p bpfreplay-pcaps`");
    let readme = fs::read_to_string(directory().join("README.md")).unwrap();
    assert_eq!(readme_with_table(&readme).unwrap(), readme, "run `cargo run -p bpfreplay-pcaps`");
}

#[test]
fn every_file_is_listed_and_every_listed_file_is_there() {
    let listed: BTreeSet<_> = CAPTURES.iter().map(|capture| capture.file.to_owned()).collect();
    assert_eq!(listed.len(), CAPTURES.len(), "a file is listed twice");
    let mut found = BTreeSet::new();
    for folder in ["generated", "recorded", "broken"] {
        for entry in fs::read_dir(directory().join(folder)).unwrap() {
            found.insert(format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()));
        }
    }
    assert_eq!(found, listed);
}

#[test]
fn together_they_are_small() {
    let total: u64 = CAPTURES.iter().map(|capture| fs::metadata(capture.path()).unwrap().len()).sum();
    assert!(total <= TOTAL_BYTES_MAX, "{total} bytes of captures, {TOTAL_BYTES_MAX} allowed");
}

#[test]
fn readable_captures_read_to_the_end() {
    for capture in CAPTURES.iter().filter(|capture| capture.is_readable()) {
        let found = inspect(&fs::read(capture.path()).unwrap());
        assert!(found.is_ok(), "{}: {}", capture.file, found.unwrap_err());
    }
}

#[test]
fn recordings_name_a_section_of_the_script() {
    let script = fs::read_to_string(directory().join("record.sh")).unwrap();
    for capture in CAPTURES {
        if let Origin::Recorded { section } = capture.origin {
            assert!(script.contains(&format!("record_{section}()")), "record.sh has no record_{section}()");
        }
    }
}
