//! Loads, stores and atomics in every kind of memory.

use bpfreplay_isa::{AtomicOp, Size, sem};
use bpfreplay_program::MapSpec;
use bpfreplay_runtime::Context;
use bpfreplay_uapi::MapType;
use bpfreplay_uapi::map::create_flags;

use super::{Maps, frame, run, run_in, run_on};
use bpfreplay_runtime::{FaultKind, SKB_LAYOUT, SkBuff};
use bpfreplay_uapi::skb::SkbField;

#[test]
fn the_stack_keeps_what_is_stored() {
    for size in Size::ALL {
        let bits = size.bits();
        for value in [0x8182_8384_8586_8788u64, 0x7172_7374_7576_7778] {
            let low = value & (u64::MAX >> (64 - bits));
            let source =
                format!("r1 = {value} ll\n*(u{bits} *)(r10 - 12) = r1\nr0 = *(u{bits} *)(r10 - 12)\nexit");
            assert_eq!(run(&source), Ok(low), "{source}");
            if size != Size::Dw {
                let source = source.replace("r0 = *(u", "r0 = *(s");
                assert_eq!(run(&source), Ok(sem::sign_extend(size, value)), "{source}");
            }
        }
        let source = format!("*(u{bits} *)(r10 - 8) = -2\nr0 = *(u{bits} *)(r10 - 8)\nexit");
        assert_eq!(run(&source), Ok(-2i64 as u64 & (u64::MAX >> (64 - bits))), "{source}");
    }
    assert_eq!(run("*(u64 *)(r10 - 512) = 5\nr0 = *(u8 *)(r10 - 512)\nexit"), Ok(5));
}

#[test]
fn a_new_frame_is_zero() {
    assert_eq!(run("r0 = *(u64 *)(r10 - 512)\nr1 = *(u64 *)(r10 - 8)\nr0 |= r1\nexit"), Ok(0));
}

#[test]
fn atomics_of_every_row() {
    for (size, w) in [(Size::W, 'w'), (Size::Dw, 'r')] {
        let bits = size.bits();
        let mask = u64::MAX >> (64 - bits);
        for &op in AtomicOp::ALL {
            // r0 equals memory once and differs once, for cmpxchg.
            for (old, src, r0) in [(7, 0xffff_ffff_ffff_fff5u64, 7u64), (7, 3, 9)] {
                let line = match op {
                    AtomicOp::Add | AtomicOp::Or | AtomicOp::And | AtomicOp::Xor => {
                        format!("lock *(u{bits} *)(r10 - 8) {} {w}2", op.text())
                    }
                    AtomicOp::FetchAdd | AtomicOp::FetchOr | AtomicOp::FetchAnd | AtomicOp::FetchXor => {
                        format!("{w}2 = {}((u{bits} *)(r10 - 8), {w}2)", op.text())
                    }
                    AtomicOp::Xchg if size == Size::Dw => "r2 = xchg_64(r10 - 8, r2)".to_owned(),
                    AtomicOp::Xchg => "w2 = xchg32_32(r10 - 8, w2)".to_owned(),
                    AtomicOp::Cmpxchg if size == Size::Dw => "r0 = cmpxchg_64(r10 - 8, r0, r2)".to_owned(),
                    AtomicOp::Cmpxchg => "w0 = cmpxchg32_32(r10 - 8, w0, w2)".to_owned(),
                };
                let run = |result: &str| {
                    let set = format!("*(u64 *)(r10 - 8) = {old}\nr2 = {src} ll\nr0 = {r0}");
                    run(&format!("{set}\n{line}\nr0 = {result}\nexit")).unwrap()
                };
                let memory = match size {
                    Size::Dw => sem::atomic64(op, old, src, r0),
                    Size::B | Size::H | Size::W => {
                        u64::from(sem::atomic32(op, old as u32, src as u32, r0 as u32))
                    }
                };
                assert_eq!(run("*(u64 *)(r10 - 8)"), memory, "{line}");
                let fetched_src = op.fetches() && op != AtomicOp::Cmpxchg;
                assert_eq!(run("r2"), if fetched_src { old & mask } else { src }, "{line}");
                assert_eq!(run("r0"), if op == AtomicOp::Cmpxchg { old & mask } else { r0 }, "{line}");
            }
        }
    }
}

/// The line that loads the packet's start or end into a register, in this engine's layout.
fn pointer(reg: &str, field: SkbField) -> String {
    format!("{reg} = *(u64 *)(r1 + {})", SKB_LAYOUT.field(field).off)
}

#[test]
fn packet_bytes_can_be_read_and_written_up_to_data_end() {
    let data = pointer("r2", SkbField::Data);
    let mut test_frame = frame(64);
    let skb = test_frame.skb();
    let source = format!(
        "{data}
         r3 = {}
         *(u8 *)(r2 + 63) = 0xaa
         *(u16 *)(r2 + 1) = 0x1122
         r0 = *(u32 *)(r2 + 60)
         exit",
        pointer("", SkbField::DataEnd).trim_start_matches(" = ")
    );
    assert_eq!(run_on(&Maps::default(), &source, Context::Skb(&mut *skb)), Ok(0xaa3e_3d3c));
    assert_eq!((skb.packet()[1], skb.packet()[2], skb.packet()[63]), (0x22, 0x11, 0xaa));
    for (access, size) in
        [("r0 = *(u8 *)(r2 + 64)", 1), ("r0 = *(u32 *)(r2 + 61)", 4), ("*(u8 *)(r2 - 1) = 0", 1)]
    {
        let fault = run(&format!("{data}\n{access}\nexit")).unwrap_err();
        assert!(
            matches!(fault.kind, FaultKind::OutOfBounds { size: found, .. } if found == size),
            "{access}"
        );
        assert_eq!(fault.pc, 1);
    }
}

