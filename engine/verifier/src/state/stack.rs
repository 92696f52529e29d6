use std::rc::Rc;

use bpfreplay_uapi::limits::MAX_BPF_STACK;

use super::dynptr::DynptrSlot;
use super::meter::Meter;
use super::reg::RegState;

/// What one byte of the stack holds (linux: enum bpf_stack_slot_type).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ByteKind {
    /// Never written: readable (privileged programs), as any value.
    Invalid,
    /// Anything.
    Misc,
    /// Zero.
    Zero,
    /// Part of the slot's spilled register: its byte with the same number.
    Spill,
    /// Part of the slot's iterator, all of which it is: only the iterator's functions may look at it.
    Iter,
    /// Part of a dynptr, of which the slot is one half: only the dynptr's functions may look at it.
    Dynptr,
}

/// A numbers iterator in a slot (linux: STACK_ITER).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Iter {
    /// The reference that its destruction releases.
    pub(crate) id: u32,
    /// Whether it has said that there is nothing more; it keeps saying so.
    pub(crate) drained: bool,
    /// Rounds taken, so that a round is no circle.
    pub(crate) depth: u32,
}

/// Eight bytes of stack at an aligned place.
///
/// ```text
///   slot 0: bytes fp-8 .. fp-1      byte 0 is the lowest address, fp-8
///   slot 1: bytes fp-16 .. fp-9
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    pub(crate) bytes: [ByteKind; 8],
    /// What was spilled here; counts for the bytes that are [`ByteKind::Spill`], which start at byte 0.
    pub(crate) spilled: RegState,
    /// What the bytes are that are [`ByteKind::Iter`].
    pub(crate) iter: Option<Iter>,
    /// What the bytes are that are [`ByteKind::Dynptr`].
    pub(crate) dynptr: Option<DynptrSlot>,
}

/// A set of the 64 slots of a frame, bit 0 for fp-8.
pub(crate) type SlotSet = u64;

/// The stack of one frame, as deep as it was used. Copies share their slots until one of them is written to: states
/// that part in a function have the stacks of its callers in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stack {
    slots: Option<Rc<Slots>>,
    meter: Meter,
}

/// Slots, metered while they live.
#[derive(Debug)]
struct Slots {
    slots: Vec<Slot>,
    meter: Meter,
}

/// Slots of a frame.
const SLOTS: usize = MAX_BPF_STACK / 8;

/// Slot and byte of the address `fp + off`, for `-512 <= off < 0`.
pub(crate) const fn locate(off: i64) -> (usize, usize) {
    let below = (-off - 1) as usize;
    (below / 8, 7 - below % 8)
}

impl Slot {
    pub(crate) const EMPTY: Slot =
        Slot { bytes: [ByteKind::Invalid; 8], spilled: RegState::NOT_INIT, iter: None, dynptr: None };

    /// How many bytes, from the lowest, a spilled register takes; 0 where none is.
    pub(crate) fn spill_size(&self) -> usize {
        self.bytes.iter().take_while(|&&b| b == ByteKind::Spill).count()
    }

    pub(crate) fn is_spill(&self) -> bool {
        self.bytes[0] == ByteKind::Spill
    }

    /// A spilled pointer, or a number of which all eight bytes are known as spilled.
    pub(crate) fn whole_spill(&self) -> Option<&RegState> {
        (self.bytes[7] == ByteKind::Spill).then_some(&self.spilled)
    }

    /// Whether a load of the whole slot gives any number.
    pub(crate) fn is_all_unknown(&self) -> bool {
        self.bytes.iter().all(|b| matches!(b, ByteKind::Misc | ByteKind::Invalid))
    }

    /// The spill, or the iterator, is no longer whole: its bytes are numbers of unknown value.
    pub(crate) fn break_spill(&mut self) {
        for byte in &mut self.bytes {
            if matches!(byte, ByteKind::Spill | ByteKind::Iter | ByteKind::Dynptr) {
                *byte = ByteKind::Misc;
            }
        }
        self.spilled = RegState::NOT_INIT;
        self.iter = None;
        self.dynptr = None;
    }
}

