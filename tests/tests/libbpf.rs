//! Our loader against libbpf: the same object, loaded by `bpftool prog loadall` and by us, has the same programs.
//!
//! The kernel gives every program a tag, a digest of its instructions as they were loaded (map references blanked).
//! Equal tags mean that relocations, subprograms and their order came out the same.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bpfreplay_loader::Object;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::bpftool::{self, Pinned};
use bpfreplay_tests::captures::{objects, root};
use bpfreplay_tests::kernel::KernelInstance;
use bpfreplay_tests::skip::skipped;

/// Objects of the loader's own tests that the kernel takes.
const LOADER_OBJECTS: &[&str] = &[
    "values",
    "subprograms_v1",
    "subprograms_v2",
    "subprograms_v3",
    "subprograms_v4",
    "data_sections",
    "beside",
    "cilium_tail",
    "core",
    "id_slot",
    "legacy_maps",
    "no_btf",
];

#[test]
fn programs_have_the_tags_libbpf_gives_them() {
    let Some(kernel) = Kernel::or_skip("tags as the kernel has them") else { return };
    if let Err(reason) = bpftool::probe() {
        return skipped("libbpf as a judge of linking", &reason);
    }
    let mut compared = 0;
    for path in objects().into_iter().chain(loader_objects()) {
        let theirs = match libbpf_tags(&path) {
            Ok(tags) => tags,
            // An older libbpf does not know newer notations; what it refuses cannot be compared.
            Err(reason) => {
                eprintln!("not compared: {}: {reason}", path.display());
                continue;
            }
        };
        let object = Object::parse(&std::fs::read(&path).expect("an object")).expect("our loader takes it");
        let instance = KernelInstance::load(kernel, &object.programs)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for program in &object.programs {
            let ours = tag(instance.program(&program.name).expect("loaded"));
            // Pinned names are cut as the kernel cuts names.
            let name: String = program.name.chars().take(15).collect();
            let pinned = theirs.get(&program.name).or_else(|| theirs.get(&name));
            assert_eq!(Some(&ours), pinned, "{} {}", path.display(), program.name);
            compared += 1;
        }
    }
    assert!(compared >= 20, "only {compared} programs compared");
}

#[test]
fn the_kernel_takes_the_objects_of_the_loaders_tests() {
    let Some(kernel) = Kernel::or_skip("the kernel loads the loader's objects") else { return };
    for path in loader_objects() {
        let object = Object::parse(&std::fs::read(&path).expect("an object")).expect("our loader takes it");
        KernelInstance::load(kernel, &object.programs)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// What `core.bpf.c` finds out about its own types, run by the kernel.
#[test]
fn core_relocations_hold_at_run_time() {
    let Some(kernel) = Kernel::or_skip("CO-RE on the kernel") else { return };
    let path = root().join("engine/loader/tests/objects/core.bpf.o");
    let object = Object::parse(&std::fs::read(path).expect("an object")).expect("our loader takes it");
    let instance = KernelInstance::load(kernel, &object.programs).expect("the kernel takes it");

    // struct sample: head 0, nested 8 {first 0, anonymous 2, other 3, numbers 4..24}, below 32, low and
    // middle from bit 272 (byte 34), signed_bits 36, colour 40, next 48.
    let (_, samples) = instance.map("samples").expect("a map");
    let mut sample = [0u8; 56];
    sample[8 + 4 + 2 * 4] = 44; // numbers[2]
    sample[32] = 21; // below
    sample[34..36].copy_from_slice(&(5u16 | 1234 << 3).to_le_bytes()); // low, middle
    sample[36..38].copy_from_slice(&0x1ffu16.to_le_bytes()); // signed_bits
    kernel.update(samples, &[0; 4], &sample, 0).expect("updated");
    let run = kernel.test_run(instance.program("core").expect("loaded"), &[0; 64], &[], 1).expect("runs");
    assert_eq!(run.retval, 1);

    let entries = instance.entries("results").expect("an array");
    let result =
        |index: u32| u64::from_le_bytes(entries[&index.to_le_bytes()[..]][..8].try_into().expect("8"));
    let expected: [(u32, u64); 18] = [
        (0, 8 + 4 + 3 * 4),            // offset of nested.numbers[3]
        (1, 20),                       // size of nested.numbers
        (2, 1),                        // nested.other exists
        (3, 0),                        // gone does not
        (4, 1),                        // below is signed
        (5, 1234),                     // middle
        (6, u64::MAX),                 // signed_bits: -1
        (7, 1),                        // struct sample exists
        (8, 56),                       // its size
        (10, 1),                       // GREEN exists
        (11, 5),                       // GREEN
        (12, 0x12_3456_789a),          // LARGE
        (13, 1),                       // struct sample matches
        (14, 8),                       // size of point
        (15, 21),                      // below, through the flavour
        (16, 44),                      // numbers[2]
        (17, 0),                       // gone was not read
        (18, (-3i64).cast_unsigned()), // BLUE
    ];
    for (index, value) in expected {
        assert_eq!(result(index), value, "result {index}");
    }
    let samples = instance.entries("samples").expect("an array");
    let sample = &samples[&[0; 4][..]];
    assert_eq!((sample[0], sample[8 + 2]), (64, 3), "head and anonymous were stored");
}

fn loader_objects() -> Vec<PathBuf> {
    let folder = root().join("engine/loader/tests/objects");
    LOADER_OBJECTS.iter().map(|name| folder.join(format!("{name}.bpf.o"))).collect()
}

/// The tag the kernel gave a program.
fn tag(program: &impl AsRawFd) -> String {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    let text = std::fs::read_to_string(&path).expect("fdinfo of a program");
    let line = text.lines().find_map(|line| line.strip_prefix("prog_tag:"));
    line.expect("a tag").trim().to_owned()
}

/// The tags of an object's programs as libbpf links them, by name.
fn libbpf_tags(object: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let pinned = Pinned::load(object)?;
    let mut tags = BTreeMap::new();
    for entry in std::fs::read_dir(pinned.programs())? {
        let entry = entry?;
        let shown = bpftool::json(&["prog", "show", "pinned", &entry.path().to_string_lossy()])?;
        let tag = shown["tag"].as_str().context("no tag")?.to_owned();
        tags.insert(entry.file_name().to_string_lossy().into_owned(), tag);
    }
    Ok(tags)
}
