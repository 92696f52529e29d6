//! The numbers iterator: `bpf_iter_num_new`, `_next`, `_destroy`.

use bpfreplay_uapi::Errno;
use bpfreplay_uapi::limits::MAX_LOOPS;

/// `struct bpf_iter_num` as the functions use it (linux: struct bpf_iter_num_kern).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub(super) struct IterNum {
    current: i32,
    end: i32,
}

impl IterNum {
    /// An iterator over `start..end`; of an error one over nothing.
    pub(super) fn new(start: i32, end: i32) -> (IterNum, Result<(), Errno>) {
        if start > end {
            return (IterNum::default(), Err(Errno::EINVAL));
        }
        if i64::from(end) - i64::from(start) > i64::from(MAX_LOOPS) {
            return (IterNum::default(), Err(Errno::E2BIG));
        }
        // The first `next` gives `start`.
        (IterNum { current: start.wrapping_sub(1), end }, Ok(()))
    }

    /// Whether there is another number; it is then in the first four bytes. Over nothing once it has ended.
    pub(super) fn next(&mut self) -> bool {
        let next = self.current.wrapping_add(1);
        if next >= self.end {
            *self = IterNum::default();
            return false;
        }
        self.current = next;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(start: i32, end: i32) -> Vec<i32> {
        let (mut iter, _) = IterNum::new(start, end);
        std::iter::from_fn(|| iter.next().then_some(iter.current)).collect()
    }

    #[test]
    fn numbers_from_start_to_end() {
        assert_eq!(numbers(3, 6), [3, 4, 5]);
        assert_eq!(numbers(-2, 1), [-2, -1, 0]);
        assert_eq!(numbers(5, 5), [0; 0]);
        assert_eq!(numbers(i32::MIN, i32::MIN + 2), [i32::MIN, i32::MIN + 1]);
        assert_eq!(numbers(i32::MAX - 1, i32::MAX), [i32::MAX - 1]);
    }

    #[test]
    fn too_many_or_backwards_are_none() {
        assert_eq!(IterNum::new(1, 0).1, Err(Errno::EINVAL));
        assert_eq!(IterNum::new(0, MAX_LOOPS as i32 + 1).1, Err(Errno::E2BIG));
        assert_eq!(IterNum::new(0, MAX_LOOPS as i32).1, Ok(()));
        assert_eq!(numbers(1, 0), [0; 0]);
    }
}
