//! `spec/tail-calls.md` sections 2, 3 and 5.

use std::sync::Arc;

use bpfreplay_runtime::tail_call::TailCallError;
use bpfreplay_runtime::{Executable, ExecutionContext, FaultKind, PathEntry, SKB_LAYOUT};
use bpfreplay_uapi::MapType;
use bpfreplay_uapi::skb::SkbField;

use super::{Maps, frame, run_in, run_program};
use crate::DEFAULT_STEP_LIMIT;
use crate::program::InterpretedProgram;

/// A tail call with r3 already set; falls through to the next line.
const TAIL_CALL: &str = "r1 = r6\nr2 = map(jmp_table) ll\ntail_call\n";

fn maps() -> Maps {
    Maps::default().with("jmp_table", MapType::ProgArray, 4, 4, 3).with("counts", MapType::Array, 4, 8, 4)
}

fn put(maps: &Maps, slot: u32, program: &Arc<InterpretedProgram>) {
    let array = maps.get("jmp_table").prog_array().unwrap();
    array.update(slot, Arc::clone(program) as Arc<dyn Executable>, 0).unwrap();
}

fn prepare(maps: &Maps, name: &str, source: &str) -> Arc<InterpretedProgram> {
    maps.prepare(name, source, DEFAULT_STEP_LIMIT)
}

/// `counts[index] += 1`; clobbers r1 to r5 and r0.
fn count(index: u32) -> String {
    format!(
        "*(u32 *)(r10 - 4) = {index}
         r1 = map(counts) ll
         r2 = r10
         r2 += -4
         call bpf_map_lookup_elem
         r2 = 1
         if r0 == 0 goto +1
         lock *(u64 *)(r0 + 0) += r2
        "
    )
}

fn counted(maps: &Maps, index: u32) -> u64 {
    u64::from_le_bytes(maps.get("counts").lookup(&index.to_le_bytes()).unwrap().try_into().unwrap())
}

#[test]
fn the_callee_takes_over_and_its_r0_is_the_result() {
    let maps = maps();
    put(&maps, 2, &prepare(&maps, "leaf", "r0 = *(u32 *)(r1 + 0)\nr0 = 42\nexit"));
    let entry = prepare(&maps, "entry", &format!("r6 = r1\nr3 = 2\n{TAIL_CALL}r0 = 7\nexit"));
    let (outcome, exec) = run_program(&entry, frame(64).context());
    assert_eq!(outcome, Ok(42));
    assert_eq!(exec.tail_call_cnt, 1);
    let leaf = maps.get("jmp_table").prog_array().unwrap().lookup(2).unwrap();
    assert_eq!(exec.path(), [PathEntry { prog: entry.id(), index: 0 }, PathEntry { prog: leaf, index: 2 }]);
    assert_eq!(exec.tail_call_failures.total(), 0);
}

#[test]
fn the_index_is_the_low_half_of_r3() {
    let maps = maps();
    put(&maps, 2, &prepare(&maps, "leaf", "r0 = 42\nexit"));
    for (r3, taken) in [
        ("0x2 ll", true),
        ("0x100000002 ll", true),
        ("0xffffffff00000002 ll", true),
        ("0x3 ll", false),
        ("0x80000002 ll", false),
        ("0xffffffffffffffff ll", false),
    ] {
        let source = format!("r6 = r1\nr3 = {r3}\n{TAIL_CALL}r0 = 7\nexit");
        assert_eq!(run_in(&maps, &source), Ok(if taken { 42 } else { 7 }), "{r3}");
    }
}

#[test]
fn failures_fall_through_and_are_counted_by_reason() {
    let maps = maps();
    let source = format!("r6 = r1\nr7 = 5\nr3 = 1\n{TAIL_CALL}r3 = 3\n{TAIL_CALL}r0 = r7\nexit");
    let entry = prepare(&maps, "entry", &source);
    let (outcome, exec) = run_program(&entry, frame(64).context());
    assert_eq!((outcome, exec.tail_call_cnt), (Ok(5), 0));
    let failures: Vec<_> =
        exec.tail_call_failures.sorted().iter().map(|(f, n)| (f.insn, f.index, f.reason, *n)).collect();
    assert_eq!(failures, [(6, 1, TailCallError::EmptySlot, 1), (11, 3, TailCallError::OutOfRange, 1)]);
}

#[test]
fn failed_tail_calls_cost_nothing_of_the_33() {
    let maps = maps();
    // Each hop first fails 40 times into an empty slot and 40 times out of range, then calls itself.
    let failing = format!("r8 = 40\na: r3 = 1\n{TAIL_CALL}r3 = 9\n{TAIL_CALL}r8 -= 1\nif r8 != 0 goto a\n");
    let source = format!("r6 = r1\n{}{failing}r3 = 0\n{TAIL_CALL}r0 = 1\nexit", count(0));
    let entry = prepare(&maps, "entry", &source);
    put(&maps, 0, &entry);
    let (outcome, exec) = run_program(&entry, frame(64).context());
    assert_eq!((outcome, exec.tail_call_cnt, counted(&maps, 0)), (Ok(1), 33, 34));
    assert_eq!(exec.path().len(), 34);
}

#[test]
fn every_run_has_33_of_its_own() {
    let maps = maps();
    let entry = prepare(&maps, "entry", &format!("r6 = r1\n{}r3 = 0\n{TAIL_CALL}r0 = 1\nexit", count(0)));
    put(&maps, 0, &entry);
    let mut exec = ExecutionContext::new(0);
    for run in 1..=3 {
        assert_eq!(entry.run(frame(64).context(), &mut exec.batch()), 1);
        assert_eq!(counted(&maps, 0), 34 * run);
    }
    let limit = exec.tail_call_failures.sorted();
    assert_eq!(limit.len(), 1);
    assert_eq!((limit[0].0.reason, limit[0].1), (TailCallError::Limit, 3));
}

