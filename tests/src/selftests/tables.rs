//! Trials of `verifier/*.c`, as `table_tests` prints them: instructions, and where they refer to which of the maps that
//! test_verifier.c makes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bpfreplay_isa::Insn;
use bpfreplay_program::{
    FuncInfo, KptrKind, Linkage, MapContent, MapSpec, Program, ReturnKind, SpecialField, SpecialKind,
};
use bpfreplay_uapi::map::create_flags;
use bpfreplay_uapi::{Kfunc, MapType, ProgType};
use serde::Deserialize;

use super::trial::{Expect, Run, Trial, in_scope};
use crate::case::btf;

/// One line of `table_tests`.
#[derive(Deserialize)]
struct Row {
    file: String,
    name: String,
    #[serde(rename = "type")]
    prog_type: u32,
    attach: u32,
    accept: bool,
    flags: u32,
    message: String,
    insns: String,
    fixups: BTreeMap<String, Vec<usize>>,
    kfuncs: Vec<(String, usize)>,
    runs: Vec<RunRow>,
    funcs: Vec<(u32, u32)>,
    btf_types: String,
    btf_strings: String,
}

#[derive(Deserialize)]
struct RunRow {
    retval: u32,
    data: String,
}

/// `POINTER_VALUE` of test_verifier.c, as a number.
const POINTER_VALUE: u32 = 0x00ca_fe4a;
/// The flags of a row that are `BPF_F_*`; the rest says which machines can run it.
const F_STRICT_ALIGNMENT: u32 = 1 << 1;

/// Every table test for the program types that are judged.
///
/// # Errors
///
/// If the file cannot be read.
pub fn table_trials(path: &Path) -> anyhow::Result<Vec<Trial>> {
    let text = std::fs::read_to_string(path)?;
    let mut trials = Vec::new();
    for line in text.lines() {
        let row: Row = serde_json::from_str(line).context("a line of table_tests")?;
        // test_verifier.c: tests without a type are socket filters.
        let id = if row.prog_type == 0 { ProgType::SocketFilter.id() } else { row.prog_type };
        let prog_type = ProgType::ALL.iter().copied().find(|known| known.id() == id);
        if let Some(prog_type) = prog_type.filter(|prog_type| in_scope(*prog_type)) {
            trials.push(trial(row, prog_type)?);
        }
    }
    Ok(trials)
}

fn trial(row: Row, prog_type: ProgType) -> anyhow::Result<Trial> {
    let runs = row.runs.iter().map(|run| {
        let retval = (run.retval != POINTER_VALUE).then_some(run.retval);
        Ok(Run { data: unhex(&run.data)?, retval })
    });
    let runs = runs.collect::<anyhow::Result<Vec<Run>>>()?;
    let strict = u32::from(row.flags & F_STRICT_ALIGNMENT != 0) * super::judge::STRICT_ALIGNMENT;
    Ok(Trial {
        programs: programs(&row, prog_type).map_err(|error| format!("{error:#}")),
        file: format!("verifier/{}", row.file),
        name: row.name,
        expect: if row.accept { Expect::Accept } else { Expect::Refuse },
        message: row.message,
        flags: strict | row.flags & !7,
        runs: if row.accept { runs } else { Vec::new() },
    })
}

fn programs(row: &Row, prog_type: ProgType) -> anyhow::Result<Vec<Arc<Program>>> {
    let bytes = unhex(&row.insns)?;
    let (slots, _) = bytes.as_chunks::<8>();
    let mut insns: Vec<Insn> = slots.iter().copied().map(Insn::from_le_bytes).collect();
    let mut maps = Vec::new();
    for (name, places) in &row.fixups {
        let map = map(name).with_context(|| format!("the engine has no maps like {name}"))?;
        for &place in places {
            insns[place].imm = maps.len() as i32;
        }
        maps.push(map);
    }
    for (name, place) in &row.kfuncs {
        let kfunc = Kfunc::from_name(name).with_context(|| format!("the engine has no kfunc {name}"))?;
        insns[*place].imm = kfunc.id() as i32;
    }
    let maps: Arc<[MapSpec]> = maps.into();
    let mut main = Program::new("test", prog_type, insns);
    main.expected_attach_type = row.attach;
    main.btf = Some(btf::raw(&unhex(&row.btf_types)?, &unhex(&row.btf_strings)?).into());
    main.funcs = row
        .funcs
        .iter()
        .enumerate()
        .map(|(at, &(insn_off, btf_id))| FuncInfo {
            insn_off,
            name: format!("func_{at}"),
            linkage: Linkage::Static,
            ret: ReturnKind::Scalar,
            args: Vec::new(),
            btf_id,
        })
        .collect();
    let array = maps.iter().position(|map| map.map_type == MapType::ProgArray);
    let mut all = vec![main];
    if let Some(array) = array {
        let again = Insn::new(0xb7, 3, 0, 0, 1);
        let map = [Insn::new(0x18, 2, 1, 0, array as i32), Insn::new(0, 0, 0, 0, 0)];
        let call = Insn::new(0x85, 0, 0, 0, 12);
        let (ret, exit) = (|value| Insn::new(0xb7, 0, 0, 0, value), Insn::new(0x95, 0, 0, 0, 0));
        all.push(Program::new("returns_42", prog_type, vec![ret(42), exit]));
        all.push(Program::new("calls_itself", prog_type, vec![again, map[0], map[1], call, ret(41), exit]));
        all.push(Program::new("returns_24", prog_type, vec![ret(24), exit]));
    }
    Ok(all.into_iter().map(|program| Arc::new(Program { maps: Arc::clone(&maps), ..program })).collect())
}

