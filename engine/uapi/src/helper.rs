//! Helper functions: ids, names, prototypes (`___BPF_FUNC_MAPPER` and the `bpf_*_proto` objects).
//!
//! One row a helper. The verifier checks calls against the row, the interpreter checks memory arguments by it, and
//! the runtime has one function a row.

use crate::prog::ProgType;

/// What a helper takes in one of r1 to r5.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ArgType {
    /// Any initialised register.
    Anything,
    /// The context, unmodified.
    Ctx,
    /// A map, known at verification.
    ConstMapPtr,
    /// Initialised memory of the map's key size.
    MapKey,
    /// Initialised memory of the map's value size.
    MapValue,
    /// Memory whose size is the next argument.
    Mem(MemAccess),
    /// As [`ArgType::Mem`], or NULL (then the size must be 0).
    MemOrNull(MemAccess),
    /// The size of the memory before it, at least 1.
    ConstSize,
    /// The size of the memory before it, 0 allowed.
    ConstSizeOrZero,
}

/// What a helper does with memory it is handed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MemAccess {
    /// Reads it.
    Read,
    /// Fills it; it need not be initialised (`MEM_UNINIT | MEM_WRITE`).
    Fill,
}

/// What a helper leaves in r0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RetType {
    /// Any scalar.
    Integer,
    /// Nothing: r0 is unreadable.
    Void,
    /// A pointer to a value of the map in r1, or NULL.
    MapValueOrNull,
}

/// The contract of a helper.
#[derive(Clone, Copy, Debug)]
pub struct HelperProto {
    /// The kernel's name, such as `bpf_map_lookup_elem`.
    pub name: &'static str,
    /// The arguments in r1 upwards.
    pub args: &'static [ArgType],
    /// The result.
    pub ret: RetType,
    /// Whether the licence must be GPL-compatible.
    pub gpl_only: bool,
    /// Whether memory arguments may lie in the packet (`pkt_access`).
    pub pkt_access: bool,
    /// Whether it may move the packet: all packet pointers die (`bpf_helper_changes_pkt_data`).
    pub changes_pkt_data: bool,
    /// Which program types may call it.
    pub allowed: fn(ProgType) -> bool,
}

fn any_type(_: ProgType) -> bool {
    true
}

/// tc: `tc_cls_act_func_proto`.
fn tc(t: ProgType) -> bool {
    matches!(t, ProgType::SchedCls | ProgType::SchedAct)
}

/// tc and XDP.
fn tc_xdp(t: ProgType) -> bool {
    tc(t) || t == ProgType::Xdp
}

/// tc and the lightweight tunnel hook that may write, lwt_xmit.
fn tc_lwt_xmit(t: ProgType) -> bool {
    tc(t) || t == ProgType::LwtXmit
}

/// tc and the lightweight tunnel hooks.
fn tc_lwt(t: ProgType) -> bool {
    tc(t) || matches!(t, ProgType::LwtIn | ProgType::LwtOut | ProgType::LwtXmit)
}

/// Every type with a `struct __sk_buff`.
fn skb(t: ProgType) -> bool {
    t.has_skb()
}

macro_rules! flags {
    ($field:ident: ) => { false };
    ($field:ident: $first:ident $($rest:ident)*) => { flags!(@$field $first) || flags!($field: $($rest)*) };
    (@gpl gpl) => { true };
    (@pkt pkt) => { true };
    (@inv inv) => { true };
    (@$field:ident $other:ident) => { false };
}

macro_rules! helpers {
    ($($id:literal $variant:ident $name:literal ($($arg:expr),*) -> $ret:ident, $types:ident [$($flag:ident)*];)*) => {
        /// A helper function of this engine, by its static id.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u32)]
        #[expect(missing_docs, reason = "the kernel's names; the prototype is the contract")]
        pub enum HelperId { $($variant = $id,)* }

        impl HelperId {
            /// Every helper of this engine.
            pub const ALL: &[HelperId] = &[$(HelperId::$variant),*];

            /// The helper with this static id, if this engine has it.
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
                    allowed: $types,
                } },)* }
            }
        }
    };
}

use ArgType::{Anything, ConstMapPtr, ConstSize, ConstSizeOrZero, Ctx, MapKey, MapValue, Mem, MemOrNull};
use MemAccess::{Fill, Read};
helpers! {
    1 MapLookupElem "bpf_map_lookup_elem" (ConstMapPtr, MapKey) -> MapValueOrNull, any_type [pkt];
    2 MapUpdateElem "bpf_map_update_elem" (ConstMapPtr, MapKey, MapValue, Anything) -> Integer, any_type [pkt];
    3 MapDeleteElem "bpf_map_delete_elem" (ConstMapPtr, MapKey) -> Integer, any_type [pkt];
    5 KtimeGetNs "bpf_ktime_get_ns" () -> Integer, any_type [];
    6 TracePrintk "bpf_trace_printk" (Mem(Read), ConstSize) -> Integer, any_type [gpl];
    7 GetPrandomU32 "bpf_get_prandom_u32" () -> Integer, any_type [];
    8 GetSmpProcessorId "bpf_get_smp_processor_id" () -> Integer, any_type [];
    9 SkbStoreBytes "bpf_skb_store_bytes" (Ctx, Anything, Mem(Read), ConstSize, Anything) -> Integer, tc_lwt_xmit [inv];
    10 L3CsumReplace "bpf_l3_csum_replace" (Ctx, Anything, Anything, Anything, Anything) -> Integer, tc_lwt_xmit [inv];
    11 L4CsumReplace "bpf_l4_csum_replace" (Ctx, Anything, Anything, Anything, Anything) -> Integer, tc_lwt_xmit [inv];
    12 TailCall "bpf_tail_call" (Ctx, ConstMapPtr, Anything) -> Void, any_type [];
    23 Redirect "bpf_redirect" (Anything, Anything) -> Integer, tc_xdp [];
    26 SkbLoadBytes "bpf_skb_load_bytes" (Ctx, Anything, Mem(Fill), ConstSize) -> Integer, skb [];
    28 CsumDiff "bpf_csum_diff" (MemOrNull(Read), ConstSizeOrZero, MemOrNull(Read), ConstSizeOrZero, Anything) -> Integer, tc_xdp [pkt];
    34 GetHashRecalc "bpf_get_hash_recalc" (Ctx) -> Integer, tc_lwt [];
    39 SkbPullData "bpf_skb_pull_data" (Ctx, Anything) -> Integer, tc_lwt [inv];
    41 SetHashInvalid "bpf_set_hash_invalid" (Ctx) -> Integer, tc_lwt_xmit [];
    48 SetHash "bpf_set_hash" (Ctx, Anything) -> Integer, tc [];
    68 SkbLoadBytesRelative "bpf_skb_load_bytes_relative" (Ctx, Anything, Mem(Fill), ConstSize, Anything) -> Integer, skb [];
    125 KtimeGetBootNs "bpf_ktime_get_boot_ns" () -> Integer, any_type [];
    160 KtimeGetCoarseNs "bpf_ktime_get_coarse_ns" () -> Integer, any_type [];
}

impl HelperId {
    /// The static id.
    #[must_use]
    pub const fn id(self) -> u32 {
        self as u32
    }

    /// How many of r1 to r5 it may read: what its prototype names, and of `bpf_trace_printk` the values to print, which
    /// it does not.
    #[must_use]
    pub const fn registers_read(self) -> usize {
        match self {
            HelperId::TracePrintk => 5,
            _ => self.proto().args.len(),
        }
    }
}
