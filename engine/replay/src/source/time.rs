/// How an interface counts time: pcapng's `if_tsresol` and `if_tsoffset`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clock {
    resolution: Resolution,
    offset_s: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Resolution {
    /// Units of this many nanoseconds: 1 s to 1 ns.
    Multiple(u64),
    /// 10^-n s, finer than 1 ns: this many units to a nanosecond.
    Fraction(u128),
    /// 2^-n s.
    Binary(u8),
}

impl Clock {
    /// pcapng's default.
    pub(crate) const MICROSECONDS: Clock = Clock { resolution: Resolution::Multiple(1000), offset_s: 0 };

    /// By the octet of `if_tsresol`: bit 7 set means 2^-n, else 10^-n.
    pub(crate) fn from_tsresol(octet: u8, offset_s: i64) -> Clock {
        let exponent = octet & 0x7f;
        let resolution = if octet & 0x80 != 0 {
            Resolution::Binary(exponent)
        } else if exponent <= 9 {
            Resolution::Multiple(10_u64.pow(9 - u32::from(exponent)))
        } else {
            // 10^38 is the largest power that fits; units that small make every time stamp 0 anyway.
            Resolution::Fraction(10_u128.pow(u32::from(exponent - 9).min(38)))
        };
        Clock { resolution, offset_s }
    }

    pub(crate) fn with_offset(self, offset_s: i64) -> Clock {
        Clock { offset_s, ..self }
    }

    /// Nanoseconds since 1970, held to what 64 bits unsigned can say (1970 to 2554).
    #[inline]
    pub(crate) fn nanoseconds(self, units: u64) -> u64 {
        match self {
            Clock { resolution: Resolution::Multiple(ns), offset_s: 0 } => units.saturating_mul(ns),
            _ => self.nanoseconds_general(units),
        }
    }

    fn nanoseconds_general(self, units: u64) -> u64 {
        let units = u128::from(units);
        let ns = match self.resolution {
            Resolution::Multiple(ns) => units * u128::from(ns),
            Resolution::Fraction(per_ns) => units / per_ns,
            Resolution::Binary(exponent) => (units * 1_000_000_000) >> exponent,
        };
        // Below 2^94, so it fits.
        let with_offset = ns as i128 + i128::from(self.offset_s) * 1_000_000_000;
        with_offset.clamp(0, i128::from(u64::MAX)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn every_resolution_comes_out_in_nanoseconds() {
        for (tsresol, offset_s, units, ns) in [
            (6, 0, 1_500_000, 1_500_000_000),
            (9, 0, 1_500_000_000, 1_500_000_000),
            (0, 0, 3, 3_000_000_000),
            (3, 0, 7, 7_000_000),
            (12, 0, 1_999, 1),
            (127, 0, u64::MAX, 0),
            (0x80, 0, 3, 3_000_000_000),
            (0x80 | 10, 0, 1536, 1_500_000_000),
            (0xff, 0, u64::MAX, 0),
            (6, 2, 1, 2_000_001_000),
            (6, -2, 3_000_000, 1_000_000_000),
            (6, -2, 1, 0),
            (0, 0, u64::MAX, u64::MAX),
            (0, i64::MAX, u64::MAX, u64::MAX),
            (0x80, i64::MIN, u64::MAX, u64::MAX),
        ] {
            assert_eq!(
                Clock::from_tsresol(tsresol, offset_s).nanoseconds(units),
                ns,
                "{tsresol:#x} {offset_s} {units}"
            );
        }
        assert_eq!(Clock::MICROSECONDS.nanoseconds(5), 5_000);
        assert_eq!(Clock::MICROSECONDS.with_offset(1).nanoseconds(5), 1_000_005_000);
    }
}
