//! From registers to Rust: what each helper's arguments are, by its prototype.
#![allow(unsafe_code, reason = "registers hold addresses; the verifier has proved what lies there")]

use bpfreplay_uapi::HelperId;

use super::callback_abi::{for_each_map_elem, run_loop};
use super::map_abi::{
    get_local_storage, map_delete_elem, map_lookup_elem, map_lookup_percpu_elem, map_peek_elem, map_pop_elem,
    map_push_elem, map_update_elem, perf_event_output, redirect_map, ringbuf_discard, ringbuf_output,
    ringbuf_query, ringbuf_reserve, ringbuf_submit, spin_lock, spin_unlock,
};
use super::{csum, env, skb, trace};
use crate::exec::ExecutionContext;
use crate::memory::{bytes, bytes_mut};
use crate::tail_call::{TailCallError, TailCallFailure};

/// A helper as jited code calls it: r1 to r5 and the execution context, in the SysV argument registers.
///
/// # Safety
///
/// The arguments are what the verifier allows for the helper's prototype: a context is the address of a live
/// [`SkBuff`](crate::SkBuff) nobody else uses, a map is [`Map::address`] of a live map, memory is live for its size. The execution
/// context is live and nobody else uses it.
pub type HelperFn = unsafe extern "sysv64" fn(u64, u64, u64, u64, u64, *mut ExecutionContext) -> u64;

/// The function of a helper; `None` for those whose prototype is known and which this engine does not have.
///
/// `bpf_tail_call` has none to call: engines do it themselves. Its entry returns EINVAL.
#[must_use]
pub fn function(helper: HelperId) -> Option<HelperFn> {
    Some(match helper {
        HelperId::MapLookupElem => map_lookup_elem,
        HelperId::MapUpdateElem => map_update_elem,
        HelperId::MapDeleteElem => map_delete_elem,
        HelperId::PerfEventOutput => perf_event_output,
        HelperId::RedirectMap => redirect_map,
        HelperId::GetLocalStorage => get_local_storage,
        HelperId::MapPushElem => map_push_elem,
        HelperId::MapPopElem => map_pop_elem,
        HelperId::MapPeekElem => map_peek_elem,
        HelperId::SpinLock => spin_lock,
        HelperId::SpinUnlock => spin_unlock,
        HelperId::RingbufOutput => ringbuf_output,
        HelperId::RingbufReserve => ringbuf_reserve,
        HelperId::RingbufSubmit => ringbuf_submit,
        HelperId::RingbufDiscard => ringbuf_discard,
        HelperId::RingbufQuery => ringbuf_query,
        HelperId::MapLookupPercpuElem => map_lookup_percpu_elem,
        HelperId::KtimeGetNs | HelperId::KtimeGetBootNs | HelperId::KtimeGetCoarseNs => ktime_get_ns,
        HelperId::TracePrintk => trace_printk,
        HelperId::GetPrandomU32 => get_prandom_u32,
        HelperId::GetSmpProcessorId => get_smp_processor_id,
        HelperId::SkbStoreBytes => skb_store_bytes,
        HelperId::L3CsumReplace => l3_csum_replace,
        HelperId::L4CsumReplace => l4_csum_replace,
        HelperId::TailCall => tail_call,
        HelperId::Redirect => redirect,
        HelperId::SkbLoadBytes => skb_load_bytes,
        HelperId::CsumDiff => csum_diff,
        HelperId::GetHashRecalc => get_hash_recalc,
        HelperId::SkbPullData => skb_pull_data,
        HelperId::SetHashInvalid => set_hash_invalid,
        HelperId::SetHash => set_hash,
        HelperId::SkbLoadBytesRelative => skb_load_bytes_relative,
        HelperId::Loop => run_loop,
        HelperId::ForEachMapElem => for_each_map_elem,
        _ => return None,
    })
}