#[test]
fn the_context_carries_state_to_the_callee() {
    let maps = maps();
    let cb = SKB_LAYOUT.field(SkbField::Cb).off;
    put(&maps, 0, &prepare(&maps, "leaf", &format!("r0 = *(u32 *)(r1 + {cb})\nexit")));
    assert_eq!(run_in(&maps, &format!("r6 = r1\n*(u32 *)(r1 + {cb}) = 99\nr3 = 0\n{TAIL_CALL}exit")), Ok(99));
}

#[test]
fn in_a_subprogram_only_its_frame_is_replaced() {
    let maps = maps();
    let source =
        format!("r6 = r1\ncall sub\nr0 += 1000\nexit\nsub: r6 = r1\nr3 = 0\n{TAIL_CALL}r0 = 9\nexit");
    let entry = prepare(&maps, "entry", &source);
    let run = || run_program(&entry, frame(64).context()).0;
    assert_eq!(run(), Ok(1009));
    put(&maps, 0, &prepare(&maps, "leaf", "*(u64 *)(r10 - 512) = 1\nr0 = 42\nexit"));
    assert_eq!(run(), Ok(1042));
}

#[test]
fn a_subprogram_called_40_times_gets_33_tail_calls() {
    let maps = maps();
    put(&maps, 0, &prepare(&maps, "leaf", "r0 = 1\nexit"));
    let source = format!(
        "r6 = r1\nr7 = 40\nr8 = 0\na: r1 = r6\ncall sub\nr8 += r0\nr7 -= 1\nif r7 != 0 goto a\nr0 = r8\nexit
         sub: r6 = r1\nr3 = 0\n{TAIL_CALL}r0 = 0\nexit"
    );
    assert_eq!(run_in(&maps, &source), Ok(33));
}

#[test]
fn a_hierarchy_shares_one_budget() {
    let maps = maps();
    let twice = format!(
        "r6 = r1\n{}r1 = r6\ncall sub\nr1 = r6\ncall sub\nr0 = 5\nexit\nsub: r6 = r1\nr3 = 0\n{TAIL_CALL}r0 = 0\nexit",
        count(0)
    );
    let entry = prepare(&maps, "entry", &twice);
    put(&maps, 0, &entry);
    let (outcome, exec) = run_program(&entry, frame(64).context());
    assert_eq!((outcome, exec.tail_call_cnt, counted(&maps, 0)), (Ok(5), 33, 34));

    // First by a subprogram, then by itself.
    let maps = self::maps();
    let mixed = format!(
        "r6 = r1\n{}r1 = r6\ncall sub\nr3 = 0\n{TAIL_CALL}r0 = 6\nexit\nsub: r6 = r1\nr3 = 0\n{TAIL_CALL}r0 = 0\nexit",
        count(0)
    );
    let entry = prepare(&maps, "entry", &mixed);
    put(&maps, 0, &entry);
    let (outcome, exec) = run_program(&entry, frame(64).context());
    assert_eq!((outcome, exec.tail_call_cnt, counted(&maps, 0)), (Ok(6), 33, 34));
}

#[test]
fn the_deepest_hierarchy_fits() {
    // 34 programs, each 7 calls deep before it tail-calls the next: 272 frames.
    let maps = maps();
    let mut source = String::from("r6 = r1\ncall f1\nexit\n");
    for depth in 1..7 {
        source += &format!("f{depth}: *(u64 *)(r10 - 512) = 1\ncall f{}\nr0 += 1\nexit\n", depth + 1);
    }
    source += &format!("f7: r6 = r1\nr3 = 0\n{TAIL_CALL}r0 = 0\nexit");
    // r1 goes through untouched: calls clobber only what they return to.
    let entry = prepare(&maps, "entry", &source);
    put(&maps, 0, &entry);
    assert_eq!(run_program(&entry, frame(64).context()).0, Ok(34 * 6));
}

#[test]
fn a_callee_does_not_reach_the_frames_of_who_called_it() {
    let maps = maps();
    let cb = SKB_LAYOUT.field(SkbField::Cb).off;
    // The address of a frame below the tail call, smuggled through cb.
    let leaf = format!(
        "r2 = *(u32 *)(r1 + {cb})\nr3 = *(u32 *)(r1 + {})\nr3 <<= 32\nr2 |= r3\nr0 = *(u64 *)(r2 + 0)\nexit",
        cb + 4
    );
    put(&maps, 0, &prepare(&maps, "leaf", &leaf));
    let source = format!(
        "r6 = r1\n*(u64 *)(r10 - 8) = 1\nr2 = r10\nr2 += -8\n*(u32 *)(r1 + {cb}) = r2\nr2 >>= 32\n*(u32 *)(r1 + {}) = r2
         call sub\nexit\nsub: r6 = r1\nr3 = 0\n{TAIL_CALL}r0 = 0\nexit",
        cb + 4
    );
    assert!(matches!(run_in(&maps, &source).unwrap_err().kind, FaultKind::OutOfBounds { size: 8, .. }));
}

#[test]
fn arguments_of_a_tail_call_are_checked() {
    let maps = maps();
    let bad = |source: &str| run_in(&maps, source).unwrap_err().kind;
    assert_eq!(bad("r1 = r10\nr2 = map(jmp_table) ll\nr3 = 0\ntail_call\nexit"), FaultKind::BadArgument(1));
    assert_eq!(bad("r2 = map(counts) ll\nr3 = 0\ntail_call\nexit"), FaultKind::BadArgument(2));
    assert_eq!(bad("r2 = 0\nr3 = 0\ntail_call\nexit"), FaultKind::BadArgument(2));
}
