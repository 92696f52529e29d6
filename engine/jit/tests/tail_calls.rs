//! What the machine code of tail calls does that cannot be said in a case file: each form the JIT has for a site, the
//! path it records, the native caller's registers, replacement under fire. (The contract itself is in the case files.)

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bpfreplay_program::MapSpec;
use bpfreplay_runtime::tail_call::{TailCallError, TailCallFailure};
use bpfreplay_runtime::{Context, Executable, ExecutionContext, SKB_LAYOUT};
use bpfreplay_uapi::MapType;
use bpfreplay_uapi::skb::SkbField;
use support::{Known, World, run, with_skb};

/// The forms of a tail call of slot 0.
const FORMS: [Known; 3] = [Known::Nothing, Known::Map, Known::MapAndIndex(0)];

fn leaf(world: &World, value: u32) -> Arc<dyn Executable> {
    world.program("leaf", Known::Nothing, &format!("r0 = {value}\nexit"))
}

const JUMP_TO_0: &str = "
    r2 = map(jmp) ll
    r3 = 0
    call bpf_tail_call
    r0 = 7
    exit
";

fn ids(exec: &ExecutionContext) -> Vec<(u32, u32)> {
    exec.path().iter().map(|entry| (entry.prog, entry.index)).collect()
}

#[test]
fn a_hop_returns_to_who_ran_the_entry() {
    for known in FORMS {
        let world = World::with_jmp();
        let entry = world.program("entry", known, JUMP_TO_0);
        let leaf = leaf(&world, 42);
        let mut exec = ExecutionContext::new(0);
        assert_eq!(run(&*entry, &mut exec), 7, "{known:?}: an empty slot falls through");
        assert_eq!(ids(&exec).len(), 1);
        world.set(0, &leaf);
        assert_eq!(run(&*entry, &mut exec), 42, "{known:?}");
        assert_eq!(
            exec.path().iter().map(|entry| entry.prog).collect::<Vec<_>>(),
            [entry.info().id, leaf.info().id]
        );
        assert_eq!(exec.path()[1].index, 0);
    }
}

#[test]
fn the_target_gets_the_context() {
    for known in FORMS {
        let world = World::with_jmp();
        let entry = world.program("entry", known, JUMP_TO_0);
        let len = SKB_LAYOUT.field(SkbField::Len).off;
        world.set(0, &world.program("leaf", Known::Nothing, &format!("r0 = *(u32 *)(r1 + {len})\nexit")));
        assert_eq!(run(&*entry, &mut ExecutionContext::new(0)), 64, "{known:?}");
    }
}

#[test]
fn the_34th_program_is_the_last() {
    for known in FORMS {
        let world = World::with_jmp();
        // cb[0] counts executions; r0 says whether the last tail call fell through.
        let entry = world.program("entry", known, &format!("r4 = *(u32 *)(r1 + 0)\nr5 = r1\n{JUMP_TO_0}"));
        world.set(0, &entry);
        let mut exec = ExecutionContext::new(0);
        for _ in 0..3 {
            assert_eq!(run(&*entry, &mut exec), 7, "{known:?}");
            assert_eq!(exec.tail_call_cnt, 33);
            assert_eq!(exec.path().len(), 34);
            assert!(exec.path().iter().all(|hop| hop.prog == entry.info().id));
        }
        let failures = exec.tail_call_failures.sorted();
        let [(failure, 3)] = failures[..] else { panic!("{known:?}: {failures:?}") };
        assert_eq!((failure.prog, failure.index), (entry.info().id, 0));
        assert_eq!(failure.reason, TailCallError::Limit);
    }
}

