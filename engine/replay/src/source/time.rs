/// The finest units of which 64 bits count a second, the limit libpcap has, too (`sf-pcapng.c`).
pub(crate) const FINEST_DECIMAL: u8 = 19;
/// As [`FINEST_DECIMAL`], of negated powers of 2.
pub(crate) const FINEST_BINARY: u8 = 63;

/// How an interface counts time: pcapng's `if_tsresol` and `if_tsoffset`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clock {
    resolution: Resolution,
    offset_s: i64,
}

/// A unit of time that is too short: `base`^-`exponent` s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooFine {
    pub(crate) base: u8,
    pub(crate) exponent: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Resolution {
    /// Units of this many nanoseconds: 1 s to 1 ns.
    Multiple(u64),
    /// 10^-n s, finer than 1 ns: this many units to a nanosecond.
    Fraction(u64),
    /// 2^-n s.
    Binary(u8),
}

impl Clock {
    /// pcapng's default.
    pub(crate) const MICROSECONDS: Clock = Clock { resolution: Resolution::Multiple(1000), offset_s: 0 };

    /// By the octet of `if_tsresol`: bit 7 set means 2^-n, else 10^-n.
    pub(crate) fn from_tsresol(octet: u8) -> Result<Clock, TooFine> {
        let exponent = octet & 0x7f;
        let resolution = if octet & 0x80 != 0 {
            if exponent > FINEST_BINARY {
                return Err(TooFine { base: 2, exponent });
            }
            Resolution::Binary(exponent)
        } else if exponent <= 9 {
            Resolution::Multiple(10_u64.pow(9 - u32::from(exponent)))
        } else if exponent <= FINEST_DECIMAL {
            Resolution::Fraction(10_u64.pow(u32::from(exponent - 9)))
        } else {
            return Err(TooFine { base: 10, exponent });
        };
        Ok(Clock { resolution, offset_s: 0 })
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
            Resolution::Fraction(per_ns) => units / u128::from(per_ns),
            Resolution::Binary(exponent) => (units * 1_000_000_000) >> exponent,
        };
        // Below 2^94, so it fits.
        let with_offset = ns as i128 + i128::from(self.offset_s) * 1_000_000_000;
        with_offset.clamp(0, i128::from(u64::MAX)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, TooFine};

    #[test]
    fn every_resolution_comes_out_in_nanoseconds() {
        for (tsresol, offset_s, units, ns) in [
            (6, 0, 1_500_000, 1_500_000_000),
            (9, 0, 1_500_000_000, 1_500_000_000),
            (0, 0, 3, 3_000_000_000),
            (3, 0, 7, 7_000_000),
            (12, 0, 1_999, 1),
            (19, 0, u64::MAX, 1_844_674_407),
            (0x80, 0, 3, 3_000_000_000),
            (0x80 | 10, 0, 1536, 1_500_000_000),
            (0x80 | 63, 0, 1 << 63, 1_000_000_000),
            (6, 2, 1, 2_000_001_000),
            (6, -2, 3_000_000, 1_000_000_000),
            (6, -2, 1, 0),
            (0, 0, u64::MAX, u64::MAX),
            (0, i64::MAX, u64::MAX, u64::MAX),
            (0x80, i64::MIN, u64::MAX, u64::MAX),
        ] {
            assert_eq!(
                Clock::from_tsresol(tsresol).map(|clock| clock.with_offset(offset_s).nanoseconds(units)),
                Ok(ns),
                "{tsresol:#x} {offset_s} {units}"
            );
        }
        for (tsresol, base, exponent) in [(20, 10, 20), (127, 10, 127), (0x80 | 64, 2, 64), (0xff, 2, 127)] {
            assert_eq!(Clock::from_tsresol(tsresol), Err(TooFine { base, exponent }));
        }
        assert_eq!(Clock::MICROSECONDS.nanoseconds(5), 5_000);
        assert_eq!(Clock::MICROSECONDS.with_offset(1).nanoseconds(5), 1_000_005_000);
    }
}
