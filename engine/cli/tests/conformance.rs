//! The groups of RFC 9669 through `bpfreplay conformance`, on both engines: `conformance/<group>/*.data`, in the format
//! of the bpf_conformance project (sections `-- asm`, `-- mem`, `-- result`), assembled by `bpfreplay-isa`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bpfreplay_isa::{Group, Insn, assemble, decode_program};

struct Case {
    name: String,
    group: String,
    insns: Vec<Insn>,
    memory: String,
    result: u64,
}

#[test]
fn every_group_passes_on_both_engines() {
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        for engine in ["jit", "interpreter"] {
            let found = plugin(&case.insns, &[&case.memory, "--debug", "--engine", engine]);
            if found.as_deref() != Ok(format!("{:x}\n", case.result).as_str()) {
                wrong.push(format!("{} on {engine}: expected {:x}, found {found:?}", case.name, case.result));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= 90, "only {} cases", cases.len());
}

/// A folder's cases have at least one instruction of its group and, but for the base groups, none of another.
#[test]
fn cases_are_of_their_groups() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        let instructions =
            decode_program(&case.insns).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let groups: BTreeSet<String> =
            instructions.iter().filter_map(|(_, i)| i.group()).map(|group| group.name().to_owned()).collect();
        assert!(groups.contains(&case.group), "{} has no instruction of its group: {groups:?}", case.name);
        let allowed = |group: &String| group == &case.group || group.starts_with("base");
        assert!(groups.iter().all(allowed), "{} has instructions of {groups:?}", case.name);
        seen.insert(case.group);
    }
    let all: BTreeSet<String> = Group::ALL.iter().map(|group| group.name().to_owned()).collect();
    assert_eq!(seen, all, "left: folders; right: groups of RFC 9669");
}

#[test]
fn what_cannot_run_is_no_result() {
    let insns = |code: &str| assemble(code, &()).unwrap().insns;
    let why = |code: &str, args: &[&str]| plugin(&insns(code), args).expect_err("refused");
    for args in [&[""][..], &["", "--debug"]] {
        let refused = why("r0 = r5\nexit", args);
        assert!(refused.contains("R5 !read_ok"), "{refused}");
    }
    assert!(why("r0 = *(u8 *)(r1 + 2)\nexit", &["00 01"]).contains("invalid access to packet"));
    assert_eq!(plugin(&insns("r0 = *(u8 *)(r1 + 1)\nexit"), &["00 01 ", ""]).as_deref(), Ok("1\n"));
    assert!(plugin(&[], &[""]).unwrap_err().contains("at least one slot"));
    assert!(why("exit", &["", "--fast"]).contains("'--fast'"));
    assert!(why("exit", &["0"]).contains("1 hex digits are no whole bytes"));
    assert!(why("exit", &["", "--program", "xy"]).contains("'xy' is no byte in hex"));
    let unknown = Insn::new(0xff, 0, 0, 0, 0);
    let unknown = plugin(&[unknown, insns("exit")[0]], &[""]).unwrap_err();
    assert!(unknown.contains("unknown opcode ff"), "{unknown}");
    let helper = why("r1 = 0\ncall 9999\nexit", &[""]);
    assert!(helper.contains("invalid func unknown#9999"), "{helper}");
}

/// As the runner starts it: bytes with spaces between them, on standard input.
fn plugin(insns: &[Insn], args: &[&str]) -> Result<String, String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bpfreplay"))
        .arg("conformance")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let hex: String =
        insns.iter().flat_map(|insn| insn.to_le_bytes()).map(|byte| format!("{byte:02x}  ")).collect();
    // One that refuses its arguments does not read.
    let _ = writeln!(child.stdin.take().unwrap(), "{hex}");
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    // One line that says why, and nothing that could be taken for a result.
    let why = text(&output.stderr);
    assert_eq!((output.stdout.len(), why.lines().count()), (0, 1), "{why}");
    Err(why)
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let list = |path: &Path| -> Vec<PathBuf> {
        let mut entries: Vec<_> =
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries
    };
    list(&folder).iter().flat_map(|group| list(group)).map(|path| case(&path)).collect()
}

fn case(path: &Path) -> Case {
    let text = std::fs::read_to_string(path).unwrap();
    let section = |name: &str| {
        let (_, rest) = text.split_once(&format!("-- {name}\n"))?;
        Some(rest.split("-- ").next().unwrap_or_default())
    };
    let name = path.display().to_string();
    let code = section("asm").unwrap_or_else(|| panic!("{name}: no asm"));
    let result = section("result").unwrap_or_else(|| panic!("{name}: no result")).trim();
    Case {
        group: path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned(),
        insns: assemble(code, &()).unwrap_or_else(|error| panic!("{name}: {error}")).insns,
        memory: section("mem").unwrap_or_default().trim().to_owned(),
        result: u64::from_str_radix(result.trim_start_matches("0x"), 16).unwrap(),
        name,
    }
}
