//! From registers to Rust: helpers on maps, their records and their locks.
#![allow(unsafe_code, reason = "registers hold addresses; the verifier has proved what lies there")]

use std::sync::atomic::{Ordering, fence};

use bpfreplay_isa::{AtomicOp, Size};

use super::abi::entries;
use super::{map, record, timer};
use crate::exec::ExecutionContext;
use crate::maps::{Commit, Map, committed};
use crate::memory::{atomic32, atomic64, bytes, bytes_mut, load};

/// Bytes between a record's header and its data.
const RECORD_HEADER: u64 = 8;

entries! {
    registers r1 r2 r3 r4 r5 ctx;
    /// [`MapLookupElem`](bpfreplay_uapi::HelperId::MapLookupElem) of any map.
    pub(crate) map_lookup_elem(map: map, exec: exec) {
        // SAFETY: r2 is memory of the map's key size, by `HelperFn`'s contract.
        let key = unsafe { bytes(r2, map.spec().key_size as usize) };
        map::lookup(map, key, exec.cpu)
    };
    /// The same for hash maps with keys of 4 bytes.
    pub(crate) lookup_hash_4(map: map) {
        // SAFETY: r2 is memory of the map's key size, 4.
        let key = unsafe { load(r2, Size::W) };
        map.program_lookup_hash([key]).unwrap_or(0)
    };
    /// The same for hash maps with keys of 8 bytes.
    pub(crate) lookup_hash_8(map: map) {
        // SAFETY: r2 is memory of the map's key size, 8.
        let key = unsafe { load(r2, Size::Dw) };
        map.program_lookup_hash([key]).unwrap_or(0)
    };
    /// The same for hash maps with keys of 16 bytes.
    pub(crate) lookup_hash_16(map: map) {
        // SAFETY: r2 is memory of the map's key size, 16.
        let (low, high) = unsafe { (load(r2, Size::Dw), load(r2 + 8, Size::Dw)) };
        map.program_lookup_hash([low, high]).unwrap_or(0)
    };
    pub(super) map_lookup_percpu_elem(map: map) {
        // SAFETY: r2 is memory of the map's key size, by `HelperFn`'s contract.
        let key = unsafe { bytes(r2, map.spec().key_size as usize) };
        map::lookup_percpu(map, key, r3 as u32)
    };
    pub(super) map_update_elem(map: map, exec: exec) {
        // SAFETY: r2 and r3 are memory of the map's key and value size, by `HelperFn`'s contract.
        let (key, value) = unsafe {
            (bytes(r2, map.spec().key_size as usize), bytes(r3, map.spec().value_size as usize))
        };
        map::update(map, key, value, r4, exec.cpu)
    };
    pub(super) map_delete_elem(map: map) {
        // SAFETY: r2 is memory of the map's key size, by `HelperFn`'s contract.
        let key = unsafe { bytes(r2, map.spec().key_size as usize) };
        map::delete(map, key)
    };
    pub(super) map_push_elem(map: map) {
        // SAFETY: r2 is memory of the map's value size, by `HelperFn`'s contract.
        let value = unsafe { bytes(r2, map.spec().value_size as usize) };
        map::push(map, value, r3)
    };
    pub(super) map_pop_elem(map: map) {
        // SAFETY: r2 is memory of the map's value size that may be written, by `HelperFn`'s contract.
        let value = unsafe { bytes_mut(r2, map.spec().value_size as usize) };
        map::pop(map, value)
    };
    pub(super) map_peek_elem(map: map) {
        // SAFETY: as above.
        let value = unsafe { bytes_mut(r2, map.spec().value_size as usize) };
        map::peek(map, value)
    };
    pub(super) redirect_map(map: map, exec: exec) map::redirect(exec, map, r2, r3);
    pub(super) get_local_storage(map: map, exec: exec) map::local_storage(map, exec.cpu);
    pub(super) ringbuf_output(map: map, data: read(r2, r3), exec: exec) {
        record::ringbuf_output(map, exec.cpu, data, r4)
    };
    pub(super) ringbuf_reserve(map: map, exec: exec) record::ringbuf_reserve(map, exec.cpu, r2, r3);
    pub(super) ringbuf_query(map: map, exec: exec) record::ringbuf_query(map, exec.cpu, r2);
    pub(super) ringbuf_submit() {
        // SAFETY: r1 is a reserved record, by `HelperFn`'s contract.
        unsafe { end_record(r1, Commit::Submit) };
        0
    };
    pub(super) ringbuf_discard() {
        // SAFETY: as above.
        unsafe { end_record(r1, Commit::Discard) };
        0
    };
    pub(super) perf_event_output(skb: skb, exec: exec, data: read(r4, r5)) {
        // SAFETY: r2 is `Map::address` of a live map, by `HelperFn`'s contract.
        let map = unsafe { &*std::ptr::with_exposed_provenance::<Map>(r2 as usize) };
        record::perf_event_output(map, exec.cpu, r3, data, [skb.packet(), &[]])
    };
    pub(super) xdp_perf_event_output(xdp: xdp, exec: exec, data: read(r4, r5)) {
        // SAFETY: as in `perf_event_output`.
        let map = unsafe { &*std::ptr::with_exposed_provenance::<Map>(r2 as usize) };
        record::perf_event_output(map, exec.cpu, r3, data, [xdp.linear(), xdp.fragments()])
    };
    pub(super) spin_lock() {
        // One worker at a time is between lock and unlock, and the verifier allows no loop and no call there.
        // SAFETY: r1 is an aligned lock in a map value, by `HelperFn`'s contract.
        while unsafe { atomic32(r1, AtomicOp::Cmpxchg, 1, 0) } != 0 {
            std::hint::spin_loop();
        }
        0
    };
    pub(super) timer_init() {
        // SAFETY: r2 is `Map::address` of a live map, by `HelperFn`'s contract.
        let map = unsafe { &*std::ptr::with_exposed_provenance::<Map>(r2 as usize) };
        timer::init(map, r1, r3)
    };
    pub(super) timer_set_callback() {
        // SAFETY: r1 is a timer in a value of a live map, by `HelperFn`'s contract.
        timer::set_callback(unsafe { timer_of(r1) }, r2, r3 as u32)
    };
    pub(super) timer_start(exec: exec) {
        // SAFETY: as above.
        timer::start(exec, unsafe { timer_of(r1) }, r2, r3)
    };
    pub(super) timer_cancel(exec: exec) {
        // SAFETY: as above.
        timer::cancel(exec, unsafe { timer_of(r1) })
    };
    pub(super) spin_unlock() {
        fence(Ordering::Release);
        // SAFETY: as above, and this run holds it.
        unsafe { atomic32(r1, AtomicOp::Xchg, 0, 0) };
        0
    };
}