#[test]
fn context_fields_have_their_own_rules() {
    let mark = SKB_LAYOUT.field(SkbField::Mark).off;
    assert_eq!(run(&format!("*(u32 *)(r1 + {mark}) = 9\nr0 = *(u32 *)(r1 + {mark})\nexit")), Ok(9));
    let past = size_of::<SkBuff>();
    let fault = run(&format!("r0 = *(u8 *)(r1 + {past})\nexit")).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::OutOfBounds { size: 1, .. }));
    // A program that could move `data` could read anything.
    let data = SKB_LAYOUT.field(SkbField::Data).off;
    let fault = run(&format!("*(u64 *)(r1 + {data}) = 0\nr0 = 1\nexit")).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::ReadOnly { .. }));
}

#[test]
fn a_plain_context_is_read_only() {
    let event = [1, 2, 3, 4, 5, 6, 7, 8];
    let run = |source| run_on(&Maps::default(), source, Context::Plain(&event));
    assert_eq!(run("r0 = *(u64 *)(r1 + 0)\nexit"), Ok(u64::from_le_bytes(event)));
    assert!(matches!(run("*(u8 *)(r1 + 0) = 0\nexit").unwrap_err().kind, FaultKind::ReadOnly { .. }));
    assert!(matches!(run("r0 = *(u64 *)(r1 + 1)\nexit").unwrap_err().kind, FaultKind::OutOfBounds { .. }));
}

#[test]
fn map_values_are_one_element_each() {
    let maps = Maps::default().with("array", MapType::Array, 4, 12, 4);
    let lookup = "*(u32 *)(r10 - 4) = 1
        r1 = map(array) ll
        r2 = r10
        r2 += -4
        call bpf_map_lookup_elem
        if r0 == 0 goto none\n";
    let program = |body: &str| format!("{lookup}{body}\nexit\nnone: r0 = -1\nexit");
    let body = "*(u32 *)(r0 + 8) = 77\nr1 = 5\nlock *(u64 *)(r0 + 0) += r1\nr0 = *(u32 *)(r0 + 8)";
    assert_eq!(run_in(&maps, &program(body)), Ok(77));
    let mut value = 5u64.to_le_bytes().to_vec();
    value.extend(77u32.to_le_bytes());
    assert_eq!(maps.get("array").lookup(&1u32.to_le_bytes()).unwrap(), value);
    for body in ["r0 = *(u8 *)(r0 + 12)", "r0 = *(u64 *)(r0 + 8)", "*(u8 *)(r0 - 1) = 1"] {
        let fault = run_in(&maps, &program(body)).unwrap_err();
        assert!(matches!(fault.kind, FaultKind::OutOfBounds { .. }), "{body}");
    }
}

#[test]
fn direct_values_and_read_only_maps() {
    let mut maps = Maps::default().with(".bss", MapType::Array, 4, 16, 1);
    let mut rodata = MapSpec::new(".rodata", MapType::Array, 4, 16, 1);
    rodata.map_flags = create_flags::RDONLY_PROG;
    maps.add(&rodata);
    let source = "r1 = map_value(.bss) + 8 ll\n*(u64 *)(r1 + 0) = 6\nr0 = *(u64 *)(r1 + 0)\nexit";
    assert_eq!(run_in(&maps, source), Ok(6));
    assert_eq!(run_in(&maps, "r1 = map_value(.rodata) ll\nr0 = *(u64 *)(r1 + 8)\nexit"), Ok(0));
    let fault = run_in(&maps, "r1 = map_value(.rodata) ll\n*(u8 *)(r1 + 0) = 1\nexit").unwrap_err();
    assert!(matches!(fault.kind, FaultKind::ReadOnly { .. }));
    let past = run_in(&maps, "r1 = map_value(.bss) + 8 ll\nr0 = *(u64 *)(r1 + 1)\nexit").unwrap_err();
    assert!(matches!(past.kind, FaultKind::OutOfBounds { size: 8, .. }));
}

#[test]
fn packet_loads_convert_and_fail_by_ending_the_function() {
    assert_eq!(run("r6 = r1\nr0 = *(u16 *)skb[12]\nexit"), Ok(0x0c0d));
    assert_eq!(run("r6 = r1\nr1 = 0x500000002 ll\nr0 = *(u32 *)skb[r1 + 4]\nexit"), Ok(0x0607_0809));
    assert_eq!(run("r6 = r1\nr0 = 9\nr0 = *(u8 *)skb[64]\nr0 = 1\nexit"), Ok(0));
    assert_eq!(run("r6 = r1\nr0 = *(u32 *)skb[61]\nr0 = 1\nexit"), Ok(0));
    // In a subprogram it is that function that ends.
    assert_eq!(run("r6 = r1\ncall sub\nr0 += 5\nexit\nsub: r0 = *(u8 *)skb[64]\nr0 = 1\nexit"), Ok(5));
}
