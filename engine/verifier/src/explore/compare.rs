use std::cell::RefCell;

use bpfreplay_isa::Reg;

use super::Env;
use super::joins::Join;
use crate::cfg::RegSet;
use crate::scalar::Scalar;
use crate::state::{ByteKind, Frame, FrameKind, Held, RegState, RegType, Slot, State};

/// A one-to-one correspondence of identities between the two states, built while comparing. What is linked in the
/// old state must be linked in the new one, else a bound learned through the link would be missing.
#[derive(Default)]
struct IdMap {
    pairs: RefCell<Vec<(u32, u32)>>,
}

impl IdMap {
    fn agree(&self, old: u32, new: u32) -> bool {
        if old == 0 || new == 0 {
            return old == new;
        }
        let mut pairs = self.pairs.borrow_mut();
        for &(o, n) in pairs.iter() {
            if o == old || n == new {
                return o == old && n == new;
            }
        }
        pairs.push((old, new));
        true
    }

    /// Scalars: an unlinked old one demands nothing (the new one may be linked, which is only more known); a linked
    /// one demands the same links, so an unlinked new one counts as linked to nothing else.
    fn agree_scalar(&self, old: u32, new: u32) -> bool {
        if old == 0 {
            return true;
        }
        let alone = u32::MAX - self.pairs.borrow().len() as u32;
        self.agree(old, if new == 0 { alone } else { new })
    }
}

/// How much of two states has to agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exactness {
    /// What paths from the old state read, and of scalars those whose range mattered (linux: NOT_EXACT).
    Needs,
    /// All that may be read, with every range: what the old state's paths need is not known yet
    /// (linux: RANGE_WITHIN).
    Ranges,
}

impl Env<'_> {
    /// Whether everything the new state stands for was covered by exploring from the old one
    /// (linux: states_equal(), func_states_equal()).
    pub(super) fn includes(&self, old: &Join, new: &State, exactness: Exactness) -> bool {
        if old.state.frames.len() != new.frames.len() {
            return false;
        }
        let ids = IdMap::default();
        let frames = old.state.frames.iter().zip(&new.frames);
        frames.enumerate().all(|(index, (o, n))| {
            o.subprog == n.subprog
                && o.kind == n.kind
                // Rounds that a counted loop of callbacks has left: fewer are part of more.
                && o.callback_depth <= n.callback_depth
                && self.registers_included((old, exactness), index, o, n, new, &ids)
                && stack_included((old, exactness), index, o, n, &ids)
        }) && held_alike(&old.state.held, &new.held, &ids)
    }

    fn registers_included(
        &self,
        (old, exactness): (&Join, Exactness),
        index: usize,
        o: &Frame,
        n: &Frame,
        new: &State,
        ids: &IdMap,
    ) -> bool {
        let live = self.live_registers(new, index);
        Reg::ALL.into_iter().all(|reg| {
            let precise =
                exactness == Exactness::Ranges || old.precise_regs[index] & (1 << reg.number()) != 0;
            !live.contains(reg) || included(&o.regs[reg.index()], &n.regs[reg.index()], precise, ids)
        })
    }

    /// The registers of a frame that paths from here may still read.
    pub(crate) fn live_registers(&self, state: &State, frame: usize) -> RegSet {
        match state.frames.get(frame + 1).map(|callee| callee.kind) {
            // What is read after the call; r0 will be the result.
            Some(FrameKind::Call { callsite }) => {
                self.code.live[callsite as usize + 1].without(RegSet::of(&[Reg::R0]))
            }
            // The helper is called once more.
            Some(FrameKind::Callback { callsite }) => self.code.live[callsite as usize],
            Some(FrameKind::Main | FrameKind::Global | FrameKind::Exception | FrameKind::Async) | None => {
                self.code.live[self.pc]
            }
        }
    }
}

