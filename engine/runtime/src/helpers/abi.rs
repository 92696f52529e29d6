//! From registers to Rust: what each helper's arguments are, by its prototype.
#![allow(unsafe_code, reason = "registers hold addresses; the verifier has proved what lies there")]

use bpfreplay_uapi::HelperId;

use super::callback_abi::{for_each_map_elem, run_loop, user_ringbuf_drain};
use super::dynptr_abi::{
    dynptr_data, dynptr_from_mem, dynptr_read, dynptr_write, ringbuf_discard_dynptr, ringbuf_reserve_dynptr,
    ringbuf_submit_dynptr,
};
use super::map_abi::{
    get_local_storage, map_delete_elem, map_lookup_elem, map_lookup_percpu_elem, map_peek_elem, map_pop_elem,
    map_push_elem, map_update_elem, perf_event_output, redirect_map, ringbuf_discard, ringbuf_output,
    ringbuf_query, ringbuf_reserve, ringbuf_submit, spin_lock, spin_unlock, timer_cancel, timer_init,
    timer_set_callback, timer_start, xdp_perf_event_output,
};
use super::object_abi::{kptr_xchg, per_cpu_ptr, this_cpu_ptr};
use super::packet_abi::{
    skb_load_bytes, skb_load_bytes_relative, skb_store_bytes, xdp_load_bytes, xdp_store_bytes,
};
use super::process::{INIT_NETNS_COOKIE, OVERFLOW_UID};
use super::socket::NO_SOCKET;
use super::{
    csum, device, env, offload, probe, process, room, skb, socket, strings, syncookie, trace, vlan, xdp,
};
use crate::exec::ExecutionContext;
use crate::executable::ContextKind;
use crate::maps;
use crate::memory::{bytes, bytes_mut};
use crate::tail_call::{TailCallError, TailCallFailure};

/// A helper as jited code calls it: r1 to r5 and the execution context, in the SysV argument registers.
///
/// # Safety
///
/// The arguments are what the verifier allows for the helper's prototype: a context is the address of a live
/// [`SkBuff`](crate::SkBuff) or [`XdpBuff`](crate::XdpBuff), as programs of the type have it, that nobody else uses, a
/// map is [`Map::address`](crate::Map::address) of a live map, memory is live for its size. The execution context is
/// live and nobody else uses it.
pub type HelperFn = unsafe extern "sysv64" fn(u64, u64, u64, u64, u64, *mut ExecutionContext) -> u64;

/// The function of a helper for programs with this kind of context; `None` for those whose prototype is known and which
/// this engine does not have.
///
/// `bpf_tail_call` has none to call: engines do it themselves. Its entry returns EINVAL.
#[must_use]
pub fn function(helper: HelperId, kind: ContextKind) -> Option<HelperFn> {
    let of_kind = match kind {
        ContextKind::Skb => of_skb(helper),
        ContextKind::Xdp => of_xdp(helper),
        ContextKind::Plain => None,
    };
    of_kind.or_else(|| of_any(helper))
}

