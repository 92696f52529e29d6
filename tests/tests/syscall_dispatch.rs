//! The syscall dispatcher over a plain read-only context: recorded events on both engines against a native count.

use std::collections::BTreeMap;

use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_loader::Object;
use bpfreplay_parsers::{RECORDED_EVENTS, SYSCALL_DISPATCH, SyscallEvent, SyscallTally};
use bpfreplay_replay::compare_maps;
use bpfreplay_runtime::tail_call::TailCallError;
use bpfreplay_runtime::{Context, ExecutionContext};
use bpfreplay_uapi::limits::PT_REGS_SIZE;

/// Slots of `syscall_jmp_table`: numbers from here on do not even try.
const NR_MAX: u64 = 1024;

/// The recorded events, and those no shell makes: numbers at and beyond the table's end, one that is 0 in its low half.
fn events() -> Vec<SyscallEvent> {
    let mut events = SyscallEvent::parse_list(RECORDED_EVENTS).expect("the shipped list");
    for nr in [NR_MAX - 1, NR_MAX, u64::from(u32::MAX), 1 << 32, (1 << 32) + 1, u64::MAX] {
        events.push(SyscallEvent { nr, args: [3, 4, 5, 6, 7, 8], ret: -38 });
    }
    // A descriptor is 32 bits of its register.
    events.push(SyscallEvent { nr: 0, args: [u64::MAX, 0, 0, 0, 0, 0], ret: -9 });
    events.push(SyscallEvent { nr: 1, args: [7 | 1 << 40, 0, 0, 0, 0, 0], ret: i64::MAX });
    events
}

/// An event as a kprobe program finds it: at the start of what the verifier takes for `struct pt_regs`.
fn context(event: &SyscallEvent) -> [u8; PT_REGS_SIZE as usize] {
    let mut context = [0; PT_REGS_SIZE as usize];
    context[..SyscallEvent::SIZE].copy_from_slice(&event.to_bytes());
    context
}

fn load(engine: Engine) -> Instance {
    let object = Object::parse(SYSCALL_DISPATCH.bytes).expect("a shipped object");
    let entry = Some(SYSCALL_DISPATCH.entry.to_owned());
    Instance::load(&object, &Options { engine, entry, ..Options::default() }).expect("it is ready")
}

#[test]
fn every_event_takes_its_path_and_is_counted() {
    let events = events();
    let mut instances = Vec::new();
    for engine in Engine::ALL {
        let instance = load(engine);
        let mut exec = ExecutionContext::new(0);
        let mut tally = SyscallTally::default();
        for (number, event) in (1..).zip(&events) {
            let retval = instance.entry().run(Context::Plain(&context(event)), &mut exec.batch());
            assert_eq!(exec.fault, None, "{engine}, event {number}");
            let path: Vec<&str> =
                exec.path().iter().map(|entry| instance.program_name(entry.prog).expect("known")).collect();
            let (expected, taken_by) = match tally.count(event) {
                taker @ "sys_read_event" => (vec!["syscall_entry", taker], 1),
                taker @ "sys_write_event" => (vec!["syscall_entry", taker], 2),
                entry => (vec![entry], 0),
            };
            assert_eq!((path, retval), (expected, taken_by), "{engine}, event {number}: {event:?}");
        }
        check_maps(&instance, &tally);
        check_misses(&exec, &instance, &events);
        instances.push(instance);
    }
    assert_eq!(compare_maps(instances[0].maps(), instances[1].maps()).expect("readable maps"), None);
}

fn check_maps(instance: &Instance, tally: &SyscallTally) {
    let entries = |name: &str| {
        let mut entries: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let map = instance.map(name).expect("a map of the dispatcher");
        map.for_each(|key, value| drop(entries.insert(key.to_vec(), value.to_vec()))).expect("readable");
        entries
    };
    let fds = tally.fds.iter().map(|(fd, io)| (fd.to_le_bytes().to_vec(), io.to_bytes().to_vec())).collect();
    assert_eq!(entries("fds"), fds);
    let other = tally.other_syscalls.iter();
    let other = other.map(|(nr, seen)| (nr.to_le_bytes().to_vec(), seen.to_le_bytes().to_vec())).collect();
    assert_eq!(entries("other_syscalls"), other);
}

/// The default path is a tail call that found its slot empty, once an event; what is beyond the table never tries.
fn check_misses(exec: &ExecutionContext, instance: &Instance, events: &[SyscallEvent]) {
    let mut expected: BTreeMap<u64, u64> = BTreeMap::new();
    for event in events.iter().filter(|event| (2..NR_MAX).contains(&event.nr)) {
        *expected.entry(event.nr).or_default() += 1;
    }
    let mut found: BTreeMap<u64, u64> = BTreeMap::new();
    for (failure, count) in exec.tail_call_failures.sorted() {
        assert_eq!(failure.reason, TailCallError::EmptySlot);
        assert_eq!(instance.program_name(failure.prog), Some("syscall_entry"));
        *found.entry(u64::from(failure.index)).or_default() += count;
    }
    assert_eq!(found, expected);
    assert_eq!(exec.tail_call_failures.overflow(), 0);
}

/// Emptying a slot sends its system call down the default path.
#[test]
fn without_a_program_the_default_path_takes_it() {
    for engine in Engine::ALL {
        let instance = load(engine);
        instance.set_tail(&"syscall_jmp_table[0]=".parse().expect("good")).expect("it can be emptied");
        let mut exec = ExecutionContext::new(0);
        let event = SyscallEvent { nr: 0, args: [3, 0, 10, 0, 0, 0], ret: 10 };
        let retval = instance.entry().run(Context::Plain(&context(&event)), &mut exec.batch());
        assert_eq!((retval, exec.path().len(), exec.tail_call_failures.total()), (0, 1, 1), "{engine}");
        let seen = instance.map("other_syscalls").expect("the map").lookup(&0_u64.to_le_bytes());
        assert_eq!(seen.expect("counted"), 1_u64.to_le_bytes());
    }
}