impl Stack {
    /// The slots used so far, from fp-8 down.
    pub(crate) fn slots(&self) -> &[Slot] {
        self.slots.as_deref().map_or(&[], |slots| &slots.slots)
    }

    /// Every spilled register, with its slot. Only slots whose register is changed are written to.
    pub(crate) fn each_spill_mut(&mut self, mut f: impl FnMut(usize, &mut RegState)) {
        for at in 0..self.slots().len() {
            let slot = self.slot(at);
            if !slot.is_spill() {
                continue;
            }
            let (before, mut spilled) = (slot.spilled, slot.spilled);
            f(at, &mut spilled);
            if spilled != before {
                self.slot_mut(at).spilled = spilled;
            }
        }
    }

    /// The slot, empty if it was never used.
    pub(crate) fn slot(&self, index: usize) -> &Slot {
        self.slots().get(index).unwrap_or(const { &Slot::EMPTY })
    }

    /// The slot, to write. `index` is below 64: callers have checked the access against the frame.
    pub(crate) fn slot_mut(&mut self, index: usize) -> &mut Slot {
        debug_assert!(index < SLOTS);
        let meter = &self.meter;
        let slots = self.slots.get_or_insert_with(|| Rc::new(Slots::new(meter.clone())));
        let slots = Rc::make_mut(slots);
        if index >= slots.slots.len() {
            slots.grow(index + 1);
        }
        &mut slots.slots[index]
    }

    /// Counts the slots in `meter` that are used from here on.
    pub(crate) fn set_meter(&mut self, meter: &Meter) {
        self.meter = meter.clone();
    }

    /// Counts them where `other`'s are counted.
    pub(super) fn share_meter(&mut self, other: &Stack) {
        self.meter = other.meter.clone();
    }

    pub(crate) fn byte(&self, off: i64) -> ByteKind {
        let (slot, byte) = locate(off);
        self.slot(slot).bytes[byte]
    }
}

impl PartialEq for Stack {
    fn eq(&self, other: &Stack) -> bool {
        self.slots() == other.slots()
    }
}

impl Eq for Stack {}

impl Slots {
    fn new(meter: Meter) -> Slots {
        Slots { slots: Vec::new(), meter }
    }

    fn grow(&mut self, len: usize) {
        self.meter.add((len - self.slots.len()) * size_of::<Slot>());
        // Not more than is counted.
        self.slots.reserve_exact(len - self.slots.len());
        self.slots.resize(len, Slot::EMPTY);
    }
}

impl Clone for Slots {
    fn clone(&self) -> Slots {
        self.meter.add(size_of_val(&self.slots[..]));
        Slots { slots: self.slots.clone(), meter: self.meter.clone() }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.meter.take_off(size_of_val(&self.slots[..]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_slots_until_one_is_written() {
        let meter = Meter::new();
        let mut stack = Stack::default();
        stack.set_meter(&meter);
        stack.slot_mut(63).bytes[0] = ByteKind::Zero;
        let full = SLOTS * size_of::<Slot>();
        assert_eq!(meter.bytes(), full);
        let mut copies: Vec<Stack> = (0..100).map(|_| stack.clone()).collect();
        copies[7].each_spill_mut(|_, reg| *reg = RegState::UNKNOWN);
        assert_eq!(meter.bytes(), full, "no slot has a spill to change");
        copies[7].slot_mut(0).bytes[0] = ByteKind::Misc;
        assert_eq!(meter.bytes(), 2 * full);
        assert!(copies[7] != stack && copies[8] == stack);
        drop(copies);
        assert_eq!(meter.bytes(), full);
        drop(stack);
        assert_eq!(meter.bytes(), 0);
    }
}