/// Helpers that take no context, or do not look at it.
fn of_any(helper: HelperId) -> Option<HelperFn> {
    Some(match helper {
        HelperId::MapLookupElem => map_lookup_elem,
        HelperId::MapUpdateElem => map_update_elem,
        HelperId::MapDeleteElem => map_delete_elem,
        HelperId::RedirectMap => redirect_map,
        HelperId::GetLocalStorage => get_local_storage,
        HelperId::MapPushElem => map_push_elem,
        HelperId::MapPopElem => map_pop_elem,
        HelperId::MapPeekElem => map_peek_elem,
        HelperId::SpinLock => spin_lock,
        HelperId::SpinUnlock => spin_unlock,
        HelperId::TimerInit => timer_init,
        HelperId::TimerSetCallback => timer_set_callback,
        HelperId::TimerStart => timer_start,
        HelperId::TimerCancel => timer_cancel,
        HelperId::RingbufOutput => ringbuf_output,
        HelperId::RingbufReserve => ringbuf_reserve,
        HelperId::RingbufSubmit => ringbuf_submit,
        HelperId::RingbufDiscard => ringbuf_discard,
        HelperId::RingbufQuery => ringbuf_query,
        HelperId::DynptrFromMem => dynptr_from_mem,
        HelperId::RingbufReserveDynptr => ringbuf_reserve_dynptr,
        HelperId::RingbufSubmitDynptr => ringbuf_submit_dynptr,
        HelperId::RingbufDiscardDynptr => ringbuf_discard_dynptr,
        HelperId::DynptrRead => dynptr_read,
        HelperId::DynptrWrite => dynptr_write,
        HelperId::DynptrData => dynptr_data,
        HelperId::KptrXchg => kptr_xchg,
        HelperId::PerCpuPtr => per_cpu_ptr,
        HelperId::ThisCpuPtr => this_cpu_ptr,
        HelperId::MapLookupPercpuElem => map_lookup_percpu_elem,
        HelperId::TailCall => tail_call,
        HelperId::Loop => run_loop,
        HelperId::ForEachMapElem => for_each_map_elem,
        HelperId::UserRingbufDrain => user_ringbuf_drain,

        HelperId::KtimeGetNs
        | HelperId::KtimeGetBootNs
        | HelperId::KtimeGetCoarseNs
        | HelperId::KtimeGetTaiNs => ktime_get_ns,
        HelperId::Jiffies64 => jiffies64,
        HelperId::GetPrandomU32 => get_prandom_u32,
        HelperId::GetSmpProcessorId => get_smp_processor_id,
        HelperId::GetCurrentPidTgid
        | HelperId::GetCurrentUidGid
        | HelperId::GetCgroupClassid
        | HelperId::GetRouteRealm
        | HelperId::GetNumaNodeId
        | HelperId::GetSocketCookie
        | HelperId::SkbCgroupId
        | HelperId::SkbAncestorCgroupId
        | HelperId::SkbCgroupClassid => zero,
        HelperId::GetCurrentComm => get_current_comm,
        HelperId::GetSocketUid => get_socket_uid,
        HelperId::GetCurrentCgroupId => get_current_cgroup_id,
        HelperId::GetCurrentAncestorCgroupId => get_current_ancestor_cgroup_id,
        HelperId::GetNsCurrentPidTgid => get_ns_current_pid_tgid,
        HelperId::GetNetnsCookie => get_netns_cookie,

        HelperId::TracePrintk => trace_printk,
        HelperId::TraceVprintk => trace_vprintk,
        HelperId::Snprintf => snprintf,
        HelperId::Strtol => strtol,
        HelperId::Strtoul => strtoul,
        HelperId::Strncmp => strncmp,
        HelperId::ProbeReadUser | HelperId::ProbeReadUserStr => probe_read_user,
        HelperId::ProbeReadKernel => probe_read_kernel,
        HelperId::ProbeReadKernelStr => probe_read_kernel_str,

        HelperId::CsumDiff => csum_diff,
        HelperId::FibLookup => fib_lookup,
        HelperId::SkLookupTcp
        | HelperId::SkLookupUdp
        | HelperId::SkcLookupTcp
        | HelperId::SkFullsock
        | HelperId::TcpSock
        | HelperId::GetListenerSock
        | HelperId::SkcToTcp6Sock
        | HelperId::SkcToTcpSock
        | HelperId::SkcToTcpTimewaitSock
        | HelperId::SkcToTcpRequestSock
        | HelperId::SkcToUdp6Sock
        | HelperId::SkcToUnixSock
        | HelperId::SkcToMptcpSock
        | HelperId::SkStorageGet => no_socket,
        HelperId::SkRelease
        | HelperId::SkAssign
        | HelperId::SkStorageDelete
        | HelperId::SkCgroupId
        | HelperId::SkAncestorCgroupId
        | HelperId::TcpCheckSyncookie
        | HelperId::TcpGenSyncookie => needs_socket,
        HelperId::TcpRawGenSyncookieIpv4 => tcp_raw_gen_syncookie_ipv4,
        HelperId::TcpRawGenSyncookieIpv6 => tcp_raw_gen_syncookie_ipv6,
        HelperId::TcpRawCheckSyncookieIpv4 => tcp_raw_check_syncookie_ipv4,
        HelperId::TcpRawCheckSyncookieIpv6 => tcp_raw_check_syncookie_ipv6,
        _ => return None,
    })
}

