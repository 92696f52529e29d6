/// xorshift*: a seed decides the whole run.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed; 0 is as good as any other.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        ((self.bits() >> 11) % limit as u64) as usize
    }

    /// One of a few.
    pub fn one_of<T: Copy>(&mut self, few: &[T]) -> T {
        few[self.below(few.len())]
    }

    /// A number at which something changes.
    pub fn interesting(&mut self) -> i32 {
        self.one_of(&[
            0,
            1,
            -1,
            2,
            3,
            4,
            7,
            8,
            -8,
            15,
            16,
            17,
            31,
            32,
            33,
            63,
            64,
            255,
            256,
            511,
            512,
            0x7fff,
            0x8000,
            0xffff,
            0x1_0000,
            1 << 29,
            (1 << 29) - 1,
            i32::MIN,
            i32::MIN + 1,
            i32::MAX,
        ])
    }

    /// Fills bytes: all zero, all one, or anything.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        match self.below(4) {
            0 => bytes.fill(0),
            1 => bytes.fill(0xff),
            _ => bytes.iter_mut().for_each(|byte| *byte = self.bits() as u8),
        }
    }
}
