//! The verifier's log, line by line against the log of this machine's kernel, for every case of the verifier.
//!
//! What may differ, and is made equal or left out before comparing ([`comparable`], [`OTHERS`]):
//!
//! | kernel                                          | here                                                |
//! |-------------------------------------------------|-----------------------------------------------------|
//! | addresses of maps in `ld_imm64`                  | their names                                         |
//! | ids of pointers and scalars                      | the same ones numbered in another order             |
//! | ids of kernel functions                          | ours                                                |
//! | `processed ...` counts states kept               | another policy of keeping them                      |
//! | level 2: `Live regs before insn`, `mark_precise`, `(0) live stack`, `SCC` | not written                        |
//! | goes first where a function can be left early    | goes there last                                     |
//! | nothing behind its own message                   | names and numbers in brackets                       |

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use bpfreplay_program::Program;
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::case::{VerifierCase, verifier_cases, verifier_program};
use bpfreplay_tests::kernel::KernelInstance;
use bpfreplay_tests::soundness::{Corpus, Mutator, Random};
use bpfreplay_uapi::Kfunc;
use bpfreplay_verifier::{LogKeep, LogLevel, LogWindow, Options, verify, verify_within};

/// Cases whose logs differ, by part of their name, and why.
const OTHERS: &[(&str, &str)] = &[
    ("a key in the packet", "a state that knows more is pruned here and not there"),
    ("an array that is no prog array", "the kernel's message has no end of line"),
    ("forty branches that do not matter", "the kernel writes of precision it propagates"),
    ("a record fills from a helper", PRUNED),
    ("different references meet", "the kernel leaves the copy of a scalar alone that nobody reads any more"),
    ("a loop that reserves and submits", PRUNED),
    ("assigned", PRUNED),
    ("lock, change, unlock", PRUNED),
    ("in xdp", PRUNED),
    ("a local function inside", "the kernel says why arguments are not what BTF says of a static function"),
    ("a known key of an inner array needs no check", PRUNED),
    ("in a function whose caller holds a ringbuf record", LEFT_EARLY),
    ("in a function", LEFT_EARLY),
    ("in a function called from a callback", LEFT_EARLY),
    (
        "a function handed to a helper",
        "behind a call with a callback the kernel goes on before it enters the callback",
    ),
    ("a function left early returns 0", LEFT_EARLY),
    ("packet pointers of a caller do not survive a function with a tail call", LEFT_EARLY),
    ("packet pointers do not survive two calls deep either", LEFT_EARLY),
    ("in a function that returns long", LEFT_EARLY),
    ("in a function that returns an enum", LEFT_EARLY),
    ("256 bytes of stack above a function with a tail call", LEFT_EARLY),
    ("232 bytes of stack above a function with a tail call", LEFT_EARLY),
    ("256 bytes of stack in two frames above a function with a tail call", LEFT_EARLY),
    ("the result of a function that may be left by a tail call", LEFT_EARLY),
];

/// By a tail call that is taken, or a packet load that fails.
const LEFT_EARLY: &str = "a function that can be left early is left first by the kernel, last here";

/// After another instruction, because another state was kept.
const PRUNED: &str = "a path that meets an explored one ends a little earlier or later";

/// One log in so many may differ without being listed.
const UNLISTED_MAX: usize = 20;

/// Cases with longer logs than the kernel is given room for.
const LONG: &[&str] = &["a million steps", "a loop counted down", "a walk over options of variable length"];