/// Whether the same is held: references that correspond, one lock or none, and the same regions (linux: refsafe()).
fn held_alike(old: &Held, new: &Held, ids: &IdMap) -> bool {
    let (o, n) = (old.references(), new.references());
    let lock_alike = match (old.lock(), new.lock()) {
        (None, None) => true,
        (Some(o), Some(n)) => o.holder == n.holder && o.after() == n.after() && ids.agree(o.id, n.id),
        (None, Some(_)) | (Some(_), None) => false,
    };
    let regions_alike = old.in_rcu == new.in_rcu && old.preempt_disabled == new.preempt_disabled;
    lock_alike && regions_alike && o.len() == n.len() && o.iter().zip(n).all(|(o, n)| ids.agree(o.id, n.id))
}

/// Whether nothing has changed since the old state: a path that is back there goes in a circle. What was acquired,
/// given back and acquired anew may have another identity where only the stack has it, and slots that the old state
/// never used do not count (linux: states_maybe_looping(), and states_equal() with EXACT).
pub(super) fn identical(old: &State, new: &State) -> bool {
    let ids = IdMap::default();
    old.rounds == new.rounds
        && old.frames.len() == new.frames.len()
        && old.frames.last().map(|frame| &frame.regs) == new.frames.last().map(|frame| &frame.regs)
        && old.frames.iter().zip(&new.frames).all(|(o, n)| {
            (o.kind, o.subprog, o.callback_depth) == (n.kind, n.subprog, n.callback_depth)
                && o.regs.iter().zip(&n.regs).all(|(o, n)| same_register(o, n, &ids))
                && o.stack.slots().iter().enumerate().all(|(at, o)| same_slot(o, n.stack.slot(at), &ids))
        })
        && held_alike(&old.held, &new.held, &ids)
}

fn same_register(old: &RegState, new: &RegState, ids: &IdMap) -> bool {
    let RegState { id, ref_obj_id, dynptr_id, map_uid, .. } = *new;
    RegState { id, ref_obj_id, dynptr_id, map_uid, ..*old } == *new
        && ids.agree(old.map_uid, new.map_uid)
        && ids.agree(old.id, new.id)
        && ids.agree(old.ref_obj_id, new.ref_obj_id)
        && ids.agree(old.dynptr_id, new.dynptr_id)
}

