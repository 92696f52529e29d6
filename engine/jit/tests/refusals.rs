//! Programs the JIT does not take, and what it says of them.

mod support;

use support::{Known, World};

#[test]
fn a_helper_there_is_not_is_named() {
    let world = World::with_jmp();
    let refused = |code: &str| {
        let program = world.assemble("main", Known::Nothing, code);
        world.jit.prepare(&program, &world.maps).expect_err("there is no such helper").to_string()
    };
    assert_eq!(
        refused("call 76\nexit"),
        "main: instruction 0 (call bpf_lwt_seg6_action#76): this engine has no such helper"
    );
    assert_eq!(
        refused("call 9999\nexit"),
        "main: instruction 0 (call 0x270f): this engine has no such helper"
    );
}
