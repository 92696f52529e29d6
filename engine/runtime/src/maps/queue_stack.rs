//! `BPF_MAP_TYPE_QUEUE` and `BPF_MAP_TYPE_STACK`: values without keys, first in first out or last in first out.
//!
//! ```text
//!   ring of max_entries values      │ . │ oldest │ … │ newest │ . │
//!                                         ▲ a queue gives this ▲ a stack gives this
//! ```

use std::sync::{Mutex, MutexGuard, PoisonError};

use bpfreplay_program::MapSpec;
use bpfreplay_uapi::Errno;
use bpfreplay_uapi::map::update_flags;

use super::ops::Ops;
use crate::memory::{Words, read_words, write_words};

/// Which end values are taken from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// A queue.
    OldestFirst,
    /// A stack.
    NewestFirst,
}

#[derive(Debug)]
pub(crate) struct QueueStack {
    values: Words,
    value_size: usize,
    /// Words from one value to the next.
    stride: usize,
    max_entries: u32,
    order: Order,
    held: Mutex<Held>,
}

/// Which of the values are in use: `len` of them, from `oldest` on.
#[derive(Debug, Default)]
struct Held {
    oldest: u32,
    len: u32,
}

impl QueueStack {
    pub(super) fn new(spec: &MapSpec, order: Order) -> Option<QueueStack> {
        let stride = (spec.value_size as usize).div_ceil(8);
        Some(QueueStack {
            values: Words::zeroed(stride.checked_mul(spec.max_entries as usize)?)?,
            value_size: spec.value_size as usize,
            stride,
            max_entries: spec.max_entries,
            order,
            held: Mutex::default(),
        })
    }

    /// All values, the next one first.
    pub(super) fn for_each(&self, mut show: impl FnMut(&[u8])) {
        let held = self.lock();
        let mut value = vec![0; self.value_size];
        for n in 0..held.len {
            let distance = match self.order {
                Order::OldestFirst => n,
                Order::NewestFirst => held.len - 1 - n,
            };
            self.read(self.after(held.oldest, distance), &mut value);
            show(&value);
        }
    }

    /// The value that is next; all zero where there is none.
    fn get(&self, held: &Held, value: &mut [u8]) -> Result<(), Errno> {
        if held.len == 0 {
            value.fill(0);
            return Err(Errno::ENOENT);
        }
        let at = match self.order {
            Order::OldestFirst => held.oldest,
            Order::NewestFirst => self.after(held.oldest, held.len - 1),
        };
        self.read(at, value);
        Ok(())
    }

    fn read(&self, at: u32, value: &mut [u8]) {
        read_words(&self.values[at as usize * self.stride..][..self.stride], value);
    }

    fn after(&self, index: u32, distance: u32) -> u32 {
        ((u64::from(index) + u64::from(distance)) % u64::from(self.max_entries)) as u32
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ops for QueueStack {
    /// User space peeks.
    fn lookup(&self, _: &[u8], value: &mut [u8], _: u64) -> Result<(), Errno> {
        self.peek(value)
    }

    fn update(&self, _: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.push(value, flags)
    }

    fn delete(&self, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn take(&self, _: &[u8], value: &mut [u8]) -> Result<(), Errno> {
        self.pop(value)
    }

    fn next_key(&self, _: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }

    fn entries(&self) -> u32 {
        self.lock().len
    }

    fn program_update(&self, _: &[u8], _: u32, _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// `BPF_EXIST` makes room in a full map by dropping the oldest value, of a stack too.
    fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        if flags != update_flags::ANY && flags != update_flags::EXIST {
            return Err(Errno::EINVAL);
        }
        let mut held = self.lock();
        if held.len == self.max_entries {
            if flags != update_flags::EXIST {
                return Err(Errno::E2BIG);
            }
            held.oldest = self.after(held.oldest, 1);
            held.len -= 1;
        }
        let at = self.after(held.oldest, held.len);
        write_words(&self.values[at as usize * self.stride..][..self.stride], value);
        held.len += 1;
        Ok(())
    }

    fn pop(&self, value: &mut [u8]) -> Result<(), Errno> {
        let mut held = self.lock();
        self.get(&held, value)?;
        held.len -= 1;
        if self.order == Order::OldestFirst {
            held.oldest = self.after(held.oldest, 1);
        }
        Ok(())
    }

    fn peek(&self, value: &mut [u8]) -> Result<(), Errno> {
        self.get(&self.lock(), value)
    }
}
