//! Dynptrs that helpers are handed, against what is live.

use std::sync::Arc;

use bpfreplay_isa::Size;
use bpfreplay_uapi::HelperId;
use bpfreplay_uapi::limits::DYNPTR_SIZE;

use super::checked::Memory;
use super::region::{Access, Region};
use crate::executable::ContextKind;
use crate::helpers::{Dynptr, DynptrKind};
use crate::maps::Map;

impl Memory<'_> {
    /// Whether this is stack that a dynptr fits in.
    pub(super) fn is_room_for_dynptr(&self, maps: &[Arc<Map>], addr: u64) -> bool {
        self.is_object_on_stack(maps, addr, DYNPTR_SIZE)
    }

    /// Aligned stack of so many bytes.
    pub(super) fn is_object_on_stack(&self, maps: &[Arc<Map>], addr: u64, size: u32) -> bool {
        addr.is_multiple_of(8) && self.check(maps, addr, size.into(), Access::Write) == Ok(Region::Stack)
    }

    /// Whether there is a dynptr, and what it spans is live; of a packet the context is, its length is compared when
    /// the dynptr is used.
    pub(super) fn is_dynptr(&self, maps: &[Arc<Map>], addr: u64) -> bool {
        let Some(dynptr) = self.dynptr(maps, addr) else { return false };
        let Some(kind) = dynptr.kind() else { return dynptr.is_null() };
        let (start, len) = (u64::from(dynptr.start()), u64::from(dynptr.len()));
        match kind {
            DynptrKind::Local => {
                let addr = dynptr.data().wrapping_add(start);
                let span = self.check(maps, addr, len, Access::Write);
                len == 0 || matches!(span, Ok(Region::MapValue | Region::Lent))
            }
            DynptrKind::Ringbuf => {
                self.held.record_len(dynptr.data()).is_some_and(|whole| start + len <= whole)
            }
            DynptrKind::Skb => self.is_of_context(dynptr, ContextKind::Skb),
            DynptrKind::Xdp => self.is_of_context(dynptr, ContextKind::Xdp),
        }
    }

    /// Whether this is a dynptr of a record that this run reserved, or an empty one.
    pub(super) fn is_record_dynptr(&self, maps: &[Arc<Map>], addr: u64) -> bool {
        let is_record = |dynptr: Dynptr| dynptr.is_null() || dynptr.kind() == Some(DynptrKind::Ringbuf);
        self.is_dynptr(maps, addr) && self.dynptr(maps, addr).is_some_and(is_record)
    }

    fn is_of_context(&self, dynptr: Dynptr, kind: ContextKind) -> bool {
        self.is_context(dynptr.data()) && self.kind() == kind
    }

    fn dynptr(&self, maps: &[Arc<Map>], addr: u64) -> Option<Dynptr> {
        let is_handed = || {
            let region = self.check(maps, addr, DYNPTR_SIZE.into(), Access::Read);
            addr.is_multiple_of(8) && region == Ok(Region::Lent)
        };
        if !self.is_room_for_dynptr(maps, addr) && !is_handed() {
            return None;
        }
        let data = self.load(maps, addr, Size::Dw).ok()?;
        let size = self.load(maps, addr + 8, Size::W).ok()?;
        let start = self.load(maps, addr + 12, Size::W).ok()?;
        Some(Dynptr::from_words(data, size as u32, start as u32))
    }

    /// The record that a call would end: its data.
    pub(super) fn record_to_end(&self, maps: &[Arc<Map>], helper: HelperId, args: [u64; 5]) -> Option<u64> {
        match helper {
            HelperId::RingbufSubmit | HelperId::RingbufDiscard => Some(args[0]),
            HelperId::RingbufSubmitDynptr | HelperId::RingbufDiscardDynptr => {
                self.dynptr(maps, args[0]).map(|dynptr| dynptr.data())
            }
            _ => None,
        }
    }

    /// Remembers the record that a call reserved, with its dynptr.
    pub(super) fn note_reserved(&mut self, maps: &[Arc<Map>], args: [u64; 5]) {
        if let Some(dynptr) = self.dynptr(maps, args[3]).filter(|dynptr| !dynptr.is_null()) {
            self.held.add_record(dynptr.data(), dynptr.len().into());
        }
    }
}
