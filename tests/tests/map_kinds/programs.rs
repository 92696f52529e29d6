//! The program that makes a step: arguments on its stack, one helper, its result as r0.

use std::fmt::Write as _;

use crate::step::Step;

/// What a lookup that finds nothing returns.
pub(crate) const NULL: u32 = u32::MAX;

/// Where keys and values lie, below r10.
const KEY: usize = 256;
const INNER_KEY: usize = 320;
const VALUE: usize = 128;

/// BPF assembly for a step of a program.
pub(crate) fn code(step: &Step, value_size: u32) -> String {
    let map = step.word(2, "");
    let mut code = String::from("r6 = r1\n");
    let with_map = |code: &mut String, helper: &str| {
        writeln!(code, "r1 = map({map}) ll\ncall {helper}").unwrap();
    };
    match step.word(1, "") {
        "lookup" => {
            place(&mut code, KEY, &step.bytes(3), "r2");
            with_map(&mut code, "bpf_map_lookup_elem");
            code.push_str(SHOW);
        }
        "inner" => {
            place(&mut code, KEY, &step.bytes(3), "r2");
            with_map(&mut code, "bpf_map_lookup_elem");
            code.push_str("if r0 == 0 goto null\nr1 = r0\n");
            place(&mut code, INNER_KEY, &step.bytes(4), "r2");
            code.push_str("call bpf_map_lookup_elem\n");
            code.push_str(SHOW);
        }
        "percpu" => {
            place(&mut code, KEY, &step.bytes(3), "r2");
            writeln!(code, "r3 = {}", step.number(4)).unwrap();
            with_map(&mut code, "bpf_map_lookup_percpu_elem");
            code.push_str(SHOW);
        }
        "update" => {
            place(&mut code, KEY, &step.bytes(3), "r2");
            place(&mut code, VALUE, &step.bytes(4), "r3");
            writeln!(code, "r4 = {}", step.number(5)).unwrap();
            with_map(&mut code, "bpf_map_update_elem");
        }
        "delete" => {
            place(&mut code, KEY, &step.bytes(3), "r2");
            with_map(&mut code, "bpf_map_delete_elem");
        }
        "push" => {
            place(&mut code, VALUE, &step.bytes(3), "r2");
            writeln!(code, "r3 = {}", step.number(4)).unwrap();
            with_map(&mut code, "bpf_map_push_elem");
        }
        "contains" => {
            place(&mut code, VALUE, &step.bytes(3), "r2");
            with_map(&mut code, "bpf_map_peek_elem");
        }
        ends @ ("pop" | "peek") => {
            place(&mut code, VALUE, &vec![0; value_size as usize], "r2");
            with_map(&mut code, &format!("bpf_map_{ends}_elem"));
            writeln!(code, "if r0 != 0 goto out\nr0 = *(u32 *)(r10 - {VALUE})\nout:").unwrap();
        }
        "output" => {
            let data = step.bytes(3);
            place(&mut code, VALUE, &data, "r2");
            writeln!(code, "r3 = {}\nr4 = {} ll", data.len(), step.number(4)).unwrap();
            with_map(&mut code, "bpf_ringbuf_output");
        }
        "reserve" => {
            let end = step.word(5, "submit");
            writeln!(code, "r2 = {}\nr3 = {}", step.number(3), step.number(4)).unwrap();
            with_map(&mut code, "bpf_ringbuf_reserve");
            writeln!(
                code,
                "if r0 == 0 goto null\nr1 = 7\n*(u8 *)(r0 + 0) = r1\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_{end}\nr0 = 0\n\
                 exit\nnull: r0 = -1"
            )
            .unwrap();
        }
        "query" => {
            writeln!(code, "r2 = {}", step.number(3)).unwrap();
            with_map(&mut code, "bpf_ringbuf_query");
        }
        "perf" => {
            let data = step.bytes(3);
            place(&mut code, VALUE, &data, "r4");
            writeln!(
                code,
                "r5 = {}\nr3 = {} ll\nr2 = map({map}) ll\nr1 = r6\ncall bpf_perf_event_output",
                data.len(),
                step.number(4)
            )
            .unwrap();
        }
        other => panic!("no such step of a program: {other}"),
    }
    code.push_str("exit\n");
    code
}

/// The first bytes of a value, or [`NULL`].
const SHOW: &str = "if r0 == 0 goto null\nr0 = *(u32 *)(r0 + 0)\nexit\nnull: r0 = -1\n";

/// Puts bytes on the stack and their address into a register.
fn place(code: &mut String, below: usize, bytes: &[u8], register: &str) {
    for (at, byte) in bytes.iter().enumerate() {
        writeln!(code, "*(u8 *)(r10 - {}) = {byte}", below - at).unwrap();
    }
    writeln!(code, "{register} = r10\n{register} += -{below}").unwrap();
}

/// What a program returned, as a case states it.
pub(crate) fn show(step: &Step, retval: u32) -> String {
    match step.word(1, "") {
        "lookup" | "inner" | "percpu" if retval == NULL => "null".to_owned(),
        "lookup" | "inner" | "percpu" => crate::step::hex(&retval.to_le_bytes()),
        "pop" | "peek" if retval as i32 >= 0 => crate::step::hex(&retval.to_le_bytes()),
        _ => (retval as i32).to_string(),
    }
}
