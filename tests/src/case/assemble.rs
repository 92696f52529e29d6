use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use bpfreplay_isa::{CallTarget, Imm64, Instruction, Symbols, assemble, decode_program};
use bpfreplay_program::{
    ArgKind, ExceptionCallback, FuncInfo, Linkage, MapContent, MapSpec, Program, ReturnKind,
};
use bpfreplay_uapi::{ContextKind, HelperId, Kfunc, MapType, ProgType};

use super::btf;
use super::file::{MapDef, ProgramDef, Returns, ValueDef};

/// The map a case defines.
///
/// # Errors
///
/// A type that does not exist, or a slot that is no number.
pub fn map_spec(def: &MapDef) -> anyhow::Result<MapSpec> {
    let map_type = MapType::ALL.iter().copied().find(|map_type| map_type.name() == def.map_type);
    let map_type = map_type.with_context(|| format!("map {}: unknown type {}", def.name, def.map_type))?;
    let mut spec = MapSpec::new(&def.name, map_type, def.key_size, def.value_size, def.max_entries);
    spec.map_flags = def.map_flags;
    spec.map_extra = def.map_extra;
    match def.value {
        Some(ValueDef::Timer) => btf::with_timer(&mut spec),
        None => {}
    }
    spec.inner = def.inner.as_deref().map(map_spec).transpose()?.map(Box::new);
    if !def.programs.is_empty() {
        spec.content = MapContent::Programs(slots(def, &def.programs)?);
    }
    if !def.maps.is_empty() {
        spec.content = MapContent::Maps(slots(def, &def.maps)?);
    }
    Ok(spec)
}

/// What a map holds, ascending by slot.
fn slots(def: &MapDef, content: &BTreeMap<String, String>) -> anyhow::Result<Vec<(u32, String)>> {
    let slot = |slot: &String| slot.parse().with_context(|| format!("map {}: slot {slot}", def.name));
    let mut slots = Vec::new();
    for (key, name) in content {
        slots.push((slot(key)?, name.clone()));
    }
    slots.sort();
    Ok(slots)
}

/// Assembles a program. Labels that are called, or whose address is taken, become functions with BTF.
///
/// # Errors
///
/// Text that does not assemble, with line and column.
pub fn assemble_program(def: &ProgramDef, maps: &Arc<[MapSpec]>) -> anyhow::Result<Program> {
    let assembly =
        assemble(&def.code, &Names(maps)).map_err(|error| anyhow::anyhow!("{}: {error}", def.name))?;
    let prog_type = def.prog_type.as_deref().unwrap_or("sched_cls");
    let Some(prog_type) = ProgType::ALL.iter().copied().find(|known| known.name() == prog_type) else {
        bail!("{}: unknown program type {prog_type}", def.name);
    };

    let mut program = Program::new(&def.name, prog_type, assembly.insns.clone());
    program.expected_attach_type = def.attach_type;
    program.xdp_has_frags = def.frags;
    program.maps = Arc::clone(maps);
    if let Some(license) = &def.license {
        program.license.clone_from(license);
    }

    let mut starts = function_starts(&program)?;
    if let Some(label) = &def.exception_callback {
        let at = assembly.labels.iter().find(|(name, _)| *name == *label).map(|(_, at)| *at);
        starts.insert(at.with_context(|| format!("{}: no label {label}", def.name))?);
    }
    let name_of =
        |slot: usize| assembly.labels.iter().find(|(_, at)| *at == slot).map(|(name, _)| name.clone());
    let names: Vec<String> = starts
        .iter()
        .map(
            |slot| {
                if *slot == 0 { def.name.clone() } else { name_of(*slot).unwrap_or(format!("func_{slot}")) }
            },
        )
        .collect();
    for label in def.returns.keys().chain(&def.globals) {
        ensure!(names[1..].contains(label), "{}: no subprogram {label}", def.name);
    }
    let funcs: Vec<btf::Func<'_>> = names
        .iter()
        .enumerate()
        .map(|(at, name)| btf::Func {
            name,
            linkage: if at == 0 || def.globals.contains(name) { Linkage::Global } else { Linkage::Static },
            returns: def.returns.get(name).copied().unwrap_or_default(),
            catches: def.exception_callback.as_ref() == Some(name),
        })
        .collect();
    if let Some(at) = funcs.iter().position(|func| func.catches) {
        program.exception_callback = match funcs[at].linkage {
            Linkage::Global => ExceptionCallback::Function(at as u32),
            Linkage::Static => {
                let message = format!("exception callback '{}' must have global linkage", funcs[at].name);
                ExceptionCallback::Invalid(message)
            }
        };
    }
    program.btf = Some(btf::functions(&funcs).into());
    // `struct __sk_buff *` is the context of programs that are given one, and memory to the others.
    let argument = match ContextKind::of(program.prog_type) {
        ContextKind::Skb => ArgKind::Ctx,
        ContextKind::Xdp | ContextKind::Plain => ArgKind::Mem { size: btf::SK_BUFF_SIZE, nonnull: false },
    };
    program.funcs = starts
        .iter()
        .zip(&funcs)
        .enumerate()
        .map(|(at, (slot, func))| FuncInfo {
            insn_off: *slot as u32,
            name: func.name.to_owned(),
            linkage: func.linkage,
            ret: match func.returns {
                Returns::Int | Returns::Long | Returns::Enum => ReturnKind::Scalar,
                Returns::Pointer => ReturnKind::Other,
                Returns::Void => ReturnKind::Void,
            },
            args: vec![if func.catches { ArgKind::Scalar } else { argument.clone() }],
            btf_id: btf::FIRST_FUNC + at as u32,
        })
        .collect();
    Ok(program)
}

/// First slots of the functions: the entry, and what is called or has its address taken.
fn function_starts(program: &Program) -> anyhow::Result<BTreeSet<usize>> {
    let mut starts = BTreeSet::from([0]);
    let Ok(instructions) = decode_program(&program.insns) else {
        // Some cases are about instructions that do not decode.
        return Ok(starts);
    };
    for (pc, instruction) in instructions {
        let target = match instruction {
            Instruction::Call(CallTarget::Local(off)) => off,
            Instruction::LoadImm64 { value: Imm64::Func(off), .. } => off,
            _ => continue,
        };
        let start = usize::try_from(pc as i64 + 1 + i64::from(target));
        starts
            .insert(start.with_context(|| format!("{}: call before the start at insn {pc}", program.name))?);
    }
    Ok(starts)
}

/// Names in assembly: the case's maps, the kernel's helpers.
struct Names<'a>(&'a [MapSpec]);

impl Symbols for Names<'_> {
    fn map(&self, name: &str) -> Option<u32> {
        self.0.iter().position(|spec| spec.name == name).map(|at| at as u32)
    }

    fn helper(&self, name: &str) -> Option<u32> {
        HelperId::ALL.iter().find(|id| id.proto().name == name).map(|id| id.id())
    }

    fn kfunc(&self, name: &str) -> Option<i32> {
        Kfunc::from_name(name).map(|kfunc| kfunc.id() as i32)
    }
}
