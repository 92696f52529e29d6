use bpfreplay_uapi::limits::MAX_BPF_STACK;

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
}

/// A set of the 64 slots of a frame, bit 0 for fp-8.
pub(crate) type SlotSet = u64;

/// The stack of one frame, as deep as it was used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stack {
    slots: Vec<Slot>,
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
        Slot { bytes: [ByteKind::Invalid; 8], spilled: RegState::NOT_INIT, iter: None };

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
            if matches!(byte, ByteKind::Spill | ByteKind::Iter) {
                *byte = ByteKind::Misc;
            }
        }
        self.spilled = RegState::NOT_INIT;
        self.iter = None;
    }
}

impl Stack {
    /// The slots used so far, from fp-8 down.
    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn slots_mut(&mut self) -> &mut [Slot] {
        &mut self.slots
    }

    /// The slot, empty if it was never used.
    pub(crate) fn slot(&self, index: usize) -> &Slot {
        self.slots.get(index).unwrap_or(const { &Slot::EMPTY })
    }

    /// The slot, to write. `index` is below 64: callers have checked the access against the frame.
    pub(crate) fn slot_mut(&mut self, index: usize) -> &mut Slot {
        debug_assert!(index < SLOTS);
        if index >= self.slots.len() {
            self.slots.resize(index + 1, Slot::EMPTY);
        }
        &mut self.slots[index]
    }

    pub(crate) fn byte(&self, off: i64) -> ByteKind {
        let (slot, byte) = locate(off);
        self.slot(slot).bytes[byte]
    }
}
