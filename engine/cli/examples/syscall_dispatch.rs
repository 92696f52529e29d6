//! The other use tail calls were introduced with: system calls dispatched by number, over a plain read-only context.
//!
//! ```text
//!   event ─▶ syscall_entry ⇢ syscall_jmp_table[nr] ─┬─▶ sys_read_event    counts by descriptor
//!              │                                    └─▶ sys_write_event
//!              └ empty slot, or beyond the table: the default path counts by number
//! ```
//!
//! ```text
//! cargo run -p bpfreplay-cli --example syscall_dispatch [-- interpreter] [EVENTS]
//! ```
//!
//! `EVENTS` is a list as `parsers/events/shell.txt` has it; without one that recording runs. What the maps hold in the
//! end is compared with a native count of the same events.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_parsers::{RECORDED_EVENTS, SYSCALL_DISPATCH, SyscallEvent, SyscallTally};
use bpfreplay_runtime::{Context, ExecutionContext};
use bpfreplay_uapi::limits::PT_REGS_SIZE;

fn main() -> anyhow::Result<()> {
    let mut engine = Engine::Jit;
    let mut text = RECORDED_EVENTS.to_owned();
    for argument in std::env::args().skip(1) {
        match argument.parse() {
            Ok(named) => engine = named,
            Err(_) => text = std::fs::read_to_string(&argument).with_context(|| argument.clone())?,
        }
    }
    let events = SyscallEvent::parse_list(&text)?;

    let object = Object::parse(SYSCALL_DISPATCH.bytes)?;
    let options = Options { engine, entry: Some(SYSCALL_DISPATCH.entry.to_owned()), ..Options::default() };
    let instance = Instance::load(&object, &options)?;

    let mut exec = ExecutionContext::new(0);
    // The verifier lets a program of this type read as far as `struct pt_regs` goes.
    let mut context = [0; PT_REGS_SIZE as usize];
    let mut runs: BTreeMap<String, u64> = BTreeMap::new();
    for event in &events {
        let mut batch = exec.batch();
        context[..SyscallEvent::SIZE].copy_from_slice(&event.to_bytes());
        instance.entry().run(Context::Plain(&context), &mut batch);
        ensure!(batch.fault.is_none(), "the program faulted: {:?}", batch.fault);
        let path: Vec<&str> = batch.path().iter().filter_map(|hop| instance.program_name(hop.prog)).collect();
        *runs.entry(path.join(" > ")).or_default() += 1;
    }
    println!("{} events, engine {engine}", events.len());
    for (path, times) in runs {
        println!("{times:6} {path}");
    }
    compare(&instance, &SyscallTally::of(&events))
}

/// Holds the maps against the native count.
fn compare(instance: &Instance, tally: &SyscallTally) -> anyhow::Result<()> {
    let map = |name: &str| instance.map(name).with_context(|| format!("no map {name}"));
    let (fds, other) = (map("fds")?, map("other_syscalls")?);
    for (fd, io) in &tally.fds {
        ensure!(fds.lookup(&fd.to_le_bytes())? == io.to_bytes(), "descriptor {fd} was counted differently");
    }
    for (nr, times) in &tally.other_syscalls {
        ensure!(
            other.lookup(&nr.to_le_bytes())? == times.to_le_bytes(),
            "system call {nr} was counted differently"
        );
    }
    if fds.entries() as usize != tally.fds.len() || other.entries() as usize != tally.other_syscalls.len() {
        bail!("the maps have entries that no event accounts for");
    }
    println!("{} descriptors and {} other calls counted as natively", fds.entries(), other.entries());
    Ok(())
}
