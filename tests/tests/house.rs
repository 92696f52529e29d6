//! The rules of the house, held by a test: top level, dependency walls, the list of `unsafe` files, file sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use bpfreplay_tests::captures::root;

/// What may lie at the top besides dot-files.
const TOP_LEVEL: &[&str] =
    &["Cargo.lock", "Cargo.toml", "README.md", "bench", "engine", "parsers", "pcaps", "target", "tests"];

/// Which of our crates each of our crates may depend on, directly. A crate without a row is a mistake.
const WALLS: &[(&str, &[&str])] = &[
    ("isa", &[]),
    ("uapi", &[]),
    ("btf", &[]),
    ("program", &["isa", "uapi", "btf"]),
    ("loader", &["isa", "uapi", "btf", "program"]),
    ("verifier", &["isa", "uapi", "btf", "program"]),
    ("runtime", &["isa", "uapi", "program"]),
    ("interpreter", &["isa", "uapi", "program", "verifier", "runtime"]),
    ("jit", &["isa", "uapi", "program", "verifier", "runtime"]),
    ("instance", &["uapi", "program", "loader", "verifier", "runtime", "interpreter", "jit"]),
    ("tc", &["uapi", "runtime"]),
    ("replay", &["uapi", "btf", "runtime", "tc"]),
    (
        "cli",
        &[
            "isa", "uapi", "btf", "program", "loader", "verifier", "runtime", "jit", "instance", "tc",
            "replay", "parsers",
        ],
    ),
    ("parsers", &[]),
    ("pcaps", &[]),
    ("bench", &["loader", "runtime", "instance", "tc", "replay", "parsers", "pcaps", "tests"]),
    (
        "tests",
        &[
            "isa",
            "uapi",
            "btf",
            "program",
            "loader",
            "verifier",
            "runtime",
            "interpreter",
            "instance",
            "tc",
            "replay",
            "parsers",
        ],
    ),
];

/// Which of our crates their tests may use besides.
const WALLS_OF_TESTS: &[(&str, &[&str])] = &[
    // Programs by hand, and the shipped objects to make ready.
    ("instance", &["isa", "parsers"]),
    // Specs of maps to dump.
    ("replay", &["program"]),
    // Engines by their own types, where the suite is about what an instance hides.
    ("tests", &["jit"]),
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
    ("iced-x86", &["cli", "jit"]),
    ("annotate-snippets", &["cli"]),
    ("loom", &["runtime"]),
];

/// Files outside tests that make threads, and what for: threads live in `replay` only.
const THREADS: &[(&str, &str)] = &[
    ("engine/replay/src/replay.rs", "workers and merger"),
    ("tests/src/kernel/link.rs", "a network namespace belongs to a thread"),
];

/// Crates that may print and read the environment; in all others only tests may.
const SPEAKING: &[&str] = &["engine/cli", "bench", "tests", "pcaps"];

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
    let walls_of_tests: BTreeMap<&str, &[&str]> = WALLS_OF_TESTS.iter().copied().collect();
    let crates = our_crates();
    let mut broken = Vec::new();
    for (name, Dependencies { normal, dev }) in &crates {
        let Some(allowed) = walls.get(name.as_str()) else {
            broken.push(format!("{name} has no row: say what it may depend on"));
            continue;
        };
        let besides = walls_of_tests.get(name.as_str()).copied().unwrap_or_default();
        for dependency in ours(normal).filter(|dependency| !allowed.contains(dependency)) {
            broken.push(format!("{name} must not depend on {dependency}"));
        }
        for dependency in ours(dev).filter(|dependency| !allowed.contains(dependency)) {
            if !besides.contains(&dependency) {
                broken.push(format!("the tests of {name} must not depend on {dependency}"));
            }
        }
        // A wall with a hole that nobody goes through is a wall that is not there.
        for unused in allowed.iter().filter(|allowed| !ours(normal).any(|used| used == **allowed)) {
            broken.push(format!("{name} does not depend on {unused} any more: take it out of the row"));
        }
        for unused in besides.iter().filter(|allowed| !ours(dev).any(|used| used == **allowed)) {
            broken.push(format!("the tests of {name} do not use {unused} any more: take it out of the row"));
        }
    }
    for (name, _) in WALLS.iter().chain(WALLS_OF_TESTS) {
        if !crates.contains_key(*name) {
            broken.push(format!("there is no crate {name}: take its row out"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Our own crates among dependencies, without the prefix of their names.
fn ours(dependencies: &BTreeSet<String>) -> impl Iterator<Item = &str> {
    dependencies.iter().filter_map(|dependency| dependency.strip_prefix("bpfreplay-"))
}

#[test]
fn packages_stay_in_their_crates() {
    let crates = our_crates();
    let mut broken = Vec::new();
    for (package, homes) in CONFINED {
        for (name, dependencies) in &crates {
            if dependencies.any(package) && !homes.contains(&name.as_str()) {
                broken.push(format!("{name} must not depend on {package}"));
            }
        }
        let used = homes.iter().any(|home| crates.get(*home).is_some_and(|deps| deps.any(package)));
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
fn threads_lie_where_they_are_listed() {
    let listed: BTreeSet<&str> = THREADS.iter().map(|(file, _)| *file).collect();
    let found = files_with(&["thread::spawn", "thread::scope", "thread::Builder", "thread::{"], &[]);
    assert_eq!(
        found.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        listed,
        "left: files with threads outside tests; right: those listed"
    );
}

#[test]
fn libraries_neither_print_nor_read_the_environment() {
    let words = ["println!", "print!", "dbg!", "io::stdout", "io::stderr", "env::var", "env::args"];
    assert_eq!(files_with(&words, SPEAKING), BTreeSet::new());
    assert!(!files_with(&words, &[]).is_empty(), "those that may do");
}

/// Files of library and command code, outside these folders, with one of these words in their code.
fn files_with(words: &[&str], except: &[&str]) -> BTreeSet<String> {
    let is_test = |path: &Path| {
        let mut folders = path.iter().rev().skip(1);
        // Both `CRATE/tests/` and modules of tests, not the crate `tests` itself.
        folders.any(|folder| folder == "tests") && !path.starts_with("tests/src")
    };
    let sources = sources().into_iter().filter(|path| !is_test(path));
    let sources = sources.filter(|path| !except.iter().any(|folder| path.starts_with(folder)));
    let with = sources.filter(|path| {
        let text = std::fs::read_to_string(root().join(path)).expect("a source");
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        text.lines().any(|line| words.iter().any(|word| code(line).contains(word)))
    });
    with.map(|path| path.to_str().expect("UTF-8").to_owned()).collect()
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

/// What a crate depends on.
struct Dependencies {
    /// Also to be built.
    normal: BTreeSet<String>,
    /// In its tests.
    dev: BTreeSet<String>,
}

impl Dependencies {
    fn any(&self, package: &str) -> bool {
        self.normal.contains(package) || self.dev.contains(package)
    }
}

/// Our crates, without the prefix of their names.
fn our_crates() -> BTreeMap<String, Dependencies> {
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
            let names = |dev: bool| {
                let chosen =
                    dependencies.iter().filter(move |dependency| (dependency["kind"] == "dev") == dev);
                chosen.map(|dependency| dependency["name"].as_str().expect("a name").to_owned()).collect()
            };
            (name, Dependencies { normal: names(false), dev: names(true) })
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
        code(line).split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == concat!("un", "safe"))
    })
}

/// A line without comment and strings.
fn code(line: &str) -> String {
    line.split("//").next().unwrap_or_default().split('"').step_by(2).collect()
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
