//! Trials of `progs/verifier_*.c`: what to expect is said by declaration tags on the functions (progs/bpf_misc.h,
//! read as test_loader.c does, the privileged half only).

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use bpfreplay_loader::{Object, Options};
use bpfreplay_program::{MapContent, MapSpec, Program};
use serde::Deserialize;
use std::sync::Arc;

use super::trial::{ANY_VALUE, DATA_LEN, Expect, Run, Trial};

/// What bpftool prints of an object's BTF.
#[derive(Deserialize)]
struct Dump {
    types: Vec<Type>,
}

#[derive(Deserialize)]
struct Type {
    id: u32,
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    type_id: u32,
}

/// The tags of one function.
#[derive(Default)]
struct Tags {
    expect: Option<Expect>,
    /// Whether only the unprivileged half has tags: then there is no privileged test.
    privileged: bool,
    unprivileged: bool,
    auxiliary: bool,
    message: String,
    retval: Option<String>,
    flags: u32,
    arches: Vec<String>,
}

/// Every trial of one object for the program types that are judged, and how many tests of those types were left out
/// because they are for other architectures or unprivileged users only.
///
/// # Errors
///
/// If the object or its tags cannot be read.
pub fn object_trials(object: &Path) -> anyhow::Result<(Vec<Trial>, usize)> {
    let file = object.file_stem().context("a file name")?.to_string_lossy().into_owned();
    let bytes = std::fs::read(object)?;
    let dump: Dump = serde_json::from_slice(&std::fs::read(object.with_extension("json"))?)?;
    let tags = tags_by_function(&dump)?;
    let programs = Object::list(&bytes)?;
    let tags_of = |name: &str| tags.get(name);
    let auxiliary: Vec<String> = programs
        .iter()
        .filter(|(_, name)| tags_of(name).is_some_and(|tags| tags.auxiliary))
        .map(|(_, name)| name.clone())
        .collect();
    // What a file of programs that fail does not say of each is in the driver's table.
    let unless_said = if file.ends_with("_fail") { Expect::Refuse } else { Expect::Accept };
    let (mut trials, mut left_out) = (Vec::new(), 0);
    let none = Tags::default();
    for (section, name) in &programs {
        if !section_in_scope(section) {
            continue;
        }
        let tags = tags_of(name).unwrap_or(&none);
        let elsewhere = !tags.arches.is_empty() && !tags.arches.iter().any(|arch| arch == "X86_64");
        if tags.auxiliary || elsewhere || (tags.unprivileged && !tags.privileged) {
            left_out += usize::from(!tags.auxiliary);
            continue;
        }
        let mut only = vec![name.clone()];
        only.extend(auxiliary.iter().filter(|other| *other != name).cloned());
        trials.push(Trial {
            programs: load(&bytes, &only).map_err(|error| format!("{error:#}")),
            file: file.clone(),
            name: name.clone(),
            expect: tags.expect.unwrap_or(unless_said),
            message: tags.message.clone(),
            flags: tags.flags,
            runs: tags.retval.iter().map(|text| run(text)).collect::<anyhow::Result<Vec<Run>>>()?,
        });
    }
    Ok((trials, left_out))
}

/// The chosen programs, the tested one first, with the values that the suite's drivers put into maps
/// (prog_tests/verifier.c).
pub(super) fn load(bytes: &[u8], only: &[String]) -> anyhow::Result<Vec<Arc<Program>>> {
    let options = Options { only: only.to_vec(), ..Options::default() };
    let object = Object::parse_with(bytes, &options)?;
    let mut programs = Vec::new();
    for name in only {
        if let Some(refused) = object.refused.iter().find(|refused| refused.name == *name) {
            return Err(refused.error.clone().into());
        }
        let Some(program) = object.program(name) else { bail!("the loader finds no program {name}") };
        programs.push(Program::clone(program));
    }
    let mut used = keep_used_maps(&mut programs);
    used.extend(named(&object, &used));
    let maps: Arc<[MapSpec]> = used.iter().map(|&map| filled(&object.maps[map])).collect();
    let with_maps = |program| Arc::new(Program { maps: Arc::clone(&maps), ..program });
    Ok(programs.into_iter().map(with_maps).collect())
}

/// Numbers anew the maps that these programs refer to; which they were. An object's other maps, some of types this
/// engine has not, are not made.
pub(crate) fn keep_used_maps(programs: &mut [Program]) -> Vec<usize> {
    let mut used = Vec::new();
    for program in programs {
        let mut pc = 0;
        while pc < program.insns.len() {
            let insn = &mut program.insns[pc];
            pc += if insn.is_wide() { 2 } else { 1 };
            if insn.is_wide() && matches!(insn.src(), 1 | 2) {
                let map = insn.imm as usize;
                let at = used.iter().position(|&known| known == map).unwrap_or_else(|| {
                    used.push(map);
                    used.len() - 1
                });
                insn.imm = at as i32;
            }
        }
    }
    used
}

