//! 64-bit scalars against [`sem`]: sets made of edges and of random constraints, with members drawn from them.

use bpfreplay_isa::{AluOp, EndianOp, JmpOp, Size, Width, sem};

use super::Random;
use crate::scalar::bounds::{Bounds32, Bounds64};
use crate::scalar::{Branch, Scalar, Tnum, alu, branch_taken, neg, refine, sign_extend_from, swap_bytes};

const ROUNDS: usize = 20_000;
const EDGES: [u64; 18] = [
    0,
    1,
    2,
    7,
    0x7f,
    0xff,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_fffe,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_8000_0000,
    u64::MAX,
];

/// A number near an edge, or any.
fn number(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => random.next(),
        1 => random.next() >> random.below(64),
        _ => EDGES[random.below(18) as usize].wrapping_add(random.below(7)).wrapping_sub(3),
    }
}

/// A set and some of its members: constraints that all of a few numbers satisfy.
fn set(random: &mut Random) -> (Scalar, Vec<u64>) {
    let base = number(random);
    let count = 1 + random.below(4);
    let members: Vec<u64> = (0..count)
        .map(|_| match random.below(3) {
            0 => base,
            1 => base.wrapping_add(random.below(300)),
            _ => number(random),
        })
        .collect();
    let mut out = Scalar::UNKNOWN;
    if random.below(3) != 0 {
        out.b64.umin = *members.iter().min().expect("not empty");
        out.b64.umax = *members.iter().max().expect("not empty");
    }
    if random.below(3) != 0 {
        out.b64.smin = members.iter().map(|&x| x as i64).min().expect("not empty");
        out.b64.smax = members.iter().map(|&x| x as i64).max().expect("not empty");
    }
    if random.below(3) != 0 {
        let low = |f: fn(u32, u32) -> u32| members.iter().map(|&x| x as u32).reduce(f).expect("not empty");
        (out.b32.umin, out.b32.umax) = (low(u32::min), low(u32::max));
    }
    if random.below(3) != 0 {
        let low = |f: fn(i32, i32) -> i32| members.iter().map(|&x| x as i32).reduce(f).expect("not empty");
        (out.b32.smin, out.b32.smax) = (low(i32::min), low(i32::max));
    }
    if random.below(3) != 0 {
        let mask = members.iter().fold(0, |mask, x| mask | (x ^ members[0]));
        out.tnum = Tnum { value: members[0] & !mask, mask };
    }
    let synced = out.synced();
    for &x in &members {
        assert!(synced.contains(x), "{x:#x} in {out:?}, not in {synced:?}");
    }
    (synced, members)
}

#[test]
fn every_operation_contains_every_result() {
    let mut random = Random(1);
    for _ in 0..ROUNDS {
        let ((a, xs), (b, ys)) = (set(&mut random), set(&mut random));
        for width in [Width::W32, Width::W64] {
            for &op in AluOp::ALL {
                let result = alu(width, op, &a, &b);
                for &x in &xs {
                    for &y in &ys {
                        let got = sem::alu(width, op, x, y);
                        assert!(
                            result.contains(got),
                            "{x:#x} {} {y:#x} ({width:?}) = {got:#x}: not in {result:?}\n of {a:?}\n and {b:?}",
                            op.text()
                        );
                    }
                }
            }
        }
    }
}

