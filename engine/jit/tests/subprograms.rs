//! Calls between the functions of a program: each makes a frame for the other and finds its own as it left it.

mod support;

use bpfreplay_runtime::ExecutionContext;
use support::{Known, World, run};

/// A subprogram that wrecks what it may and calls a helper that uses the aligned stack (formatting).
const WRECKER: &str = "
    sub:
        r6 = -1
        r7 = -1
        r8 = -1
        r9 = -1
        *(u64 *)(r10 - 8) = 0x000a6425
        *(u64 *)(r10 - 512) = -1
        r1 = r10
        r1 += -8
        r2 = 4
        r3 = 7
        call bpf_trace_printk
        r0 = 0
        exit
";

/// The values of r6 to r9 in these tests.
const VALUES: [u64; 4] = [1, 20, 300, 4000];

#[test]
fn whatever_is_needed_afterwards_is_kept() {
    // Every subset of r6 to r9: the number of registers saved decides how the frame is aligned.
    for subset in 0..16u32 {
        let needed = |i: u32| subset & 1 << i != 0;
        let sum: String = (0..4).filter(|&i| needed(i)).map(|i| format!("r0 += r{}\n", i + 6)).collect();
        let world = World::with_jmp();
        let program = world.program(
            "main",
            Known::Nothing,
            &format!(
                "
                r6 = 1
                r7 = 20
                r8 = 300
                r9 = 4000
                *(u64 *)(r10 - 8) = 50000
                *(u64 *)(r10 - 512) = 600000
                call middle
                {sum}
                r1 = *(u64 *)(r10 - 8)
                r0 += r1
                r1 = *(u64 *)(r10 - 512)
                r0 += r1
                exit
            middle:
                r6 = 5
                *(u64 *)(r10 - 512) = 0
                call sub
                r0 += r6
                exit
            {WRECKER}"
            ),
        );
        let expected: u64 = (0..4).filter(|&i| needed(i)).map(|i| VALUES[i as usize]).sum();
        let mut exec = ExecutionContext::new(0);
        assert_eq!(run(&*program, &mut exec), 650_000 + 5 + expected, "subset {subset:04b}");
    }
}

#[test]
fn arguments_and_results_pass_in_registers() {
    let world = World::with_jmp();
    let program = world.program(
        "main",
        Known::Nothing,
        "
            r1 = 1
            r2 = 20
            r3 = 300
            r4 = 4000
            r5 = 50000
            call sum
            exit
        sum:
            r0 = r1
            r0 += r2
            r0 += r3
            r0 += r4
            r0 += r5
            exit
        ",
    );
    assert_eq!(run(&*program, &mut ExecutionContext::new(0)), 54321);
}

#[test]
fn eight_frames_do_not_overlap() {
    // Each function writes both ends of its stack, calls the next, and adds what it finds there afterwards.
    let mut code = String::new();
    for depth in 0..8 {
        let next = if depth < 7 { format!("call f{}", depth + 1) } else { "r0 = 0".to_owned() };
        code += &format!(
            "f{depth}:
                *(u64 *)(r10 - 8) = {}
                *(u64 *)(r10 - 512) = {}
                {next}
                r1 = *(u64 *)(r10 - 8)
                r0 += r1
                r1 = *(u64 *)(r10 - 512)
                r0 += r1
                exit
            ",
            1u32 << depth,
            1u32 << (depth + 8)
        );
    }
    let world = World::with_jmp();
    let program = world.program("deep", Known::Nothing, &code);
    assert_eq!(run(&*program, &mut ExecutionContext::new(0)), 0xffff);
}

#[test]
fn what_nobody_needs_is_not_emitted() {
    let world = World::with_jmp();
    let size = |code: &str| {
        let program = world.program("p", Known::Map, code);
        let jited: &bpfreplay_jit::JitedProgram = program.as_any().downcast_ref().expect("a jited program");
        jited.code().len()
    };
    let tail_call = "r3 = 1\ncall bpf_tail_call\nr0 = 0\nexit";
    assert_eq!(
        size(&format!("r2 = map(jmp) ll\n{tail_call}")),
        size(&format!("r2 = map(jmp) ll\nr4 = 5\nr5 = r4\nr5 *= 7\nr0 = *(u32 *)(r1 + 0)\n{tail_call}")),
    );
    // What a loop needs in its next round is needed.
    let program = world.program(
        "loop",
        Known::Nothing,
        "r1 = 0\nr0 = 0\nagain:\nr0 += r1\nr1 += 1\nif r1 < 5 goto again\nexit",
    );
    assert_eq!(run(&*program, &mut ExecutionContext::new(0)), 10);
}