/// The maps that are put into those, and are not among them.
fn named(object: &Object, used: &[usize]) -> Vec<usize> {
    let names = used.iter().flat_map(|&map| match &object.maps[map].content {
        MapContent::Maps(slots) => slots.as_slice(),
        MapContent::Empty | MapContent::Data { .. } | MapContent::Programs(_) => &[],
    });
    let mut found: Vec<usize> = names.filter_map(|(_, name)| object.map_index(name)).collect();
    found.retain(|map| !used.contains(map));
    found.dedup();
    found
}

fn filled(spec: &MapSpec) -> MapSpec {
    let mut spec = spec.clone();
    if matches!(spec.name.as_str(), "map_array_48b" | "map_array_ro") && spec.value_size == 48 {
        spec.content = MapContent::Data { bytes: super::tables::test_val(48), frozen: false };
    }
    spec
}

/// Section names of the program types that are judged.
pub(super) fn section_in_scope(section: &str) -> bool {
    let section = section.strip_prefix('?').unwrap_or(section);
    let first = section.split('/').next().unwrap_or(section);
    let types = ["tc", "tcx", "classifier", "action", "xdp", "xdp.frags", "socket", "cgroup_skb"];
    let lwt = ["lwt_in", "lwt_out", "lwt_xmit"];
    types.contains(&first) || lwt.contains(&first) || section == "cgroup/skb"
}

fn run(text: &str) -> anyhow::Result<Run> {
    let retval = match text {
        ANY_VALUE => None,
        "INT_MIN" => Some(i32::MIN as u32),
        "TEST_DATA_LEN" => Some(DATA_LEN as u32),
        text => {
            let negative = text.starts_with('-');
            let digits = text.trim_start_matches('-');
            let value = match digits.strip_prefix("0x") {
                Some(hex) => i64::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            let value = value.with_context(|| format!("return value {text}"))?;
            Some(if negative { -value } else { value } as u32)
        }
    };
    Ok(Run { data: vec![0; DATA_LEN], retval })
}

fn tags_by_function(dump: &Dump) -> anyhow::Result<HashMap<String, Tags>> {
    let functions: HashMap<u32, &str> =
        dump.types.iter().filter(|t| t.kind == "FUNC").map(|t| (t.id, t.name.as_str())).collect();
    let mut out: HashMap<String, Tags> = HashMap::new();
    for tag in dump.types.iter().filter(|t| t.kind == "DECL_TAG") {
        let (Some(function), Some(text)) =
            (functions.get(&tag.type_id), tag.name.strip_prefix("comment:test_"))
        else {
            continue;
        };
        out.entry((*function).to_owned()).or_default().add(text)?;
    }
    Ok(out)
}

impl Tags {
    fn add(&mut self, text: &str) -> anyhow::Result<()> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if key.ends_with("_unpriv") {
            self.unprivileged = true;
            return Ok(());
        }
        match key {
            "expect_success" => self.expect = Some(Expect::Accept),
            "expect_failure" => self.expect = Some(Expect::Refuse),
            // A number before the text keeps equal tags apart.
            "expect_msg" if self.message.is_empty() => {
                self.message = value.split_once('=').map_or(value, |(_, text)| text).to_owned();
            }
            "retval" => self.retval = Some(value.to_owned()),
            "auxiliary" => self.auxiliary = true,
            "arch" => self.arches.push(value.to_owned()),
            "prog_flags" => self.flags |= flag(value)?,
            _ => {}
        }
        // What says nothing of the mode.
        if !matches!(key, "description" | "log_level" | "prog_flags" | "arch" | "btf_path" | "auxiliary") {
            self.privileged = true;
        }
        Ok(())
    }
}

fn flag(name: &str) -> anyhow::Result<u32> {
    Ok(match name {
        "BPF_F_STRICT_ALIGNMENT" => super::judge::STRICT_ALIGNMENT,
        "BPF_F_ANY_ALIGNMENT" => 1 << 1,
        "BPF_F_TEST_RND_HI32" => 1 << 2,
        "BPF_F_TEST_STATE_FREQ" => 1 << 3,
        "BPF_F_SLEEPABLE" => 1 << 4,
        "BPF_F_XDP_HAS_FRAGS" => 1 << 5,
        "BPF_F_TEST_REG_INVARIANTS" => 1 << 7,
        // `!` clears what the driver sets by default, which is nothing here.
        name if name.starts_with('!') => 0,
        name => name.parse().with_context(|| format!("flag {name}"))?,
    })
}