/// The map and element of a timer that was initialised: its first word is the address of its map, and programs cannot
/// write it.
///
/// # Safety
///
/// `addr` is that of a `struct bpf_timer`, aligned to 8, in a value of a map that lives for `'a`.
unsafe fn timer_of<'a>(addr: u64) -> timer::Timer<'a> {
    // SAFETY: the caller's promise; nothing is exchanged but 0 for 0.
    let map = unsafe { atomic64(addr, AtomicOp::Cmpxchg, 0, 0) };
    if map == 0 {
        return None;
    }
    // SAFETY: what `Map::timer_init` wrote, and the map lives while its values do.
    let map = unsafe { &*std::ptr::with_exposed_provenance::<Map>(map as usize) };
    Some((map, map.timer_at(addr)?))
}

/// Submits or discards a record: its header is the word before its data.
///
/// # Safety
///
/// `data` is what a ring's `reserve` gave, of a live map, and nobody has ended that record yet.
pub(crate) unsafe fn end_record(data: u64, how: Commit) {
    let header = data - RECORD_HEADER;
    // SAFETY: the caller's promise; headers are aligned to 8, and a busy one is its producer's to change.
    unsafe {
        let busy = load(header, Size::Dw);
        atomic64(header, AtomicOp::Xchg, committed(busy, how), 0);
    }
}
