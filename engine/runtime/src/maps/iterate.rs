//! A program's walk over a map: every element, by the address of its key and of its value.

use std::ops::ControlFlow;

use super::{Map, Storage};

/// An element as a callback sees it. The addresses are good until the end of the batch; an array's key until the
/// callback returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Element {
    /// The address of the key, to read.
    pub key: u64,
    /// The address of the value; of a per-CPU map, the CPU's.
    pub value: u64,
}

impl Map {
    /// Shows every element to `visit` until it breaks. Arrays by index; hash maps in the order of
    /// [`Map::next_key`](Map), elements that come in meanwhile perhaps, those that go out not.
    ///
    /// `None` for a map that programs cannot walk over (`map_for_each_callback`).
    pub(crate) fn walk<B>(
        &self,
        cpu: u32,
        mut visit: impl FnMut(Element) -> ControlFlow<B>,
    ) -> Option<ControlFlow<B>> {
        let mut by_index = |lookup: &dyn Fn(u32) -> Option<u64>| {
            for index in 0..self.spec.max_entries {
                let Some(value) = lookup(index) else { break };
                // Lives where the program may look while the callback runs.
                let key = index;
                let element = Element { key: std::ptr::from_ref(&key).expose_provenance() as u64, value };
                if let ControlFlow::Break(broken) = visit(element) {
                    return ControlFlow::Break(broken);
                }
            }
            ControlFlow::Continue(())
        };
        match &self.storage {
            Storage::Array(array) => Some(by_index(&|index| array.at(index))),
            Storage::PercpuArray(array) => Some(by_index(&|index| array.at(index, cpu))),
            Storage::Hash(hash) | Storage::LruHash(hash) => Some(hash.walk(visit)),
            Storage::PercpuHash(hash) => Some(hash.walk(cpu, visit)),
            Storage::LpmTrie(_)
            | Storage::QueueStack(_)
            | Storage::BloomFilter(_)
            | Storage::Ringbuf(_)
            | Storage::UserRingbuf(_)
            | Storage::PerfEventArray(_)
            | Storage::ProgArray(_)
            | Storage::MapOfMaps(_)
            | Storage::Targets(_)
            | Storage::DevmapHash(_)
            | Storage::LocalStorage(_) => None,
        }
    }
}
