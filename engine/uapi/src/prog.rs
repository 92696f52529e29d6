//! Program types (`enum bpf_prog_type`).

use crate::limits::{PERF_MAX_TRACE_SIZE, PT_REGS_SIZE};

macro_rules! prog_types {
    ($($(#[$doc:meta])* $name:ident $id:literal $text:literal;)*) => {
        /// A program type; the number is the UAPI's, the text is bpftool's.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u32)]
        pub enum ProgType { $($(#[$doc])* $name = $id,)* }

        impl ProgType {
            /// Every type known here.
            pub const ALL: &[ProgType] = &[$(ProgType::$name),*];

            /// The name bpftool prints, such as `sched_cls`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(ProgType::$name => $text,)* }
            }
        }
    };
}
prog_types! {
    /// Socket filters; r0 is how many bytes to keep.
    SocketFilter 1 "socket_filter";
    /// kprobes; here: dispatchers over a plain read-only context.
    Kprobe 2 "kprobe";
    /// tc classifiers.
    SchedCls 3 "sched_cls";
    /// tc actions.
    SchedAct 4 "sched_act";
    /// Tracepoints.
    Tracepoint 5 "tracepoint";
    /// XDP.
    Xdp 6 "xdp";
    /// cgroup ingress and egress filters.
    CgroupSkb 8 "cgroup_skb";
    /// Lightweight tunnel input.
    LwtIn 10 "lwt_in";
    /// Lightweight tunnel output.
    LwtOut 11 "lwt_out";
    /// Lightweight tunnel transmit.
    LwtXmit 12 "lwt_xmit";
    /// The end of a segment routing path (`End.BPF`).
    LwtSeg6local 19 "lwt_seg6local";
}

/// `expected_attach_type` of cgroup programs for what comes in (`BPF_CGROUP_INET_INGRESS`).
pub const BPF_CGROUP_INET_INGRESS: u32 = 0;

/// `expected_attach_type` of cgroup programs for what goes out (`BPF_CGROUP_INET_EGRESS`).
pub const BPF_CGROUP_INET_EGRESS: u32 = 1;

/// What the context pointer of a program points to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ContextKind {
    /// A `struct __sk_buff`.
    Skb,
    /// A `struct xdp_md`.
    Xdp,
    /// Bytes as they are, read-only.
    Plain,
}

impl ContextKind {
    /// The kind that programs of a type have.
    #[must_use]
    pub const fn of(prog_type: ProgType) -> ContextKind {
        match prog_type {
            ProgType::SocketFilter
            | ProgType::SchedCls
            | ProgType::SchedAct
            | ProgType::CgroupSkb
            | ProgType::LwtIn
            | ProgType::LwtOut
            | ProgType::LwtXmit
            | ProgType::LwtSeg6local => ContextKind::Skb,
            ProgType::Xdp => ContextKind::Xdp,
            ProgType::Kprobe | ProgType::Tracepoint => ContextKind::Plain,
        }
    }
}

impl ProgType {
    /// The id in `union bpf_attr`.
    #[must_use]
    pub const fn id(self) -> u32 {
        self as u32
    }

    /// Whether the context is a `struct __sk_buff`.
    #[must_use]
    pub const fn has_skb(self) -> bool {
        matches!(ContextKind::of(self), ContextKind::Skb)
    }

    /// Bytes of the context, where it is plain read-only memory: `struct pt_regs`, the longest record of a tracepoint.
    #[must_use]
    pub const fn plain_context(self) -> Option<u32> {
        match self {
            ProgType::Kprobe => Some(PT_REGS_SIZE),
            ProgType::Tracepoint => Some(PERF_MAX_TRACE_SIZE),
            ProgType::SocketFilter
            | ProgType::SchedCls
            | ProgType::SchedAct
            | ProgType::CgroupSkb
            | ProgType::LwtIn
            | ProgType::LwtOut
            | ProgType::LwtXmit
            | ProgType::LwtSeg6local
            | ProgType::Xdp => None,
        }
    }
}
