//! The verifier's log, line by line against the log of this machine's kernel, for every case of the verifier, at levels
//! 1 and 2. What the two cannot have in common is made equal before comparing ([`comparable`]):
//!
//! | kernel                                       | here                              |
//! |----------------------------------------------|-----------------------------------|
//! | addresses of maps in `ld_imm64`              | their names                       |
//! | ids of kernel functions, and the columns they take | ours                        |
//! | nothing behind the message of a refusal      | names and numbers in brackets, or a line more |
//!
//! Everything else is equal, but for the cases in [`OTHERS`].

use std::fmt::Write;
use std::sync::Arc;

use bpfreplay_loader::Object;
use bpfreplay_program::Program;
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::captures::root;
use bpfreplay_tests::case::{VerifierCase, verifier_cases, verifier_program};
use bpfreplay_tests::kernel::KernelInstance;
use bpfreplay_tests::soundness::{Corpus, Mutator, Random};
use bpfreplay_uapi::Kfunc;
use bpfreplay_verifier::{LogKeep, LogLevel, LogWindow, Options, verify, verify_within};

/// Cases whose logs differ, by the end of their name, and why.
const OTHERS: &[(&str, &str)] = &[
    (
        "half of a sign-extended number that may be negative says nothing of the whole",
        "the kernel knows a bound that ours does not",
    ),
    ("an operation there is not", FORM),
    ("on two bytes", FORM),
    ("reserved fields", FORM),
    ("a reserved field", FORM),
    ("a function that was not found", "a call that was not resolved has no name there"),
    (
        "a function that was not found, where it never gets to",
        "a call that was not resolved has no name there",
    ),
    ("what was fetched is not bounded", FETCHED),
    ("what was fetched from a spilled constant is that constant", FETCHED),
    ("for each program of a prog array", MAP_LAST),
    ("user ring: another map", MAP_LAST),
    (
        "a slice of a record, submitted then compared: as a pointer it says nothing of the branch",
        "the kernel does not know that the slice is gone",
    ),
    ("a callback that is called", NO_END),
    ("an array that is no prog array", NO_END),
    ("from a timer's callback", ASYNC),
    ("a cookie that is no timer's result", ASYNC),
    ("in a callback, and a callback in it", "loops of callbacks are loops here, to the kernel they are none"),
];

/// Areas whose level-2 logs may differ.
const AREAS: &[(&str, &str)] = &[
    ("fastcall: ", "the kernel knows how many CPUs there are: bpf_get_smp_processor_id is below that"),
    ("form: ", FORM),
];

/// A fault of the kernel's: where a fetched value comes from is not followed, to its register's old value instead.
const FETCHED: &str = "the kernel takes what was fetched for what was in the register before";

const MAP_LAST: &str = "the kernel looks at the callback before it looks at the map";

/// And what comes next stands on the same line.
const NO_END: &str = "the kernel's message has no end of line";

/// Walking back ends there where no instruction comes before.
const ASYNC: &str = "the kernel takes an asynchronous callback's state to begin at instruction 0";

const FORM: &str = "of what is no instruction the kernel looks at the registers' fields all the same";

/// Kernels whose log it is.
const RELEASE: &str = "6.18.";

/// Cases with longer logs than the kernel is given room for.
const LONG: &[&str] = &["a million steps", "a loop counted down", "a walk over options of variable length"];

