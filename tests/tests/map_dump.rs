//! What maps are shown as: the same entries written by us and by `bpftool -j map dump`, `formatted` included.
//!
//! Case files say what is put into the maps of an object; the dump that belongs there is beside them, written by
//! bpftool. Beyond the cases, every map of every shipped object is filled and compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_replay::write_maps;
use bpfreplay_runtime::Map;
use bpfreplay_tests::bpftool::{self, Pinned};
use bpfreplay_tests::captures::{objects, root};
use bpfreplay_tests::kernel::possible_cpus;
use bpfreplay_tests::skip::skipped;
use bpfreplay_uapi::MapType;
use serde::Deserialize;
use serde_json::{Value, json};

/// CPUs the dumps beside the case files are for.
const CPUS: usize = 2;

/// Entries put into each map of the shipped objects.
const ENTRIES: u32 = 3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    object: PathBuf,
    update: Vec<Update>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    map: String,
    key: String,
    value: String,
}

/// Dumps by map.
type Dumps = BTreeMap<String, Value>;

#[test]
fn maps_are_shown_as_the_cases_say() {
    for path in cases() {
        let case = read(&path);
        let dumps = our_case(&case).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        same(&path.display().to_string(), &expected(&path), &dumps);
    }
}

#[test]
fn bpftool_shows_what_the_cases_say() {
    if let Err(reason) = bpftool::probe() {
        return skipped("bpftool as a judge of map dumps", &reason);
    }
    for path in cases() {
        let dumps =
            bpftool_case(&read(&path)).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        if std::env::var_os("BLESS").is_some() {
            let lines: Vec<String> = dumps
                .iter()
                .map(|(map, dump)| {
                    let entries: Vec<String> =
                        dump.as_array().expect("a list").iter().map(|entry| format!("  {entry}")).collect();
                    format!("{}: [\n{}\n]", json!(map), entries.join(",\n"))
                })
                .collect();
            let text = format!("{{\n{}\n}}\n", lines.join(",\n"));
            std::fs::write(path.with_extension("json"), text).expect("written");
        }
        same(&path.display().to_string(), &on_this_machine(expected(&path)), &dumps);
    }
}

#[test]
fn maps_of_shipped_objects_are_shown_as_bpftool_shows_them() {
    if let Err(reason) = bpftool::probe() {
        return skipped("bpftool as a judge of map dumps", &reason);
    }
    let (mut compared, mut formatted) = (0, 0);
    for path in objects() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pinned = match Pinned::load(&path) {
            Ok(pinned) => pinned,
            Err(reason) => {
                eprintln!("not compared: {name}: {reason}");
                continue;
            }
        };
        let object = Object::parse(&std::fs::read(&path).expect("an object")).expect("our loader takes it");
        for spec in object.maps.iter().filter(|spec| has_plain_entries(spec.map_type)) {
            let cpus = possible_cpus();
            let map = Map::create(spec, u32::try_from(cpus).expect("a few")).expect("created");
            if spec.frozen_bytes().is_none() {
                for n in 0..ENTRIES.min(spec.max_entries) {
                    let (key, value) = entry(spec.key_size, spec.value_size, n);
                    put(&map, &key, &value).expect("updated");
                    pinned.update(&spec.name, &key, &value).expect("updated");
                }
            }
            let theirs = comparable(spec.map_type, pinned.dump(&spec.name).expect("dumped"));
            let ours = dumps(&[map]).remove(&spec.name).expect("it is there");
            formatted += usize::from(theirs.to_string().contains("\"formatted\""));
            same_dump(&format!("{name} {}", spec.name), &theirs, &ours);
            compared += 1;
        }
    }
    eprintln!("{compared} maps compared, {formatted} of them with types");
    assert!(formatted >= 50, "only {formatted} maps with types");
}

/// Maps that any key and value may be put into.
fn has_plain_entries(map_type: MapType) -> bool {
    use MapType as M;
    matches!(map_type, M::Array | M::PercpuArray | M::Hash | M::PercpuHash | M::LruHash | M::LruPercpuHash)
}

fn our_case(case: &Case) -> anyhow::Result<Dumps> {
    let object = Object::parse(&std::fs::read(root().join(&case.object))?)?;
    let options = Options { engine: Engine::Interpreter, cpus: 2, ..Options::default() };
    let instance = Instance::load(&object, &options)?;
    for update in &case.update {
        let (key, value) = update.bytes()?;
        put(instance.map(&update.map).context("no such map")?, &key, &value)
            .with_context(|| format!("map {}", update.map))?;
    }
    Ok(dumps(instance.maps()))
}

fn bpftool_case(case: &Case) -> anyhow::Result<Dumps> {
    let path = root().join(&case.object);
    let object = Object::parse(&std::fs::read(&path)?)?;
    let pinned = Pinned::load(&path)?;
    for update in &case.update {
        let (key, value) = update.bytes()?;
        pinned.update(&update.map, &key, &value)?;
    }
    let mut dumps = Dumps::new();
    for spec in object.maps.iter() {
        dumps.insert(spec.name.clone(), comparable(spec.map_type, pinned.dump(&spec.name)?));
    }
    Ok(on_this_machine(dumps))
}