fn same_slot(old: &Slot, new: &Slot, ids: &IdMap) -> bool {
    let same_iter = match (old.iter, new.iter) {
        (None, None) => true,
        (Some(o), Some(n)) => (o.drained, o.depth) == (n.drained, n.depth) && ids.agree(o.id, n.id),
        (None, Some(_)) | (Some(_), None) => false,
    };
    let same_dynptr = match (old.dynptr, new.dynptr) {
        (None, None) => true,
        (Some(o), Some(n)) => {
            (o.is_first, o.dynptr.kind) == (n.is_first, n.dynptr.kind)
                && ids.agree(o.dynptr.id, n.dynptr.id)
                && ids.agree(o.dynptr.ref_obj_id, n.dynptr.ref_obj_id)
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    old.bytes == new.bytes && same_iter && same_dynptr && same_register(&old.spilled, &new.spilled, ids)
}

/// Whether the old register stands for all the new one can be (linux: regsafe()).
fn included(old: &RegState, new: &RegState, precise: bool, ids: &IdMap) -> bool {
    if old.kind == RegType::NotInit {
        // It was not read, or the path would have been refused.
        return true;
    }
    if old.kind != new.kind || old.nullable != new.nullable {
        return false;
    }
    if !ids.agree(old.ref_obj_id, new.ref_obj_id) || !ids.agree(old.dynptr_id, new.dynptr_id) {
        return false;
    }
    if !ids.agree(old.map_uid, new.map_uid) {
        return false;
    }
    match old.kind {
        RegType::NotInit => true,
        RegType::Scalar => {
            !precise
                || (old.value.includes(&new.value)
                    && ids.agree_scalar(old.id, new.id)
                    && (old.id == 0 || (old.add_const == new.add_const && old.off == new.off)))
        }
        RegType::MapValue { .. } | RegType::MapKey { .. } | RegType::Mem { .. } => {
            old.off == new.off && old.value.includes(&new.value) && ids.agree(old.id, new.id)
        }
        RegType::Packet | RegType::PacketMeta => {
            old.off == new.off
                && old.range.includes(new.range)
                && old.value.includes(&new.value)
                && ids.agree(old.id, new.id)
        }
        RegType::Ctx
        | RegType::MapPtr { .. }
        | RegType::Stack { .. }
        | RegType::PacketEnd
        | RegType::Sock(_)
        | RegType::BtfSock(_)
        | RegType::Func { .. }
        | RegType::Dynptr(_)
        | RegType::Object { .. } => old.off == new.off && old.value == new.value && ids.agree(old.id, new.id),
    }
}

/// Whether the old stack, where it was read later, stands for the new one (linux: stacksafe()).
fn stack_included(
    (old, exactness): (&Join, Exactness),
    index: usize,
    o: &Frame,
    n: &Frame,
    ids: &IdMap,
) -> bool {
    let all = exactness == Exactness::Ranges;
    o.stack.slots().iter().enumerate().all(|(at, slot)| {
        let read = all || old.read[index] & (1 << at) != 0;
        let precise = all || old.precise_slots[index] & (1 << at) != 0;
        !read || slot_included(slot, n.stack.slot(at), precise, ids)
    })
}

fn slot_included(old: &Slot, new: &Slot, precise: bool, ids: &IdMap) -> bool {
    if let (Some(o), Some(n)) = (old.iter, new.iter) {
        // Rounds are not compared: they would never be the same.
        return o.drained == n.drained && ids.agree(o.id, n.id);
    }
    if let (Some(o), Some(n)) = (old.dynptr, new.dynptr) {
        return o.is_first == n.is_first
            && o.dynptr.kind == n.dynptr.kind
            && ids.agree(o.dynptr.ref_obj_id, n.dynptr.ref_obj_id)
            // What it lent is made invalid with it.
            && ids.agree(o.dynptr.id, n.dynptr.id);
    }
    // A load of eight unknown bytes and a fill of an unknown scalar give the same.
    if let (Some(o), Some(n)) = (as_scalar(old), as_scalar(new)) {
        return included(&o, &n, precise, ids);
    }
    if old.is_spill() && new.is_spill() && old.spill_size() == new.spill_size() {
        return included(&old.spilled, &new.spilled, precise, ids)
            && (old.spill_size()..8).all(|b| byte_included(old.bytes[b], new.bytes[b]));
    }
    let plain_number = !new.is_spill() || new.spilled.is_scalar();
    plain_number
        && old.bytes.iter().zip(&new.bytes).all(|(&o, &n)| {
            !matches!(o, ByteKind::Spill | ByteKind::Iter | ByteKind::Dynptr) && byte_included(o, n)
        })
}

/// Old bytes that are no spill: unknown ones stand for any number, zero for zero.
fn byte_included(old: ByteKind, new: ByteKind) -> bool {
    match old {
        // Uninitialised bytes are readable for privileged programs and were read as any value.
        ByteKind::Invalid | ByteKind::Misc => true,
        ByteKind::Zero => new == ByteKind::Zero,
        ByteKind::Spill => new == ByteKind::Spill,
        ByteKind::Iter => new == ByteKind::Iter,
        ByteKind::Dynptr => new == ByteKind::Dynptr,
    }
}

/// The slot as the scalar an 8-byte load would give.
fn as_scalar(slot: &Slot) -> Option<RegState> {
    match slot.whole_spill() {
        Some(spilled) if spilled.is_scalar() => Some(*spilled),
        Some(_) => None,
        None if slot.is_all_unknown() => Some(RegState::scalar(Scalar::UNKNOWN)),
        None => None,
    }
}