#[test]
fn the_kernel_writes_the_same() {
    let kernel = match Kernel::probe() {
        Ok(kernel) => kernel,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("every kernel has a release");
    if !release.starts_with(RELEASE) {
        return eprintln!("skipped: the log is that of Linux {RELEASE}x, this is {release}");
    }
    let mut different = String::new();
    let mut equal = 0;
    for (name, case) in verifier_cases() {
        if case.differs.is_some() || LONG.iter().any(|part| name.contains(part)) {
            continue;
        }
        let mut differs = false;
        for (level, theirs) in [LogLevel::Failing, LogLevel::All].into_iter().zip(kernel_logs(kernel, &case))
        {
            let (ours, message) = our_log(Arc::new(verifier_program(&case)), level);
            let (ours, theirs) = (comparable(&ours), comparable(&theirs));
            let Some((ours, theirs)) = first_difference(&ours, &theirs, &message) else {
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
    assert!(different.is_empty(), "{different}");
    assert!(equal >= 1700, "only {equal} logs");
}

fn is_other(name: &str) -> bool {
    AREAS.iter().any(|(area, _)| name.starts_with(area))
        || OTHERS.iter().any(|(other, _)| name.ends_with(&format!(": {other}")))
}

/// The same, of programs on objects.
const OTHER_OBJECTS: &[(&str, &str)] = &[
    (
        "kept_and_lost",
        "NULL that is handed to bpf_kptr_xchg is marked precise: other paths may come with another number",
    ),
    ("seen_after_rcu", "the kernel forgets that a pointer may be NULL where an RCU region ends"),
    ("owners_copied_out", "a constant key is marked precise behind the arguments, not among them"),
];

/// Programs of an object, each refused for a rule about objects that programs allocate.
#[test]
fn the_kernel_writes_the_same_of_objects() {
    let Some(kernel) = Kernel::or_skip("the kernel as a judge of logs") else { return };
    let bytes = std::fs::read(root().join("tests/objects/refused/refused.bpf.o")).expect("an object");
    let object = Object::parse(&bytes).unwrap_or_else(|error| panic!("{error}"));
    let maps = maps_of(kernel, &object.programs[0]);
    let (mut different, mut equal) = (String::new(), 0);
    for program in &object.programs {
        for (level, number) in [(LogLevel::Failing, 1), (LogLevel::All, 2)] {
            let (ours, message) = our_log(Arc::clone(program), level);
            let theirs = comparable(&maps.log_of(program, number));
            match first_difference(&comparable(&ours), &theirs, &message) {
                None => equal += 1,
                Some(_) if OTHER_OBJECTS.iter().any(|(name, _)| *name == program.name) => {}
                Some((ours, theirs)) => {
                    let _ = writeln!(
                        different,
                        "{}, {level:?}:\n  kernel {theirs}\n  ours   {ours}",
                        program.name
                    );
                }
            }
        }
    }
    println!("{equal} logs are equal");
    assert!(different.is_empty(), "{different}");
    assert!(equal >= 120, "only {equal} logs");
}

/// The log, and the refusal's message in it.
fn our_log(program: Arc<Program>, level: LogLevel) -> (String, String) {
    match verify(program, &Options { layout: &SKB_LAYOUT, log: level }) {
        Ok(verified) => (verified.log().to_owned(), String::new()),
        Err(error) => (error.evidence.log, error.message),
    }
}

/// Of level 1 and 2.
fn kernel_logs(kernel: Kernel, case: &VerifierCase) -> [String; 2] {
    let program = verifier_program(case);
    let maps = maps_of(kernel, &program);
    [1, 2].map(|level| maps.log_of(&program, level))
}

/// The maps of a program, with its types.
fn maps_of(kernel: Kernel, program: &Program) -> KernelInstance {
    let nothing = bpfreplay_isa::assemble("r0 = 0\nexit", &()).expect("it is a program").insns;
    let (maps, btf) = (Arc::clone(&program.maps), program.btf.clone());
    let nothing = Program { maps, btf, ..Program::new("maps", program.prog_type, nothing) };
    KernelInstance::load(kernel, &[Arc::new(nothing)]).expect("maps can be made")
}

/// The lines that must be equal.
fn comparable(log: &str) -> Vec<String> {
    log.lines().map(|line| without_kfunc_id(&without_map(line))).collect()
}

/// The number of a kernel function is its BTF's: another in each kernel.
fn without_kfunc_id(line: &str) -> String {
    let Some((before, call)) = line.split_once("call ") else { return line.to_owned() };
    let Some((name, id)) = call.split_once('#') else { return line.to_owned() };
    if Kfunc::from_name(name).is_none() {
        return line.to_owned();
    }
    let behind = id.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}call {name}{}", without_columns(behind))
}

fn without_map(line: &str) -> String {
    match line.split_once(": (18) ").or_else(|| line.split_once(" (18) ")) {
        Some((pc, rest)) if rest.contains("= 0xffff") || rest.contains("= map[") => {
            let (reg, value) = rest.split_once(' ').unwrap_or((rest, ""));
            let behind = value.find(';').map_or("", |at| &value[at..]);
            format!("{pc}: (18) {reg} = map {behind}")
        }
        Some(_) | None => line.to_owned(),
    }
}

/// The state stands in a column that depends on how long the instruction is.
fn without_columns(text: &str) -> String {
    let state = text.trim_start();
    if state.starts_with(';') { format!(" {state}") } else { text.to_owned() }
}

/// Where the message of a refusal stands, ours may say more: behind the kernel's, and in lines of its own.
fn first_difference(ours: &[String], theirs: &[String], message: &str) -> Option<(String, String)> {
    let in_message = |line: &str| message.lines().any(|part| part == line);
    let (mut our, mut their) = (ours.iter(), theirs.iter());
    let mut expected = their.next();
    for line in our.by_ref() {
        match expected {
            Some(theirs) if line == theirs => expected = their.next(),
            Some(theirs) if in_message(line) && line.starts_with(theirs.as_str()) => expected = their.next(),
            Some(_) if in_message(line) => {}
            theirs => {
                return Some((line.clone(), theirs.map_or_else(|| "(nothing)".to_owned(), Clone::clone)));
            }
        }
    }
    expected.map(|theirs| ("(nothing)".to_owned(), theirs.clone()))
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
