//! Where values of live maps lie: for helpers that are handed addresses the verifier did not check (`%s`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Map;

/// Start and end of each map's values.
static EXTENTS: Mutex<BTreeMap<u64, u64>> = Mutex::new(BTreeMap::new());

pub(super) fn add(map: &Map) {
    if let Some((start, bytes)) = map.storage.ops().extent() {
        EXTENTS.lock().unwrap_or_else(PoisonError::into_inner).insert(start, start + bytes);
    }
}

/// How many bytes from this address on lie in one map's values. The answer holds while the map lives.
pub(crate) fn readable(addr: u64) -> u64 {
    let extents = EXTENTS.lock().unwrap_or_else(PoisonError::into_inner);
    extents.range(..=addr).next_back().map_or(0, |(_, end)| end.saturating_sub(addr))
}

impl Drop for Map {
    fn drop(&mut self) {
        self.storage.ops().free_fields();
        if let Some((start, _)) = self.storage.ops().extent() {
            EXTENTS.lock().unwrap_or_else(PoisonError::into_inner).remove(&start);
        }
    }
}
