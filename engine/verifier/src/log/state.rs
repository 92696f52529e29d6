//! A frame's registers and stack on one line (linux: print_verifier_state()).

use std::fmt::{self, Display, Formatter};

use bpfreplay_isa::Reg;
use bpfreplay_program::Program;

use super::precision::Marks;
use super::register::RegText;
use super::touched::Touched;
use crate::state::{ByteKind, DynptrSlot, FrameKind, Held, Iter, RegType, Slot, State};

/// ` R1=ctx() R10=fp0 fp-8=mmmm0000`, with a space in front: of one frame what is in `shown`.
pub(super) struct StateText<'a> {
    pub(super) state: &'a State,
    pub(super) frame: usize,
    pub(super) shown: Touched,
    /// The scalars whose ranges matter, of a kept state.
    pub(super) marks: Option<Marks<'a>>,
    pub(super) program: &'a Program,
}

impl Display for StateText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let frame = &self.state.frames[self.frame];
        if self.frame != 0 {
            write!(f, " frame{}:", self.frame)?;
        }
        let text = |reg| RegText { reg, frame: self.frame, program: self.program };
        for reg in Reg::ALL {
            let value = &frame.regs[reg.index()];
            if self.shown.has_reg(reg) && value.kind != RegType::NotInit {
                let precise =
                    self.marks.is_some_and(|marks| marks.has_reg(self.frame, reg) && value.is_scalar());
                write!(f, " R{}={}{}", reg.number(), if precise { "P" } else { "" }, text(value))?;
            }
        }
        for (at, slot) in frame.stack.slots().iter().enumerate() {
            if !self.shown.has_slot(at) || slot.bytes == Slot::EMPTY.bytes {
                continue;
            }
            if let Some(DynptrSlot { is_first: false, .. }) = slot.dynptr {
                continue;
            }
            write!(f, " fp-{}=", 8 * (at + 1))?;
            if let Some(DynptrSlot { dynptr, .. }) = slot.dynptr {
                write!(f, "dynptr_{}(id={}", dynptr.kind.name(), dynptr.id)?;
                if dynptr.ref_obj_id != 0 {
                    write!(f, ",ref_id={}", dynptr.ref_obj_id)?;
                }
                // The kernel prints another member of the union that says which half it is.
                f.write_str(",dynptr_id=1)")?;
                continue;
            }
            if let Some(Iter { id, drained, depth }) = slot.iter {
                let state = if drained { "drained" } else { "active" };
                write!(f, "iter_num(ref_id={id},state={state},depth={depth})")?;
                continue;
            }
            // The highest address first; a spilled register stands for the bytes below.
            for byte in slot.bytes[slot.spill_size()..].iter().rev() {
                write!(f, "{}", letter(*byte))?;
            }
            if slot.is_spill() {
                let scalar = slot.spilled.is_scalar();
                let precise = self.marks.is_some_and(|marks| marks.has_slot(self.frame, at) && scalar);
                write!(f, "{}{}", if precise { "P" } else { "" }, text(&slot.spilled))?;
            }
        }
        write!(f, "{}", HeldText(&self.state.held))?;
        match frame.kind {
            FrameKind::Main | FrameKind::Global | FrameKind::Exception | FrameKind::Call { .. } => Ok(()),
            FrameKind::Callback { .. } => f.write_str(" cb"),
            FrameKind::Async => f.write_str(" async_cb"),
        }
    }
}

/// ` refs=2,4`: what has to be given back, a lock among it, in the order in which it was acquired.
struct HeldText<'a>(&'a Held);

impl Display for HeldText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut ids: Vec<u32> = self.0.references().iter().map(|reference| reference.id).collect();
        if let Some(lock) = self.0.lock() {
            ids.insert(lock.after(), lock.id);
        }
        // Of a value that is alone in its map, a lock has no identity. Where that is the first, the kernel shows nothing.
        if ids.first() == Some(&0) {
            return Ok(());
        }
        for (at, id) in ids.into_iter().filter(|&id| id != 0).enumerate() {
            write!(f, "{}{id}", if at == 0 { " refs=" } else { "," })?;
        }
        Ok(())
    }
}

const fn letter(byte: ByteKind) -> char {
    match byte {
        ByteKind::Invalid => '?',
        ByteKind::Misc => 'm',
        ByteKind::Zero => '0',
        ByteKind::Spill => 'r',
        ByteKind::Iter => 'i',
        ByteKind::Dynptr => 'd',
    }
}
