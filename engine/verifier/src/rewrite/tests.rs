//! Programs in, xlated text out.

use std::sync::Arc;

use bpfreplay_isa::{Symbols, assemble, decode_program};
use bpfreplay_program::{MapSpec, Program};
use bpfreplay_uapi::{ContextLayout, HelperId, MapType, NativeField, ProgType, SkbField, SkbValue, XdpField};

use crate::{LogLevel, Options, TailCallSite, VerifiedProgram, verify};

/// An engine's struct that keeps each field at 512 and its UAPI offset, as wide as the kernel does.
fn layout() -> ContextLayout {
    let mut skb = [NativeField { off: 0, width: 0 }; SkbField::COUNT];
    for &field in SkbField::ALL {
        let width = match field {
            SkbField::PktType | SkbField::TstampType => 1,
            SkbField::QueueMapping
            | SkbField::Protocol
            | SkbField::VlanTci
            | SkbField::VlanProto
            | SkbField::TcIndex
            | SkbField::TcClassid
            | SkbField::GsoSegs
            | SkbField::GsoSize => 2,
            SkbField::Data | SkbField::DataEnd | SkbField::DataMeta | SkbField::Tstamp => 8,
            SkbField::Cb => 20,
            SkbField::Sk => 0,
            _ => 4,
        };
        skb[field as usize] = NativeField { off: 512 + field.offset() as u16, width };
    }
    let xdp = XdpField::ALL.map(|field| NativeField {
        off: 512 + field.offset() as u16,
        width: if field.value() == SkbValue::Scalar { 4 } else { 8 },
    });
    ContextLayout { skb, xdp }
}

struct Names;

impl Symbols for Names {
    fn map(&self, name: &str) -> Option<u32> {
        ["array", "jmp"].iter().position(|known| *known == name).map(|at| at as u32)
    }

    fn helper(&self, name: &str) -> Option<u32> {
        HelperId::ALL.iter().find(|id| id.proto().name == name).map(|id| id.id())
    }
}

fn verified(source: &str) -> VerifiedProgram {
    verified_as(ProgType::SchedCls, source)
}

fn verified_as(prog_type: ProgType, source: &str) -> VerifiedProgram {
    let insns = assemble(source, &Names).expect("assembles").insns;
    let mut program = Program::new("test", prog_type, insns);
    program.maps = Arc::new([
        MapSpec::new("array", MapType::Array, 4, 8, 4),
        MapSpec::new("jmp", MapType::ProgArray, 4, 4, 4),
    ]);
    verify(Arc::new(program), &Options { layout: &layout(), log: LogLevel::Off }).expect("accepted")
}

fn xlated(source: &str) -> Vec<String> {
    let verified = verified(source);
    let instructions = decode_program(verified.xlated()).expect("xlated programs decode");
    instructions.into_iter().map(|(_, instruction)| instruction.to_string()).collect()
}

/// The first instruction, rewritten, without what follows it.
fn one(instruction: &str) -> Vec<String> {
    let mut text = xlated(&format!("r2 = 7\n{instruction}\nr0 = 0\nexit"));
    text.remove(0);
    text.truncate(text.len() - 2);
    text
}

#[test]
fn loads_go_to_the_engines_struct() {
    assert_eq!(one("r3 = *(u32 *)(r1 + 8)"), ["r3 = *(u32 *)(r1 + 0x208)"]);
    assert_eq!(one("r3 = *(u32 *)(r1 + 76)"), ["r3 = *(u64 *)(r1 + 0x24c)"], "data is a whole pointer");
    assert_eq!(one("r3 = *(u64 *)(r1 + 152)"), ["r3 = *(u64 *)(r1 + 0x298)"]);
    assert_eq!(one("r3 = *(u64 *)(r1 + 56)"), ["r3 = *(u64 *)(r1 + 0x238)"], "cb is bytes");
    assert_eq!(one("r3 = *(u64 *)(r1 + 168)"), ["r3 = 0x0"], "no sockets in this engine");
}

#[test]
fn fields_of_xdp_md_are_loaded_whole() {
    let source = "r2 = *(u32 *)(r1 + 4)\nr0 = *(s32 *)(r1 + 12)\nexit";
    let verified = verified_as(ProgType::Xdp, source);
    let instructions = decode_program(verified.xlated()).expect("xlated programs decode");
    let text: Vec<_> = instructions.into_iter().map(|(_, instruction)| instruction.to_string()).collect();
    assert_eq!(text, ["r2 = *(u64 *)(r1 + 0x204)", "r0 = *(s32 *)(r1 + 0x20c)", "exit"]);
}

