//! The frames benchmarks run on: made here, seeded, the same everywhere.

use bpfreplay_pcaps::{Mix, Throughput};

use crate::definition::FrameSet;

/// Seed of every generated set.
pub(crate) const SEED: u64 = 0x5eed;
/// Frames of the sets of many: 25 MB of 64-byte frames, more than any cache below the last.
const MANY: usize = 400_000;
/// The same for mixed sizes: 36 MB.
const MANY_IMIX: usize = 100_000;

/// Frames side by side in memory.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Start and length of each.
    ranges: Vec<(u32, u32)>,
}

impl Frames {
    /// Makes a set. Files are made elsewhere.
    pub(crate) fn make(set: FrameSet) -> Frames {
        match set {
            FrameSet::Tcp64 => Frames::one(Mix::P64, 64),
            FrameSet::Tcp1518 => Frames::one(Mix::Imix, 1518),
            FrameSet::P64 | FrameSet::P64File => Frames::many(Mix::P64, MANY),
            FrameSet::Imix | FrameSet::ImixFile => Frames::many(Mix::Imix, MANY_IMIX),
        }
    }

    /// The first frame of a mix that is IPv4 and TCP, not to port 22, and of this length.
    fn one(mix: Mix, len: usize) -> Frames {
        let mut stream = Throughput::new(mix, SEED);
        let mut frames = Frames { bytes: Vec::new(), ranges: Vec::new() };
        loop {
            let frame = stream.next_frame();
            let is_tcp = frame[12..14] == [0x08, 0x00] && frame[23] == 6;
            if frame.len() == len && is_tcp && frame[36..38] != [0, 22] {
                frames.push(frame);
                return frames;
            }
        }
    }

    fn many(mix: Mix, count: usize) -> Frames {
        let mut stream = Throughput::new(mix, SEED);
        let mut frames = Frames { bytes: Vec::new(), ranges: Vec::with_capacity(count) };
        for _ in 0..count {
            frames.push(stream.next_frame());
        }
        frames
    }

    fn push(&mut self, frame: &[u8]) {
        let start = u32::try_from(self.bytes.len()).expect("a set is far below 4 GiB");
        self.ranges.push((start, frame.len() as u32));
        self.bytes.extend_from_slice(frame);
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// One of them.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let (start, len) = self.ranges[index];
        &self.bytes[start as usize..(start + len) as usize]
    }
}

/// A walk over a set that starts again at its end.
#[derive(Debug, Default)]
pub(crate) struct Cursor(usize);

impl Cursor {
    /// The next frame.
    #[inline]
    pub(crate) fn next<'f>(&mut self, frames: &'f Frames) -> &'f [u8] {
        let frame = frames.get(self.0);
        self.0 += 1;
        if self.0 == frames.len() {
            self.0 = 0;
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_lengths_they_are_named_for() {
        assert_eq!(Frames::make(FrameSet::Tcp64).get(0).len(), 64);
        assert_eq!(Frames::make(FrameSet::Tcp1518).get(0).len(), 1518);
        let many = Frames::make(FrameSet::P64);
        assert_eq!(many.len(), MANY);
        assert!((0..many.len()).all(|index| many.get(index).len() == 64));
    }

    #[test]
    fn a_cursor_comes_round() {
        let frames = Frames::make(FrameSet::Tcp64);
        let mut cursor = Cursor::default();
        assert_eq!(cursor.next(&frames), cursor.next(&frames));
    }
}
