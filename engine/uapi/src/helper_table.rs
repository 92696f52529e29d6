//! Every helper with a prototype here: id, name, arguments, result, who may call it, and flags (`gpl`: only programs
//! with a GPL-compatible licence; `pkt`: memory arguments may lie in the packet; `inv`: it may move the packet; `fast`:
//! it clobbers r0 only, `bpf_fastcall`). Who may call what is Linux 6.18's, found by loading a call of each helper in a
//! program of each type.

use crate::helper::{ArgType, DynptrArg, HelperProto, MemAccess, RetType};
use crate::prog::ProgType;

fn any_type(_: ProgType) -> bool {
    true
}

/// tc: `tc_cls_act_func_proto`.
fn tc(t: ProgType) -> bool {
    matches!(t, ProgType::SchedCls | ProgType::SchedAct)
}

/// XDP: `xdp_func_proto`.
fn xdp(t: ProgType) -> bool {
    t == ProgType::Xdp
}

/// cgroup ingress and egress filters: `cg_skb_func_proto`.
fn cgroup(t: ProgType) -> bool {
    t == ProgType::CgroupSkb
}

/// The lightweight tunnel hooks.
fn lwt(t: ProgType) -> bool {
    matches!(t, ProgType::LwtIn | ProgType::LwtOut | ProgType::LwtXmit) || seg6local(t)
}

/// The end of a segment routing path: `lwt_seg6local_func_proto`.
fn seg6local(t: ProgType) -> bool {
    t == ProgType::LwtSeg6local
}

fn tc_xdp(t: ProgType) -> bool {
    tc(t) || xdp(t)
}

fn tc_cgroup(t: ProgType) -> bool {
    tc(t) || cgroup(t)
}

fn tc_xdp_cgroup(t: ProgType) -> bool {
    tc_xdp(t) || cgroup(t)
}

/// tc and the lightweight tunnel hook that may write, lwt_xmit.
fn tc_lwt_xmit(t: ProgType) -> bool {
    tc(t) || t == ProgType::LwtXmit
}

fn tc_xdp_lwt_xmit(t: ProgType) -> bool {
    tc_xdp(t) || t == ProgType::LwtXmit
}

fn tc_lwt(t: ProgType) -> bool {
    tc(t) || lwt(t)
}

fn tc_xdp_lwt(t: ProgType) -> bool {
    tc_xdp(t) || lwt(t)
}

fn lwt_in_xmit(t: ProgType) -> bool {
    matches!(t, ProgType::LwtIn | ProgType::LwtXmit)
}

/// Every type that is shown packets: `bpf_sk_base_func_proto`.
fn networking(t: ProgType) -> bool {
    skb(t) || xdp(t)
}

/// Every type with a `struct __sk_buff`.
fn skb(t: ProgType) -> bool {
    t.has_skb()
}

fn skb_not_lwt(t: ProgType) -> bool {
    skb(t) && !lwt(t)
}

macro_rules! flags {
    ($field:ident: ) => { false };
    ($field:ident: $first:ident $($rest:ident)*) => { flags!(@$field $first) || flags!($field: $($rest)*) };
    (@gpl gpl) => { true };
    (@pkt pkt) => { true };
    (@inv inv) => { true };
    (@fast fast) => { true };
    (@$field:ident $other:ident) => { false };
}

macro_rules! helpers {
    ($($id:literal $variant:ident $name:literal ($($arg:expr),*) -> $ret:ident, $types:ident [$($flag:ident)*];)*) => {
        /// A helper function whose prototype is known here, by its static id.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u32)]
        #[expect(missing_docs, reason = "the kernel's names; the prototype is the contract")]
        pub enum HelperId { $($variant = $id,)* }

        impl HelperId {
            /// Every helper with a prototype.
            pub const ALL: &[HelperId] = &[$(HelperId::$variant),*];

            /// The helper with this static id, if its prototype is known here.
            #[must_use]
            pub const fn from_id(id: u32) -> Option<HelperId> {
                match id { $($id => Some(HelperId::$variant),)* _ => None }
            }

            /// Its prototype.
            #[must_use]
            pub const fn proto(self) -> &'static HelperProto {
                match self { $(HelperId::$variant => const { &HelperProto {
                    name: $name,
                    args: &[$($arg),*],
                    ret: RetType::$ret,
                    gpl_only: flags!(gpl: $($flag)*),
                    pkt_access: flags!(pkt: $($flag)*),
                    changes_pkt_data: flags!(inv: $($flag)*),
                    fastcall: flags!(fast: $($flag)*),
                    allowed: $types,
                } },)* }
            }
        }
    };
}