/// spec/skb-context.md section 2: shift and mask only where fewer bytes are asked for than the kernel's field has.
#[test]
fn narrow_loads_are_cut_out_of_the_whole_field() {
    assert_eq!(one("r3 = *(u8 *)(r1 + 8)"), ["r3 = *(u32 *)(r1 + 0x208)", "w3 &= 0xff"]);
    assert_eq!(one("r3 = *(u8 *)(r1 + 9)"), ["r3 = *(u32 *)(r1 + 0x208)", "w3 >>= 0x8", "w3 &= 0xff"]);
    assert_eq!(one("r3 = *(u16 *)(r1 + 10)"), ["r3 = *(u32 *)(r1 + 0x208)", "w3 >>= 0x10", "w3 &= 0xffff"]);
    let queue_mapping = ["r3 = *(u16 *)(r1 + 0x20c)"];
    assert_eq!(one("r3 = *(u16 *)(r1 + 12)"), queue_mapping);
    assert_eq!(one("r3 = *(u16 *)(r1 + 14)"), queue_mapping, "both halves read the same");
    assert_eq!(one("r3 = *(u8 *)(r1 + 15)"), ["r3 = *(u16 *)(r1 + 0x20c)", "w3 >>= 0x18", "w3 &= 0xff"]);
    assert_eq!(one("r3 = *(u8 *)(r1 + 7)"), ["r3 = *(u8 *)(r1 + 0x204)"], "pkt_type has one byte");
    assert_eq!(
        one("r3 = *(s8 *)(r1 + 9)"),
        ["r3 = *(u32 *)(r1 + 0x208)", "w3 >>= 0x8", "w3 &= 0xff", "r3 = (s8)r3"]
    );
}

#[test]
fn stores_take_the_width_of_the_field() {
    assert_eq!(one("*(u32 *)(r1 + 8) = r2"), ["*(u32 *)(r1 + 0x208) = r2"]);
    assert_eq!(one("*(u32 *)(r1 + 44) = r2"), ["*(u16 *)(r1 + 0x22c) = r2"], "tc_index has two bytes");
    assert_eq!(one("*(u8 *)(r1 + 67) = 3"), ["*(u8 *)(r1 + 0x243) = 0x3"]);
}

/// A register's value is compared unsigned, a constant signed, with 0xffff: "no queue".
#[test]
fn queue_mapping_is_guarded() {
    let guarded = one("*(u32 *)(r1 + 12) = r2");
    assert_eq!(guarded, ["if r2 >= 0xffff goto +0x1", "*(u16 *)(r1 + 0x20c) = r2"]);
    assert_eq!(one("*(u32 *)(r1 + 12) = 65535"), [""; 0]);
    assert_eq!(one("*(u32 *)(r1 + 12) = 65534"), ["*(u16 *)(r1 + 0x20c) = 0xfffe"]);
    assert_eq!(one("*(u32 *)(r1 + 12) = -5").len(), 1, "stored, cut to 16 bits");
}

#[test]
fn dead_code_goes() {
    let text = xlated(
        "
        r0 = 1
        if r0 == 1 goto out
        r0 = 2
        r0 /= 0
    out:
        exit
        ",
    );
    assert_eq!(text, ["r0 = 0x1", "exit"]);
}

#[test]
fn a_branch_never_taken_goes() {
    let text = xlated(
        "
        r0 = 1
        if r0 > 5 goto bad
        exit
    bad:
        r0 = r9
        exit
        ",
    );
    assert_eq!(text, ["r0 = 0x1", "exit"]);
}

#[test]
fn jumps_over_longer_code_are_linked_again() {
    let verified = verified(
        "
        r6 = r1
        r7 = 0
    loop:
        r2 = *(u8 *)(r6 + 9)
        if r2 == 3 goto out
        *(u32 *)(r6 + 12) = r2
        r7 += 1
        if r7 < 4 goto loop
    out:
        r0 = 0
        exit
        ",
    );
    let text: Vec<String> = decode_program(verified.xlated())
        .expect("decodes")
        .into_iter()
        .map(|(_, instruction)| instruction.to_string())
        .collect();
    assert_eq!(
        text,
        [
            "r6 = r1",
            "r7 = 0x0",
            "r2 = *(u32 *)(r6 + 0x208)",
            "w2 >>= 0x8",
            "w2 &= 0xff",
            "if r2 == 0x3 goto +0x4",
            "if r2 >= 0xffff goto +0x1",
            "*(u16 *)(r6 + 0x20c) = r2",
            "r7 += 0x1",
            "if r7 < 0x4 goto -0x8",
            "r0 = 0x0",
            "exit",
        ]
    );
    assert_eq!(verified.orig_pc(), [0, 1, 2, 2, 2, 3, 4, 4, 5, 6, 7, 8]);
}

#[test]
fn facts_name_tail_calls_maps_and_keys() {
    let verified = verified(
        "
        r6 = r1
        *(u32 *)(r10 - 8) = 3
        r2 = r10
        r2 += -8
        r1 = map(array) ll
        call bpf_map_lookup_elem
        r1 = r6
        r2 = 0
        call bpf_skb_pull_data
        r1 = r6
        r2 = map(jmp) ll
        r3 = 2
        call bpf_tail_call
        r0 = 0
        exit
        ",
    );
    let facts = verified.facts();
    assert!(facts.writes_packet && facts.changes_packet_data);
    let lookup = facts.map_accesses.first().expect("one lookup");
    assert_eq!((lookup.map, lookup.key), (0, Some(3)));
    assert_eq!(facts.tail_calls, [TailCallSite { pc: 14, map: Some(1), index: Some(2) }]);
    let subprogs = verified.subprogs();
    assert_eq!((subprogs.len(), subprogs[0].stack_depth, subprogs[0].tail_call_reachable), (1, 8, true));
}

#[test]
fn an_index_that_varies_is_no_fact() {
    let verified = verified(
        "
        r3 = *(u32 *)(r1 + 0)
        if r3 > 100 goto call
        r3 = 2
    call:
        r2 = map(jmp) ll
        call bpf_tail_call
        r0 = 0
        exit
        ",
    );
    let site = verified.facts().tail_calls.first().expect("one site");
    assert_eq!((site.map, site.index), (Some(1), None));
}