/// Shifts by constants are where most is known; random sets seldom are constants.
#[test]
fn shifts_by_constants() {
    let mut random = Random(2);
    for _ in 0..ROUNDS / 10 {
        let (a, xs) = set(&mut random);
        for (width, bits) in [(Width::W32, 32), (Width::W64, 64)] {
            for op in [AluOp::Lsh, AluOp::Rsh, AluOp::Arsh] {
                for by in 0..bits {
                    let result = alu(width, op, &a, &Scalar::constant(by));
                    for &x in &xs {
                        let got = sem::alu(width, op, x, by);
                        assert!(
                            result.contains(got),
                            "{x:#x} {} {by} = {got:#x}: not in {result:?}",
                            op.text()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn unary_operations_contain_every_result() {
    let mut random = Random(3);
    for _ in 0..ROUNDS {
        let (a, xs) = set(&mut random);
        for &x in &xs {
            for width in [Width::W32, Width::W64] {
                assert!(neg(width, &a).contains(sem::neg(width, x)), "-{x:#x} of {a:?}");
                for size in [Size::B, Size::H, Size::W] {
                    let result = sign_extend_from(size, width, &a);
                    assert!(result.contains(sem::mov_sx(width, size, x)), "{size:?} {x:#x} of {a:?}");
                }
            }
            for size in [Size::H, Size::W, Size::Dw] {
                let got = sem::endian(EndianOp::Swap, size, x);
                assert!(swap_bytes(size, &a).contains(got), "{size:?} {x:#x} of {a:?}");
                let got = sem::endian(EndianOp::ToLe, size, x);
                assert!(a.truncated(size.bits()).contains(got), "{size:?} {x:#x} of {a:?}");
            }
            for bits in [8, 16, 32, 64] {
                let keep = u64::MAX >> (64 - bits);
                assert!(a.truncated(bits).contains(x & keep), "{x:#x} cut to {bits} bits");
            }
            assert!(u64::BITS - x.leading_zeros() <= a.width());
        }
    }
}

#[test]
fn branches_are_decided_and_refined_soundly() {
    let mut random = Random(4);
    for _ in 0..ROUNDS {
        let ((a, xs), (b, ys)) = (set(&mut random), set(&mut random));
        for width in [Width::W32, Width::W64] {
            for &op in JmpOp::ALL {
                let decided = branch_taken(width, op, &a, &b);
                for &x in &xs {
                    for &y in &ys {
                        let holds = sem::jmp(width, op, x, y);
                        let way = if holds { Branch::Taken } else { Branch::FallThrough };
                        assert!(
                            decided.is_none_or(|decided| decided == way),
                            "{x:#x} {} {y:#x} ({width:?}) is {holds}; {a:?}\n {b:?}",
                            op.text()
                        );
                        let (mut ra, mut rb) = (a, b);
                        refine(width, op, way, &mut ra, &mut rb);
                        assert!(
                            ra.contains(x) && rb.contains(y),
                            "{x:#x} {} {y:#x} ({width:?}) is {holds}, but\n {a:?}\n {b:?}\nbecame\n {ra:?}\n {rb:?}",
                            op.text()
                        );
                    }
                }
            }
        }
    }
}

/// The order of sets is that of their members: what includes another contains its members.
#[test]
fn inclusion_is_sound() {
    let mut random = Random(5);
    for _ in 0..ROUNDS {
        let ((a, _), (b, ys)) = (set(&mut random), set(&mut random));
        if a.includes(&b) {
            assert!(ys.iter().all(|&y| a.contains(y)));
        }
        assert!(a.includes(&a) && Scalar::UNKNOWN.includes(&a));
    }
}

/// Precision worth having: what clang's bounds checks rely on.
#[test]
fn known_results() {
    let byte = Scalar::of_bits(8);
    assert_eq!((byte.b64.umin, byte.b64.umax), (0, 255));
    let nibble = alu(Width::W64, AluOp::And, &Scalar::UNKNOWN, &Scalar::constant(15));
    let words = alu(Width::W64, AluOp::Lsh, &nibble, &Scalar::constant(2));
    assert_eq!((words.b64.umax, words.tnum), (60, Tnum { value: 0, mask: 60 }));
    let sum = alu(Width::W32, AluOp::Add, &words, &Scalar::constant(14));
    assert_eq!((sum.b64.umin, sum.b64.umax), (14, 74));

    let (mut x, mut limit) = (Scalar::UNKNOWN, Scalar::constant(15));
    refine(Width::W64, JmpOp::Sgt, Branch::FallThrough, &mut x, &mut limit);
    let mut zero = Scalar::constant(0);
    refine(Width::W64, JmpOp::Slt, Branch::FallThrough, &mut x, &mut zero);
    assert_eq!(x.b64, Bounds64 { umin: 0, umax: 15, smin: 0, smax: 15 });
    assert_eq!(x.b32, Bounds32 { umin: 0, umax: 15, smin: 0, smax: 15 });
    assert_eq!(branch_taken(Width::W32, JmpOp::Lt, &x, &Scalar::constant(16)), Some(Branch::Taken));
}
