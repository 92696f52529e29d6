//! Slots of a prog array change a million times while workers run programs through them.
//!
//! No run may see anything but an old program, a new one, or none; and what left a slot must be freed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use bpfreplay_instance::{Engine, Instance, Options};
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_runtime::skb::{Bytes, Device, Frame, Hook, Link};
use bpfreplay_runtime::{Context, Executable, ExecutionContext, Packet};
use bpfreplay_tests::case::{ProgramDef, assemble_program};
use bpfreplay_uapi::MapType;
use bpfreplay_verifier::LogLevel;

/// Updates and deletes of slots.
const CHANGES: u64 = 1_000_000;
/// Threads that run programs meanwhile.
const WORKERS: u32 = 2;
/// Runs in one batch: how long a retired program may have to wait.
const BATCH: usize = 256;
/// How often a program is loaded anew instead of taken from the two there are: its code is then freed and its place
/// in the arena used again.
const FRESH_EVERY: u64 = 64;

/// How often the workers are given the processor: a prime, so that they get it with every content of the slot.
const YIELD_EVERY: u64 = 1009;

/// The entry leaves 100 in cb[0] and tail-calls slot 0; the targets leave their own number in cb[1] and return it.
const ENTRY: &str = "
    *(u32 *)(r1 + 48) = 100
    r2 = map(jmp) ll
    r3 = 0
    call bpf_tail_call
    r0 = 3
    exit
";

fn target(number: u32) -> String {
    format!("*(u32 *)(r1 + 52) = {number}\n r0 = {number}\n exit\n")
}

#[test]
fn jit_sees_old_or_new() {
    storm(Engine::Jit, CHANGES);
}

#[test]
fn interpreter_sees_old_or_new() {
    storm(Engine::Interpreter, CHANGES);
}

fn storm(engine: Engine, changes: u64) {
    let options = Options { engine, cpus: WORKERS, ..Options::default() };
    let maps: Arc<[MapSpec]> = Arc::new([MapSpec::new("jmp", MapType::ProgArray, 4, 4, 1)]);
    let program = |name: &str, code: String| {
        let def = ProgramDef::new(name, code);
        Arc::new(assemble_program(&def, &maps).expect("the program assembles"))
    };
    let programs = [program("entry", ENTRY.to_owned()), program("one", target(1)), program("two", target(2))];
    let instance = Instance::from_programs(&programs, &options).expect("the programs load");
    let fresh = program("one", target(1));
    let load_fresh = || instance.prepare(&fresh, LogLevel::Off).expect("the program loads").executable;

    let done = AtomicBool::new(false);
    let seen: [AtomicU64; 4] = Default::default();
    thread::scope(|scope| {
        for cpu in 0..WORKERS {
            let entry = Arc::clone(&instance.program("entry").expect("it is there").executable);
            let (done, seen) = (&done, &seen);
            scope.spawn(move || worker(cpu, &entry, done, seen));
        }
        change_slots(&instance, changes, &load_fresh);
        done.store(true, Ordering::Relaxed);
    });

    let [nothing, one, two, none] = seen.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert_eq!(nothing, 0, "no program returns 0");
    assert!(one > 0 && two > 0 && none > 0, "the workers saw old and new: {one}, {two}, {none}");
    assert_freed(&instance);
}

/// Runs the entry until the storm is over; counts what it returned.
fn worker(cpu: u32, entry: &Arc<dyn Executable>, done: &AtomicBool, seen: &[AtomicU64; 4]) {
    let mut exec = ExecutionContext::new(cpu);
    let mut packet = Packet::new();
    let hook = Hook::Ingress(Device::default());
    let bytes = [0u8; 64];
    while !done.load(Ordering::Relaxed) {
        let mut batch = exec.batch();
        for _ in 0..BATCH {
            let frame =
                Frame { bytes: Bytes::Shared(&bytes), link: Link::Ethernet, wire_len: 64, time_ns: 0 };
            let skb = packet.load(frame, &hook).expect("the hook takes the frame");
            let r0 = entry.run(Context::Skb(&mut *skb), &mut batch);
            assert!(batch.fault.is_none(), "{:?}", batch.fault);
            let tail_calls = usize::from(r0 != 3);
            assert!((1..=3).contains(&r0), "r0 is {r0}");
            assert_eq!(batch.path().len(), 1 + tail_calls, "the path fits r0 {r0}");
            let left = if r0 == 3 { 0 } else { r0 as u32 };
            assert_eq!([skb.cb[0], skb.cb[1]], [100, left], "what was left in cb is that program's");
            seen[r0 as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// one, empty, two, empty, ...; now and then a program that nothing else holds.
fn change_slots(instance: &Instance, changes: u64, load_fresh: &dyn Fn() -> Arc<dyn Executable>) {
    let map = instance.map("jmp").expect("it is there");
    let array = map.prog_array().expect("it is a prog array");
    let put = |name: &str| {
        let program = instance.program(name).expect("it is there");
        array.update(0, Arc::clone(&program.executable), 0).expect("the slot takes it");
    };
    for change in 0..changes {
        if change % YIELD_EVERY == 0 {
            thread::yield_now();
        }
        match change % 4 {
            0 if change % FRESH_EVERY == 0 => array.update(0, load_fresh(), 0).expect("the slot takes it"),
            0 => put("one"),
            2 => put("two"),
            _ => array.delete(0).expect("the slot is populated"),
        }
    }
}

/// When every worker has ended, nothing but the instance holds its programs.
fn assert_freed(instance: &Instance) {
    for program in instance.programs() {
        let program = &program.executable;
        // What this thread retired last waits in a bag of its own; epochs move on as guards come and go.
        for _ in 0..10_000 {
            if Arc::strong_count(program) == 1 {
                break;
            }
            crossbeam_epoch::pin().flush();
            thread::yield_now();
        }
        assert_eq!(Arc::strong_count(program), 1, "{} is still held", program.info().name);
    }
}

/// An instance holds verified programs only.
#[test]
fn programs_are_verified_before_they_run() {
    let maps: Arc<[MapSpec]> = Arc::new([]);
    let def = ProgramDef::new("bad", "r0 = *(u64 *)(r1 + 4096)\n exit\n");
    let program: Arc<Program> = Arc::new(assemble_program(&def, &maps).expect("it assembles"));
    let error = Instance::from_programs(&[program], &Options::default());
    let error = error.expect_err("an access outside the context is refused");
    assert!(error.to_string().contains("invalid bpf_context access off=4096 size=8"), "{error}");
}
