use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

/// One case: a file of `tests/cases`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in one sentence.
    pub what: String,
    /// Where the rule comes from.
    pub rule: String,
    /// Why the kernel cannot run it.
    pub kernel_skip: Option<String>,
    /// Why only the kernel can run it.
    pub ours_skip: Option<String>,
    /// The error that loading must give; none means success. Such a case has no steps.
    pub load_error: Option<String>,
    /// The maps, in the order of their indexes.
    #[serde(default, rename = "map")]
    pub maps: Vec<MapDef>,
    /// The programs.
    #[serde(rename = "program")]
    pub programs: Vec<ProgramDef>,
    /// What to do, in order.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
}

/// A map of a case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapDef {
    /// Its name in the programs; those that a step creates need none.
    #[serde(default)]
    pub name: String,
    /// bpftool's name of the type.
    #[serde(rename = "type")]
    pub map_type: String,
    /// Bytes of a key.
    #[serde(default = "four")]
    pub key_size: u32,
    /// Bytes of a value.
    #[serde(default = "four")]
    pub value_size: u32,
    /// Entries at the most.
    pub max_entries: u32,
    /// `BPF_F_*`.
    #[serde(default)]
    pub map_flags: u32,
    /// `map_extra`.
    #[serde(default)]
    pub map_extra: u64,
    /// What its values are, if not plain: `timer`, for `struct { long count; struct bpf_timer timer; long data; }`.
    pub value: Option<ValueDef>,
    /// Programs in a prog array, by slot.
    #[serde(default)]
    pub programs: BTreeMap<String, String>,
    /// Maps in a map of maps, by slot.
    #[serde(default)]
    pub maps: BTreeMap<String, String>,
    /// The shape of inner maps, for maps of maps.
    pub inner: Option<Box<MapDef>>,
}

fn four() -> u32 {
    4
}

/// Types of values with fields that only helpers reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueDef {
    /// A timer at 8, of 32 bytes.
    Timer,
}

/// A program of a case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramDef {
    /// Its name.
    pub name: String,
    /// bpftool's name of the type; `sched_cls` if not stated.
    #[serde(rename = "type")]
    pub prog_type: Option<String>,
    /// `expected_attach_type`.
    #[serde(default)]
    pub attach_type: u32,
    /// `BPF_F_XDP_HAS_FRAGS`.
    #[serde(default)]
    pub frags: bool,
    /// The licence; GPL if not stated.
    pub license: Option<String>,
    /// Loaded by a step, not before the first.
    #[serde(default)]
    pub later: bool,
    /// What subprograms return, by label: `int` if not stated, or `long`, `enum`, `pointer`, `void`.
    #[serde(default)]
    pub returns: BTreeMap<String, Returns>,
    /// Label of the function that is handed what the program throws; it takes a number.
    pub exception_callback: Option<String>,
    /// Labels of subprograms that are global; the others are static.
    #[serde(default)]
    pub globals: Vec<String>,
    /// BPF assembly; labels that are called are subprograms.
    pub code: String,
}

impl ProgramDef {
    /// A `sched_cls` program with nothing special about it.
    #[must_use]
    pub fn new(name: &str, code: impl Into<String>) -> ProgramDef {
        ProgramDef { name: name.to_owned(), code: code.into(), ..ProgramDef::default() }
    }
}

/// What BTF says a subprogram returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "C's words")]
pub enum Returns {
    #[default]
    Int,
    Long,
    Enum,
    Pointer,
    Void,
}

/// One step of a case. Exactly one of the fields down to `create` says what is done; the others say with what, and what
/// must come of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Run this program on `frame`.
    pub run: Option<String>,
    /// Load this program, one that is `later`.
    pub load: Option<String>,
    /// Close user space's reference to this program, one that a step loaded.
    pub close: Option<String>,
    /// Let so many milliseconds pass: of the virtual clock, or in truth.
    pub wait: Option<u64>,
    /// Put `program` into `slot` of this prog array.
    pub update: Option<String>,
    /// Empty `slot` of this prog array.
    pub delete: Option<String>,
    /// Ask which program is in `slot` of this prog array.
    pub lookup: Option<String>,
    /// Take what is in `slot` of this prog array out of it and look at it.
    pub lookup_and_delete: Option<String>,
    /// Put `sample` into this user ring buffer.
    pub produce: Option<String>,
    /// Freeze this map.
    pub freeze: Option<String>,
    /// Ask which slot of this prog array comes after `slot`, or which is the first.
    pub next_key: Option<String>,
    /// Open this map once more: one reference of user space more.
    pub open: Option<String>,
    /// Close one of user space's references to this map, and wait until the kernel has acted on it.
    pub release: Option<String>,
    /// Create a map like this, and forget it.
    pub create: Option<MapDef>,
    /// The bytes of a sample, in hex.
    pub sample: Option<String>,
    /// What `next_key` must give.
    pub next: Option<u32>,
    /// The slot of an update, delete, lookup or next_key.
    pub slot: Option<u32>,
    /// The program of an update, by a name nobody has: a descriptor nobody has; what a lookup must find.
    pub program: Option<String>,
    /// Flags of an update.
    #[serde(default)]
    pub flags: u64,
    /// The error that anything but a run must give; none means success.
    pub error: Option<String>,
    /// Text that must be in the message of a load that is refused.
    pub message: Option<String>,
    /// The frame of a run, in hex; 64 bytes of IPv4/TCP if not stated.
    pub frame: Option<String>,
    /// r0 a run must return, as u32.
    pub retval: Option<u32>,
    /// The programs a run must go through.
    pub path: Option<Vec<String>>,
    /// How many tail calls it must take.
    pub tail_calls: Option<u32>,
    /// `cb` after the run.
    pub cb: Option<[u32; 5]>,
    /// `mark` after the run.
    pub mark: Option<u32>,
    /// Tail calls that must fall through, as "program index reason", in the order of their counting.
    pub failed: Option<Vec<String>>,
    /// Values of array maps after the run: map, then index, then the value as a little-endian number.
    #[serde(default)]
    pub maps: BTreeMap<String, BTreeMap<String, u64>>,
}

/// The cases of a folder below `tests/`, with their names, sorted.
///
/// # Errors
///
/// A folder or file that cannot be read, or a file that is no case.
pub fn cases(folder: &Path) -> anyhow::Result<Vec<(String, Case)>> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "toml") {
            let text = std::fs::read_to_string(&path)?;
            let case = toml::from_str(&text).with_context(|| path.display().to_string())?;
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            out.push((name, case));
        }
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out)
}
