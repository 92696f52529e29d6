//! What the verifier takes of memory for the worst programs that could be thought of: never much more than
//! [`STATE_BYTES_MAX`], which is the limit that ends those that would take gigabytes.
//!
//! One test, for the process's peak is what is measured.

use std::fmt::Write;
use std::sync::Arc;

use bpfreplay_program::MapSpec;
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_tests::case::{ProgramDef, assemble_program};
use bpfreplay_uapi::limits::{COMPLEXITY_LIMIT_INSNS, MAX_INSNS};
use bpfreplay_verifier::{LogLevel, Options, STATE_BYTES_MAX, VerifiedProgram, VerifierError, verify};

/// Peak of the process, in bytes: states, what the allocator loses on them, the programs themselves and two logs.
const PEAK_MAX: usize = STATE_BYTES_MAX + (384 << 20);

#[test]
fn the_worst_programs_stay_within_the_limit() {
    let Some(before) = peak() else { return eprintln!("skipped: no /proc/self/status") };
    println!("before: {} MiB", before >> 20);

    // A million instructions, and nothing to it.
    let long = format!("{}exit", "r0 = 0\n".repeat(MAX_INSNS - 1));
    accepted("a million instructions", &judge(&long, LogLevel::Off));

    // A way back of a million spills.
    let spills = format!("{}r0 = 0\nexit", "*(u64 *)(r10 - 8) = r1\n".repeat(MAX_INSNS - 2));
    accepted("a million spills", &judge(&spills, LogLevel::Off));

    // As many steps as there may be, each written down with the state before it.
    let counted = format!(
        "r0 = 0\nagain:\nr0 += 1\nif r0 < {} goto again\nr0 = 0\nexit",
        COMPLEXITY_LIMIT_INSNS / 2 - 10
    );
    accepted("a million steps, all logged", &judge(&counted, LogLevel::All));

    // As many paths as may be pending, each with eight whole stacks that are its own.
    let mut paths = String::new();
    for step in 0..10_000 {
        let _ = write!(paths, "{}r0 = *(u32 *)(r9 + 0)\nif r0 == {step} goto +0\n", every_stack(step));
    }
    refused(
        "pending paths with eight stacks",
        &judge(&deep(&paths), LogLevel::Off),
        "The sequence of 8193 jumps is too complex.",
    );

    // As many states kept as there may be, each with eight whole stacks that are its own.
    let kept: String = (0..40_000).map(|step| format!("{}goto +0\ngoto +0\n", every_stack(step))).collect();
    refused(
        "kept states with eight stacks",
        &judge(&deep(&kept), LogLevel::Off),
        "the states of the program take",
    );

    // A loop that is unrolled, whose states are dropped but walked back through.
    let unrolled = format!(
        "r8 = 0\nagain:\n{}r8 += 1\nif r8 < 50000 goto again\n",
        every_stack(1).replace("= 1\n", "= r8\n")
    );
    refused(
        "an unrolled loop with eight stacks",
        &judge(&deep(&unrolled), LogLevel::Off),
        "combined stack size of",
    );

    // Callbacks in callbacks, each of which remembers the way back.
    accepted("callbacks in callbacks", &judge(&callbacks(), LogLevel::Off));
}

type Verdict = Result<VerifiedProgram, VerifierError>;

fn judge(source: &str, log: LogLevel) -> Verdict {
    let maps: Arc<[MapSpec]> = Arc::new([]);
    let program = assemble_program(&ProgramDef::new("worst", source), &maps).expect("it assembles");
    verify(Arc::new(program), &Options { layout: &SKB_LAYOUT, log })
}

fn accepted(name: &str, verdict: &Verdict) {
    if let Err(error) = verdict {
        panic!("{name}: {error}");
    }
    measured(name, "accepted");
}

fn refused(name: &str, verdict: &Verdict, words: &str) {
    match verdict {
        Ok(_) => panic!("{name}: accepted"),
        Err(error) => assert!(error.message.contains(words), "{name}: {error}"),
    }
    measured(name, words);
}

fn measured(name: &str, how: &str) {
    let peak = peak().expect("there was one before");
    println!("{name}: {how}; peak so far {} MiB", peak >> 20);
    assert!(peak < PEAK_MAX, "{name}: {peak} bytes");
}

/// The process's peak in bytes (`VmHWM`).
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<usize>().ok().map(|kb| kb << 10)
}

/// Eight functions, each of which uses all of its stack and has its caller's frame pointer in its first slot; `body` is
/// in the last, with the context in r9. The sum of their stacks is too much, but that is found out at the end.
fn deep(body: &str) -> String {
    let mut source = String::from("r9 = r1\nr2 = r10\n");
    for function in 0..8 {
        if function > 0 {
            let _ = write!(source, "f{function}:\nr9 = r1\n");
        }
        let _ = writeln!(source, "*(u64 *)(r10 - 8) = r2");
        for slot in 2..=64 {
            let _ = writeln!(source, "*(u64 *)(r10 - {}) = {slot}", slot * 8);
        }
        if function < 7 {
            let _ = write!(source, "r1 = r9\nr2 = r10\ncall f{}\nr0 = 0\nexit\n", function + 1);
        }
    }
    let _ = write!(source, "{body}out:\nr0 = 0\nexit\n");
    source
}

/// A number into a slot of each of the eight stacks.
fn every_stack(step: usize) -> String {
    let mut text = format!("r7 = r10\n*(u64 *)(r7 - 16) = {step}\n");
    for _ in 0..7 {
        let _ = write!(text, "r7 = *(u64 *)(r7 - 8)\n*(u64 *)(r7 - 16) = {step}\n");
    }
    text
}

/// `bpf_loop`s in `bpf_loop`s, with a branch in each.
fn callbacks() -> String {
    let mut source = String::new();
    for function in 0..7 {
        if function > 0 {
            let _ = writeln!(source, "f{function}:");
        }
        for slot in 1..=8 {
            let _ = writeln!(source, "*(u64 *)(r10 - {}) = {slot}", slot * 8);
        }
        if function < 6 {
            let _ = write!(
                source,
                "r1 = 100\nr2 = func(f{}) ll\nr3 = r10\nr4 = 0\ncall bpf_loop\n",
                function + 1
            );
        }
        let _ = write!(source, "r0 = 0\nexit\n");
    }
    source
}
