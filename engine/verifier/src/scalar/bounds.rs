//! Signed and unsigned intervals, written once for every width.

use bpfreplay_isa::{AluOp, JmpOp};

use super::tnum::Tnum;

/// One interval type: `$name` over the unsigned `$u` and the signed `$s` of `$bits` bits.
macro_rules! bounds {
    ($(#[$doc:meta])* $name:ident $u:ident $s:ident $bits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub(crate) struct $name {
            pub(crate) umin: $u,
            pub(crate) umax: $u,
            pub(crate) smin: $s,
            pub(crate) smax: $s,
        }

        #[allow(dead_code, reason = "the widths share one text; not every width uses all of it")]
        impl $name {
            pub(crate) const ALL: $name = $name { umin: 0, umax: $u::MAX, smin: $s::MIN, smax: $s::MAX };

            pub(crate) const fn constant(x: $u) -> $name {
                $name { umin: x, umax: x, smin: x as $s, smax: x as $s }
            }

            pub(crate) const fn unsigned(umin: $u, umax: $u) -> $name {
                $name { umin, umax, smin: $s::MIN, smax: $s::MAX }.synced()
            }

            pub(crate) const fn signed(smin: $s, smax: $s) -> $name {
                $name { umin: 0, umax: $u::MAX, smin, smax }.synced()
            }

            pub(crate) const fn contains(self, x: $u) -> bool {
                self.umin <= x && x <= self.umax && self.smin <= x as $s && x as $s <= self.smax
            }

            /// Whether every interval of `other` lies in that of `self`.
            pub(crate) const fn includes(self, other: $name) -> bool {
                self.umin <= other.umin
                    && self.umax >= other.umax
                    && self.smin <= other.smin
                    && self.smax >= other.smax
            }

            pub(crate) const fn is_empty(self) -> bool {
                self.umin > self.umax || self.smin > self.smax
            }

            pub(crate) fn intersect(self, other: $name) -> $name {
                $name {
                    umin: self.umin.max(other.umin),
                    umax: self.umax.min(other.umax),
                    smin: self.smin.max(other.smin),
                    smax: self.smax.min(other.smax),
                }
            }

            /// Lets the signed and the unsigned interval learn from each other.
            ///
            /// ```text
            ///   unsigned   0 ........ S::MAX | S::MAX+1 ....... U::MAX
            ///   signed     0 ........ S::MAX | S::MIN ............. -1
            /// ```
            /// An interval that stays on one side of the bar is the same interval in both readings. If both cross
            /// it, the signed one is, read unsigned, `[0, smax]` and `[smin, U::MAX]`; where the unsigned one misses
            /// one of these pieces, only the other is left.
            pub(crate) const fn synced(mut self) -> $name {
                if self.is_empty() {
                    return self;
                }
                if (self.umin as $s) <= (self.umax as $s) {
                    self.smin = if self.smin > self.umin as $s { self.smin } else { self.umin as $s };
                    self.smax = if self.smax < self.umax as $s { self.smax } else { self.umax as $s };
                } else if (self.smin as $u) > (self.smax as $u) {
                    if self.umax < self.smin as $u {
                        self.smin = self.umin as $s;
                    } else if self.umin > self.smax as $u {
                        self.smax = self.umax as $s;
                    }
                }
                if self.smin <= self.smax && (self.smin as $u) <= (self.smax as $u) {
                    self.umin = if self.umin > self.smin as $u { self.umin } else { self.smin as $u };
                    self.umax = if self.umax < self.smax as $u { self.umax } else { self.smax as $u };
                }
                self
            }

            /// What known bits say: all unknown bits 0 or 1, the sign bit the other way round for the signed ends.
            pub(crate) const fn from_tnum(t: Tnum) -> $name {
                let (value, mask) = (t.value as $u, t.mask as $u);
                let sign = mask & (1 << ($bits - 1));
                $name {
                    umin: value,
                    umax: value | mask,
                    smin: (value | sign) as $s,
                    smax: (value | (mask & !sign)) as $s,
                }
            }

            /// The result of `op` on members of `a` and `b`, with its known bits. The known bits passed in and out
            /// are those of the low `$bits` bits, zero-extended.
            pub(crate) fn alu(op: AluOp, (ta, a): (Tnum, $name), (tb, b): (Tnum, $name)) -> (Tnum, $name) {
                let unknown = (Tnum::UNKNOWN.low($bits), $name::ALL);
                let (t, bounds) = match op {
                    AluOp::Add => (ta.add(tb), a.add(b)),
                    AluOp::Sub => (ta.sub(tb), a.sub(b)),
                    AluOp::Mul => (ta.mul(tb), a.mul(b)),
                    AluOp::And => {
                        let t = ta.and(tb);
                        // A conjunction is at most either operand; the signs are in the known bits.
                        (t, $name { umin: t.value as $u, umax: a.umax.min(b.umax), ..$name::ALL })
                    }
                    AluOp::Or => {
                        let t = ta.or(tb);
                        (t, $name { umin: a.umin.max(b.umin), umax: t.max() as $u, ..$name::ALL })
                    }
                    AluOp::Xor => (ta.xor(tb), $name::ALL),
                    AluOp::Mov => (tb, b),
                    AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => {
                        // Only shifts by a constant in range: as the kernel, and clang emits no others that matter.
                        if b.umin != b.umax || b.umax >= $bits {
                            return unknown;
                        }
                        a.shift(op, ta, b.umin as u32)
                    }
                    // linux: is_safe_to_compute_dst_reg_range() leaves divisions unknown.
                    AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod => return unknown,
                };
                let t = t.low($bits);
                (t, bounds.intersect($name::from_tnum(t)).synced())
            }

            /// The sums of the ends, if no sum or (unsigned) every sum wraps round.
            fn add(self, other: $name) -> $name {
                let mut out = $name::ALL;
                let (low, low_wraps) = self.umin.overflowing_add(other.umin);
                let (high, high_wraps) = self.umax.overflowing_add(other.umax);
                if low_wraps == high_wraps {
                    (out.umin, out.umax) = (low, high);
                }
                if let (Some(low), Some(high)) =
                    (self.smin.checked_add(other.smin), self.smax.checked_add(other.smax))
                {
                    (out.smin, out.smax) = (low, high);
                }
                out
            }

            /// As `add`, least less most and most less least.
            fn sub(self, other: $name) -> $name {
                let mut out = $name::ALL;
                let (low, low_wraps) = self.umin.overflowing_sub(other.umax);
                let (high, high_wraps) = self.umax.overflowing_sub(other.umin);
                if low_wraps == high_wraps {
                    (out.umin, out.umax) = (low, high);
                }
                if let (Some(low), Some(high)) =
                    (self.smin.checked_sub(other.smax), self.smax.checked_sub(other.smin))
                {
                    (out.smin, out.smax) = (low, high);
                }
                out
            }

            /// A product is extreme at ends of the intervals; one overflow among them and nothing is known.
            fn mul(self, other: $name) -> $name {
                let mut out = $name::ALL;
                if let (Some(low), Some(high)) =
                    (self.umin.checked_mul(other.umin), self.umax.checked_mul(other.umax))
                {
                    (out.umin, out.umax) = (low, high);
                }
                let products = [
                    self.smin.checked_mul(other.smin),
                    self.smin.checked_mul(other.smax),
                    self.smax.checked_mul(other.smin),
                    self.smax.checked_mul(other.smax),
                ];
                if let [Some(a), Some(b), Some(c), Some(d)] = products {
                    out.smin = a.min(b).min(c).min(d);
                    out.smax = a.max(b).max(c).max(d);
                }
                out
            }

            /// A shift by `by < $bits`.
            fn shift(self, op: AluOp, t: Tnum, by: u32) -> (Tnum, $name) {
                match op {
                    AluOp::Lsh => {
                        let mut out = $name::ALL;
                        // No set bit leaves at the top: the order of the members is kept.
                        if self.umax <= $u::MAX >> by {
                            (out.umin, out.umax) = (self.umin << by, self.umax << by);
                        }
                        if self.smin >= $s::MIN >> by && self.smax <= $s::MAX >> by {
                            (out.smin, out.smax) = (self.smin << by, self.smax << by);
                        }
                        (t.lsh(by), out)
                    }
                    AluOp::Rsh => {
                        let out = $name { umin: self.umin >> by, umax: self.umax >> by, ..$name::ALL };
                        (t.rsh(by), out)
                    }
                    _ => {
                        let out = $name { smin: self.smin >> by, smax: self.smax >> by, ..$name::ALL };
                        (t.arsh(by, $bits), out)
                    }
                }
            }

            /// Whether `a op b` holds for all members (`Some(true)`), for none (`Some(false)`), or it depends.
            pub(crate) fn compare(op: JmpOp, (ta, a): (Tnum, $name), (tb, b): (Tnum, $name)) -> Option<bool> {
                match op {
                    JmpOp::Eq => {
                        if a.umin == a.umax && b.umin == b.umax && a.umin == b.umin {
                            return Some(true);
                        }
                        let apart = a.umin > b.umax || a.umax < b.umin || a.smin > b.smax || a.smax < b.smin;
                        (apart || ta.intersect(tb).is_none()).then_some(false)
                    }
                    JmpOp::Ne => $name::compare(JmpOp::Eq, (ta, a), (tb, b)).map(|equal| !equal),
                    JmpOp::Set => {
                        if ta.value & tb.value != 0 {
                            return Some(true);
                        }
                        (ta.max() & tb.max() == 0).then_some(false)
                    }
                    JmpOp::Gt => decided(a.umin > b.umax, a.umax <= b.umin),
                    JmpOp::Ge => decided(a.umin >= b.umax, a.umax < b.umin),
                    JmpOp::Lt => decided(a.umax < b.umin, a.umin >= b.umax),
                    JmpOp::Le => decided(a.umax <= b.umin, a.umin > b.umax),
                    JmpOp::Sgt => decided(a.smin > b.smax, a.smax <= b.smin),
                    JmpOp::Sge => decided(a.smin >= b.smax, a.smax < b.smin),
                    JmpOp::Slt => decided(a.smax < b.smin, a.smin >= b.smax),
                    JmpOp::Sle => decided(a.smax <= b.smin, a.smin > b.smax),
                }
            }

            /// What is left of both intervals where `a op b` holds, for the orderings; equality and bit tests are
            /// refined on known bits as well and stay with the caller. Ends that cannot move are left alone.
            pub(crate) fn refine(op: JmpOp, a: &mut $name, b: &mut $name) {
                match op {
                    JmpOp::Gt => $name::refine(JmpOp::Lt, b, a),
                    JmpOp::Ge => $name::refine(JmpOp::Le, b, a),
                    JmpOp::Sgt => $name::refine(JmpOp::Slt, b, a),
                    JmpOp::Sge => $name::refine(JmpOp::Sle, b, a),
                    JmpOp::Lt => {
                        a.umax = a.umax.min(b.umax.saturating_sub(1));
                        b.umin = b.umin.max(a.umin.saturating_add(1));
                    }
                    JmpOp::Le => {
                        a.umax = a.umax.min(b.umax);
                        b.umin = b.umin.max(a.umin);
                    }
                    JmpOp::Slt => {
                        a.smax = a.smax.min(b.smax.saturating_sub(1));
                        b.smin = b.smin.max(a.smin.saturating_add(1));
                    }
                    JmpOp::Sle => {
                        a.smax = a.smax.min(b.smax);
                        b.smin = b.smin.max(a.smin);
                    }
                    JmpOp::Eq => {
                        *a = a.intersect(*b);
                        *b = *a;
                    }
                    JmpOp::Ne => {
                        if b.umin == b.umax {
                            a.exclude(b.umin);
                        } else if a.umin == a.umax {
                            b.exclude(a.umin);
                        }
                    }
                    JmpOp::Set => {}
                }
            }

            /// Without `x`, where `x` is an end.
            fn exclude(&mut self, x: $u) {
                if self.umin == x {
                    self.umin = self.umin.saturating_add(1);
                }
                if self.umax == x {
                    self.umax = self.umax.saturating_sub(1);
                }
                if self.smin == x as $s {
                    self.smin = self.smin.saturating_add(1);
                }
                if self.smax == x as $s {
                    self.smax = self.smax.saturating_sub(1);
                }
            }
        }
    };
}

bounds! {
    /// Intervals of a whole register.
    Bounds64 u64 i64 64
}
bounds! {
    /// Intervals of a register's low half.
    Bounds32 u32 i32 32
}
#[cfg(test)]
bounds! {
    /// Eight bits: small enough to try everything.
    Bounds8 u8 i8 8
}

fn decided(always: bool, never: bool) -> Option<bool> {
    if always {
        Some(true)
    } else if never {
        Some(false)
    } else {
        None
    }
}
