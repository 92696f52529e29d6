//! Program-local calls: frames, registers, depth.

use bpfreplay_runtime::FaultKind;

use super::{fault, run};

#[test]
fn arguments_go_in_and_results_come_out() {
    assert_eq!(run("r1 = 40\nr2 = 2\ncall add\nexit\nadd: r0 = r1\nr0 += r2\nexit"), Ok(42));
}

#[test]
fn callee_saved_registers_and_the_frame_survive() {
    let source = "
        r6 = 1
        r7 = 2
        r8 = 4
        r9 = 8
        *(u64 *)(r10 - 8) = 16
        call sub
        r0 = *(u64 *)(r10 - 8)
        r0 += r6
        r0 += r7
        r0 += r8
        r0 += r9
        exit
    sub:
        r6 = 100
        r7 = 100
        r8 = 100
        r9 = 100
        *(u64 *)(r10 - 8) = 100
        r0 = 0
        exit";
    assert_eq!(run(source), Ok(31));
}

#[test]
fn a_callee_reaches_its_caller_s_frame_by_pointer() {
    let source = "
        r1 = r10
        r1 += -8
        call sub
        r0 = *(u64 *)(r10 - 8)
        exit
    sub:
        *(u64 *)(r1 + 0) = 9
        r0 = 0
        exit";
    assert_eq!(run(source), Ok(9));
}

#[test]
fn a_frame_that_was_left_is_dead() {
    let source = "call sub\nr0 = *(u64 *)(r0 + 0)\nexit\nsub: r0 = r10\nr0 += -8\nexit";
    assert!(matches!(fault(source), (1, FaultKind::OutOfBounds { size: 8, .. })));
}

#[test]
fn eight_frames_and_not_one_more() {
    let chain = |calls: usize| {
        let mut source = String::from("r0 = 0\ncall f1\nexit\n");
        for depth in 1..calls {
            source += &format!("f{depth}: call f{}\nr0 += 1\nexit\n", depth + 1);
        }
        source + &format!("f{calls}: r0 = 0\nexit")
    };
    assert_eq!(run(&chain(7)), Ok(6));
    assert_eq!(fault(&chain(8)).1, FaultKind::CallDepth);
    assert_eq!(fault("f: call f\nexit"), (0, FaultKind::CallDepth));
}
