//! Which program types may call which helper: every pair, offered to this machine's kernel.

use std::fmt::Write as _;
use std::sync::Arc;

use bpfreplay_isa::{CallTarget, Instruction, encode};
use bpfreplay_program::Program;
use bpfreplay_tests::Kernel;
use bpfreplay_tests::kernel::KernelInstance;
use bpfreplay_uapi::{HelperId, ProgType};

/// How the kernel refuses a helper that programs of the type have not.
const NOT_THEIRS: &str = "program of this type cannot use helper";

#[test]
fn helpers_are_allowed_as_the_kernel_allows_them() {
    let Some(kernel) = Kernel::or_skip("the kernel's helpers by program type") else { return };
    let mut wrong = String::new();
    for &helper in HelperId::ALL {
        for &prog_type in ProgType::ALL {
            let insns = [Instruction::Call(CallTarget::Helper(helper.id())), Instruction::Exit];
            let program = Program::new("call", prog_type, insns.map(|insn| encode(insn).0).into());
            // Its arguments are missing; that comes later.
            let refused = KernelInstance::load(kernel, &[Arc::new(program)]).err();
            let theirs = !refused.is_some_and(|error| error.to_string().contains(NOT_THEIRS));
            let proto = helper.proto();
            if theirs != (proto.allowed)(prog_type) {
                let says = if theirs { "allows" } else { "refuses" };
                let _ = writeln!(wrong, "{}: the kernel {says} it in {}", proto.name, prog_type.name());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
