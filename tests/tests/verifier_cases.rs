//! Small programs that are accepted or refused, and the kernel's word on each.
//!
//! The cases are files of `tests/cases/verifier`, one an area. A case without `refuse` is accepted; one with it is
//! refused with that text in the message. The kernel must agree on the verdict and, unless the case says `kernel`, on
//! the text; a case on which it does not has `differs` with the reason. Every refusal says what is missing.

use std::sync::Arc;

use bpfreplay_isa::{AluOp, Instruction, Operand, Reg, Size, Width, encode};
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::case::{ProgramDef, assemble_program, verifier_cases, verifier_program};
use bpfreplay_tests::kernel::{KernelInstance, LoadError};
use bpfreplay_uapi::ProgType;
use bpfreplay_verifier::{LogLevel, Options, verify};

#[test]
fn cases_are_judged_as_they_say() {
    let mut failures = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for (name, case) in verifier_cases() {
        let program = Arc::new(verifier_program(&case));
        let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
        match (verify(program, &options), &case.refuse) {
            (Ok(_), None) => accepted += 1,
            (Err(error), Some(text)) if error.message.contains(text.as_str()) => {
                refused += 1;
                let Some(hint) = error.evidence.hint.as_deref() else {
                    failures.push(format!("{name}: what is missing is not said: {}", error.message));
                    continue;
                };
                if let Some(help) = case.help.as_deref().filter(|help| !hint.contains(help)) {
                    failures.push(format!("{name}: help with {help:?} was expected, it is {hint:?}"));
                }
            }
            (Ok(_), Some(text)) => failures.push(format!("{name}: accepted, not refused with {text:?}")),
            (Err(error), Some(text)) => failures.push(format!("{name}: expected {text:?}, got {error}")),
            (Err(error), None) => failures.push(format!("{name}: refused: {error}")),
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
    assert!(refused >= 100, "only {refused} unsafe programs");
    assert!(accepted >= 60, "only {accepted} safe programs");
    println!("{accepted} accepted, {refused} refused");
}

/// Every offset, size and direction, one program each.
#[test]
fn context_accesses_are_allowed_as_the_kernel_allows_them() {
    let Some(kernel) = Kernel::or_skip("the kernel as a judge of verifier cases") else { return };
    let mut failures = Vec::new();
    for &prog_type in ProgType::ALL {
        for (off, size) in (-8..=200).flat_map(|off| Size::ALL.map(|size| (off, size))) {
            let zero =
                |dst| Instruction::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Operand::Imm(0) };
            let accesses = [
                Instruction::Load { size, signed: false, dst: Reg::R2, base: Reg::R1, off },
                Instruction::Load { size, signed: true, dst: Reg::R2, base: Reg::R1, off },
                Instruction::Store { size, base: Reg::R1, off, src: Operand::Reg(Reg::R0) },
            ];
            // The kernel compares offsets into a tracepoint's record as unsigned here and signed there, and takes
            // negative ones. We do not.
            if prog_type == ProgType::Tracepoint && off < 0 {
                continue;
            }
            for access in accesses {
                if matches!(access, Instruction::Load { signed: true, size: Size::Dw, .. }) {
                    continue;
                }
                let insns =
                    [zero(Reg::R0), access, Instruction::Exit].map(|instruction| encode(instruction).0);
                let program = Arc::new(Program::new("access", prog_type, insns.to_vec()));
                let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
                let ours = verify(Arc::clone(&program), &options);
                let theirs = KernelInstance::load(kernel, &[program]);
                if ours.is_ok() != theirs.is_ok() {
                    let name = prog_type.name();
                    failures.push(format!("{name}: {access}: ours {:?}, theirs {theirs:?}", ours.err()));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} accesses differ:\n{}", failures.len(), failures.join("\n"));
}

/// Every offset and size of every sort of socket, one program each.
#[test]
fn socket_fields_are_loaded_as_the_kernel_allows_it() {
    let Some(kernel) = Kernel::or_skip("the kernel as a judge of socket fields") else { return };
    let common = "r1 = *(u64 *)(r1 + 168)\nif r1 == 0 goto out\n";
    let made = |helper: &str| format!("{common}call {helper}\nif r0 == 0 goto out\nr1 = r0\n");
    let sorts = [common.to_owned(), made("bpf_sk_fullsock"), made("bpf_tcp_sock")];
    let mut failures = Vec::new();
    let places = || (-8..=116).flat_map(|off| Size::ALL.map(|size| (off, size)));
    for (sort, (off, size)) in sorts.iter().flat_map(|sort| places().map(move |place| (sort, place))) {
        let at = if off < 0 { format!("- {}", -off) } else { format!("+ {off}") };
        let load = format!("r0 = *(u{} *)(r1 {at})", size.bits());
        let code = format!("{sort}{load}\nout:\nr0 = 0\nexit");
        let def = ProgramDef::new("access", &code);
        let maps: Arc<[MapSpec]> = Arc::new([]);
        let assembled = assemble_program(&def, &maps).expect("assembles");
        let program = Arc::new(Program { funcs: Vec::new(), btf: None, ..assembled });
        let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
        let ours = verify(Arc::clone(&program), &options);
        let theirs = KernelInstance::load(kernel, &[program]);
        if ours.is_ok() != theirs.is_ok() {
            failures.push(format!("{sort}{load}: ours {:?}, theirs {theirs:?}", ours.err()));
        }
    }
    assert!(failures.is_empty(), "{} accesses differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_kernel_agrees() {
    let Some(kernel) = Kernel::or_skip("the kernel as a judge of verifier cases") else { return };
    let mut failures = Vec::new();
    for (name, case) in verifier_cases() {
        let loaded = KernelInstance::load(kernel, &[Arc::new(verifier_program(&case))]);
        let refuse = match case.kernel_verdict.as_deref() {
            Some("accept") => None,
            Some(_) => Some(""),
            None => case.refuse.as_deref(),
        };
        if case.kernel_verdict.is_some() && case.differs.is_none() {
            failures.push(format!("{name}: another verdict needs a reason"));
        }
        match (loaded, refuse.map(|text| case.kernel.as_deref().unwrap_or(text))) {
            (Ok(_), None) => {}
            (Ok(_), Some(text)) => failures.push(format!("{name}: the kernel accepts, expected {text:?}")),
            (Err(LoadError::Program(refused)), Some(text)) if refused.log.contains(text) => {}
            (Err(error), Some(text)) => {
                failures.push(format!("{name}: expected {text:?}, the kernel: {error}"));
            }
            (Err(error), None) => failures.push(format!("{name}: the kernel refuses: {error}")),
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}