/// Helpers for `struct __sk_buff`.
fn of_skb(helper: HelperId) -> Option<HelperFn> {
    Some(match helper {
        HelperId::SkbStoreBytes => skb_store_bytes,
        HelperId::SkbLoadBytes => skb_load_bytes,
        HelperId::SkbLoadBytesRelative => skb_load_bytes_relative,
        HelperId::SkbPullData => skb_pull_data,
        HelperId::L3CsumReplace => l3_csum_replace,
        HelperId::L4CsumReplace => l4_csum_replace,
        HelperId::CsumUpdate => csum_update,
        HelperId::CsumLevel => csum_level,
        HelperId::GetHashRecalc => get_hash_recalc,
        HelperId::SetHashInvalid => set_hash_invalid,
        HelperId::SetHash => set_hash,
        HelperId::SkbVlanPush => skb_vlan_push,
        HelperId::SkbVlanPop => skb_vlan_pop,
        HelperId::SkbChangeProto => skb_change_proto,
        HelperId::SkbChangeType => skb_change_type,
        HelperId::SkbChangeTail => skb_change_tail,
        HelperId::SkbChangeHead => skb_change_head,
        HelperId::SkbAdjustRoom => skb_adjust_room,
        HelperId::SkbEcnSetCe => skb_ecn_set_ce,
        HelperId::SkbSetTstamp => skb_set_tstamp,

        HelperId::PerfEventOutput => perf_event_output,
        HelperId::Redirect => redirect,
        HelperId::RedirectNeigh => redirect_neigh,
        HelperId::RedirectPeer => redirect_peer,
        HelperId::CloneRedirect => clone_redirect,
        HelperId::CheckMtu => check_mtu,

        HelperId::SkbGetTunnelKey => skb_get_tunnel_key,
        HelperId::SkbSetTunnelKey => skb_set_tunnel_key,
        HelperId::SkbGetTunnelOpt => skb_get_tunnel_opt,
        HelperId::SkbSetTunnelOpt => skb_set_tunnel_opt,
        HelperId::SkbGetXfrmState => skb_get_xfrm_state,
        HelperId::LwtSeg6StoreBytes | HelperId::LwtSeg6AdjustSrh => needs_srh,
        _ => return None,
    })
}