#[test]
fn bounds_then_limit_then_slot() {
    // Slot 1 is empty, slot 4 is outside; only the low half of r3 counts.
    for known in [Known::Nothing, Known::Map] {
        let world = World::with_jmp();
        world.set(2, &leaf(&world, 42));
        for (r3, r0, reason) in [
            ("0x2", 42, None),
            ("0x100000002", 42, None),
            ("0xffffffff00000002", 42, None),
            ("0x1", 7, Some((1, TailCallError::EmptySlot))),
            ("0x4", 7, Some((4, TailCallError::OutOfRange))),
            ("0x80000002", 7, Some((0x8000_0002, TailCallError::OutOfRange))),
            ("0xffffffffffffffff", 7, Some((u32::MAX, TailCallError::OutOfRange))),
        ] {
            let code = format!("r2 = map(jmp) ll\nr3 = {r3} ll\ncall bpf_tail_call\nr0 = 7\nexit");
            let entry = world.program("entry", known, &code);
            let mut exec = ExecutionContext::new(0);
            assert_eq!(run(&*entry, &mut exec), r0, "{known:?} {r3}");
            let expected: Vec<_> = reason
                .map(|(index, reason)| (TailCallFailure { prog: entry.info().id, insn: 4, index, reason }, 1))
                .into_iter()
                .collect();
            assert_eq!(exec.tail_call_failures.sorted(), expected, "{known:?} {r3}");
            assert_eq!(exec.tail_call_cnt, u32::from(r0 == 42));
        }
    }
}

#[test]
fn a_constant_index_outside_is_tested_like_any_other() {
    let world = World::with_jmp();
    let code = "r2 = map(jmp) ll\nr3 = 9\ncall bpf_tail_call\nr0 = 7\nexit";
    let entry = world.program("entry", Known::MapAndIndex(9), code);
    let mut exec = ExecutionContext::new(0);
    assert_eq!(run(&*entry, &mut exec), 7);
    assert_eq!(exec.tail_call_failures.sorted()[0].0.reason, TailCallError::OutOfRange);
}

#[test]
fn a_subprogram_is_replaced_alone() {
    for known in FORMS {
        let world = World::with_jmp();
        // The target wrecks all it may; main finds its registers, its stack and its frame as they were.
        let wrecker = world.program(
            "wrecker",
            Known::Nothing,
            "r6 = 0\nr7 = 0\nr8 = 0\nr9 = 0\n*(u64 *)(r10 - 8) = 0\n*(u64 *)(r10 - 512) = 0\nr0 = 42\nexit",
        );
        world.set(0, &wrecker);
        let entry = world.program(
            "entry",
            known,
            "
                r6 = 1
                r7 = 20
                r8 = 300
                r9 = 4000
                *(u64 *)(r10 - 8) = 50000
                *(u64 *)(r10 - 512) = 600000
                call sub
                r0 += r6
                r0 += r7
                r0 += r8
                r0 += r9
                r1 = *(u64 *)(r10 - 8)
                r0 += r1
                r1 = *(u64 *)(r10 - 512)
                r0 += r1
                exit
            sub:
                r6 = -1
                r7 = -1
                r8 = -1
                r9 = -1
                *(u64 *)(r10 - 512) = -1
                *(u64 *)(r10 - 8) = -1
                r2 = map(jmp) ll
                r3 = 0
                call bpf_tail_call
                r0 = 7
                exit
            ",
        );
        let mut exec = ExecutionContext::new(0);
        assert_eq!(run(&*entry, &mut exec), 654_321 + 42, "{known:?}");
        assert_eq!(exec.path().len(), 2);
    }
}

#[test]
fn one_budget_for_a_hierarchy() {
    for known in FORMS {
        // Every program calls a subprogram twice; each tail-calls the program again: 34 executions, not 2^n.
        let world = World::new(vec![
            MapSpec::new("jmp", MapType::ProgArray, 4, 4, 4),
            MapSpec::new("count", MapType::Array, 4, 8, 1),
        ]);
        let entry = world.program(
            "entry",
            known,
            "
                r6 = r1
                r2 = map_value(count) + 0 ll
                r3 = 1
                lock *(u64 *)(r2 + 0) += r3
                call sub
                r1 = r6
                call sub
                r0 = 3
                exit
            sub:
                r2 = map(jmp) ll
                r3 = 0
                call bpf_tail_call
                r0 = 7
                exit
            ",
        );
        world.set(0, &entry);
        let mut exec = ExecutionContext::new(0);
        assert_eq!(run(&*entry, &mut exec), 3);
        let count = world.maps[1].lookup(&[0; 4]).expect("the counter");
        assert_eq!(u64::from_le_bytes(count.try_into().unwrap()), 34, "{known:?}");
        assert_eq!(exec.tail_call_cnt, 33);
    }
}