#[test]
fn the_kernel_writes_the_same() {
    let kernel = match Kernel::probe() {
        Ok(kernel) => kernel,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let mut different = String::new();
    let mut equal = 0;
    for (name, case) in verifier_cases() {
        if case.differs.is_some() || LONG.iter().any(|part| name.contains(part)) {
            continue;
        }
        let mut differs = false;
        for (level, theirs) in [LogLevel::Failing, LogLevel::All].into_iter().zip(kernel_logs(kernel, &case))
        {
            let ours = comparable(&our_log(&case, level));
            let Some((ours, theirs)) = first_difference(&ours, &comparable(&theirs)) else {
                equal += 1;
                continue;
            };
            differs = true;
            if !is_other(&name) {
                let _ = writeln!(different, "{name}, {level:?}:\n  kernel {theirs}\n  ours   {ours}");
            }
        }
        if OTHERS.iter().any(|(other, _)| name.ends_with(&format!(": {other}"))) && !differs {
            let _ = writeln!(different, "{name}: its logs are equal; take it off the list");
        }
    }
    println!("{equal} logs are equal");
    // Cases are added all the time; what is not listed yet must not be more than a few.
    print!("{different}");
    assert!(different.matches("kernel ").count() * UNLISTED_MAX < equal, "{different}");
    assert!(equal >= 300, "only {equal} logs");
}

fn is_other(name: &str) -> bool {
    // Behind a call with a callback the kernel goes on before it enters the callback.
    name.starts_with("callbacks: ") || OTHERS.iter().any(|(other, _)| name.ends_with(&format!(": {other}")))
}

fn our_log(case: &VerifierCase, level: LogLevel) -> String {
    match verify(Arc::new(verifier_program(case)), &Options { layout: &SKB_LAYOUT, log: level }) {
        Ok(verified) => verified.log().to_owned(),
        Err(error) => error.evidence.log,
    }
}

/// Of level 1 and 2.
fn kernel_logs(kernel: Kernel, case: &VerifierCase) -> [String; 2] {
    let program = verifier_program(case);
    let nothing = bpfreplay_isa::assemble("r0 = 0\nexit", &()).expect("it is a program").insns;
    let nothing =
        Program { maps: Arc::clone(&program.maps), ..Program::new("maps", program.prog_type, nothing) };
    let maps = KernelInstance::load(kernel, &[Arc::new(nothing)]).expect("maps can be made");
    [1, 2].map(|level| maps.log_of(&program, level))
}

/// The lines that must be equal.
fn comparable(log: &str) -> Vec<String> {
    let mut ids = BTreeMap::new();
    let mut lines: Vec<String> = Vec::new();
    let mut live_regs = false;
    for line in log.lines() {
        live_regs = line == "Live regs before insn:" || (live_regs && line.starts_with(' '));
        let liveness = line.starts_with('(') && (line.contains(" frame ") || line.contains(" live stack "));
        let loops = line.starts_with("SCC ");
        // The kernel's remark on the fixture's BTF, which describes main as a function without a context.
        let remark = line == "arg#0 expects pointer to ctx";
        if live_regs || liveness || loops || remark || line.starts_with("processed ") {
            continue;
        }
        if line.starts_with("mark_precise") {
            continue;
        }
        // P marks a scalar whose range mattered later: known of kept states only.
        let line = without_own_id(&line.replace("=P", "="));
        let line = spaces_joined(&renumbered(&without_kfunc_id(&without_map(&line)), &mut ids));
        match lines.last_mut() {
            // What was touched stands on a line of its own where the kernel wrote of precision in between.
            Some(last) if is_state_behind(last, &line) => {
                let (_, state) = line.split_once(':').expect("a state");
                *last = format!("{last} ;{state}");
            }
            _ => lines.push(line),
        }
    }
    lines
}

/// Whether a line is the state behind the instruction on the line before: `4: R1=2` behind `3: (b7) r1 = 2`.
fn is_state_behind(last: &str, line: &str) -> bool {
    let is_insn = |line: &str| line.split_once(": (").is_some_and(|(pc, _)| pc.parse::<u32>().is_ok());
    let is_state = line.split_once(':').is_some_and(|(pc, _)| pc.parse::<u32>().is_ok()) && !is_insn(line);
    is_insn(last) && !last.contains(" ;") && is_state && !line.ends_with(": safe")
}

/// The number of a kernel function is its BTF's: another in each kernel.
fn without_kfunc_id(line: &str) -> String {
    let Some((before, call)) = line.split_once("call ") else { return line.to_owned() };
    let Some((name, id)) = call.split_once('#') else { return line.to_owned() };
    if Kfunc::from_name(name).is_none() {
        return line.to_owned();
    }
    format!("{before}call {name}{}", id.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn without_map(line: &str) -> String {
    match line.split_once(": (18) ") {
        Some((pc, rest)) if rest.contains("= 0xffff") || rest.contains("= map[") => {
            let (reg, _) = rest.split_once(' ').unwrap_or((rest, ""));
            let state = rest.split_once(';').map_or("", |(_, state)| state);
            format!("{pc}: (18) {reg} = map ;{state}")
        }
        Some(_) | None => line.to_owned(),
    }
}

/// The kernel leaves a referenced pointer its id when it is known not to be NULL; nothing depends on it any more.
fn without_own_id(line: &str) -> String {
    let mut out = line.to_owned();
    while let Some(at) = out.find(",ref_obj_id=")
        && let Some(own) = out[..at].rfind("(id=")
        && out[own + 4..at].bytes().all(|byte| byte.is_ascii_digit())
    {
        out.replace_range(own + 1..at + 1, "");
    }
    out
}

/// Ids in the order in which they appear.
fn renumbered(line: &str, ids: &mut BTreeMap<String, usize>) -> String {
    let mut out = String::new();
    let mut rest = line;
    let mut in_refs = false;
    loop {
        // `refs=` has several, with commas.
        let place = |word: &str| rest.find(word).map(|at| at + word.len());
        let more = in_refs.then(|| rest.starts_with(',').then_some(1)).flatten();
        let (refs, id) = (place("refs="), place("id="));
        let Some(at) = more.or(refs.into_iter().chain(id).min()) else { return out + rest };
        in_refs = more.is_some() || refs == Some(at);
        let (before, after) = rest.split_at(at);
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let next = ids.len() + 1;
        let id = *ids.entry(after[..end].to_owned()).or_insert(next);
        let _ = write!(out, "{before}{id}");
        rest = &after[end..];
    }
}

fn spaces_joined(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines of ours may say more than the kernel's, behind them.
fn first_difference(ours: &[String], theirs: &[String]) -> Option<(String, String)> {
    let line = |lines: &[String], n: usize| lines.get(n).cloned().unwrap_or_else(|| "(nothing)".to_owned());
    (0..ours.len().max(theirs.len()))
        .map(|n| (line(ours, n), line(theirs, n)))
        .find(|(ours, theirs)| !ours.starts_with(theirs.as_str()))
}

/// Damaged programs: whatever is written down, the verdict is the same, and a refusal can be explained.
#[test]
fn writing_down_changes_no_verdict() {
    let corpus = Corpus::shipped();
    let (mut mutator, mut random) = (Mutator { random: Random::new(1) }, Random::new(2));
    let (mut judged, mut refused) = (0, 0);
    for (name, original) in corpus.iter() {
        let donor = Arc::clone(&corpus.any(&mut random).1);
        let mutant = Arc::new(mutator.mutant(original, &donor));
        let window = LogWindow { bytes_max: 4096, keep: LogKeep::Head };
        let verdict = |log| verify_within(Arc::clone(&mutant), &Options { layout: &SKB_LAYOUT, log }, window);
        let (silent, logged) = (verdict(LogLevel::Off), verdict(LogLevel::All));
        assert_eq!(silent.is_ok(), logged.is_ok(), "{name}, damaged");
        judged += 1;
        if let (Err(silent), Err(logged)) = (silent, logged) {
            refused += 1;
            assert_eq!(silent.message, logged.message, "{name}, damaged");
            assert_eq!(silent.evidence.origin, logged.evidence.origin, "{name}, damaged");
            assert!(silent.evidence.log.is_empty() && !logged.evidence.log.is_empty());
        }
    }
    assert!(judged > 100 && refused > 20, "{refused} of {judged} refused");
}

#[test]
fn a_log_says_what_it_leaves_out() {
    let code = "r0 = 0\n".repeat(100) + "r0 = r5\nexit";
    let insns = bpfreplay_isa::assemble(&code, &()).expect("it is a program").insns;
    let program = Arc::new(Program::new("long", bpfreplay_uapi::ProgType::SchedCls, insns));
    let log = |keep| {
        let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Failing };
        let window = LogWindow { bytes_max: 500, keep };
        verify_within(Arc::clone(&program), &options, window).expect_err("r5 is not initialised").evidence.log
    };
    let tail = log(LogKeep::Tail);
    assert!(tail.starts_with("[the log is longer than 500 bytes; this is its end]\n"), "{tail}");
    assert!(tail.contains("R5 !read_ok\nprocessed 101 insns"), "{tail}");
    let head = log(LogKeep::Head);
    assert!(head.starts_with("0: R1=ctx() R10=fp0\n"), "{head}");
    assert!(head.ends_with("[the log is longer than 500 bytes; that was its beginning]\n"), "{head}");
}
