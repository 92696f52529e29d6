use std::ops::RangeInclusive;

use arbitrary::Unstructured;
use arbitrary::unstructured::Int;

/// Decisions taken from the fuzzer's bytes. When they are used up, every decision is the first choice.
pub(super) struct Dice<'a>(Unstructured<'a>);

/// Values at which arithmetic and bounds change their mind.
const EDGES: &[i64] = &[
    0,
    1,
    2,
    7,
    8,
    31,
    63,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    i64::MAX,
    i64::MIN,
    -1,
    -2,
    -0x8000_0000,
    -0x8000_0001,
];

impl<'a> Dice<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Dice<'a> {
        Dice(Unstructured::new(bytes))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn range<T: Int>(&mut self, range: RangeInclusive<T>) -> T {
        let first = *range.start();
        self.0.int_in_range(range).unwrap_or(first)
    }

    /// 0 to `n - 1`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { self.range(0..=n - 1) }
    }

    /// True in one of `n` cases.
    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of several; the first if there are several and no bytes.
    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).copied()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.range(0..=u8::MAX)
    }

    /// A number: near an edge, small, or any.
    pub(super) fn number(&mut self) -> i64 {
        match self.below(4) {
            0 => i64::from(self.byte()),
            1 => self.pick(EDGES).unwrap_or(0).wrapping_add(self.range(-1..=1)),
            2 => i64::from(self.range(i32::MIN..=i32::MAX)),
            _ => self.range(i64::MIN..=i64::MAX),
        }
    }

    pub(super) fn immediate(&mut self) -> i32 {
        self.number() as i32
    }

    /// The bytes themselves.
    pub(super) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.byte()).collect()
    }
}