#[test]
fn the_count_survives_calls() {
    // Everything that can lose the register the count is in, before the program tail-calls itself: 34 executions.
    for known in FORMS {
        for call in [
            "call bpf_get_prandom_u32",
            "call sub",
            "r0 = *(u8 *)skb[-1048576]",
            "r2 = map(jmp) ll\nr3 = 1\ncall bpf_tail_call",
        ] {
            let world = World::with_jmp();
            let sub = if call == "call sub" { "sub:\ncall bpf_get_prandom_u32\nr0 = 1\nexit" } else { "" };
            let known =
                if call.ends_with("tail_call") && known != Known::Nothing { Known::Map } else { known };
            let code = format!("r6 = r1\n{call}\nr1 = r6\n{JUMP_TO_0}{sub}");
            let entry = world.program("entry", known, &code);
            world.set(0, &entry);
            let mut exec = ExecutionContext::new(0);
            assert_eq!(run(&*entry, &mut exec), 7, "{known:?} {call}");
            assert_eq!(exec.tail_call_cnt, 33, "{known:?} {call}");
            assert_eq!(exec.path().len(), 34);
            assert!(exec.path().iter().all(|hop| hop.prog == entry.info().id), "{known:?} {call}");
        }
    }
}

#[test]
fn the_native_caller_keeps_its_registers() {
    // The values live across the run are kept in callee-saved registers by any optimising compiler.
    let world = World::with_jmp();
    let wrecker = world.program("wrecker", Known::Nothing, "r6 = 0\nr7 = 0\nr8 = 0\nr9 = 0\nr0 = 42\nexit");
    world.set(0, &wrecker);
    let entry = world.program("entry", Known::Map, JUMP_TO_0);
    let mut exec = ExecutionContext::new(0);
    with_skb(|skb| {
        let mut batch = exec.batch();
        let mut live = std::hint::black_box([1u64, 2, 3, 4, 5, 6, 7, 8]);
        for round in 0..1000u64 {
            assert_eq!(entry.run(Context::Skb(skb), &mut batch), 42);
            for (i, value) in live.iter_mut().enumerate() {
                *value = value.rotate_left(7) ^ round ^ i as u64;
            }
        }
        let mut expected = [1u64, 2, 3, 4, 5, 6, 7, 8];
        for round in 0..1000u64 {
            for (i, value) in expected.iter_mut().enumerate() {
                *value = value.rotate_left(7) ^ round ^ i as u64;
            }
        }
        assert_eq!(live, expected);
    });
}

#[test]
fn slots_change_while_workers_run() {
    const ROUNDS: u32 = 20_000;
    let world = World::with_jmp();
    let entry = world.program("entry", Known::Map, JUMP_TO_0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for cpu in 0..2 {
            let (entry, stop) = (&entry, &stop);
            scope.spawn(move || {
                let mut exec = ExecutionContext::new(cpu);
                while !stop.load(Ordering::Relaxed) {
                    with_skb(|skb| {
                        let mut batch = exec.batch();
                        for _ in 0..64 {
                            let r0 = entry.run(Context::Skb(skb), &mut batch);
                            assert!(r0 == 7 || r0 % 1000 == 42, "neither an old nor a new program: {r0}");
                        }
                    });
                }
            });
        }
        let array = world.maps[0].prog_array().expect("a prog array");
        for round in 0..ROUNDS {
            world.set(0, &leaf(&world, round * 1000 + 42));
            if round % 3 == 0 {
                array.delete(0).expect("there is one");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}
