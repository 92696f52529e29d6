//! The abstract state of one path: what is known of every register and every stack byte of every frame.

mod dynptr;
mod frame;
mod held;
mod meter;
mod object;
mod reg;
mod stack;

pub(crate) use dynptr::{Dynptr, DynptrKind, DynptrSlot};
pub(crate) use frame::{Frame, FrameKind, HistoryEntry, JoinId, StackAccess, State};
pub(crate) use held::{Held, Lock};
pub(crate) use meter::Meter;
pub(crate) use object::Hold;
pub(crate) use reg::{MemSort, PacketRange, RegState, RegType};
pub(crate) use stack::{ByteKind, Iter, Slot, SlotSet, locate};
