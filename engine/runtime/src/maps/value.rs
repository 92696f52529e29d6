//! How values are copied: all of their bytes but the special fields, which programs reach through helpers only.
//!
//! ```text
//!   value    │ counter │ bpf_spin_lock │ flags │ bpf_timer        │
//!   update     copied    stays           copied  stays                 in a new element: zero
//!   lookup     copied    zero            copied  zero                  (`copy_map_value`, `check_and_init_map_value`)
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use bpfreplay_program::{MapSpec, SpecialKind};
use bpfreplay_uapi::Errno;
use bpfreplay_uapi::map::update_flags;

use crate::memory::{read_words, with_lock, write_words};

/// What is copied of a map's values.
#[derive(Debug)]
pub(super) struct ValueCopy {
    /// By word, the bits that are copied; `None`: all.
    masks: Option<Box<[u64]>>,
    /// Where the lock is, in bytes.
    lock: Option<u32>,
}

impl ValueCopy {
    pub(super) fn new(spec: &MapSpec) -> ValueCopy {
        let mut masks = vec![u64::MAX; (spec.value_size as usize).div_ceil(8)];
        for field in spec.fields() {
            for byte in field.off..field.off + field.kind.size() {
                if let Some(mask) = masks.get_mut(byte as usize / 8) {
                    *mask &= !(0xff << (byte % 8 * 8));
                }
            }
        }
        let lock = spec.fields().iter().find(|field| field.kind == SpecialKind::SpinLock);
        ValueCopy {
            masks: (!spec.fields().is_empty()).then(|| masks.into()),
            lock: lock
                .map(|field| field.off)
                .filter(|off| off.is_multiple_of(4) && off + 4 <= spec.value_size),
        }
    }

    /// `BPF_F_LOCK` needs a lock.
    pub(super) fn check_lock(&self, flags: u64) -> Result<(), Errno> {
        if flags & update_flags::F_LOCK != 0 && self.lock.is_none() { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// Into an element that nobody sees yet.
    pub(super) fn fill(&self, words: &[AtomicU64], value: &[u8]) {
        write_words(words, value);
        for (word, mask) in words.iter().zip(self.masks.iter().flatten()) {
            word.fetch_and(*mask, Ordering::Relaxed);
        }
    }

    /// Over a value there is: under its lock, if the flags say so.
    pub(super) fn overwrite(&self, words: &[AtomicU64], value: &[u8], flags: u64) {
        self.with_lock(words, flags, || match &self.masks {
            None => write_words(words, value),
            Some(masks) => {
                for ((word, mask), bytes) in words.iter().zip(masks).zip(value.chunks(8)) {
                    let new = crate::memory::padded(bytes) & mask;
                    if *mask == u64::MAX {
                        word.store(new, Ordering::Relaxed);
                    } else if *mask != 0 {
                        let swap = |old| Some(old & !mask | new);
                        // Never fails: the closure always has a new value.
                        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, swap);
                    }
                }
            }
        });
    }

    /// For user space: under the value's lock, if the flags say so.
    pub(super) fn read(&self, words: &[AtomicU64], value: &mut [u8], flags: u64) {
        self.with_lock(words, flags, || read_words(words, value));
        for (bytes, mask) in value.chunks_mut(8).zip(self.masks.iter().flatten()) {
            bytes.iter_mut().zip(mask.to_le_bytes()).for_each(|(byte, mask)| *byte &= mask);
        }
    }

    /// Programs take the same lock with `bpf_spin_lock`.
    fn with_lock(&self, words: &[AtomicU64], flags: u64, copy: impl FnOnce()) {
        let Some(lock) = self.lock.filter(|_| flags & update_flags::F_LOCK != 0) else { return copy() };
        with_lock(words, lock, copy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Words;
    use bpfreplay_program::SpecialField;
    use bpfreplay_uapi::MapType;

    fn copy() -> ValueCopy {
        let mut spec = MapSpec::new("m", MapType::Array, 4, 28, 1);
        spec.special = vec![
            SpecialField { off: 4, kind: SpecialKind::SpinLock },
            SpecialField { off: 8, kind: SpecialKind::Timer },
        ];
        ValueCopy::new(&spec)
    }

    #[test]
    fn special_fields_stay_and_are_not_seen() {
        let (copy, words) = (copy(), Words::zeroed(4).unwrap());
        let value: Vec<u8> = (1..=28).collect();
        let mut plain = value.clone();
        plain[4..24].fill(0);
        copy.fill(&words, &value);
        let mut seen = vec![9; 28];
        read_words(&words, &mut seen);
        assert_eq!(seen, plain);
        // A program arms the timer and holds the lock.
        words[0].fetch_or(1 << 32, Ordering::Relaxed);
        words[1].store(77, Ordering::Relaxed);
        copy.overwrite(&words, &[0xff; 28], 0);
        assert_eq!(words[0].load(Ordering::Relaxed), 0x0000_0001_ffff_ffff);
        assert_eq!((words[1].load(Ordering::Relaxed), words[2].load(Ordering::Relaxed)), (77, 0));
        assert_eq!(words[3].load(Ordering::Relaxed), 0xffff_ffff);
        copy.read(&words, &mut seen, 0);
        assert_eq!(seen, [&[0xff; 4][..], &[0; 20], &[0xff; 4]].concat());
    }

    #[test]
    fn a_locked_copy_waits_for_the_lock() {
        let (copy, words) = (copy(), Words::zeroed(4).unwrap());
        words[0].store(1 << 32, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let update = scope.spawn(|| copy.overwrite(&words, &[0xff; 28], update_flags::F_LOCK));
            std::thread::sleep(std::time::Duration::from_millis(5));
            assert!(!update.is_finished());
            assert_eq!(words[3].load(Ordering::Relaxed), 0);
            words[0].fetch_and(u64::from(u32::MAX), Ordering::Release);
        });
        assert_eq!(words[0].load(Ordering::Relaxed), 0xffff_ffff);
        assert_eq!(words[3].load(Ordering::Relaxed), 0xffff_ffff);
    }
}
