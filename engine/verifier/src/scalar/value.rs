use super::bounds::{Bounds32, Bounds64};
use super::tnum::Tnum;

/// A set of 64-bit numbers: those with the known bits of `tnum`, within `b64`, and with a low half within `b32`.
///
/// Constructors and operations keep it synced: what one part implies for another is in the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Scalar {
    pub(crate) tnum: Tnum,
    pub(crate) b64: Bounds64,
    pub(crate) b32: Bounds32,
}

/// Rounds of [`Scalar::synced`]. One round passes everything along one step; the kernel does two to three
/// (linux: reg_bounds_sync()). More cannot be unsound, only slower.
const SYNC_ROUNDS_MAX: u32 = 3;

impl Scalar {
    /// Any number.
    pub(crate) const UNKNOWN: Scalar = Scalar { tnum: Tnum::UNKNOWN, b64: Bounds64::ALL, b32: Bounds32::ALL };

    pub(crate) const fn constant(x: u64) -> Scalar {
        Scalar { tnum: Tnum::constant(x), b64: Bounds64::constant(x), b32: Bounds32::constant(x as u32) }
    }

    /// Any number of `bits` bits, zero-extended.
    pub(crate) fn of_bits(bits: u32) -> Scalar {
        Scalar { tnum: Tnum::UNKNOWN.low(bits), ..Scalar::UNKNOWN }.synced()
    }

    #[cfg(test)]
    pub(crate) fn contains(&self, x: u64) -> bool {
        self.tnum.contains(x) && self.b64.contains(x) && self.b32.contains(x as u32)
    }

    /// Whether every part of `other` is within that part of `self`: `self` stands for at least as much.
    pub(crate) fn includes(&self, other: &Scalar) -> bool {
        self.tnum.includes(other.tnum) && self.b64.includes(other.b64) && self.b32.includes(other.b32)
    }

    /// The number, if it is one.
    pub(crate) const fn as_const(&self) -> Option<u64> {
        if self.tnum.is_const() { Some(self.tnum.value) } else { None }
    }

    /// How many bits its largest member takes.
    pub(crate) const fn width(&self) -> u32 {
        u64::BITS - self.b64.umax.leading_zeros()
    }

    /// What bits and bounds of the whole say of the low half, no more: all that is kept of offsets.
    pub(crate) fn without_low_bounds(&self) -> Scalar {
        Scalar { b32: Bounds32::ALL, ..*self }.synced()
    }

    /// The low half, zero-extended: what a 32-bit operation leaves.
    pub(crate) fn low_half(&self) -> Scalar {
        Scalar::from_low_half(self.tnum, self.b32)
    }

    /// The zero-extension of these.
    pub(crate) fn from_low_half(tnum: Tnum, b32: Bounds32) -> Scalar {
        let b64 = Bounds64::unsigned(u64::from(b32.umin), u64::from(b32.umax));
        Scalar { tnum: tnum.low(32), b64, b32 }.synced()
    }

    /// The low `bits` bits, zero-extended: what a load of that size leaves of a wider number.
    pub(crate) fn truncated(&self, bits: u32) -> Scalar {
        if bits >= 64 {
            return *self;
        }
        if bits == 32 {
            return self.low_half();
        }
        let mut out = Scalar { tnum: self.tnum.low(bits), ..Scalar::UNKNOWN };
        // Cutting leaves the interval alone if all members agree on what is cut.
        if self.b64.umin >> bits == self.b64.umax >> bits {
            let keep = (1 << bits) - 1;
            out.b64 = Bounds64::unsigned(self.b64.umin & keep, self.b64.umax & keep);
        }
        out.synced()
    }

    /// Lets the parts learn from each other. An empty set (on a path that cannot be taken, but was not recognised as
    /// such) becomes [`Scalar::UNKNOWN`], which is larger and so allowed.
    pub(crate) fn synced(mut self) -> Scalar {
        for _ in 0..SYNC_ROUNDS_MAX {
            let before = self;
            self.b64 = self.b64.intersect(Bounds64::from_tnum(self.tnum)).synced();
            if let Some(only) = self.tnum.only_member_in(self.b64.umin, self.b64.umax) {
                self.tnum = Tnum::constant(only);
                self.b64 = self.b64.intersect(Bounds64::constant(only));
            }
            self.b32 = self.b32.intersect(Bounds32::from_tnum(self.tnum)).synced();
            self.low_from_whole();
            self.whole_from_low();
            if self.b64.is_empty() || self.b32.is_empty() {
                return Scalar::UNKNOWN;
            }
            let whole = Tnum::range(self.b64.umin, self.b64.umax);
            let low = Tnum::range(u64::from(self.b32.umin), u64::from(self.b32.umax));
            let known =
                self.tnum.intersect(whole).and_then(|t| t.intersect(Tnum::UNKNOWN.with_low_half(low)));
            let Some(known) = known else { return Scalar::UNKNOWN };
            self.tnum = known;
            if self == before {
                break;
            }
        }
        self
    }

    /// Walking from `min` to `max` in fewer than 2^32 steps, the low half walks from `low(min)` to `low(max)`, round
    /// its circle at most once. Where the ends are in order, signed or unsigned, the walk did not pass that reading's
    /// seam.
    fn low_from_whole(&mut self) {
        let mut learn = |min: u64, max: u64| {
            if max.wrapping_sub(min) > u64::from(u32::MAX) {
                return;
            }
            let (low, high) = (min as u32, max as u32);
            if low <= high {
                self.b32.umin = self.b32.umin.max(low);
                self.b32.umax = self.b32.umax.min(high);
            }
            if low as i32 <= high as i32 {
                self.b32.smin = self.b32.smin.max(low as i32);
                self.b32.smax = self.b32.smax.min(high as i32);
            }
        };
        learn(self.b64.umin, self.b64.umax);
        learn(self.b64.smin as u64, self.b64.smax as u64);
        self.b32 = self.b32.synced();
    }

    /// With the high half of an end, the low half is what `b32` allows; with another high half the number is farther
    /// from the end anyway. And a number known to fit in 32 signed bits is its own low half; the kernel says so only where
    /// that is not negative (linux: __reg_deduce_mixed_bounds()).
    fn whole_from_low(&mut self) {
        const HIGH: u64 = !0xffff_ffff;
        let (low, high) = (u64::from(self.b32.umin), u64::from(self.b32.umax));
        let b = &mut self.b64;
        b.umin = b.umin.max(b.umin & HIGH | low);
        b.umax = b.umax.min(b.umax & HIGH | high);
        b.smin = b.smin.max((b.smin as u64 & HIGH | low) as i64);
        b.smax = b.smax.min((b.smax as u64 & HIGH | high) as i64);
        if self.b32.smin >= 0 && b.smin >= i64::from(i32::MIN) && b.smax <= i64::from(i32::MAX) {
            b.smin = b.smin.max(i64::from(self.b32.smin));
            b.smax = b.smax.min(i64::from(self.b32.smax));
        }
        self.b64 = b.synced();
    }
}
