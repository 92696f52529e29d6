//! Eight-bit numbers: small enough for every set of known bits, and for every interval against every number.

use bpfreplay_isa::{AluOp, JmpOp, sem};

use crate::scalar::bounds::Bounds8;
use crate::scalar::tnum::Tnum;

/// What `op` means at eight bits, from its meaning at 64: operands are placed in the top byte where the result's
/// place matters to it, in the low byte sign- or zero-extended where not.
fn alu8(op: AluOp, a: u8, b: u8) -> u8 {
    let signed = |x: u8| x as i8 as i64 as u64;
    match op {
        AluOp::Add | AluOp::Sub | AluOp::Mul | AluOp::Or | AluOp::And | AluOp::Xor | AluOp::Mov => {
            sem::alu64(op, a.into(), b.into()) as u8
        }
        AluOp::Div | AluOp::Mod => sem::alu64(op, a.into(), b.into()) as u8,
        AluOp::Sdiv | AluOp::Smod => sem::alu64(op, signed(a), signed(b)) as u8,
        // The mask of a shift is the width's.
        AluOp::Lsh | AluOp::Rsh => sem::alu64(op, a.into(), (b & 7).into()) as u8,
        AluOp::Arsh => sem::alu64(op, signed(a), (b & 7).into()) as u8,
    }
}

fn jmp8(op: JmpOp, a: u8, b: u8) -> bool {
    let signed = |x: u8| x as i8 as i64 as u64;
    match op {
        JmpOp::Sgt | JmpOp::Sge | JmpOp::Slt | JmpOp::Sle => sem::jmp64(op, signed(a), signed(b)),
        JmpOp::Eq | JmpOp::Gt | JmpOp::Ge | JmpOp::Set | JmpOp::Ne | JmpOp::Lt | JmpOp::Le => {
            sem::jmp64(op, a.into(), b.into())
        }
    }
}

/// Every set of known bits of `bits` bits.
fn tnums(bits: u32) -> Vec<Tnum> {
    let all = 1_u64 << bits;
    (0..all)
        .flat_map(|mask| {
            (0..all).filter(move |value| value & mask == 0).map(move |value| Tnum { value, mask })
        })
        .collect()
}

fn members(t: Tnum, bits: u32) -> Vec<u64> {
    (0..1_u64 << bits).filter(|&x| t.contains(x)).collect()
}

/// Every set of known bits of six bits, placed low and at the top, against every range of them.
#[test]
fn the_only_member_of_a_range_is_found() {
    const BITS: u32 = 6;
    for up in [0, 64 - BITS] {
        for t in tnums(BITS) {
            let xs = members(t, BITS);
            for min in 0..1 << BITS {
                for max in min..1 << BITS {
                    let mut within = xs.iter().filter(|&&x| min <= x && x <= max);
                    let only = within.next().filter(|_| within.next().is_none()).map(|x| x << up);
                    assert_eq!(
                        t.lsh(up).only_member_in(min << up, max << up),
                        only,
                        "{t:?}<<{up} {min}..={max}"
                    );
                }
            }
        }
    }
}

