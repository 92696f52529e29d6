//! Damaged programs: the verifier never panics or hangs on them, and takes none that the kernel refuses.
//!
//! Every case of `tests/cases/verifier` is damaged in many ways. What we accept is offered to the kernel. The seed is
//! fixed; `BPFREPLAY_MUTANTS` sets how many there are of each program, `BPFREPLAY_SEED` another seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bpfreplay_isa::Insn;
use bpfreplay_program::Program;
use bpfreplay_runtime::SKB_LAYOUT;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::case::{verifier_cases, verifier_program};
use bpfreplay_tests::kernel::KernelInstance;
use bpfreplay_verifier::{ErrorKind, LogLevel, Options, verify};

/// Mutants of each case, unless the environment says otherwise.
const MUTANTS: u64 = 6;

#[test]
fn damaged_programs_are_judged_as_the_kernel_does() {
    let kernel = Kernel::or_skip("the kernel as a judge of mutants");
    let mutants = from_environment("BPFREPLAY_MUTANTS", MUTANTS);
    let mut random = Random(from_environment("BPFREPLAY_SEED", 0x9e37_79b9_7f4a_7c15));
    let (mut accepted, mut refused, mut stricter) = (0, 0, 0);
    let mut unsound = Vec::new();
    for (name, case) in verifier_cases() {
        let original = verifier_program(&case);
        // Programs that take a million steps take them damaged as well.
        if name.contains("million") {
            continue;
        }
        for _ in 0..mutants {
            let mut program = original.clone();
            for _ in 0..=random.below(2) {
                damage(&mut program.insns, &mut random);
            }
            let program = Arc::new(program);
            let options = Options { layout: &SKB_LAYOUT, log: LogLevel::Off };
            let verdict = catch_unwind(AssertUnwindSafe(|| verify(Arc::clone(&program), &options)))
                .unwrap_or_else(|_| {
                    panic!("{name} damaged makes the verifier panic:\n{}", listing(&program))
                });
            let Some(kernel) = kernel else { continue };
            let loaded = KernelInstance::load(kernel, &[Arc::clone(&program)]);
            match (verdict, loaded) {
                (Ok(_), Ok(_)) => accepted += 1,
                (Err(_), Err(_)) => refused += 1,
                (Ok(_), Err(error)) => {
                    unsound.push(format!("{name}, damaged:\n{}the kernel: {error}\n", listing(&program)));
                }
                (Err(error), Ok(_)) => {
                    stricter += 1;
                    // The kernel looks away from the offset of `exit` and the like; our decoder does not.
                    let form = error.message.contains("reserved fields");
                    if error.kind != ErrorKind::Unsupported && !form {
                        println!("{name}, damaged: the kernel accepts\n{}{error}\n", listing(&program));
                    }
                }
            }
        }
    }
    println!("accepted {accepted}, refused {refused}, stricter than the kernel {stricter}");
    assert!(
        unsound.is_empty(),
        "{} accepted that the kernel refuses:\n{}",
        unsound.len(),
        unsound.join("\n")
    );
}

/// One small damage to one slot, or two slots swapped, one doubled, one lost.
fn damage(insns: &mut Vec<Insn>, random: &mut Random) {
    let at = random.below(insns.len() as u64) as usize;
    let other = random.below(insns.len() as u64) as usize;
    let insn = &mut insns[at];
    match random.below(12) {
        0 => insn.opcode = random.below(256) as u8,
        1 => insn.opcode ^= 1 << random.below(8),
        2 | 3 => insn.regs = (insn.regs & 0xf0) | random.below(11) as u8,
        4 | 5 => insn.regs = (insn.regs & 0x0f) | (random.below(11) as u8) << 4,
        6 => insn.imm = insn.imm.wrapping_add(random.below(9) as i32 - 4),
        7 => insn.imm = random.interesting(),
        8 => insn.off = insn.off.wrapping_add(random.below(17) as i16 - 8),
        9 => insn.off = random.interesting() as i16,
        10 => insns.swap(at, other),
        _ if insns.len() > 2 && random.below(2) == 0 => drop(insns.remove(at)),
        _ => {
            let copy = insns[other];
            insns.insert(at, copy);
        }
    }
}

fn listing(program: &Program) -> String {
    let mut out = String::new();
    let mut pc = 0;
    while pc < program.insns.len() {
        match bpfreplay_isa::decode(&program.insns, pc) {
            Ok(instruction) => {
                out.push_str(&format!("  {pc}: {instruction}\n"));
                pc += instruction.slots();
            }
            Err(_) => {
                out.push_str(&format!("  {pc}: {:?}\n", program.insns[pc]));
                pc += 1;
            }
        }
    }
    out
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// xorshift*: the same run every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    fn interesting(&mut self) -> i32 {
        const NUMBERS: [i32; 14] = [0, 1, -1, 4, 8, -8, 15, 16, 17, 255, 0xffff, 0x10000, i32::MIN, i32::MAX];
        NUMBERS[self.below(14) as usize]
    }
}
