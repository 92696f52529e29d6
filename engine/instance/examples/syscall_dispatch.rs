//! Programs that are no packet programs: a list of system calls through `syscall_entry`, which tail-calls by number.
//!
//! ```text
//!   event ─▶ syscall_entry ─▶ syscall_jmp_table[nr] ─┬─ [0] ─▶ sys_read_event
//!                                                    ├─ [1] ─▶ sys_write_event
//!                                                    └─ empty: the tail call falls through, the default path
//! ```
//!
//! `cargo run -p bpfreplay-instance --example syscall_dispatch [EVENTS]`: a file of events, one a line, as
//! `parsers/events/shell.txt` has them; without one, that file.

use std::collections::BTreeMap;
use std::error::Error;

use bpfreplay_instance::{Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_parsers::{RECORDED_EVENTS, SYSCALL_DISPATCH, SyscallEvent};
use bpfreplay_runtime::{Context, ExecutionContext, Map};
use bpfreplay_uapi::limits::PT_REGS_SIZE;

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?,
        None => RECORDED_EVENTS.to_owned(),
    };
    let events = SyscallEvent::parse_list(&text)?;
    let object = Object::parse(SYSCALL_DISPATCH.bytes)?;
    let entry = Some(SYSCALL_DISPATCH.entry.to_owned());
    let instance = Instance::load(&object, &Options { entry, ..Options::default() })?;

    let mut exec = ExecutionContext::new(0);
    let mut paths: BTreeMap<Vec<u32>, u64> = BTreeMap::new();
    for event in &events {
        // A kprobe program's context is a struct pt_regs, of which the event is the beginning.
        let mut context = [0; PT_REGS_SIZE as usize];
        context[..SyscallEvent::SIZE].copy_from_slice(&event.to_bytes());
        instance.entry().run(Context::Plain(&context), &mut exec.batch());
        *paths.entry(exec.path().iter().map(|entry| entry.prog).collect()).or_default() += 1;
    }

    println!("{} events\n\n{:>8}  path", events.len(), "events");
    for (path, count) in paths {
        let names: Vec<&str> = path.iter().map(|prog| instance.program_name(*prog).unwrap_or("?")).collect();
        println!("{count:8}  {}", names.join(" > "));
    }

    println!("\n{:>8}  tail call that fell through", "times");
    for (failure, count) in exec.tail_call_failures.sorted() {
        println!("{count:8}  syscall_jmp_table[{}]: {}", failure.index, failure.reason);
    }

    println!("\n{:>8} {:>8} {:>10} {:>8} {:>10} {:>8}", "fd", "reads", "bytes", "writes", "bytes", "errors");
    for (fd, io) in words(instance.map("fds").ok_or("the object has no map fds")?)? {
        let [reads, writes, read_bytes, written_bytes, errors] = io[..] else {
            return Err("fds holds five counters a descriptor".into());
        };
        println!("{fd:8} {reads:8} {read_bytes:10} {writes:8} {written_bytes:10} {errors:8}");
    }
    Ok(())
}

/// A map's entries by key: the key as a number, the value as 8-byte words.
fn words(map: &Map) -> Result<BTreeMap<u64, Vec<u64>>, Box<dyn Error>> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let mut entries = BTreeMap::new();
    map.for_each(|key, value| drop(entries.insert(number(key), value.chunks(8).map(number).collect())))?;
    Ok(entries)
}
