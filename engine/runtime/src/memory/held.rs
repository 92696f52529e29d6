//! What an interpreted run has in hand between two helper calls.

use std::sync::Arc;

use crate::exec::FaultKind;
use crate::maps::Map;

/// Records reserved, inner maps looked up, a lock taken. Empty between runs; what it allocated is used again.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Address and bytes of the data of each record.
    records: Vec<(u64, u64)>,
    inner: Vec<Arc<Map>>,
    lock: Option<u64>,
    /// What running callbacks were handed, innermost last.
    lent: Vec<Lent>,
    /// Whether a dynptr lent some of the packet.
    slices: bool,
}

/// Memory a callback may look at while it runs: a map's key, a sample and its dynptr.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lent {
    pub(super) addr: u64,
    pub(super) bytes: u64,
    pub(super) writable: bool,
}

impl Held {
    /// Whether these bytes lie in a record.
    pub(super) fn has_record_bytes(&self, addr: u64, size: u64) -> bool {
        self.records.iter().any(|(start, len)| {
            addr.checked_sub(*start)
                .and_then(|off| len.checked_sub(off))
                .is_some_and(|room| size <= room && room > 0)
        })
    }

    /// What a running callback was handed that these bytes lie in.
    pub(super) fn lent(&self, addr: u64, size: u64) -> Option<Lent> {
        let inside = |lent: &&Lent| {
            addr.checked_sub(lent.addr)
                .and_then(|off| lent.bytes.checked_sub(off))
                .is_some_and(|room| size <= room && room > 0)
        };
        self.lent.iter().find(inside).copied()
    }

    /// Whether the run may have a slice of the packet: helpers are handed those as any memory.
    pub(super) fn has_slices(&self) -> bool {
        self.slices
    }

    pub(super) fn set_slices(&mut self, slices: bool) {
        self.slices = slices;
    }

    pub(super) fn lend(&mut self, lent: Lent) {
        self.lent.push(lent);
    }

    pub(super) fn take_back(&mut self) {
        self.lent.pop();
    }

    pub(super) fn take_all_back(&mut self) {
        self.lent.clear();
    }

    /// Whether a record's data begins here.
    pub(super) fn has_record(&self, addr: u64) -> bool {
        self.records.iter().any(|(start, _)| *start == addr)
    }

    /// Bytes of the record whose data begins here, if there is one.
    pub(super) fn record_len(&self, addr: u64) -> Option<u64> {
        self.records.iter().find(|(start, _)| *start == addr).map(|(_, len)| *len)
    }

    pub(super) fn add_record(&mut self, addr: u64, len: u64) {
        self.records.push((addr, len));
    }

    pub(super) fn end_record(&mut self, addr: u64) {
        self.records.retain(|(start, _)| *start != addr);
    }

    pub(super) fn take_record(&mut self) -> Option<u64> {
        self.records.pop().map(|(start, _)| start)
    }

    /// Inner maps looked up in this run: kept alive by it.
    pub(super) fn inner(&self) -> &[Arc<Map>] {
        &self.inner
    }

    pub(super) fn add_inner(&mut self, map: Arc<Map>) {
        if !self.inner.iter().any(|held| Arc::ptr_eq(held, &map)) {
            self.inner.push(map);
        }
    }

    pub(super) fn forget_inner(&mut self) {
        self.inner.clear();
    }

    /// Takes a lock; a second one would wait for ever, or for a run that waits for this one.
    pub(super) fn lock(&mut self, addr: u64) -> Result<(), FaultKind> {
        match self.lock.replace(addr) {
            None => Ok(()),
            held => {
                self.lock = held;
                Err(FaultKind::BadArgument(1))
            }
        }
    }

    pub(super) fn has_lock(&self, addr: u64) -> bool {
        self.lock == Some(addr)
    }

    pub(super) fn take_lock(&mut self) -> Option<u64> {
        self.lock.take()
    }
}