use ArgType::{
    Anything, BtfSockCommon, BtfSockCommonRelease, ConstAllocSize, ConstMapPtr, ConstSize, ConstSizeOrZero,
    ConstStr, Ctx, CtxOrNull, Dynptr, FixedMem, Func, Kptr, MapKey, MapValue, MapValueOrNull, Mem, MemOrNull,
    ObjectOrNull, PercpuObject, RingbufMem, SockCommon, SpinLock, StackOrNull, Timer,
};
use DynptrArg::{Initialized, NewLocal, NewRingbuf, ReleaseRingbuf};
use MemAccess::{Change, Fill, Read};
helpers! {
    1 MapLookupElem "bpf_map_lookup_elem" (ConstMapPtr, MapKey) -> MapValueOrNull, any_type [pkt];
    2 MapUpdateElem "bpf_map_update_elem" (ConstMapPtr, MapKey, MapValue(Read), Anything) -> Integer, any_type [pkt];
    3 MapDeleteElem "bpf_map_delete_elem" (ConstMapPtr, MapKey) -> Integer, any_type [pkt];
    5 KtimeGetNs "bpf_ktime_get_ns" () -> Integer, any_type [];
    6 TracePrintk "bpf_trace_printk" (Mem(Read), ConstSize) -> Integer, any_type [gpl];
    7 GetPrandomU32 "bpf_get_prandom_u32" () -> Integer, any_type [];
    8 GetSmpProcessorId "bpf_get_smp_processor_id" () -> Integer, any_type [fast];
    9 SkbStoreBytes "bpf_skb_store_bytes" (Ctx, Anything, Mem(Read), ConstSize, Anything) -> Integer, tc_lwt_xmit [inv];
    10 L3CsumReplace "bpf_l3_csum_replace" (Ctx, Anything, Anything, Anything, Anything) -> Integer, tc_lwt_xmit [inv];
    11 L4CsumReplace "bpf_l4_csum_replace" (Ctx, Anything, Anything, Anything, Anything) -> Integer, tc_lwt_xmit [inv];
    12 TailCall "bpf_tail_call" (Ctx, ConstMapPtr, Anything) -> Void, any_type [];
    13 CloneRedirect "bpf_clone_redirect" (Ctx, Anything, Anything) -> Integer, tc_lwt_xmit [inv];
    14 GetCurrentPidTgid "bpf_get_current_pid_tgid" () -> Integer, any_type [];
    15 GetCurrentUidGid "bpf_get_current_uid_gid" () -> Integer, any_type [];
    16 GetCurrentComm "bpf_get_current_comm" (Mem(Fill), ConstSize) -> Integer, any_type [];
    17 GetCgroupClassid "bpf_get_cgroup_classid" (Ctx) -> Integer, any_type [];
    18 SkbVlanPush "bpf_skb_vlan_push" (Ctx, Anything, Anything) -> Integer, tc [inv];
    19 SkbVlanPop "bpf_skb_vlan_pop" (Ctx) -> Integer, tc [inv];
    20 SkbGetTunnelKey "bpf_skb_get_tunnel_key" (Ctx, Mem(Fill), ConstSize, Anything) -> Integer, tc_lwt_xmit [];
    21 SkbSetTunnelKey "bpf_skb_set_tunnel_key" (Ctx, Mem(Read), ConstSize, Anything) -> Integer, tc_lwt_xmit [];
    23 Redirect "bpf_redirect" (Anything, Anything) -> Integer, tc_xdp_lwt_xmit [];
    24 GetRouteRealm "bpf_get_route_realm" (Ctx) -> Integer, tc_lwt [];
    25 PerfEventOutput "bpf_perf_event_output" (Ctx, ConstMapPtr, Anything, Mem(Read), ConstSizeOrZero) -> Integer, any_type [gpl];
    26 SkbLoadBytes "bpf_skb_load_bytes" (Ctx, Anything, Mem(Fill), ConstSize) -> Integer, skb [];
    28 CsumDiff "bpf_csum_diff" (MemOrNull(Read), ConstSizeOrZero, MemOrNull(Read), ConstSizeOrZero, Anything) -> Integer, tc_xdp_lwt [pkt];
    29 SkbGetTunnelOpt "bpf_skb_get_tunnel_opt" (Ctx, Mem(Fill), ConstSize) -> Integer, tc_lwt_xmit [];
    30 SkbSetTunnelOpt "bpf_skb_set_tunnel_opt" (Ctx, Mem(Read), ConstSize) -> Integer, tc_lwt_xmit [];
    31 SkbChangeProto "bpf_skb_change_proto" (Ctx, Anything, Anything) -> Integer, tc [inv];
    32 SkbChangeType "bpf_skb_change_type" (Ctx, Anything) -> Integer, tc [];
    34 GetHashRecalc "bpf_get_hash_recalc" (Ctx) -> Integer, tc_lwt [];
    38 SkbChangeTail "bpf_skb_change_tail" (Ctx, Anything, Anything) -> Integer, tc_lwt_xmit [inv];
    39 SkbPullData "bpf_skb_pull_data" (Ctx, Anything) -> Integer, tc_lwt [inv];
    40 CsumUpdate "bpf_csum_update" (Ctx, Anything) -> Integer, tc_lwt_xmit [];
    41 SetHashInvalid "bpf_set_hash_invalid" (Ctx) -> Integer, tc_lwt_xmit [];
    42 GetNumaNodeId "bpf_get_numa_node_id" () -> Integer, any_type [];
    43 SkbChangeHead "bpf_skb_change_head" (Ctx, Anything, Anything) -> Integer, tc_lwt_xmit [inv];
    44 XdpAdjustHead "bpf_xdp_adjust_head" (Ctx, Anything) -> Integer, xdp [inv];
    46 GetSocketCookie "bpf_get_socket_cookie" (Ctx) -> Integer, skb_not_lwt [];
    47 GetSocketUid "bpf_get_socket_uid" (Ctx) -> Integer, skb_not_lwt [];
    48 SetHash "bpf_set_hash" (Ctx, Anything) -> Integer, tc [];
    50 SkbAdjustRoom "bpf_skb_adjust_room" (Ctx, Anything, Anything, Anything) -> Integer, tc [inv];
    51 RedirectMap "bpf_redirect_map" (ConstMapPtr, Anything, Anything) -> Integer, xdp [];
    54 XdpAdjustMeta "bpf_xdp_adjust_meta" (Ctx, Anything) -> Integer, xdp [inv];
    65 XdpAdjustTail "bpf_xdp_adjust_tail" (Ctx, Anything) -> Integer, xdp [inv];
    66 SkbGetXfrmState "bpf_skb_get_xfrm_state" (Ctx, Anything, Mem(Fill), ConstSize, Anything) -> Integer, tc [];
    68 SkbLoadBytesRelative "bpf_skb_load_bytes_relative" (Ctx, Anything, Mem(Fill), ConstSize, Anything) -> Integer, skb_not_lwt [];
    69 FibLookup "bpf_fib_lookup" (Ctx, Mem(Change), ConstSize, Anything) -> Integer, tc_xdp [gpl];
    73 LwtPushEncap "bpf_lwt_push_encap" (Ctx, Anything, Mem(Read), ConstSize) -> Integer, lwt_in_xmit [inv];
    74 LwtSeg6StoreBytes "bpf_lwt_seg6_store_bytes" (Ctx, Anything, Mem(Read), ConstSize) -> Integer, seg6local [inv];
    75 LwtSeg6AdjustSrh "bpf_lwt_seg6_adjust_srh" (Ctx, Anything, Anything) -> Integer, seg6local [inv];
    76 LwtSeg6Action "bpf_lwt_seg6_action" (Ctx, Anything, Mem(Read), ConstSize) -> Integer, seg6local [inv];
    79 SkbCgroupId "bpf_skb_cgroup_id" (Ctx) -> Integer, tc_cgroup [];
    80 GetCurrentCgroupId "bpf_get_current_cgroup_id" () -> Integer, any_type [];
    81 GetLocalStorage "bpf_get_local_storage" (ConstMapPtr, Anything) -> MapValue, cgroup [];
    83 SkbAncestorCgroupId "bpf_skb_ancestor_cgroup_id" (Ctx, Anything) -> Integer, tc_cgroup [];
    84 SkLookupTcp "bpf_sk_lookup_tcp" (Ctx, Mem(Read), ConstSizeOrZero, Anything, Anything) -> SocketOrNull, tc_xdp_cgroup [pkt];
    85 SkLookupUdp "bpf_sk_lookup_udp" (Ctx, Mem(Read), ConstSizeOrZero, Anything, Anything) -> SocketOrNull, tc_xdp_cgroup [pkt];
    86 SkRelease "bpf_sk_release" (BtfSockCommonRelease) -> Integer, tc_xdp_cgroup [];
    87 MapPushElem "bpf_map_push_elem" (ConstMapPtr, MapValue(Read), Anything) -> Integer, any_type [pkt];
    88 MapPopElem "bpf_map_pop_elem" (ConstMapPtr, MapValue(Fill)) -> Integer, any_type [];
    89 MapPeekElem "bpf_map_peek_elem" (ConstMapPtr, MapValue(Fill)) -> Integer, any_type [];
    93 SpinLock "bpf_spin_lock" (SpinLock) -> Void, any_type [];
    94 SpinUnlock "bpf_spin_unlock" (SpinLock) -> Void, any_type [];
    95 SkFullsock "bpf_sk_fullsock" (SockCommon) -> SocketOrNull, tc_cgroup [];
    96 TcpSock "bpf_tcp_sock" (SockCommon) -> TcpSockOrNull, tc_cgroup [];
    97 SkbEcnSetCe "bpf_skb_ecn_set_ce" (Ctx) -> Integer, tc_cgroup [];
    98 GetListenerSock "bpf_get_listener_sock" (SockCommon) -> SocketOrNull, tc_cgroup [];
    99 SkcLookupTcp "bpf_skc_lookup_tcp" (Ctx, Mem(Read), ConstSizeOrZero, Anything, Anything) -> SockCommonOrNull, tc_xdp_cgroup [pkt];
    100 TcpCheckSyncookie "bpf_tcp_check_syncookie" (BtfSockCommon, Mem(Read), ConstSize, Mem(Read), ConstSize) -> Integer, tc_xdp [gpl pkt];
    105 Strtol "bpf_strtol" (Mem(Read), ConstSize, Anything, FixedMem(Fill, 8)) -> Integer, any_type [];
    106 Strtoul "bpf_strtoul" (Mem(Read), ConstSize, Anything, FixedMem(Fill, 8)) -> Integer, any_type [];
    107 SkStorageGet "bpf_sk_storage_get" (ConstMapPtr, BtfSockCommon, MapValueOrNull, Anything) -> MapValueOrNull, tc_cgroup [];
    108 SkStorageDelete "bpf_sk_storage_delete" (ConstMapPtr, BtfSockCommon) -> Integer, tc_cgroup [];
    110 TcpGenSyncookie "bpf_tcp_gen_syncookie" (BtfSockCommon, Mem(Read), ConstSize, Mem(Read), ConstSize) -> Integer, tc_xdp [gpl pkt];
    112 ProbeReadUser "bpf_probe_read_user" (Mem(Fill), ConstSizeOrZero, Anything) -> Integer, any_type [gpl];
    113 ProbeReadKernel "bpf_probe_read_kernel" (Mem(Fill), ConstSizeOrZero, Anything) -> Integer, any_type [gpl];
    114 ProbeReadUserStr "bpf_probe_read_user_str" (Mem(Fill), ConstSizeOrZero, Anything) -> Integer, any_type [gpl];
    115 ProbeReadKernelStr "bpf_probe_read_kernel_str" (Mem(Fill), ConstSizeOrZero, Anything) -> Integer, any_type [gpl];
    118 Jiffies64 "bpf_jiffies64" () -> Integer, any_type [];
    120 GetNsCurrentPidTgid "bpf_get_ns_current_pid_tgid" (Anything, Anything, Mem(Fill), ConstSize) -> Integer, any_type [];
    122 GetNetnsCookie "bpf_get_netns_cookie" (CtxOrNull) -> Integer, skb_not_lwt [];
    123 GetCurrentAncestorCgroupId "bpf_get_current_ancestor_cgroup_id" (Anything) -> Integer, any_type [];
    124 SkAssign "bpf_sk_assign" (Ctx, BtfSockCommon, Anything) -> Integer, tc [];
    125 KtimeGetBootNs "bpf_ktime_get_boot_ns" () -> Integer, any_type [];
    128 SkCgroupId "bpf_sk_cgroup_id" (BtfSockCommon) -> Integer, cgroup [];
    129 SkAncestorCgroupId "bpf_sk_ancestor_cgroup_id" (BtfSockCommon, Anything) -> Integer, cgroup [];
    130 RingbufOutput "bpf_ringbuf_output" (ConstMapPtr, Mem(Read), ConstSizeOrZero, Anything) -> Integer, any_type [];
    131 RingbufReserve "bpf_ringbuf_reserve" (ConstMapPtr, ConstAllocSize, Anything) -> RingbufMemOrNull, any_type [];
    132 RingbufSubmit "bpf_ringbuf_submit" (RingbufMem, Anything) -> Void, any_type [];
    133 RingbufDiscard "bpf_ringbuf_discard" (RingbufMem, Anything) -> Void, any_type [];
    134 RingbufQuery "bpf_ringbuf_query" (ConstMapPtr, Anything) -> Integer, any_type [];
    135 CsumLevel "bpf_csum_level" (Ctx, Anything) -> Integer, tc_lwt_xmit [];
    136 SkcToTcp6Sock "bpf_skc_to_tcp6_sock" (BtfSockCommon) -> BtfSockOrNull, networking [];
    137 SkcToTcpSock "bpf_skc_to_tcp_sock" (BtfSockCommon) -> BtfSockOrNull, networking [];
    138 SkcToTcpTimewaitSock "bpf_skc_to_tcp_timewait_sock" (BtfSockCommon) -> BtfSockOrNull, networking [];
    139 SkcToTcpRequestSock "bpf_skc_to_tcp_request_sock" (BtfSockCommon) -> BtfSockOrNull, networking [];
    140 SkcToUdp6Sock "bpf_skc_to_udp6_sock" (BtfSockCommon) -> BtfSockOrNull, networking [];
    151 SkbCgroupClassid "bpf_skb_cgroup_classid" (Ctx) -> Integer, tc [];
    152 RedirectNeigh "bpf_redirect_neigh" (Anything, MemOrNull(Read), ConstSizeOrZero, Anything) -> Integer, tc [];
    153 PerCpuPtr "bpf_per_cpu_ptr" (PercpuObject, Anything) -> ObjectOfCpuOrNull, any_type [];
    154 ThisCpuPtr "bpf_this_cpu_ptr" (PercpuObject) -> ObjectOfCpu, any_type [];
    155 RedirectPeer "bpf_redirect_peer" (Anything, Anything) -> Integer, tc [];
    160 KtimeGetCoarseNs "bpf_ktime_get_coarse_ns" () -> Integer, networking [];
    163 CheckMtu "bpf_check_mtu" (Ctx, Anything, FixedMem(Change, 4), Anything, Anything) -> Integer, tc_xdp [gpl];
    164 ForEachMapElem "bpf_for_each_map_elem" (ConstMapPtr, Func, StackOrNull, Anything) -> Integer, any_type [];
    165 Snprintf "bpf_snprintf" (MemOrNull(Change), ConstSizeOrZero, ConstStr, MemOrNull(Read), ConstSizeOrZero) -> Integer, any_type [gpl];
    169 TimerInit "bpf_timer_init" (Timer, ConstMapPtr, Anything) -> Integer, any_type [gpl];
    170 TimerSetCallback "bpf_timer_set_callback" (Timer, Func) -> Integer, any_type [gpl];
    171 TimerStart "bpf_timer_start" (Timer, Anything, Anything) -> Integer, any_type [gpl];
    172 TimerCancel "bpf_timer_cancel" (Timer) -> Integer, any_type [gpl];
    177 TraceVprintk "bpf_trace_vprintk" (Mem(Read), ConstSize, MemOrNull(Read), ConstSizeOrZero) -> Integer, any_type [gpl];
    178 SkcToUnixSock "bpf_skc_to_unix_sock" (BtfSockCommon) -> BtfSockOrNull, networking [];
    181 Loop "bpf_loop" (Anything, Func, StackOrNull, Anything) -> Integer, any_type [];
    182 Strncmp "bpf_strncmp" (Mem(Read), ConstSize, ConstStr) -> Integer, any_type [];
    188 XdpGetBuffLen "bpf_xdp_get_buff_len" (Ctx) -> Integer, xdp [];
    189 XdpLoadBytes "bpf_xdp_load_bytes" (Ctx, Anything, Mem(Fill), ConstSize) -> Integer, xdp [];
    190 XdpStoreBytes "bpf_xdp_store_bytes" (Ctx, Anything, Mem(Read), ConstSize) -> Integer, xdp [];
    192 SkbSetTstamp "bpf_skb_set_tstamp" (Ctx, Anything, Anything) -> Integer, tc [];
    194 KptrXchg "bpf_kptr_xchg" (Kptr, ObjectOrNull) -> ObjectOrNull, any_type [];
    195 MapLookupPercpuElem "bpf_map_lookup_percpu_elem" (ConstMapPtr, MapKey, Anything) -> MapValueOrNull, any_type [pkt];
    196 SkcToMptcpSock "bpf_skc_to_mptcp_sock" (BtfSockCommon) -> BtfSockOrNull, networking [];
    197 DynptrFromMem "bpf_dynptr_from_mem" (Mem(Fill), ConstSizeOrZero, Anything, Dynptr(NewLocal)) -> Integer, any_type [];
    198 RingbufReserveDynptr "bpf_ringbuf_reserve_dynptr" (ConstMapPtr, Anything, Anything, Dynptr(NewRingbuf)) -> Integer, any_type [];
    199 RingbufSubmitDynptr "bpf_ringbuf_submit_dynptr" (Dynptr(ReleaseRingbuf), Anything) -> Void, any_type [];
    200 RingbufDiscardDynptr "bpf_ringbuf_discard_dynptr" (Dynptr(ReleaseRingbuf), Anything) -> Void, any_type [];
    201 DynptrRead "bpf_dynptr_read" (Mem(Fill), ConstSizeOrZero, Dynptr(Initialized), Anything, Anything) -> Integer, any_type [];
    202 DynptrWrite "bpf_dynptr_write" (Dynptr(Initialized), Anything, Mem(Read), ConstSizeOrZero, Anything) -> Integer, any_type [];
    203 DynptrData "bpf_dynptr_data" (Dynptr(Initialized), Anything, ConstAllocSize) -> DynptrDataOrNull, any_type [];
    204 TcpRawGenSyncookieIpv4 "bpf_tcp_raw_gen_syncookie_ipv4" (FixedMem(Read, 20), Mem(Read), ConstSizeOrZero) -> Integer, tc_xdp [gpl pkt];
    205 TcpRawGenSyncookieIpv6 "bpf_tcp_raw_gen_syncookie_ipv6" (FixedMem(Read, 40), Mem(Read), ConstSizeOrZero) -> Integer, tc_xdp [gpl pkt];
    206 TcpRawCheckSyncookieIpv4 "bpf_tcp_raw_check_syncookie_ipv4" (FixedMem(Read, 20), FixedMem(Read, 20)) -> Integer, tc_xdp [gpl pkt];
    207 TcpRawCheckSyncookieIpv6 "bpf_tcp_raw_check_syncookie_ipv6" (FixedMem(Read, 40), FixedMem(Read, 20)) -> Integer, tc_xdp [gpl pkt];
    208 KtimeGetTaiNs "bpf_ktime_get_tai_ns" () -> Integer, any_type [];
    209 UserRingbufDrain "bpf_user_ringbuf_drain" (ConstMapPtr, Func, StackOrNull, Anything) -> Integer, any_type [];
}
