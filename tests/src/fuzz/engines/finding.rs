use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bpfreplay_isa::{CallTarget, Instruction, assemble, decode_program};
use bpfreplay_program::{Linkage, MapSpec, Program};
use bpfreplay_uapi::ProgType;
use serde::{Deserialize, Serialize};

use super::scenario::{Scenario, function_infos, maps};

/// A scenario as a file: it stays the same when the generator changes, and people can read it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What was wrong.
    pub what: String,
    /// Whether engines must agree on the outcome.
    pub comparable: bool,
    /// Frames in hex.
    pub frames: Vec<String>,
    /// Programs in assembly, `p0` and so on; map 0 is the jump table.
    pub program: Vec<FoundProgram>,
}

/// A program of a finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundProgram {
    /// Its name.
    pub name: String,
    /// First slots of global functions but the entry.
    #[serde(default)]
    pub globals: Vec<u32>,
    /// Assembly.
    pub code: String,
}

impl Finding {
    /// The scenario, and what was wrong with it.
    #[must_use]
    pub fn of(scenario: &Scenario, what: &str) -> Finding {
        let hex = |frame: &Vec<u8>| frame.iter().map(|byte| format!("{byte:02x}")).collect();
        Finding {
            what: what.to_owned(),
            comparable: scenario.comparable,
            frames: scenario.frames.iter().map(hex).collect(),
            program: scenario.programs.iter().map(|program| found(program)).collect(),
        }
    }

    /// The scenario again.
    ///
    /// # Errors
    ///
    /// Frames that are no hex, programs that do not assemble.
    pub fn scenario(&self) -> anyhow::Result<Scenario> {
        let maps = maps(self.program.len());
        let programs = self.program.iter().map(|found| {
            let program = assembled(found, &maps).with_context(|| found.name.clone())?;
            Ok(Arc::new(program))
        });
        Ok(Scenario {
            programs: programs.collect::<anyhow::Result<_>>()?,
            frames: self.frames.iter().map(|frame| unhex(frame)).collect::<anyhow::Result<_>>()?,
            comparable: self.comparable,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&toml::to_string_pretty(self).map_err(|_| fmt::Error)?)
    }
}

fn found(program: &Program) -> FoundProgram {
    let globals = program.funcs.iter().skip(1).filter(|info| info.linkage == Linkage::Global);
    let instructions = decode_program(&program.insns).expect("the generator makes instructions");
    let code: String = instructions.iter().map(|(_, instruction)| format!("{instruction}\n")).collect();
    FoundProgram { name: program.name.clone(), globals: globals.map(|info| info.insn_off).collect(), code }
}

fn assembled(found: &FoundProgram, maps: &Arc<[MapSpec]>) -> anyhow::Result<Program> {
    let assembly = assemble(&found.code, &()).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut starts: BTreeSet<u32> = found.globals.iter().copied().chain([0]).collect();
    for (pc, instruction) in decode_program(&assembly.insns)? {
        if let Instruction::Call(CallTarget::Local(off)) = instruction {
            starts.insert(u32::try_from(pc as i64 + 1 + i64::from(off)).context("a call before the start")?);
        }
    }
    let mut program = Program::new(&found.name, ProgType::SchedCls, assembly.insns);
    program.maps = Arc::clone(maps);
    let starts: Vec<(u32, bool)> =
        starts.into_iter().map(|start| (start, start == 0 || found.globals.contains(&start))).collect();
    program.funcs = function_infos(&found.name, &starts);
    Ok(program)
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    ensure!(text.len().is_multiple_of(2), "a frame has an even number of hex digits");
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).context("a frame is hex");
    (0..text.len()).step_by(2).map(byte).collect()
}