/// Helpers for `struct xdp_md`.
fn of_xdp(helper: HelperId) -> Option<HelperFn> {
    Some(match helper {
        HelperId::XdpAdjustHead => xdp_adjust_head,
        HelperId::XdpAdjustMeta => xdp_adjust_meta,
        HelperId::XdpAdjustTail => xdp_adjust_tail,
        HelperId::XdpGetBuffLen => xdp_get_buff_len,
        HelperId::XdpLoadBytes => xdp_load_bytes,
        HelperId::XdpStoreBytes => xdp_store_bytes,
        HelperId::PerfEventOutput => xdp_perf_event_output,
        HelperId::Redirect => xdp_redirect,
        HelperId::CheckMtu => xdp_check_mtu,
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
    (@xdp $r1:ident $ctx:ident) => {
        // SAFETY: r1 is the context: a live XdpBuff, ours for the call, by `HelperFn`'s contract.
        unsafe { &mut *std::ptr::with_exposed_provenance_mut::<$crate::xdp::XdpBuff>($r1 as usize) }
    };
    (@string $r1:ident $ctx:ident $addr:ident) => {
        // SAFETY: a string in a map's value, which is live to the end of the value, by `HelperFn`'s contract.
        unsafe { bytes($addr, maps::readable($addr) as usize) }
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
    trace_printk(fmt: read(r1, r2 as u32), exec: exec) trace::printk(exec, fmt, &[r3, r4, r5]);
    get_prandom_u32(exec: exec) env::prandom_u32(exec);
    get_smp_processor_id(exec: exec) u64::from(exec.cpu);
    l3_csum_replace(skb: skb) csum::l3_replace(skb, r2 as u32, r3, r4, r5);
    l4_csum_replace(skb: skb) csum::l4_replace(skb, r2 as u32, r3, r4, r5);
    tail_call() bpfreplay_uapi::Errno::EINVAL.as_ret();
    redirect(exec: exec) device::redirect(exec, r1 as u32, r2);
    redirect_neigh(exec: exec) device::redirect_neigh(exec, r1 as u32, r3 as u32, r4);
    redirect_peer(exec: exec) device::redirect_peer(exec, r1 as u32, r2);
    xdp_redirect(exec: exec) device::xdp_redirect(exec, r1 as u32, r2);
    clone_redirect(skb: skb) device::clone_redirect(skb, r2 as u32, r3);
    check_mtu(skb: skb, len: fill(r3, 4)) with_u32(len, |len| device::check_mtu(skb, len, r4 as i32, r5));
    xdp_check_mtu(xdp: xdp, len: fill(r3, 4)) {
        let packet_len = xdp.linear().len() as u32;
        with_u32(len, |len| device::xdp_check_mtu(packet_len, xdp.mtu, len, r4 as i32, r5))
    };
    fib_lookup(params: read(r2, r3 as u32)) device::fib_lookup(params, r4 as u32);
    zero() 0;
    jiffies64(exec: exec) process::jiffies(exec.now_ns);
    get_current_comm(to: fill(r1, r2 as u32), exec: exec) process::current_comm(exec.cpu, to);
    get_socket_uid() OVERFLOW_UID;
    get_netns_cookie() INIT_NETNS_COOKIE;
    get_current_cgroup_id() process::current_cgroup_id();
    get_current_ancestor_cgroup_id() process::current_ancestor_cgroup_id(r1 as i32);
    get_ns_current_pid_tgid(to: fill(r3, r4 as u32)) process::ns_current_pid_tgid(to);
    trace_vprintk(fmt: read(r1, r2 as u32), args: read(r3, r4 as u32), exec: exec) {
        strings::trace_vprintk(exec, fmt, args)
    };
    snprintf(out: fill(r1, r2 as u32), fmt: string(r3), args: read(r4, r5 as u32), exec: exec) {
        strings::snprintf(&exec.stack, out, fmt, args)
    };
    strtol(text: read(r1, r2 as u32), to: fill(r4, 8)) with_u64(to, |to| strings::strtol(text, r3, to));
    strtoul(text: read(r1, r2 as u32), to: fill(r4, 8)) with_u64(to, |to| strings::strtoul(text, r3, to));
    strncmp(first: read(r1, r2 as u32), second: string(r3)) {
        strings::strncmp(first, |at| second.get(at).copied().unwrap_or(0))
    };
    probe_read_user(to: fill(r1, r2 as u32)) probe::fault(to);
    probe_read_kernel(to: fill(r1, r2 as u32), exec: exec) probe::read_kernel(&exec.stack, to, r3);
    probe_read_kernel_str(to: fill(r1, r2 as u32), exec: exec) probe::read_kernel_str(&exec.stack, to, r3);
    csum_update() offload::csum_update();
    csum_level(skb: skb) offload::csum_level(skb, r2);
    skb_vlan_push(skb: skb) vlan::push(skb, r2 as u16, r3 as u16);
    skb_vlan_pop(skb: skb) vlan::pop(skb);
    skb_change_proto(skb: skb) room::change_proto(skb, r2 as u16, r3);
    skb_change_type(skb: skb) offload::change_type(skb, r2 as u32);
    skb_change_tail(skb: skb) room::change_tail(skb, r2 as u32, r3);
    skb_change_head(skb: skb) room::change_head(skb, r2 as u32, r3);
    skb_adjust_room(skb: skb) room::adjust_room(skb, r2 as i32, r3 as u32, r4);
    skb_ecn_set_ce(skb: skb) offload::ecn_set_ce(skb);
    skb_set_tstamp(skb: skb) offload::set_tstamp(skb, r2, r3 as u32);
    skb_get_tunnel_key(to: fill(r2, r3 as u32)) socket::nothing_there(to);
    skb_set_tunnel_key(from: read(r2, r3 as u32)) socket::set_tunnel_key(from, r4);
    skb_get_tunnel_opt(to: fill(r2, r3 as u32)) socket::get_tunnel_opt(to);
    skb_set_tunnel_opt() socket::set_tunnel_opt();
    skb_get_xfrm_state(to: fill(r3, r4 as u32)) socket::nothing_there(to);
    no_socket() NO_SOCKET;
    needs_socket() socket::needs_socket();
    needs_srh() socket::needs_srh();
    tcp_raw_gen_syncookie_ipv4(ip: read(r1, 20), tcp: read(r2, r3 as u32), exec: exec) {
        syncookie::generate(&syncookie::Ip::v4(ip), tcp, exec.now_ns)
    };
    tcp_raw_gen_syncookie_ipv6(ip: read(r1, 40), tcp: read(r2, r3 as u32), exec: exec) {
        syncookie::generate(&syncookie::Ip::v6(ip), tcp, exec.now_ns)
    };
    tcp_raw_check_syncookie_ipv4(ip: read(r1, 20), tcp: read(r2, 20), exec: exec) {
        syncookie::check(&syncookie::Ip::v4(ip), tcp, exec.now_ns)
    };
    tcp_raw_check_syncookie_ipv6(ip: read(r1, 40), tcp: read(r2, 20), exec: exec) {
        syncookie::check(&syncookie::Ip::v6(ip), tcp, exec.now_ns)
    };
    xdp_adjust_head(xdp: xdp) xdp::adjust_head(xdp, r2 as i32);
    xdp_adjust_meta(xdp: xdp) xdp::adjust_meta(xdp, r2 as i32);
    xdp_adjust_tail(xdp: xdp) xdp::adjust_tail(xdp, r2 as i32);
    xdp_get_buff_len(xdp: xdp) u64::from(xdp.len());
    csum_diff(from: read(r1, r2 as u32), to: read(r3, r4 as u32)) csum::diff(from, to, r5 as u32);
    get_hash_recalc(skb: skb) u64::from(skb.flow_hash());
    skb_pull_data(skb: skb) skb::pull_data(skb, r2 as u32);
    set_hash_invalid(skb: skb) skb::set_hash_invalid(skb);
    set_hash(skb: skb) skb::set_hash(skb, r2 as u32);
}

/// A number that a helper reads and writes at an address of any alignment.
fn with_u32(bytes: &mut [u8], body: impl FnOnce(&mut u32) -> u64) -> u64 {
    let Some(bytes) = bytes.first_chunk_mut::<4>() else { return bpfreplay_uapi::Errno::EINVAL.as_ret() };
    let mut number = u32::from_le_bytes(*bytes);
    let ret = body(&mut number);
    *bytes = number.to_le_bytes();
    ret
}

/// A number that a helper writes.
fn with_u64(bytes: &mut [u8], body: impl FnOnce(&mut [u8; 8]) -> u64) -> u64 {
    bytes.first_chunk_mut::<8>().map_or_else(|| bpfreplay_uapi::Errno::EINVAL.as_ret(), body)
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
