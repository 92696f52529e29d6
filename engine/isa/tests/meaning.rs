//! `sem` against values worked out by hand from RFC 9669.

use bpfreplay_isa::{AluOp, AtomicOp, EndianOp, JmpOp, Size, Width, sem};

const MIN64: u64 = 1 << 63;
const MIN32: u64 = 1 << 31;
const ONES: u64 = u64::MAX;

#[test]
fn arithmetic() {
    use AluOp::{Add, And, Arsh, Div, Lsh, Mod, Mov, Mul, Or, Rsh, Sdiv, Smod, Sub, Xor};
    use Width::{W32, W64};
    // RFC 9669 section 4.1, table 5 and the paragraphs below it.
    for (width, op, dst, src, expected) in [
        (W64, Add, ONES, 1, 0),
        (W32, Add, 0xffff_ffff, 1, 0),
        (W32, Add, ONES, ONES, 0xffff_fffe),
        (W64, Sub, 0, 1, ONES),
        (W32, Sub, 0, 1, 0xffff_ffff),
        (W64, Mul, 1 << 32, 1 << 32, 0),
        (W64, Mul, ONES, ONES, 1),
        (W32, Mul, 0x1_0000_0003, 0x1_0000_0005, 15),
        (W64, Div, 7, 2, 3),
        (W64, Div, 7, 0, 0),
        (W32, Div, ONES, 0, 0),
        (W32, Div, ONES, 1 << 32, 0),
        (W64, Div, ONES, 2, MIN64 - 1),
        (W64, Sdiv, -13i64 as u64, 3, -4i64 as u64),
        (W64, Sdiv, 13, -3i64 as u64, -4i64 as u64),
        (W64, Sdiv, MIN64, ONES, MIN64),
        (W64, Sdiv, 5, 0, 0),
        (W32, Sdiv, MIN32, ONES, MIN32),
        (W32, Sdiv, 0xffff_fff3, 3, 0xffff_fffc),
        (W32, Sdiv, 5, 1 << 32, 0),
        (W64, Mod, 7, 4, 3),
        (W64, Mod, 7, 0, 7),
        (W32, Mod, 0x1_0000_0007, 0, 7),
        (W64, Mod, ONES, 10, 5),
        (W64, Smod, -13i64 as u64, 3, -1i64 as u64),
        (W64, Smod, 13, -3i64 as u64, 1),
        (W64, Smod, MIN64, ONES, 0),
        (W64, Smod, 5, 0, 5),
        (W32, Smod, MIN32, ONES, 0),
        (W32, Smod, 0x1_ffff_fff3, 3, 0xffff_ffff),
        (W32, Smod, 0x1_0000_0005, 0, 5),
        (W64, Or, 0xf0, 0x0f, 0xff),
        (W64, And, 0xff, 0x3c, 0x3c),
        (W32, And, ONES, ONES, 0xffff_ffff),
        (W64, Xor, ONES, ONES, 0),
        (W64, Lsh, 1, 63, MIN64),
        (W64, Lsh, 1, 64, 1),
        (W64, Lsh, 1, 0xffff_ff01, 2),
        (W32, Lsh, 1, 31, MIN32),
        (W32, Lsh, 1, 32, 1),
        (W32, Lsh, ONES, 4, 0xffff_fff0),
        (W64, Rsh, MIN64, 63, 1),
        (W64, Rsh, ONES, 64, ONES),
        (W32, Rsh, ONES, 4, 0x0fff_ffff),
        (W64, Arsh, MIN64, 63, ONES),
        (W64, Arsh, MIN64, 64, MIN64),
        (W32, Arsh, MIN32, 31, 0xffff_ffff),
        (W32, Arsh, 0xffff_ffff_7fff_ffff, 4, 0x07ff_ffff),
        (W64, Mov, 1, ONES, ONES),
        (W32, Mov, 1, ONES, 0xffff_ffff),
    ] {
        assert_eq!(sem::alu(width, op, dst, src), expected, "{width:?} {op:?} {dst:#x} {src:#x}");
    }
}

#[test]
fn a_32_bit_result_never_has_high_bits() {
    let edges = [0, 1, 2, 31, 32, 63, 64, MIN32 - 1, MIN32, MIN64 - 1, MIN64, ONES - 1, ONES];
    for &op in AluOp::ALL {
        for a in edges {
            for b in edges {
                assert_eq!(sem::alu(Width::W32, op, a, b) >> 32, 0, "{op:?} {a:#x} {b:#x}");
                let low = u64::from(sem::alu32(op, a as u32, b as u32));
                assert_eq!(sem::alu(Width::W32, op, a, b), low, "{op:?} {a:#x} {b:#x}");
            }
        }
    }
}