/// Puts an entry into one of our maps as bpftool does: on every CPU the same.
fn put(map: &Map, key: &[u8], value: &[u8]) -> anyhow::Result<()> {
    let mut all = value.to_vec();
    if map.is_per_cpu() {
        all.resize(value.len().next_multiple_of(8), 0);
        all = all.repeat(map.cpus() as usize);
    }
    Ok(map.update(key, &all, 0)?)
}

/// What we write of these maps.
fn dumps(maps: &[Arc<Map>]) -> Dumps {
    let mut text = Vec::new();
    write_maps(maps, &mut text).expect("written");
    let mut dumps: Dumps = serde_json::from_slice(&text).expect("JSON");
    for map in maps {
        let dump = dumps.get_mut(&map.spec().name).expect("it is there");
        *dump = comparable(map.spec().map_type, dump.take());
    }
    dumps
}

/// Entries by key, because hash maps have no order. Ids in prog arrays are the kernel's or ours: they are taken out
/// where both forms of the value say the same.
fn comparable(map_type: MapType, mut dump: Value) -> Value {
    let entries = dump.as_array_mut().expect("a list of entries");
    entries.sort_by_key(|entry| entry["key"].to_string());
    if map_type == MapType::ProgArray {
        for entry in entries {
            let bytes = entry["value"].as_array().expect("bytes").iter().rev();
            let hex: String =
                bytes.map(|byte| byte.as_str().expect("a byte").trim_start_matches("0x")).collect();
            let id = u64::from_str_radix(&hex, 16).expect("an id");
            entry["value"] = json!("program");
            if entry.pointer("/formatted/value") == Some(&json!(id)) {
                entry["formatted"]["value"] = json!("program");
            }
        }
    }
    dump
}

/// With as many CPUs as both this machine and the files have.
fn on_this_machine(mut dumps: Dumps) -> Dumps {
    let cpus = CPUS.min(possible_cpus());
    for entry in dumps.values_mut().flat_map(|dump| dump.as_array_mut().expect("a list of entries")) {
        for list in ["/values", "/formatted/values"] {
            if let Some(values) = entry.pointer_mut(list).and_then(Value::as_array_mut) {
                values.truncate(cpus);
            }
        }
    }
    dumps
}

fn same(what: &str, want: &Dumps, got: &Dumps) {
    let names = |dumps: &Dumps| dumps.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(want), names(got), "{what}");
    for (map, want) in want {
        same_dump(&format!("{what} {map}"), want, &got[map]);
    }
}

fn same_dump(what: &str, want: &Value, got: &Value) {
    let entries = |dump: &Value| dump.as_array().expect("a list of entries").clone();
    let (want, got) = (entries(want), entries(got));
    assert_eq!(want.len(), got.len(), "{what}: entries");
    for (want, got) in want.iter().zip(&got) {
        assert_eq!(want, got, "{what}\n left: {want}\nright: {got}\n");
    }
}

/// The `n`th entry put into a map of a shipped object: an array's index, any other key and the value from a fixed
/// sequence.
fn entry(key_size: u32, value_size: u32, n: u32) -> (Vec<u8>, Vec<u8>) {
    let mut state = u64::from(n) + 1;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let key = if key_size == 4 { n.to_le_bytes().to_vec() } else { (0..key_size).map(|_| byte()).collect() };
    (key, (0..value_size).map(|_| byte()).collect())
}

fn cases() -> Vec<PathBuf> {
    let folder = root().join("tests/cases/map_dump");
    let entries = std::fs::read_dir(folder).expect("the folder of cases");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    assert!(!cases.is_empty(), "there are cases");
    cases
}

fn read(path: &Path) -> Case {
    let text = std::fs::read_to_string(path).expect("a case");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn expected(case: &Path) -> Dumps {
    let text = std::fs::read_to_string(case.with_extension("json")).expect("the dump beside the case");
    serde_json::from_str(&text).expect("JSON")
}

impl Update {
    fn bytes(&self) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        let parse = |text: &str| bytes(text).with_context(|| format!("map {}: {text}", self.map));
        Ok((parse(&self.key)?, parse(&self.value)?))
    }
}

/// Hexadecimal bytes; text in single quotes; `*n` after a byte repeats it.
fn bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    for (n, part) in text.split('\'').enumerate() {
        if n % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        for word in part.split_whitespace() {
            let (byte, count) = word.split_once('*').unwrap_or((word, "1"));
            let (byte, count) = (u8::from_str_radix(byte, 16)?, count.parse()?);
            out.extend(std::iter::repeat_n(byte, count));
        }
    }
    Ok(out)
}
