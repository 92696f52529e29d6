//! The generator's own random numbers.
//!
//! A capture must come out the same on every machine and for ever, so the generator depends on no
//! crate's choice of algorithm: this is SplitMix64 (Steele, Lea, Flood 2014), fifteen lines.

/// A SplitMix64 stream. Equal seeds give equal streams.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// Starts the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number in `0..limit`. The bias is at most `limit / 2^32`.
    ///
    /// `limit` 0 gives 0.
    #[inline]
    pub fn below(&mut self, limit: u32) -> u32 {
        let high_bits = self.bits() >> 32;
        u32::try_from((high_bits * u64::from(limit)) >> 32).expect("a product of two u32, shifted by 32")
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which is not empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let limit = u32::try_from(choices.len()).expect("choices are written by hand");
        &choices[self.below(limit) as usize]
    }

    /// `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.bits().to_le_bytes()[7]).collect()
    }
}

/// The finaliser of SplitMix64: spreads a counter over 64 bits, one to one.
#[inline]
pub(crate) fn mix(counter: u64) -> u64 {
    let z = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn gives_the_published_stream() {
        // The first outputs of the reference splitmix64.c for seed 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.bits(), 6_457_827_717_110_365_317);
        assert_eq!(rng.bits(), 3_203_168_211_198_807_973);
        assert_eq!(rng.bits(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::new(1);
        let seen = (0..1000).map(|_| rng.below(7)).fold([0u32; 7], |mut seen, n| {
            seen[n as usize] += 1;
            seen
        });
        assert!(seen.iter().all(|&n| n > 100), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }
}
