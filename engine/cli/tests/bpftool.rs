//! `bpfreplay inspect --json` beside the installed bpftool's output for the same object, loaded into the kernel.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

/// What bpftool shows of the kernel that an object does not have.
const KERNELS_OWN: &[&str] = &["loaded_at", "uid", "orphaned", "bytes_memlock", "btf_id", "pinned", "pids"];
/// What an object's maps show only once programs are loaded.
const OF_OWNERS: &[&str] = &["owner_prog_type", "owner_jited"];
/// What only ours shows, besides.
const OURS: &[&str] = &["dump_xlated", "dump_jited"];

/// Programs in bpffs, taken out at the end.
struct Pins(PathBuf);

impl Drop for Pins {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Pins {
    /// Loads an object; `None`, and a word about it, where bpftool cannot.
    fn load(object: &Path, name: &str) -> Option<Pins> {
        let pins = Pins(PathBuf::from(format!("/sys/fs/bpf/bpfreplay_{name}_{}", std::process::id())));
        let loaded = Command::new("bpftool").args(["prog", "loadall"]).arg(object).arg(&pins.0).output();
        match loaded {
            Ok(output) if output.status.success() => return Some(pins),
            Ok(output) => skipped(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => skipped(&error.to_string()),
        }
        None
    }

    fn bpftool(&self, program: &str, what: &[&str], more: &[&str]) -> Value {
        let pinned = self.0.join(program);
        json(Command::new("bpftool").args(["-j", "prog"]).args(what).arg("pinned").arg(pinned).args(more))
    }
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects").join(name)
}

fn inspected(object: &Path) -> Value {
    json(Command::new(env!("CARGO_BIN_EXE_bpfreplay")).args(["inspect", "--json"]).arg(object))
}

/// Where nothing is named for what a program throws, something stands behind its last function.
#[test]
fn what_gives_the_cookie_back_is_listed() {
    let object = shipped("throws.bpf.o");
    let Some(pins) = Pins::load(&object, "throws") else { return };
    let dumped = pins.bpftool("throws", &["dump", "xlated"], &[]);
    let program = &inspected(&object)["programs"][0];
    // Of such a program bpftool cannot read the kernel's lines.
    assert_eq!(stable(&program["dump_xlated"]), stable(&dumped));
    assert_eq!(stable(&dumped).last(), Some(&"(95) exit"));
}

#[test]
fn the_same_as_bpftool_says() {
    let object = shipped("listing.bpf.o");
    let Some(pins) = Pins::load(&object, "inspect") else { return };
    let theirs = pins.bpftool("entry", &["show"], &[]);
    let dumped = pins.bpftool("entry", &["dump", "xlated"], &["linum"]);
    let ours = inspected(&object);
    let program = &ours["programs"][0];

    for key in ["type", "name", "tag", "gpl_compatible", "jited"] {
        assert_eq!(program[key], theirs[key], "{key}");
    }
    assert_eq!(keys(program, OURS), keys(&theirs, KERNELS_OWN), "keys of a program");
    assert_eq!(lines(&program["dump_xlated"]), lines(&dumped), "prototypes and source lines, in order");
    assert_eq!(
        stable(&program["dump_xlated"]),
        stable(&dumped),
        "instructions that no layout or map number is in"
    );

    // Distances are those of each listing; the name of a subprogram that touches neither context nor maps is the kernel's.
    let callee = |dump: &Value, name: &str| -> String {
        let rows = dump.as_array().unwrap().iter().filter_map(|row| row["disasm"].as_str());
        let calls = rows.filter_map(|text| text.split_once("call pc")?.1.split_once('#'));
        let found = calls.map(|(_, symbol)| symbol).find(|symbol| symbol.ends_with(name));
        found.unwrap_or_else(|| panic!("no call of {name}")).to_owned()
    };
    let both = |name| [&program["dump_xlated"], &dumped].map(|dump| callee(dump, name));
    let [ours_twice, theirs_twice] = both("_twice");
    assert_eq!(ours_twice, theirs_twice, "with the tag");
    assert!(both("_sub").iter().all(|symbol| symbol.starts_with("bpf_prog_")), "{:?}", both("_sub"));

    for (ours, id) in ours["maps"].as_array().unwrap().iter().zip(in_our_order(program, &theirs)) {
        let theirs = json(Command::new("bpftool").args(["-j", "map", "show", "id", &id.to_string()]));
        let besides: Vec<&str> = KERNELS_OWN.iter().chain(OF_OWNERS).copied().collect();
        assert_eq!(keys(ours, &[]), keys(&theirs, &besides), "keys of a map");
        for key in ["type", "name", "flags", "bytes_key", "bytes_value", "max_entries", "frozen"] {
            assert_eq!(ours[key], theirs[key], "{key} of {}", ours["name"]);
        }
    }
}

fn skipped(why: &str) {
    assert!(std::env::var_os("BPFREPLAY_NO_SKIP").is_none(), "bpftool cannot load here: {why}");
    let _ = writeln!(std::io::stderr(), "skipped: inspect beside bpftool: {why}");
}

fn json(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{command:?}: {error}: {text}"))
}

fn keys<'a>(object: &'a Value, besides: &[&str]) -> BTreeSet<&'a str> {
    let object: &Map<String, Value> = object.as_object().unwrap();
    object.keys().map(String::as_str).filter(|key| !besides.contains(key)).collect()
}

/// Everything above instructions; the compiler's path of the file is the same for both.
fn lines(dump: &Value) -> Vec<Vec<&Value>> {
    let rows = dump.as_array().unwrap().iter();
    rows.filter(|row| row.get("src").is_some() || row.get("proto").is_some())
        .map(|row| ["proto", "src", "file", "line_num", "line_col"].iter().map(|key| &row[*key]).collect())
        .collect()
}

/// Instructions without context accesses, map numbers, calls of helpers (inlined there) and jumps over them.
fn stable(dump: &Value) -> Vec<&str> {
    let disasm = dump.as_array().unwrap().iter().map(|row| row["disasm"].as_str().unwrap());
    let varies = |text: &&str| {
        let context = ["(r6 +", "(r1 +"].iter().any(|base| text.contains(base)) && text.contains("= *(");
        context
            || text.contains("map[id:")
            || text.contains("call ")
            || text.contains("r0 == 0x0")
            || *text == "(07) r0 += 56"
    };
    disasm.filter(|text| !varies(text)).collect()
}

/// The kernel's numbers of the maps, in the order of ours: programs name them in the same order.
fn in_our_order(ours: &Value, theirs: &Value) -> Vec<u64> {
    let numbers = |program: &Value| -> Vec<u64> {
        program["map_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
    };
    let mut pairs: Vec<(u64, u64)> = numbers(ours).into_iter().zip(numbers(theirs)).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, theirs)| theirs).collect()
}