/// All pairs of known bits of five bits, placed low and at the top, and all their members: nothing is left out.
#[test]
fn known_bits_contain_every_result() {
    const BITS: u32 = 5;
    type Binary = (&'static str, fn(Tnum, Tnum) -> Tnum, fn(u64, u64) -> u64);
    let operations: [Binary; 6] = [
        ("add", Tnum::add, u64::wrapping_add),
        ("sub", Tnum::sub, u64::wrapping_sub),
        ("mul", Tnum::mul, u64::wrapping_mul),
        ("and", Tnum::and, |a, b| a & b),
        ("or", Tnum::or, |a, b| a | b),
        ("xor", Tnum::xor, |a, b| a ^ b),
    ];
    for a in tnums(BITS) {
        let xs = members(a, BITS);
        for b in tnums(BITS) {
            let ys = members(b, BITS);
            for (name, of_sets, of_numbers) in operations {
                for up in [0, 64 - BITS] {
                    let result = of_sets(a.lsh(up), b.lsh(up));
                    assert_eq!(result.value & result.mask, 0, "{name} {a:?} {b:?}");
                    for &x in &xs {
                        for &y in &ys {
                            let got = of_numbers(x << up, y << up);
                            assert!(
                                result.contains(got),
                                "{name} {x}<<{up} {y}<<{up}: {got} not in {result:?}"
                            );
                        }
                    }
                }
            }
            let both: Vec<u64> = xs.iter().copied().filter(|x| ys.contains(x)).collect();
            match a.intersect(b) {
                None => assert!(both.is_empty()),
                Some(t) => assert_eq!(members(t, BITS), both, "an intersection is exact"),
            }
            assert_eq!(a.includes(b), ys.iter().all(|y| xs.contains(y)), "{a:?} includes {b:?}");
        }
    }
}

#[test]
fn known_bits_of_shifts_extensions_and_ranges() {
    for t in tnums(8) {
        for x in members(t, 8) {
            for by in 0..8 {
                assert!(t.lsh(by).contains(x << by));
                assert!(t.rsh(by).contains(x >> by));
                assert!(t.arsh(by, 8).contains(u64::from((x as u8 as i8 >> by) as u8)));
            }
            for up in [0, 8, 24, 56] {
                let (t, x) = (t.lsh(up), x << up);
                assert!(t.swap_bytes(16).contains(u64::from((x as u16).swap_bytes())), "{x:#x}");
                assert!(t.swap_bytes(32).contains(u64::from((x as u32).swap_bytes())), "{x:#x}");
                assert!(t.swap_bytes(64).contains(x.swap_bytes()), "{x:#x}");
            }
            assert!(t.low(4).contains(x & 15));
        }
    }
    for min in 0..=255_u64 {
        for max in min..=255 {
            let t = Tnum::range(min, max);
            assert!((min..=max).all(|x| t.contains(x)), "{min}..={max}");
        }
    }
}

/// Intervals that touch every kind of edge.
fn intervals() -> Vec<Bounds8> {
    const EDGES: [u8; 13] = [0, 1, 2, 3, 7, 16, 126, 127, 128, 129, 200, 254, 255];
    let mut out = Vec::new();
    for min in EDGES {
        for max in EDGES {
            if min <= max {
                out.push(Bounds8::unsigned(min, max));
            }
            if (min as i8) <= (max as i8) {
                out.push(Bounds8::signed(min as i8, max as i8));
            }
        }
    }
    out
}

fn numbers(bounds: Bounds8) -> Vec<u8> {
    (0..=255).filter(|&x| bounds.contains(x)).collect()
}

#[test]
fn syncing_loses_no_member() {
    for umin in (0..=255).step_by(5) {
        for umax in (umin..=255).step_by(5) {
            for smin in (-128..=127).step_by(9) {
                for smax in (smin..=127).step_by(9) {
                    let raw = Bounds8 { umin, umax, smin, smax };
                    let synced = raw.synced();
                    for x in 0..=255 {
                        assert_eq!(raw.contains(x), synced.contains(x), "{x} in {raw:?} and {synced:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_operation_contains_every_result() {
    let intervals = intervals();
    for &op in AluOp::ALL {
        for &a in &intervals {
            let xs = numbers(a);
            let ta = Tnum::range(a.umin.into(), a.umax.into());
            for &b in &intervals {
                let tb = Tnum::range(b.umin.into(), b.umax.into());
                let (t, result) = Bounds8::alu(op, (ta, a), (tb, b));
                // Ends, and what is in the middle of both.
                for &x in sample(&xs).iter() {
                    for &y in sample(&numbers(b)).iter() {
                        let got = alu8(op, x, y);
                        assert!(
                            result.contains(got) && t.contains(got.into()),
                            "{x} {} {y} = {got}: not in {result:?} {t:?} of {a:?} {b:?}",
                            op.text()
                        );
                    }
                }
            }
        }
    }
}

/// Known bits that are not a range: every set of masks over two operands, with the intervals they imply.
#[test]
fn operations_on_known_bits_contain_every_result() {
    let masks = [0x00, 0x01, 0x80, 0x0f, 0xf0, 0x55, 0xaa, 0x7f, 0xff];
    let values = [0x00, 0x01, 0x80, 0x55, 0xff, 0x13];
    let sets: Vec<Tnum> = masks
        .iter()
        .flat_map(|&mask| values.iter().map(move |&value| Tnum { value: value & !mask, mask }))
        .collect();
    for &op in AluOp::ALL {
        for &ta in &sets {
            for &tb in &sets {
                let (a, b) = (Bounds8::from_tnum(ta).synced(), Bounds8::from_tnum(tb).synced());
                let (t, result) = Bounds8::alu(op, (ta, a), (tb, b));
                for x in members(ta, 8) {
                    for y in members(tb, 8) {
                        let got = alu8(op, x as u8, y as u8);
                        let is_in = result.contains(got) && t.contains(got.into());
                        assert!(is_in, "{x} {} {y} = {got}: not in {result:?} {t:?}", op.text());
                    }
                }
            }
        }
    }
}

#[test]
fn comparisons_decide_only_what_is_certain_and_refine_only_what_is_left() {
    let intervals = intervals();
    for &op in JmpOp::ALL {
        for &a in &intervals {
            for &b in &intervals {
                let (ta, tb) =
                    (Tnum::range(a.umin.into(), a.umax.into()), Tnum::range(b.umin.into(), b.umax.into()));
                let decided = Bounds8::compare(op, (ta, a), (tb, b));
                let (mut ra, mut rb) = (a, b);
                Bounds8::refine(op, &mut ra, &mut rb);
                for &x in sample(&numbers(a)).iter() {
                    for &y in sample(&numbers(b)).iter() {
                        let holds = jmp8(op, x, y);
                        assert!(decided.is_none_or(|d| d == holds), "{x} {} {y} of {a:?} {b:?}", op.text());
                        assert!(
                            !holds || (ra.contains(x) && rb.contains(y)),
                            "{x} {} {y} holds, but {a:?} {b:?} became {ra:?} {rb:?}",
                            op.text()
                        );
                    }
                }
            }
        }
    }
}

/// All of a small set; of a large one the ends, the seams, and every seventh.
fn sample(all: &[u8]) -> Vec<u8> {
    if all.len() <= 16 {
        return all.to_vec();
    }
    let seam = |x: &u8| matches!(x, 0 | 1 | 126..=129 | 254 | 255);
    let last = all.len() - 1;
    let kept = all
        .iter()
        .enumerate()
        .filter(|(at, x)| [0, 1, last - 1, last].contains(at) || at % 7 == 0 || seam(x));
    kept.map(|(_, &x)| x).collect()
}
