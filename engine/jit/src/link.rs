//! What a program's map indices mean: addresses of this process.

use std::sync::Arc;

use bpfreplay_runtime::helpers::HelperFn;
use bpfreplay_runtime::objects::Objects;
use bpfreplay_runtime::{Map, MapError};

use crate::emit::lookup::{Array, PerCpu};
use crate::emit::tail_call::Slots;

/// The maps and objects of an object file, as the runtime made them; addresses stay good as long as they live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    pub(crate) maps: &'a [Arc<Map>],
    pub(crate) objects: &'a Objects,
}

impl Link<'_> {
    /// What a register holds for the map.
    pub(crate) fn address(&self, map: u32) -> Option<u64> {
        Some(self.map(map)?.address())
    }

    /// The address `off` bytes into the value of a map of one entry.
    pub(crate) fn value_address(&self, map: u32, off: u32) -> Option<Result<u64, MapError>> {
        Some(self.map(map)?.value_address(off))
    }

    /// Where a prog array has its slots.
    pub(crate) fn slots(&self, map: u32) -> Option<Slots> {
        let array = self.map(map)?.prog_array()?;
        Some(Slots { address: array.words_addr(), max_entries: array.max_entries() })
    }

    /// Where an array has its values, if it is one and an instruction can hold its strides.
    pub(crate) fn array(&self, map: u32) -> Option<Array> {
        let layout = self.map(map)?.array_layout()?;
        let per_cpu = match i32::try_from(layout.cpu_stride).ok()? {
            0 => None,
            stride => Some(PerCpu { stride, cpus: layout.cpus }),
        };
        let stride = i32::try_from(layout.stride).ok()?;
        Some(Array { address: layout.base, stride, max_entries: layout.max_entries, per_cpu })
    }

    /// The function that looks up a key in the map.
    pub(crate) fn lookup_function(&self, map: u32) -> Option<HelperFn> {
        Some(self.map(map)?.lookup_function())
    }

    fn map(&self, map: u32) -> Option<&Map> {
        self.maps.get(map as usize).map(Arc::as_ref)
    }
}
