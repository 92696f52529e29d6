//! The same linked bytecode, the same frames, on several engines: every outcome and every map compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bpfreplay_loader::Object;
use bpfreplay_program::{MapSpec, Program, SpecialKind};
use bpfreplay_uapi::{MapType, ProgType};

use crate::case::{Engine, Loaded, Outcome};
use crate::kernel::possible_cpus;

/// Differences shown for one program before the rest is only counted.
const SHOWN_MAX: usize = 3;

/// `BPF_PROG_TEST_RUN` of it takes a frame.
#[must_use]
pub fn takes_frames(prog_type: ProgType) -> bool {
    prog_type.has_skb() || prog_type == ProgType::Xdp
}

/// Runs one program of an object over all frames on each engine. After each frame r0, the packet's bytes, mark,
/// priority and cb must be what they are on the first engine, after all of them every map; what is not is written to
/// `report`, under the name `file`.
///
/// # Panics
///
/// If there is no engine, or a map cannot be read.
pub fn compare(
    file: &str,
    object: &Object,
    entry: &Arc<Program>,
    engines: &[&dyn Engine],
    frames: &[Vec<u8>],
    report: &mut String,
) {
    let mut loaded: Vec<Box<dyn Loaded>> = Vec::new();
    for engine in engines {
        match engine.load(&object.programs) {
            Ok(instance) => loaded.push(instance),
            Err(error) => {
                let _ = writeln!(report, "{file} on {}: {error:#}", engine.name());
                return;
            }
        }
    }

    let mut differences = 0;
    for (number, frame) in frames.iter().enumerate() {
        let mut outcomes =
            loaded.iter_mut().map(|instance| instance.run(&entry.name, frame).map(|out| out.map(seen)));
        let first = outcomes.next().expect("at least one engine");
        for (engine, outcome) in engines[1..].iter().zip(outcomes) {
            let same = matches!((&first, &outcome), (Ok(first), Ok(outcome)) if first == outcome);
            if !same {
                differences += 1;
                if differences <= SHOWN_MAX {
                    let _ = writeln!(report, "{file} {} frame {number} ({} bytes):", entry.name, frame.len());
                    let _ = writeln!(report, "  {:12} {}", engines[0].name(), show(&first));
                    let _ = writeln!(report, "  {:12} {}", engine.name(), show(&outcome));
                }
            }
        }
    }
    if differences > SHOWN_MAX {
        let _ = writeln!(report, "{file} {}: {differences} differences", entry.name);
    }
    compare_maps(file, object, entry, engines, &mut loaded, report);
}

/// Maps user space can read by key, and whose values are not ids. What is in the others, programs are asked.
fn has_entries(map_type: MapType) -> bool {
    use MapType as M;
    matches!(
        map_type,
        M::Array | M::PercpuArray | M::Hash | M::PercpuHash | M::LruHash | M::LruPercpuHash | M::LpmTrie
    )
}

fn compare_maps(
    file: &str,
    object: &Object,
    entry: &Arc<Program>,
    engines: &[&dyn Engine],
    loaded: &mut [Box<dyn Loaded>],
    report: &mut String,
) {
    for spec in object.maps.iter().filter(|spec| has_entries(spec.map_type)) {
        let per_cpu =
            matches!(spec.map_type, MapType::PercpuArray | MapType::PercpuHash | MapType::LruPercpuHash);
        let mut all = loaded.iter_mut().map(|instance| {
            let mut entries =
                instance.entries(&spec.name).unwrap_or_else(|error| panic!("{file} {}: {error}", spec.name));
            entries.values_mut().for_each(|value| without_heads(spec, value));
            if per_cpu { summed(entries, spec.value_size.next_multiple_of(8) as usize) } else { entries }
        });
        let first = all.next().expect("at least one engine");
        for (engine, entries) in engines[1..].iter().zip(all) {
            if entries != first {
                let key = first.keys().chain(entries.keys()).find(|key| first.get(*key) != entries.get(*key));
                let key = key.expect("they differ somewhere");
                let (want, got) = (first.get(key), entries.get(key));
                let _ = writeln!(
                    report,
                    "{file} {} map {} key {key:02x?}: {} {want:02x?}, {} {got:02x?}",
                    entry.name,
                    spec.name,
                    engines[0].name(),
                    engine.name()
                );
            }
        }
    }
}

/// The kernel shows where a copy of a list's head was: nothing of the value.
fn without_heads(spec: &MapSpec, value: &mut [u8]) {
    for field in spec.special.iter().filter(|field| matches!(field.kind, SpecialKind::ListHead { .. })) {
        value[field.off as usize..][..field.kind.size() as usize].fill(0);
    }
}

/// What every engine can tell.
fn seen(outcome: Outcome) -> Outcome {
    Outcome { path: None, failed: None, ..outcome }
}

fn show(outcome: &anyhow::Result<Option<Outcome>>) -> String {
    match outcome {
        Ok(Some(Outcome { retval, data, mark, priority, cb, .. })) => {
            let hex: String = data.iter().take(80).fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            format!(
                "retval {retval:#x} mark {mark:#x} priority {priority:#x} cb {cb:x?} len {} {hex}",
                data.len()
            )
        }
        Ok(None) => "refused".to_owned(),
        Err(error) => format!("{error:#}"),
    }
}

/// Per-CPU values as one, their 8-byte words added: a run of the kernel may be on any CPU.
fn summed(entries: BTreeMap<Vec<u8>, Vec<u8>>, stride: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
    assert!(possible_cpus() > 0);
    let sum = |value: Vec<u8>| {
        let mut words = vec![0u64; stride / 8];
        for cpu in value.chunks_exact(stride) {
            for (word, bytes) in words.iter_mut().zip(cpu.chunks_exact(8)) {
                *word = word.wrapping_add(u64::from_le_bytes(bytes.try_into().expect("8 bytes")));
            }
        }
        words.into_iter().flat_map(u64::to_le_bytes).collect()
    };
    entries.into_iter().map(|(key, value)| (key, sum(value))).collect()
}