/// Defines helpers' entries: names what each uses of r1 to r5 and the execution context, and what that is.
macro_rules! entries {
    (
        registers $r1:ident $r2:ident $r3:ident $r4:ident $r5:ident $ctx:ident;
        $($(#[$doc:meta])* $vis:vis $name:ident($($arg:ident: $kind:ident $(($($with:tt)*))?),*) $body:expr;)*
    ) => {
        $(
            $(#[$doc])*
            $vis unsafe extern "sysv64" fn $name(
                $r1: u64,
                $r2: u64,
                $r3: u64,
                $r4: u64,
                $r5: u64,
                $ctx: *mut ExecutionContext,
            ) -> u64 {
                let _ = ($r1, $r2, $r3, $r4, $r5, $ctx);
                $(let $arg = entries!(@$kind $r1 $ctx $($($with)*)?);)*
                $body
            }
        )*
    };
    (@exec $r1:ident $ctx:ident) => {
        // SAFETY: live, and ours for the call, by `HelperFn`'s contract.
        unsafe { &mut *$ctx }
    };
    (@skb $r1:ident $ctx:ident) => {
        // SAFETY: r1 is the context: a live SkBuff, ours for the call, by `HelperFn`'s contract.
        unsafe { &mut *std::ptr::with_exposed_provenance_mut::<$crate::skb::SkBuff>($r1 as usize) }
    };
    (@map $r1:ident $ctx:ident) => {
        // SAFETY: r1 is `Map::address` of a live map, by `HelperFn`'s contract.
        unsafe { &*std::ptr::with_exposed_provenance::<$crate::maps::Map>($r1 as usize) }
    };
    (@read $r1:ident $ctx:ident $addr:ident, $len:expr) => {
        // SAFETY: live for its size, by `HelperFn`'s contract.
        unsafe { bytes($addr, $len as usize) }
    };
    (@fill $r1:ident $ctx:ident $addr:ident, $len:expr) => {
        // SAFETY: live and writable for its size, and of no other argument, by `HelperFn`'s contract.
        unsafe { bytes_mut($addr, $len as usize) }
    };
}
pub(super) use entries;

entries! {
    registers r1 r2 r3 r4 r5 ctx;
    ktime_get_ns(exec: exec) exec.now_ns;
    trace_printk(fmt: read(r1, r2 as u32), exec: exec) trace::printk(exec, fmt, [r3, r4, r5]);
    get_prandom_u32(exec: exec) env::prandom_u32(exec);
    get_smp_processor_id(exec: exec) u64::from(exec.cpu);
    skb_store_bytes(skb: skb, from: read(r3, r4 as u32)) skb::store_bytes(skb, r2 as u32, from, r5);
    l3_csum_replace(skb: skb) csum::l3_replace(skb, r2 as u32, r3, r4, r5);
    l4_csum_replace(skb: skb) csum::l4_replace(skb, r2 as u32, r3, r4, r5);
    tail_call() bpfreplay_uapi::Errno::EINVAL.as_ret();
    redirect(exec: exec) env::redirect(exec, r1 as u32, r2);
    skb_load_bytes(skb: skb, to: fill(r3, r4 as u32)) skb::load_bytes(skb, r2 as u32, to);
    csum_diff(from: read(r1, r2 as u32), to: read(r3, r4 as u32)) csum::diff(from, to, r5 as u32);
    get_hash_recalc(skb: skb) u64::from(skb.flow_hash());
    skb_pull_data(skb: skb) skb::pull_data(skb, r2 as u32);
    set_hash_invalid(skb: skb) skb::set_hash_invalid(skb);
    set_hash(skb: skb) skb::set_hash(skb, r2 as u32);
    skb_load_bytes_relative(skb: skb, to: fill(r3, r4 as u32)) {
        skb::load_bytes_relative(skb, r2 as u32, to, r5 as u32)
    };
}

/// Counts a tail call that fell through: jitted code's cold path. Arguments: program id, xlated slot, index (r3),
/// [`TailCallError`] as a number.
///
/// # Safety
///
/// The execution context is live and nobody else uses it.
#[cold]
pub unsafe extern "sysv64" fn record_tail_call_failure(
    prog: u64,
    insn: u64,
    index: u64,
    reason: u64,
    _r5: u64,
    exec: *mut ExecutionContext,
) -> u64 {
    // SAFETY: the caller's promise.
    let exec = unsafe { &mut *exec };
    let reason = match reason {
        0 => TailCallError::OutOfRange,
        1 => TailCallError::Limit,
        _ => TailCallError::EmptySlot,
    };
    let (prog, insn, index) = (prog as u32, insn as u32, index as u32);
    exec.tail_call_failures.record(TailCallFailure { prog, insn, index, reason });
    0
}
