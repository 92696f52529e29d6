//! What no verified program does ends the run with a fault that says where and what.

use bpfreplay_runtime::{Context, Executable, FaultKind};

use super::{Maps, fault, frame, run, run_on, run_program};
use crate::program::InterpretedProgram;
use crate::{DEFAULT_STEP_LIMIT, PrepareError};

#[test]
fn out_of_bounds() {
    for (source, addr) in
        [("r1 = 0\nr0 = *(u32 *)(r1 + 4)\nexit", 4), ("r1 = -2\n*(u32 *)(r1 + 0) = 0\nexit", -2i64)]
    {
        assert_eq!(fault(source), (1, FaultKind::OutOfBounds { addr: addr as u64, size: 4 }));
    }
    for source in [
        "r0 = *(u8 *)(r10 + 0)\nexit",
        "r0 = *(u64 *)(r10 - 4)\nexit",
        "r0 = *(u8 *)(r10 - 513)\nexit",
        "r1 = 1\nlock *(u64 *)(r10 + 0) += r1\nexit",
    ] {
        assert!(matches!(fault(source).1, FaultKind::OutOfBounds { .. }), "{source}");
    }
}

#[test]
fn an_atomic_must_be_aligned() {
    let source = "r1 = 1\nlock *(u64 *)(r10 - 12) += r1\nexit";
    assert!(matches!(fault(source), (1, FaultKind::Misaligned { size: 8, .. })));
}

#[test]
fn atomics_reach_neither_packet_nor_context() {
    use bpfreplay_runtime::SKB_LAYOUT;
    use bpfreplay_uapi::skb::SkbField;
    let data = SKB_LAYOUT.field(SkbField::Data).off;
    let mark = SKB_LAYOUT.field(SkbField::Mark).off;
    let packet = format!("r2 = *(u64 *)(r1 + {data})\nr3 = 1\nlock *(u32 *)(r2 + 0) += r3\nexit");
    let context = format!("r3 = 1\nlock *(u32 *)(r1 + {mark}) += r3\nexit");
    for source in [packet, context] {
        assert!(matches!(fault(&source).1, FaultKind::ReadOnly { .. }), "{source}");
    }
}

#[test]
fn packet_loads_need_the_context_in_r6() {
    assert_eq!(fault("r6 = r1\nr6 += 8\nr0 = *(u8 *)skb[0]\nexit"), (2, FaultKind::BadInstruction));
    let event = [0; 8];
    let plain = run_on(&Maps::default(), "r6 = r1\nr0 = *(u8 *)skb[0]\nexit", Context::Plain(&event));
    assert_eq!(plain.unwrap_err().kind, FaultKind::BadInstruction);
}

#[test]
fn running_past_the_end() {
    assert_eq!(fault("r0 = 1"), (1, FaultKind::BadJump));
    assert_eq!(fault("r0 = 1 ll\nif r0 == 1 goto a\nexit\na: r0 = 2"), (5, FaultKind::BadJump));
}

#[test]
fn the_step_limit_ends_a_loop_without_end() {
    let program = Maps::default().prepare("test", "a: goto a", 1000);
    let (outcome, _) = run_program(&program, frame(64).context());
    let fault = outcome.unwrap_err();
    assert_eq!((fault.prog, fault.pc, fault.kind), (program.id(), 0, FaultKind::StepLimit));
    assert_eq!(run("r0 = 1000\na: r0 -= 1\nif r0 != 0 goto a\nexit"), Ok(0));
}

#[test]
fn a_fault_of_one_run_is_gone_in_the_next() {
    use bpfreplay_runtime::ExecutionContext;
    let maps = Maps::default();
    let bad = maps.prepare("bad", "call f\nexit\nf: r1 = 0\nr0 = *(u8 *)(r1 + 0)\nexit", DEFAULT_STEP_LIMIT);
    let good =
        maps.prepare("good", "*(u64 *)(r10 - 8) = 3\nr0 = *(u64 *)(r10 - 8)\nexit", DEFAULT_STEP_LIMIT);
    let mut exec = ExecutionContext::new(0);
    let mut batch = exec.batch();
    for _ in 0..3 {
        assert_eq!(bad.run(frame(64).context(), &mut batch), 0);
        assert!(batch.fault.is_some());
        assert_eq!(good.run(frame(64).context(), &mut batch), 3);
        assert!(batch.fault.is_none());
    }
}

#[test]
fn what_cannot_run_is_refused_before() {
    let refuse = |source: &str| {
        let assembly = bpfreplay_isa::assemble(source, &()).unwrap();
        let info = Maps::default().prepare("info", "exit", 1).info().clone();
        InterpretedProgram::of_xlated(info, &assembly.insns, &[], 1).unwrap_err()
    };
    assert_eq!(refuse("goto +1\nexit"), PrepareError::BadTarget { pc: 0, target: 2 });
    assert_eq!(refuse("goto -2\nexit"), PrepareError::BadTarget { pc: 0, target: -1 });
    assert_eq!(refuse("goto +1\nr0 = 1 ll\nexit"), PrepareError::BadTarget { pc: 0, target: 2 });
    assert_eq!(refuse("r10 = 1\nexit"), PrepareError::FramePointer { pc: 0 });
    assert_eq!(refuse("call 4\nexit"), PrepareError::UnknownHelper { pc: 0, id: 4 });
    let refused = refuse("call 76\nexit").to_string();
    assert_eq!(refused, "insn 0 calls bpf_lwt_seg6_action#76, which this engine has not");
    assert_eq!(refuse("r1 = map(3) ll\nexit"), PrepareError::NoSuchMap { pc: 0, map: 3 });
    assert!(matches!(refuse("call kfunc(999)\nexit"), PrepareError::Unsupported { pc: 0, .. }));
    assert_eq!(
        refuse("call kfunc(999)\nexit").to_string(),
        "insn 0 is a call of a kernel function this engine does not have, which is not supported"
    );
}