/// The maps of test_verifier.c, by the names of its fixups; `None`: of a type nobody can make here.
fn map(name: &str) -> Option<MapSpec> {
    let hash = |value| MapSpec {
        map_flags: create_flags::NO_PREALLOC,
        ..MapSpec::new(name, MapType::Hash, 8, value, 1)
    };
    let array = |value_size, map_flags| MapSpec {
        map_flags,
        content: MapContent::Data { bytes: test_val(value_size as usize), frozen: false },
        ..MapSpec::new(name, MapType::Array, 4, value_size, 1)
    };
    let with_btf = |value, btf_value_type_id, special: &[(u32, SpecialKind)]| MapSpec {
        btf_key_type_id: 1,
        btf_value_type_id,
        special: special.iter().map(|&(off, kind)| SpecialField { off, kind }).collect(),
        ..MapSpec::new(name, MapType::Array, 4, value, 1)
    };
    let prog_array = |slots, first: u32| MapSpec {
        content: MapContent::Programs(
            [(first, "returns_42"), (1, "calls_itself"), (2, "returns_24")]
                .map(|(slot, program)| (slot, program.to_owned()))
                .to_vec(),
        ),
        ..MapSpec::new(name, MapType::ProgArray, 4, 4, slots)
    };
    Some(match name {
        "map_hash_8b" => hash(8),
        "map_hash_16b" => hash(16),
        "map_hash_48b" => hash(48),
        "map_array_48b" => array(48, 0),
        "map_array_ro" => array(48, create_flags::RDONLY_PROG),
        "map_array_wo" => array(48, create_flags::WRONLY_PROG),
        "map_array_small" => array(1, 0),
        "prog1" => prog_array(4, 0),
        "prog2" => prog_array(8, 7),
        "map_in_map" => MapSpec {
            inner: Some(Box::new(MapSpec::new("inner", MapType::Array, 4, 4, 1))),
            ..MapSpec::new(name, MapType::ArrayOfMaps, 4, 4, 1)
        },
        "map_sockmap" => MapSpec::new(name, MapType::Sockmap, 4, 4, 1),
        "map_sockhash" => MapSpec::new(name, MapType::Sockhash, 4, 4, 1),
        "map_xskmap" => MapSpec::new(name, MapType::Xskmap, 4, 4, 1),
        "map_stacktrace" => MapSpec::new(name, MapType::StackTrace, 4, 8, 1),
        "cgroup_storage" => MapSpec::new(name, MapType::CgroupStorage, 16, 64, 0),
        "percpu_cgroup_storage" => MapSpec::new(name, MapType::PercpuCgroupStorage, 16, 64, 0),
        "map_spin_lock" => with_btf(8, 3, &[(4, SpecialKind::SpinLock)]),
        "map_timer" => with_btf(16, 5, &[(0, SpecialKind::Timer)]),
        "map_kptr" => with_btf(24, 14, &kptrs()),
        "sk_storage_map" => MapSpec {
            map_flags: create_flags::NO_PREALLOC,
            btf_key_type_id: 1,
            btf_value_type_id: 3,
            ..MapSpec::new(name, MapType::SkStorage, 4, 8, 0)
        },
        "map_event_output" => MapSpec::new(name, MapType::PerfEventArray, 4, 4, 1),
        "map_reuseport_array" => MapSpec::new(name, MapType::ReuseportSockarray, 4, 8, 1),
        "map_ringbuf" => MapSpec::new(name, MapType::Ringbuf, 0, 0, 4096),
        _ => return None,
    })
}

/// The fields of `struct btf_ptr` of test_verifier.c, to its types 6 and 7.
fn kptrs() -> [(u32, SpecialKind); 3] {
    let kptr = |kind, type_id| SpecialKind::Kptr { kind, type_id };
    [(0, kptr(KptrKind::Unref, 6)), (8, kptr(KptrKind::Ref, 6)), (16, kptr(KptrKind::Ref, 7))]
}

/// What the drivers put into arrays: `index` 28, `foo[6]` 0xabcdef12, cut to the value.
pub(super) fn test_val(size: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; 48];
    bytes[0] = 28;
    bytes[28..32].copy_from_slice(&0xabcd_ef12_u32.to_le_bytes());
    bytes.resize(size, 0);
    bytes
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).context("hex");
    pairs.iter().map(|[high, low]| Ok((digit(*high)? << 4 | digit(*low)?) as u8)).collect()
}
