//! Executable memory as the system sees it, and as it is used again.

mod support;

use bpfreplay_jit::{ARENA_BYTES, JitError, JitedProgram};
use bpfreplay_runtime::{Executable, ExecutionContext};
use support::{Known, World, run};

fn jited(program: &dyn Executable) -> &JitedProgram {
    program.as_any().downcast_ref().expect("a jited program")
}

#[test]
fn no_memory_is_writable_and_executable() {
    let world = World::with_jmp();
    let program = world.program("p", Known::Nothing, "r0 = 1\nexit");
    assert_eq!(run(&*program, &mut ExecutionContext::new(0)), 1);
    let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
    let mut executable = 0;
    for line in maps.lines() {
        let permissions = line.split_whitespace().nth(1).expect("a mapping has permissions");
        assert!(!(permissions.contains('w') && permissions.contains('x')), "{line}");
        if line.contains("bpfreplay-jit") {
            executable += usize::from(permissions.starts_with("r-x"));
            assert!(permissions.starts_with("r-x") || permissions.starts_with("rw-"), "{line}");
        }
    }
    assert!(executable > 0, "the arena is there:\n{maps}");
}

#[test]
fn images_are_packed_and_begin_on_cache_lines() {
    let world = World::with_jmp();
    let programs: Vec<_> =
        (0..100).map(|i| world.program("p", Known::Nothing, &format!("r0 = {i}\nexit"))).collect();
    let mut addresses: Vec<usize> = programs.iter().map(|program| jited(&**program).address()).collect();
    assert!(addresses.iter().all(|address| address % 64 == 0));
    addresses.sort_unstable();
    assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] == 64), "a small image takes one line");
}

#[test]
fn the_range_of_a_program_that_is_gone_is_used_again() {
    let world = World::with_jmp();
    let keep = world.program("keep", Known::Nothing, "r0 = 1\nexit");
    let mut addresses = std::collections::BTreeSet::new();
    for i in 0..10_000 {
        let program = world.program("p", Known::Nothing, &format!("r0 = {i}\nexit"));
        assert_eq!(run(&*program, &mut ExecutionContext::new(0)), i);
        addresses.insert(jited(&*program).address());
    }
    assert_eq!(addresses.len(), 1);
    assert_eq!(run(&*keep, &mut ExecutionContext::new(0)), 1);
}

#[test]
fn a_full_arena_is_an_error_and_goes_on_working() {
    let world = World::with_jmp();
    let code = "*(u64 *)(r10 - 512) = 0x1234567\n".repeat(200_000) + "r0 = 1\nexit";
    let large = world.assemble("large", Known::Nothing, &code);
    let mut programs = Vec::new();
    let error = loop {
        match world.jit.prepare(&large, &[]) {
            Ok(program) => programs.push(program),
            Err(error) => break error,
        }
        assert!(programs.len() * 1_500_000 < ARENA_BYTES, "the arena has a limit");
    };
    assert!(matches!(error, JitError::ArenaFull { limit: ARENA_BYTES, .. }), "{error}");
    let small = world.program("small", Known::Nothing, "r0 = 5\nexit");
    assert_eq!(run(&*small, &mut ExecutionContext::new(0)), 5);
    programs.clear();
    let again = world.jit.prepare(&large, &[]).expect("there is room again");
    assert_eq!(run(&*again, &mut ExecutionContext::new(0)), 1);
}

#[test]
fn the_listing_knows_where_instructions_begin() {
    let world = World::with_jmp();
    let program = world.program("p", Known::Nothing, "r0 = 1\nr1 = 0x123456789abcdef ll\nr0 += r1\nexit");
    let program = jited(&*program);
    let offsets = program.offsets();
    assert_eq!(offsets.len(), 6, "five slots and the end");
    assert_eq!(offsets[2], offsets[3], "the second slot of a wide instruction is where the next begins");
    assert!(offsets.windows(2).all(|pair| pair[0] <= pair[1]));
    assert_eq!(program.code()[offsets[4] as usize], 0xc3, "exit is ret");
}
