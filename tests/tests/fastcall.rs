//! Spills that `bpf_fastcall` makes needless are removed where the kernel removes them: what is left of each case in
//! `tests/cases/verifier/fastcall.toml` is compared with the kernel's instructions. And it still computes the same.

use std::sync::Arc;

use bpfreplay_instance::Engine as OurEngine;
use bpfreplay_isa::Insn;
use bpfreplay_program::Program;
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::case::{Engine, KernelEngine, VerifierCase, verifier_cases, verifier_program};
use bpfreplay_tests::kernel::KernelInstance;
use bpfreplay_verifier::{LogLevel, Options, verify};

/// `call bpf_get_smp_processor_id`, which the kernel writes as a load of this CPU's variable: a constant, the address
/// of this CPU's copy, a load.
const CPU_CALL: Insn = Insn { opcode: 0x85, regs: 0, off: 0, imm: 8 };
const CPU_LOAD: [u8; 3] = [0xb7, 0xbf, 0x61];

#[test]
fn what_is_left_is_what_the_kernel_leaves() {
    let Some(kernel) = Kernel::or_skip("the kernel as a judge of removed spills") else { return };
    let mut failures = Vec::new();
    for (name, case) in accepted() {
        let program = program(&case);
        let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
        let ours = verify(Arc::clone(&program), &options).expect("it is accepted");
        let instance = KernelInstance::load(kernel, &[program]).expect("the kernel accepts it");
        let fd = instance.program("case").expect("it is there");
        let theirs = comparable(&kernel.xlated(fd).expect("the kernel tells"));
        let ours = comparable(ours.xlated());
        if ours != theirs {
            failures.push(format!("{name}:\nours   {}\nkernel {}", text(&ours), text(&theirs)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn it_computes_the_same() {
    let kernel = Kernel::or_skip("the kernel as a judge of removed spills").map(KernelEngine);
    // The CPU's number is in none of the results.
    for (name, case) in accepted() {
        let program = program(&case);
        let run = |engine: &dyn Engine| {
            let mut loaded =
                engine.load(&[Arc::clone(&program)]).unwrap_or_else(|error| panic!("{name}: {error}"));
            let frame = [0x45; 64];
            loaded.run("case", &frame).expect("no fault").expect("it takes the frame").retval
        };
        let [interpreter, jit] = [OurEngine::Interpreter, OurEngine::Jit].map(|engine| run(&engine));
        assert_eq!(interpreter, jit, "{name}");
        if let Some(kernel) = &kernel {
            assert_eq!(jit, run(kernel), "{name}");
        }
    }
}

fn accepted() -> Vec<(String, VerifierCase)> {
    let mut cases = verifier_cases();
    cases.retain(|(name, case)| name.starts_with("fastcall: ") && case.refuse.is_none());
    assert!(cases.len() > 20, "{} cases", cases.len());
    cases
}

/// None of them uses a map, and not every fixture can be made.
fn program(case: &VerifierCase) -> Arc<Program> {
    Arc::new(Program { maps: Arc::new([]), ..verifier_program(case) })
}

/// Instructions without what must differ: calls of helpers are by address in the kernel, accesses of the context have
/// another structure's offsets, and distances of jumps and calls depend on how long the call in question is.
fn comparable(insns: &[Insn]) -> Vec<Insn> {
    let mut out = Vec::new();
    let mut rest = insns;
    while let Some((&first, more)) = rest.split_first() {
        let opcodes: Vec<u8> = rest.iter().take(3).map(|insn| insn.opcode).collect();
        if opcodes == CPU_LOAD && rest[1].off == -1 {
            out.push(CPU_CALL);
            rest = &rest[3..];
            continue;
        }
        rest = more;
        let jumps = matches!(first.opcode & 7, 5 | 6) && first.opcode != 0x95;
        let loads_context = first.opcode & 7 == 1 && first.src() != 10;
        out.push(match first {
            CPU_CALL => CPU_CALL,
            Insn { opcode: 0x85, .. } => Insn { imm: 0, off: 0, ..first },
            _ if jumps || loads_context => Insn { off: 0, ..first },
            _ => first,
        });
    }
    out
}

fn text(insns: &[Insn]) -> String {
    insns
        .iter()
        .map(|insn| format!("{:02x}.{:02x}.{}.{}", insn.opcode, insn.regs, insn.off, insn.imm))
        .collect::<Vec<_>>()
        .join(" ")
}
