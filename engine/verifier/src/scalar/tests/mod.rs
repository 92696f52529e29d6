//! The sentence of this module, checked: exhaustively at eight bits, with edges and random sets at 32 and 64.

mod eight_bits;
mod wide;

/// A small generator (xorshift*), so that runs repeat exactly.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
