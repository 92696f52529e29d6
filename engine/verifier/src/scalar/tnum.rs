use std::fmt;

/// A number some of whose bits are known (linux: kernel/bpf/tnum.c; "tristate number").
///
/// A bit is unknown where `mask` has a 1, else it is `value`'s. `value & mask` is always 0. The set it stands for:
/// all `x` with `x & !mask == value`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Tnum {
    pub(crate) value: u64,
    pub(crate) mask: u64,
}

impl Tnum {
    /// Any 64-bit number.
    pub(crate) const UNKNOWN: Tnum = Tnum { value: 0, mask: u64::MAX };

    pub(crate) const fn constant(value: u64) -> Tnum {
        Tnum { value, mask: 0 }
    }

    /// Known value, unknown bits; the invariant is established here.
    const fn new(value: u64, mask: u64) -> Tnum {
        Tnum { value: value & !mask, mask }
    }

    /// The bits all numbers of `min..=max` share: those above the highest bit in which the ends differ.
    pub(crate) const fn range(min: u64, max: u64) -> Tnum {
        match u64::BITS - (min ^ max).leading_zeros() {
            0 => Tnum::constant(min),
            64 => Tnum::UNKNOWN,
            bits => Tnum::new(min, (1 << bits) - 1),
        }
    }

    pub(crate) const fn is_const(self) -> bool {
        self.mask == 0
    }

    /// The largest member, unsigned.
    pub(crate) const fn max(self) -> u64 {
        self.value | self.mask
    }

    #[cfg(test)]
    pub(crate) const fn contains(self, x: u64) -> bool {
        x & !self.mask == self.value
    }

    /// The smallest member that is not below `from`; `None` if all are.
    ///
    /// ```text
    ///   value  1?0??1     the highest known bit in which `from` differs decides: where the members have a 1, they are
    ///   from   110101     above it from there on; where they have a 0, an unknown bit above has to step up first
    /// ```
    pub(crate) const fn first_from(self, from: u64) -> Option<u64> {
        let differing = (from ^ self.value) & !self.mask;
        if differing == 0 {
            return Some(from);
        }
        let at = u64::BITS - 1 - differing.leading_zeros();
        if self.value >> at & 1 == 1 {
            return Some(from & !below(at) & !(1 << at) | self.value & (below(at) | 1 << at));
        }
        let steps = self.mask & !from & !below(at);
        if steps == 0 {
            return None;
        }
        let step = steps.trailing_zeros();
        Some(from & !below(step) | 1 << step | self.value & below(step))
    }

    /// The member in `min..=max`, if there is just one (linux: tnum_step(), __update_reg64_bounds()).
    pub(crate) fn only_member_in(self, min: u64, max: u64) -> Option<u64> {
        let first = self.first_from(min).filter(|&first| first <= max)?;
        let second = first.checked_add(1).and_then(|next| self.first_from(next));
        second.is_none_or(|second| second > max).then_some(first)
    }

    /// Whether every member of `other` is a member of `self`.
    pub(crate) const fn includes(self, other: Tnum) -> bool {
        other.mask & !self.mask == 0 && other.value & !self.mask == self.value
    }

    /// What is in both; `None` if a bit is known to be 0 in one and 1 in the other.
    pub(crate) const fn intersect(self, other: Tnum) -> Option<Tnum> {
        if (self.value ^ other.value) & !self.mask & !other.mask != 0 {
            return None;
        }
        let mask = self.mask & other.mask;
        Some(Tnum { value: (self.value | other.value) & !mask, mask })
    }

    /// The low `bits` bits, zero-extended.
    pub(crate) const fn low(self, bits: u32) -> Tnum {
        let keep = if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
        Tnum { value: self.value & keep, mask: self.mask & keep }
    }

    /// The low half of `low` under the high half of `self`.
    pub(crate) const fn with_low_half(self, low: Tnum) -> Tnum {
        const HIGH: u64 = !0xffff_ffff;
        Tnum { value: (self.value & HIGH) | low.low(32).value, mask: (self.mask & HIGH) | low.low(32).mask }
    }

