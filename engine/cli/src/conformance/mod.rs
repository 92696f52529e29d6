//! `bpfreplay conformance`: one run of one program, as a plugin of the bpf_conformance project
//! (github.com/Alan-Jowett/bpf_conformance), which measures runtimes against RFC 9669.
//!
//! ```text
//!   bpfreplay conformance ["mem bytes as hex"] [--engine jit|interpreter] [--debug] < "program bytes as hex"
//!   standard output: r0 as hex          exit code: 0, or 1 if the program was not run, or 2 for bad arguments
//!   standard error:  one line that says why, if the exit code is not 0
//! ```
//! The runner starts an executable with the memory as its first argument and its `--plugin_options` behind it, so it
//! is given a script: `exec bpfreplay conformance "$@"`.
//!
//! Programs expect r1 to point to the memory and r2 to be its length. What is not verified does not run here, so they
//! run as classifiers with a few instructions in front ([`prologue`]), and the memory is the packet.

mod options;
mod prologue;

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use bpfreplay_instance::{Instance, Load};
use bpfreplay_isa::Insn;
use bpfreplay_loader::Object;
use bpfreplay_program::Program;
use bpfreplay_runtime::skb::{Bytes, Frame, Hook, Link, TestRun};
use bpfreplay_runtime::{Context, ExecutionContext, Packet};
use bpfreplay_uapi::ProgType;

use crate::exit::{self, Exit, Failure};
use crate::{complain, print};
use options::Options;
pub(crate) use options::Plugin;

/// A test run's frame has at least an Ethernet header.
const FRAME_MIN: usize = 14;

pub(crate) fn run(args: &Plugin) -> Result<Exit, Failure> {
    let options = Options::parse(&args.args).map_err(crate::usage)?;
    match result(&options) {
        Ok(r0) => Ok(if print(&format!("{r0:x}\n")).is_ok() { Exit::Done } else { Exit::Partly }),
        Err(error) => {
            complain(&one_line(&error));
            Ok(Exit::Partly)
        }
    }
}

/// The runner shows the reason as it is.
fn one_line(error: &anyhow::Error) -> String {
    exit::chain(error).lines().map(str::trim).collect::<Vec<_>>().join(": ")
}

fn result(options: &Options) -> anyhow::Result<u64> {
    let bytes = options.program()?;
    let program =
        if options.elf { from_object(&bytes)? } else { Arc::new(from_slots(&bytes, &options.memory)?) };
    let load = bpfreplay_instance::Options {
        engine: options.engine,
        entry: Some(program.name.clone()),
        load: Load::Reachable,
        ..Default::default()
    };
    let instance = Instance::from_programs(&[program], &load)?;
    let mut memory = options.memory.clone();
    memory.resize(memory.len().max(FRAME_MIN), 0);
    let wire_len = u32::try_from(memory.len()).context("the memory is too long")?;
    let frame = Frame { bytes: Bytes::Copied(&memory), link: Link::Ethernet, wire_len, time_ns: 0 };
    let mut packet = Packet::new();
    let skb = packet
        .load(frame, &Hook::TestRun(TestRun::new()))
        .map_err(|refused| anyhow!("memory of {wire_len} bytes: {refused}"))?;
    let mut exec = ExecutionContext::new(0);
    let r0 = instance.entry().run(Context::Skb(skb), &mut exec.batch());
    match exec.fault {
        Some(fault) => bail!("the program faulted: {fault:?}"),
        None => Ok(r0),
    }
}

fn from_slots(bytes: &[u8], memory: &[u8]) -> anyhow::Result<Program> {
    let (slots, rest) = bytes.as_chunks::<{ Insn::SIZE }>();
    if slots.is_empty() || !rest.is_empty() {
        bail!(
            "a program has {} bytes a slot, and at least one slot; this one has {} bytes",
            Insn::SIZE,
            bytes.len()
        );
    }
    let program = slots.iter().map(|&slot| Insn::from_le_bytes(slot));
    let insns = prologue::prologue(memory.len())?.into_iter().chain(program).collect();
    Ok(Program::new("conformance", ProgType::SchedCls, insns))
}

/// The first program of an object.
fn from_object(bytes: &[u8]) -> anyhow::Result<Arc<Program>> {
    let object = Object::parse_with(bytes, &bpfreplay_loader::Options::default())?;
    let program = match (object.programs.into_iter().next(), object.refused.into_iter().next()) {
        (Some(program), _) => program,
        (None, Some(refused)) => bail!("program '{}' cannot be loaded: {}", refused.name, refused.error),
        (None, None) => bail!("the object holds no programs"),
    };
    match program.prog_type {
        ProgType::SchedCls | ProgType::SchedAct => Ok(program),
        other => bail!("the object's program is of type {}; it runs on an skb here", other.name()),
    }
}
