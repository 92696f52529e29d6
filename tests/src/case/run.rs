use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::Errno;

use super::assemble::{assemble_program, map_spec};
use super::engine::{Engine, Loaded, Outcome};
use super::file::{Case, Step, cases};

/// The frame of a run that states none: Ethernet, IPv4, TCP to port 80, 64 bytes.
const DEFAULT_FRAME: &str = "00000000000002000000000108004500003200010000400666b8c0000201c63364010400005000000001\
                             00000000500220004d0b000000000000000000000000";

/// Runs every case of a folder on an engine, but those that say why they cannot run there; how many there are.
///
/// # Panics
///
/// If the cases cannot be read, or with every case that does not hold.
pub fn check_all(folder: &Path, engine: &dyn Engine) -> usize {
    let cases = cases(folder).expect("the cases can be read");
    let mut failed = Vec::new();
    for (name, case) in &cases {
        let skip = if engine.name() == "kernel" { &case.kernel_skip } else { &case.ours_skip };
        match skip {
            Some(reason) => eprintln!("skipped on {}: {name}: {reason}", engine.name()),
            None => {
                if let Err(error) = check(case, engine) {
                    failed.push(format!("{name}: {error:#}"));
                }
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} on {}:\n{}",
        failed.len(),
        cases.len(),
        engine.name(),
        failed.join("\n")
    );
    cases.len()
}

/// Runs a case on an engine.
///
/// # Errors
///
/// The first step whose outcome is not what the case states.
pub fn check(case: &Case, engine: &dyn Engine) -> anyhow::Result<()> {
    let maps = case.maps.iter().map(map_spec).collect::<anyhow::Result<Vec<MapSpec>>>()?;
    let maps: Arc<[MapSpec]> = maps.into();
    let mut programs = Vec::new();
    let mut later = BTreeMap::new();
    for def in &case.programs {
        let program = Arc::new(assemble_program(def, &maps)?);
        if def.later {
            later.insert(def.name.as_str(), program);
        } else {
            programs.push(program);
        }
    }
    let mut loaded = match (engine.load(&programs), &case.load_error) {
        (Ok(loaded), None) => loaded,
        (Err(error), None) => return Err(error),
        (Ok(_), Some(want)) => bail!("it loads, expected {want}"),
        (Err(error), Some(want)) => {
            ensure!(format!("{error:#}").contains(want.as_str()), "expected {want}, got {error:#}");
            return Ok(());
        }
    };
    for (at, step) in case.steps.iter().enumerate() {
        one(step, &later, loaded.as_mut()).with_context(|| format!("step {}", at + 1))?;
    }
    Ok(())
}

/// Programs that steps load, by name.
type Later<'a> = BTreeMap<&'a str, Arc<Program>>;

fn one(step: &Step, later: &Later<'_>, loaded: &mut dyn Loaded) -> anyhow::Result<()> {
    let slot = || step.slot.context("the step states no slot");
    let program = || step.program.as_deref().context("the step states no program");
    match step {
        Step { run: Some(name), .. } => {
            let frame = unhex(step.frame.as_deref().unwrap_or(DEFAULT_FRAME))?;
            let outcome = loaded.run(name, &frame)?.context("the frame was refused")?;
            compare(step, &outcome)?;
            compare_maps(step, loaded)
        }
        Step { wait: Some(ms), .. } => {
            loaded.wait(Duration::from_millis(*ms))?;
            compare_maps(step, loaded)
        }
        Step { load: Some(name), .. } => {
            let program = later.get(name.as_str()).with_context(|| format!("no program {name} for later"))?;
            let result = loaded.load(program);
            if let (Some(want), Err(refused)) = (&step.message, &result) {
                let got = &refused.message;
                ensure!(got.contains(want.as_str()), "the load: expected {want:?}, got {got}");
            }
            same_error(step, result.map_err(|refused| refused.errno))
        }
        Step { close: Some(program), .. } => loaded.close(program),
        Step { update: Some(map), .. } => {
            same_error(step, loaded.update(map, slot()?, program()?, step.flags))
        }
        Step { delete: Some(map), .. } => same_error(step, loaded.delete(map, slot()?)),
        Step { lookup: Some(map), .. } => {
            let found = loaded.lookup(map, slot()?);
            if let (Some(want), Ok(got)) = (&step.program, &found) {
                ensure!(want == got, "the slot: expected {want}, got {got}");
            }
            same_error(step, found.map(drop))
        }
        Step { lookup_and_delete: Some(map), .. } => same_error(step, loaded.lookup_and_delete(map, slot()?)),
        Step { produce: Some(map), .. } => {
            let sample = step.sample.as_deref().context("the step states no sample")?;
            same_error(step, loaded.produce(map, &unhex(sample)?))
        }
        Step { freeze: Some(map), .. } => same_error(step, loaded.freeze(map)),
        Step { next_key: Some(map), .. } => {
            let next = loaded.next_key(map, step.slot);
            ensure!(next.ok() == step.next, "next key: expected {:?}, got {next:?}", step.next);
            same_error(step, next.map(drop))
        }
        Step { open: Some(map), .. } => loaded.open(map),
        Step { release: Some(map), .. } => loaded.release(map),
        Step { create: Some(def), .. } => same_error(step, loaded.create(&map_spec(def)?)),
        _ => bail!("a step says what is done"),
    }
}

fn compare(step: &Step, outcome: &Outcome) -> anyhow::Result<()> {
    fn same<T: PartialEq + std::fmt::Debug>(
        what: &str,
        want: Option<&T>,
        got: Option<&T>,
    ) -> anyhow::Result<()> {
        if let (Some(want), Some(got)) = (want, got) {
            ensure!(want == got, "{what}: expected {want:?}, got {got:?}");
        }
        Ok(())
    }
    same("retval", step.retval.as_ref(), Some(&outcome.retval))?;
    same("cb", step.cb.as_ref(), Some(&outcome.cb))?;
    same("mark", step.mark.as_ref(), Some(&outcome.mark))?;
    same("path", step.path.as_ref(), outcome.path.as_ref())?;
    same("failed tail calls", step.failed.as_ref(), outcome.failed.as_ref())?;
    let tail_calls = outcome.path.as_ref().map(|path| path.len() as u32 - 1);
    same("tail calls", step.tail_calls.as_ref(), tail_calls.as_ref())
}

fn compare_maps(step: &Step, loaded: &mut dyn Loaded) -> anyhow::Result<()> {
    for (map, wanted) in &step.maps {
        let entries = loaded.entries(map)?;
        for (index, want) in wanted {
            let key = index.parse::<u32>().with_context(|| format!("{map}: index {index}"))?.to_ne_bytes();
            let value = entries.get(&key[..]).with_context(|| format!("{map}[{index}] is not there"))?;
            // Of a per-CPU value every CPU's: a case runs on one, the others hold zero.
            let words = value.chunks(8).map(|chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_le_bytes(word)
            });
            let got: u64 = words.sum();
            ensure!(got == *want, "{map}[{index}]: expected {want}, got {got}");
        }
    }
    Ok(())
}

fn same_error(step: &Step, result: Result<(), Errno>) -> anyhow::Result<()> {
    let got = result.err().map(Errno::name);
    ensure!(got == step.error.as_deref(), "expected {:?}, got {got:?}", step.error);
    Ok(())
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    ensure!(digits.len().is_multiple_of(2), "a frame has an even number of hex digits");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).context("a frame is hex");
    (0..digits.len()).step_by(2).map(byte).collect()
}