    /// A sum's bit is unknown where an operand's is, or where the carry into it is. Carries are monotone in the
    /// operands, so the carries of the smallest and the largest sum bracket all others: they differ where those do.
    pub(crate) const fn add(self, other: Tnum) -> Tnum {
        let least = self.value.wrapping_add(other.value);
        let most = least.wrapping_add(self.mask.wrapping_add(other.mask));
        Tnum::new(least, (least ^ most) | self.mask | other.mask)
    }

    /// As [`Tnum::add`], with borrows: least minuend less most subtrahend against the opposite.
    pub(crate) const fn sub(self, other: Tnum) -> Tnum {
        let base = self.value.wrapping_sub(other.value);
        let least = base.wrapping_sub(other.mask);
        let most = base.wrapping_add(self.mask);
        Tnum::new(base, (least ^ most) | self.mask | other.mask)
    }

    pub(crate) const fn and(self, other: Tnum) -> Tnum {
        let possible = self.max() & other.max();
        let certain = self.value & other.value;
        Tnum { value: certain, mask: possible & !certain }
    }

    pub(crate) const fn or(self, other: Tnum) -> Tnum {
        let certain = self.value | other.value;
        Tnum { value: certain, mask: (self.mask | other.mask) & !certain }
    }

    pub(crate) const fn xor(self, other: Tnum) -> Tnum {
        Tnum::new(self.value ^ other.value, self.mask | other.mask)
    }

    /// Long multiplication: the known bits multiply exactly; each bit of `self` that is 1 adds `other`'s unknown
    /// bits at its place, each unknown one adds all of `other`'s possible bits.
    pub(crate) fn mul(self, other: Tnum) -> Tnum {
        let mut uncertain = Tnum::constant(0);
        let (mut a, mut b) = (self, other);
        while a.max() != 0 {
            if a.value & 1 != 0 {
                uncertain = uncertain.add(Tnum { value: 0, mask: b.mask });
            } else if a.mask & 1 != 0 {
                uncertain = uncertain.add(Tnum { value: 0, mask: b.max() });
            }
            a = a.rsh(1);
            b = b.lsh(1);
        }
        Tnum::constant(self.value.wrapping_mul(other.value)).add(uncertain)
    }

    /// `by` is below 64.
    pub(crate) const fn lsh(self, by: u32) -> Tnum {
        Tnum { value: self.value << by, mask: self.mask << by }
    }

    /// `by` is below 64.
    pub(crate) const fn rsh(self, by: u32) -> Tnum {
        Tnum { value: self.value >> by, mask: self.mask >> by }
    }

    /// Arithmetic shift at a width of `bits`; an unknown sign bit makes the bits shifted in unknown.
    pub(crate) const fn arsh(self, by: u32, bits: u32) -> Tnum {
        let up = 64 - bits;
        let value = (((self.value << up) as i64) >> up >> by) as u64;
        let mask = (((self.mask << up) as i64) >> up >> by) as u64;
        Tnum { value, mask }.low(bits)
    }

    /// The low `bits` bits (16, 32 or 64) with their bytes in the opposite order, zero-extended.
    pub(crate) const fn swap_bytes(self, bits: u32) -> Tnum {
        let up = 64 - bits;
        Tnum { value: (self.value << up).swap_bytes(), mask: (self.mask << up).swap_bytes() }
    }
}

/// The bits below this one.
const fn below(bit: u32) -> u64 {
    (1 << bit) - 1
}

/// The kernel's form: `(value; mask)`, and a number, decimal up to 65535, if it is one (linux: tnum_strn()).
impl fmt::Display for Tnum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_const() {
            return match u16::try_from(self.value) {
                Ok(x) => write!(f, "{x}"),
                Err(_) => write!(f, "{:#x}", self.value),
            };
        }
        write!(f, "({:#x}; {:#x})", self.value, self.mask)
    }
}