#[test]
fn sign_extension_and_negation() {
    assert_eq!(sem::neg(Width::W64, 1), ONES);
    assert_eq!(sem::neg(Width::W64, MIN64), MIN64);
    assert_eq!(sem::neg(Width::W32, 1), 0xffff_ffff);
    assert_eq!(sem::neg(Width::W32, 0x1_0000_0000), 0);
    assert_eq!(sem::mov_sx(Width::W64, Size::B, 0xff80), -128i64 as u64);
    assert_eq!(sem::mov_sx(Width::W64, Size::H, 0x1_7fff), 0x7fff);
    assert_eq!(sem::mov_sx(Width::W64, Size::W, MIN32), -(1i64 << 31) as u64);
    assert_eq!(sem::mov_sx(Width::W32, Size::B, 0x80), 0xffff_ff80);
    assert_eq!(sem::mov_sx(Width::W32, Size::H, 0x8000), 0xffff_8000);
    assert_eq!(sem::sign_extend(Size::Dw, MIN64), MIN64);
    assert_eq!(sem::sign_extend(Size::B, 0x17f), 0x7f);
}

#[test]
fn byte_order() {
    let value = 0x0102_0304_0506_0708;
    for (op, size, expected) in [
        (EndianOp::ToLe, Size::H, 0x0708),
        (EndianOp::ToLe, Size::W, 0x0506_0708),
        (EndianOp::ToLe, Size::Dw, value),
        (EndianOp::ToBe, Size::H, 0x0807),
        (EndianOp::ToBe, Size::W, 0x0807_0605),
        (EndianOp::ToBe, Size::Dw, 0x0807_0605_0403_0201),
        (EndianOp::Swap, Size::H, 0x0807),
        (EndianOp::Swap, Size::W, 0x0807_0605),
        (EndianOp::Swap, Size::Dw, 0x0807_0605_0403_0201),
    ] {
        assert_eq!(sem::endian(op, size, value), expected, "{op:?} {size:?}");
    }
}

#[test]
fn conditions() {
    use JmpOp::{Eq, Ge, Gt, Le, Lt, Ne, Set, Sge, Sgt, Sle, Slt};
    // a, b, and the conditions that hold, for 64 and for 32 bits.
    let all: [(u64, u64, &[JmpOp], &[JmpOp]); 5] = [
        (5, 5, &[Eq, Ge, Set, Sge, Le, Sle], &[Eq, Ge, Set, Sge, Le, Sle]),
        (ONES, 1, &[Gt, Ge, Set, Ne, Slt, Sle], &[Gt, Ge, Set, Ne, Slt, Sle]),
        (0x1_0000_0000, 0, &[Gt, Ge, Ne, Sgt, Sge], &[Eq, Ge, Sge, Le, Sle]),
        (MIN32, 0, &[Gt, Ge, Ne, Sgt, Sge], &[Gt, Ge, Ne, Slt, Sle]),
        (0, MIN64, &[Lt, Le, Ne, Sgt, Sge], &[Eq, Ge, Sge, Le, Sle]),
    ];
    for (a, b, wide, narrow) in all {
        for &op in JmpOp::ALL {
            assert_eq!(sem::jmp(Width::W64, op, a, b), wide.contains(&op), "{op:?} {a:#x} {b:#x}");
            assert_eq!(sem::jmp(Width::W32, op, a, b), narrow.contains(&op), "w {op:?} {a:#x} {b:#x}");
        }
    }
}

#[test]
fn atomics() {
    use AtomicOp::{Add, And, Cmpxchg, FetchAdd, FetchAnd, FetchOr, FetchXor, Or, Xchg, Xor};
    for (op, old, src, r0, expected) in [
        (Add, ONES, 2, 0, 1),
        (FetchAdd, ONES, 2, 0, 1),
        (Or, 0xf0, 0x0f, 0, 0xff),
        (FetchOr, 0xf0, 0x0f, 0, 0xff),
        (And, 0xf0, 0x3c, 0, 0x30),
        (FetchAnd, 0xf0, 0x3c, 0, 0x30),
        (Xor, 0xf0, 0x3c, 0, 0xcc),
        (FetchXor, 0xf0, 0x3c, 0, 0xcc),
        (Xchg, 7, 9, 0, 9),
        (Cmpxchg, 7, 9, 7, 9),
        (Cmpxchg, 7, 9, 8, 7),
    ] {
        assert_eq!(sem::atomic64(op, old, src, r0), expected, "{op:?}");
        let narrow = sem::atomic32(op, old as u32, src as u32, r0 as u32);
        assert_eq!(narrow, expected as u32, "{op:?}");
    }
    let fetching: Vec<_> = AtomicOp::ALL.iter().filter(|op| op.fetches()).collect();
    assert_eq!(fetching, [&FetchAdd, &FetchOr, &FetchAnd, &FetchXor, &Xchg, &Cmpxchg]);
}
