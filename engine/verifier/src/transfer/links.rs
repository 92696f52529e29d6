//! Scalars that are equal, or a constant apart, learn from each other's comparisons
//! (linux: collect_linked_regs(), sync_linked_regs()).

use bpfreplay_isa::{AluOp, Reg, Width};

use crate::scalar::{self, Scalar};
use crate::state::{RegState, State};

/// Scalars that learn from one comparison at the most; the rest lose their link (the kernel's limit).
const LINKED_MAX: usize = 6;

/// Slots are numbered behind registers in history.
const FIRST_SLOT: u8 = 16;

/// Where the scalars with one of these identities are: (frame, register) or (frame, 16 + slot).
pub(super) fn collect(state: &mut State, ids: [u32; 2]) -> Vec<(u8, u8)> {
    let mut found = Vec::new();
    if ids == [0, 0] {
        return found;
    }
    let mut visit = |reg: &mut RegState, frame: usize, at: u8| {
        if !reg.is_scalar() || reg.id == 0 || !ids.contains(&reg.id) {
            return;
        }
        if found.len() < LINKED_MAX {
            found.push((frame as u8, at));
        } else {
            reg.unlink();
        }
    };
    for (index, frame) in state.frames.iter_mut().enumerate() {
        for reg in Reg::ALL {
            visit(&mut frame.regs[reg.index()], index, reg.number());
        }
        for (at, slot) in frame.stack.slots_mut().iter_mut().enumerate() {
            if slot.is_spill() {
                visit(&mut slot.spilled, index, FIRST_SLOT + at as u8);
            }
        }
    }
    found
}

/// All linked scalars become what `known` says of them.
pub(super) fn spread(state: &mut State, linked: &[(u8, u8)], known: &RegState) {
    if known.id == 0 || !known.is_scalar() {
        return;
    }
    let distance = |reg: &RegState| if reg.linked_by_offset { i64::from(reg.off) } else { 0 };
    for &(frame, at) in linked {
        let frame = &mut state.frames[usize::from(frame)];
        let reg = match at.checked_sub(FIRST_SLOT) {
            None => &mut frame.regs[usize::from(at)],
            Some(slot) => &mut frame.stack.slot_mut(usize::from(slot)).spilled,
        };
        if !reg.is_scalar() || reg.id != known.id {
            continue;
        }
        let apart = distance(reg) - distance(known);
        reg.value = if apart == 0 {
            known.value
        } else {
            scalar::alu(Width::W64, AluOp::Add, &known.value, &Scalar::constant(apart as u64))
        };
    }
}
