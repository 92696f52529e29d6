//! The rules of the house, held by a test: top level, dependency walls, the list of `unsafe` files, file sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use bpfreplay_tests::captures::root;

/// What may lie at the top besides dot-files.
const TOP_LEVEL: &[&str] =
    &["Cargo.lock", "Cargo.toml", "README.md", "bench", "engine", "parsers", "pcaps", "target", "tests"];

/// Which of our crates each of our crates may depend on, directly, outside its tests.
const WALLS: &[(&str, &[&str])] = &[
    ("isa", &[]),
    ("uapi", &[]),
    ("btf", &[]),
    ("program", &["isa", "uapi", "btf"]),
    ("loader", &["isa", "uapi", "btf", "program"]),
    ("verifier", &["isa", "uapi", "program"]),
    ("runtime", &["isa", "uapi", "program"]),
    ("interpreter", &["isa", "uapi", "program", "verifier", "runtime"]),
    ("jit", &["isa", "uapi", "program", "verifier", "runtime"]),
    ("instance", &["isa", "uapi", "program", "loader", "verifier", "runtime", "interpreter", "jit"]),
    ("tc", &["uapi", "runtime"]),
    ("replay", &["uapi", "btf", "program", "runtime", "tc"]),
    ("parsers", &[]),
    ("pcaps", &[]),
];

/// Which of our crates may use these packages: threads, machine code, untyped errors, terminals.
const CONFINED: &[(&str, &[&str])] = &[
    ("crossbeam-channel", &["replay"]),
    ("dynasmrt", &["jit"]),
    ("dynasm", &["jit"]),
    ("anyhow", &["cli", "bench", "tests", "pcaps"]),
    ("clap", &["cli", "bench", "pcaps"]),
    ("indicatif", &["cli"]),
    ("comfy-table", &["cli", "bench"]),
    ("pnet_packet", &["parsers"]),
    ("smoltcp", &["pcaps"]),
];

/// Lines a source file may have; longer ones must be flat lists and are named here with what they list.
const LINES_MAX: usize = 800;
const LONG_FILES: &[(&str, &str)] = &[];

/// Lines the median source file may have.
const LINES_MEDIAN_MAX: usize = 250;

#[test]
fn the_top_level_is_as_the_readme_says() {
    let entries = std::fs::read_dir(root()).expect("the root can be listed");
    for entry in entries {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        assert!(
            name.starts_with('.') || TOP_LEVEL.contains(&name.as_str()),
            "{name} does not belong at the top"
        );
    }
}

#[test]
fn dependencies_point_one_way() {
    let walls: BTreeMap<&str, &[&str]> = WALLS.iter().copied().collect();
    let mut broken = Vec::new();
    for (name, dependencies) in our_crates() {
        let Some(allowed) = walls.get(name.as_str()) else { continue };
        for dependency in dependencies.iter().filter_map(|dependency| dependency.strip_prefix("bpfreplay-")) {
            if !allowed.contains(&dependency) {
                broken.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn packages_stay_in_their_crates() {
    let crates = our_crates();
    let mut broken = Vec::new();
    for (package, homes) in CONFINED {
        for (name, dependencies) in &crates {
            if dependencies.contains(*package) && !homes.contains(&name.as_str()) {
                broken.push(format!("{name} must not depend on {package}"));
            }
        }
        let used = homes.iter().any(|home| crates.get(*home).is_some_and(|deps| deps.contains(*package)));
        assert!(used, "no crate uses {package} any more: take its row out");
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn unsafe_lies_where_the_readme_says() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let safety =
        readme.split("\n## ").find(|section| section.starts_with("Safety")).expect("a Safety section");
    let listed: BTreeSet<String> = safety
        .lines()
        .filter_map(|line| line.strip_prefix("- `"))
        .filter_map(|line| Some(line.split_once('`')?.0.to_owned()))
        .collect();
    let found: BTreeSet<String> = sources()
        .into_iter()
        .filter(|path| has_unsafe_code(&std::fs::read_to_string(root().join(path)).expect("a source")))
        .map(|path| path.to_str().expect("UTF-8").to_owned())
        .collect();
    assert_eq!(found, listed, "left: files with `unsafe`; right: what README.md lists under Safety");
}

#[test]
fn files_are_small() {
    let mut lengths: Vec<(usize, String)> = sources()
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).expect("a source");
            (text.lines().count(), path.to_str().expect("UTF-8").to_owned())
        })
        .collect();
    lengths.sort();
    for (lines, path) in &lengths {
        let excused = LONG_FILES.iter().any(|(file, _)| file == path);
        assert!(*lines <= LINES_MAX || excused, "{path} has {lines} lines; the limit is {LINES_MAX}");
    }
    let median = lengths[lengths.len() / 2].0;
    assert!(
        median <= LINES_MEDIAN_MAX,
        "the median file has {median} lines; the limit is {LINES_MEDIAN_MAX}"
    );
}

/// Our crates, without the prefix of their names, and what each depends on outside its tests.
fn our_crates() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().expect("a name").trim_start_matches("bpfreplay-").to_owned();
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            (name, normal.map(|dependency| dependency["name"].as_str().expect("a name").to_owned()).collect())
        })
        .collect()
}

/// Every Rust file of the project, relative to the root.
fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, out);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                out.push(path.strip_prefix(root()).expect("below the root").to_owned());
            }
        }
    }
    let mut out = Vec::new();
    walk(&root(), &mut out);
    assert!(out.len() > 50, "the walk finds the sources");
    out
}

/// Whether the word `unsafe` stands outside comments and strings.
fn has_unsafe_code(text: &str) -> bool {
    text.lines().any(|line| {
        let code = line.split("//").next().unwrap_or_default();
        let outside_strings: String = code.split('"').step_by(2).collect();
        outside_strings
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| word == concat!("un", "safe"))
    })
}

#[test]
fn the_word_is_found_where_it_counts() {
    // Put together here, so that this file does not hold it.
    let word = concat!("un", "safe");
    assert!(has_unsafe_code(&format!("    {word} {{ x() }}")));
    assert!(has_unsafe_code(&format!("pub {word} fn x()")));
    assert!(!has_unsafe_code(&format!("// {word}")));
    assert!(!has_unsafe_code(&format!("#![forbid({word}_code)]")));
    assert!(!has_unsafe_code(&format!("let s = \"{word}\";")));
}
