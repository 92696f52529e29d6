//! What a section's name says of the programs in it.
//!
//! libbpf matches names exactly; iproute2 takes any name; kernel samples and Cilium append a suffix. All are accepted:
//! a name counts by its longest known prefix, and a [`Note`](crate::Note) says so where libbpf would not agree.

use bpfreplay_uapi::ProgType;

/// What the name of a section of instructions says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SectionRole {
    /// Subprograms only: `.text`.
    Text,
    /// Programs of this type.
    Programs(Attach),
    /// iproute2's `id/slot`: programs for a slot of the prog array with that id, of the type the other sections have.
    Slot {
        /// The `id` of the map.
        map_id: u32,
        /// The slot.
        slot: u32,
    },
    /// Programs of a type that Linux has and this engine has not.
    Unsupported(&'static str),
    /// The name says no type.
    Unknown,
}

/// Program type, `expected_attach_type` and flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attach {
    pub(crate) prog_type: ProgType,
    pub(crate) attach_type: u32,
    /// `BPF_F_XDP_HAS_FRAGS`: the section is `xdp.frags` or `xdp.frags/..`.
    pub(crate) frags: bool,
    /// Whether libbpf 1.x knows the name, too.
    pub(crate) strict: bool,
}

impl Attach {
    /// Of programs of a type, as a name libbpf knows says it.
    pub(crate) const fn of(prog_type: ProgType) -> Attach {
        Attach { prog_type, attach_type: attach::NONE, frags: false, strict: true }
    }
}

/// `enum bpf_attach_type`, the ones named here.
mod attach {
    pub(super) const NONE: u32 = 0;
    pub(super) const CGROUP_INET_EGRESS: u32 = 1;
    pub(super) const XDP_DEVMAP: u32 = 33;
    pub(super) const XDP_CPUMAP: u32 = 35;
    pub(super) const XDP: u32 = 37;
    pub(super) const TCX_INGRESS: u32 = 46;
    pub(super) const TCX_EGRESS: u32 = 47;
}

/// Names libbpf matches whole.
const EXACT: &[(&str, ProgType, u32)] = &[
    ("tc", ProgType::SchedCls, attach::NONE),
    ("classifier", ProgType::SchedCls, attach::NONE),
    ("action", ProgType::SchedAct, attach::NONE),
    // libbpf 1.3 made tc/ingress and tc/egress aliases of tcx/*.
    ("tc/ingress", ProgType::SchedCls, attach::TCX_INGRESS),
    ("tc/egress", ProgType::SchedCls, attach::TCX_EGRESS),
    ("tcx/ingress", ProgType::SchedCls, attach::TCX_INGRESS),
    ("tcx/egress", ProgType::SchedCls, attach::TCX_EGRESS),
    ("xdp", ProgType::Xdp, attach::XDP),
    ("xdp/devmap", ProgType::Xdp, attach::XDP_DEVMAP),
    ("xdp/cpumap", ProgType::Xdp, attach::XDP_CPUMAP),
    ("xdp.frags", ProgType::Xdp, attach::XDP),
    ("xdp.frags/devmap", ProgType::Xdp, attach::XDP_DEVMAP),
    ("xdp.frags/cpumap", ProgType::Xdp, attach::XDP_CPUMAP),
    ("socket", ProgType::SocketFilter, attach::NONE),
    ("cgroup_skb/ingress", ProgType::CgroupSkb, attach::NONE),
    ("cgroup_skb/egress", ProgType::CgroupSkb, attach::CGROUP_INET_EGRESS),
    ("cgroup/skb", ProgType::CgroupSkb, attach::NONE),
    ("lwt_in", ProgType::LwtIn, attach::NONE),
    ("lwt_out", ProgType::LwtOut, attach::NONE),
    ("lwt_xmit", ProgType::LwtXmit, attach::NONE),
    ("lwt_seg6local", ProgType::LwtSeg6local, attach::NONE),
    ("kprobe", ProgType::Kprobe, attach::NONE),
    ("kretprobe", ProgType::Kprobe, attach::NONE),
    ("tracepoint", ProgType::Tracepoint, attach::NONE),
    ("tp", ProgType::Tracepoint, attach::NONE),
];

/// Names that count by their beginning; `true`: libbpf agrees.
const PREFIX: &[(&str, ProgType, u32, bool)] = &[
    ("kprobe/", ProgType::Kprobe, attach::NONE, true),
    ("kretprobe/", ProgType::Kprobe, attach::NONE, true),
    ("tracepoint/", ProgType::Tracepoint, attach::NONE, true),
    ("tp/", ProgType::Tracepoint, attach::NONE, true),
    ("tc/", ProgType::SchedCls, attach::NONE, false),
    ("classifier", ProgType::SchedCls, attach::NONE, false),
    ("cls", ProgType::SchedCls, attach::NONE, false),
    ("act", ProgType::SchedAct, attach::NONE, false),
    ("xdp", ProgType::Xdp, attach::XDP, false),
    ("socket", ProgType::SocketFilter, attach::NONE, false),
];

/// Program types Linux has and this engine has not, by the beginning of their section names.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("kprobe.", "kprobe.multi and kprobe.session"),
    ("kretprobe.", "kretprobe.multi"),
    ("ksyscall", "ksyscall"),
    ("kretsyscall", "kretsyscall"),
    ("uprobe", "uprobe"),
    ("uretprobe", "uretprobe"),
    ("usdt", "usdt"),
    ("netkit", "netkit"),
    ("raw_tp", "raw_tracepoint"),
    ("raw_tracepoint", "raw_tracepoint"),
    ("tp_btf", "tracing (tp_btf)"),
    ("fentry", "tracing (fentry)"),
    ("fexit", "tracing (fexit)"),
    ("fmod_ret", "tracing (fmod_ret)"),
    ("freplace", "freplace (extension)"),
    ("lsm", "lsm"),
    ("iter", "iterator"),
    ("syscall", "syscall"),
    ("struct_ops", "struct_ops"),
    ("perf_event", "perf_event"),
    ("flow_dissector", "flow_dissector"),
    ("sockops", "sock_ops"),
    ("sk_skb", "sk_skb"),
    ("sk_msg", "sk_msg"),
    ("sk_lookup", "sk_lookup"),
    ("sk_reuseport", "sk_reuseport"),
    ("lirc_mode2", "lirc_mode2"),
    ("netfilter", "netfilter"),
    ("cgroup/", "cgroup (other than cgroup_skb)"),
];

/// What a section of instructions holds; `explicit` is the type every program shall have, whatever its section says.
pub(crate) fn role_or(name: &str, explicit: Option<ProgType>) -> SectionRole {
    let named = role(name);
    match (explicit, named) {
        (None, _) | (_, SectionRole::Text | SectionRole::Slot { .. }) => named,
        (Some(prog_type), SectionRole::Programs(_) | SectionRole::Unsupported(_) | SectionRole::Unknown) => {
            SectionRole::Programs(Attach::of(prog_type))
        }
    }
}

/// What the name of a section of instructions says.
fn role(name: &str) -> SectionRole {
    if name == ".text" {
        return SectionRole::Text;
    }
    // libbpf's "do not load by default"; everything an object has is loaded here.
    let name = name.strip_prefix('?').unwrap_or(name);
    let frags = name.starts_with("xdp.frags");
    if let Some(&(_, prog_type, attach_type)) = EXACT.iter().find(|(exact, ..)| *exact == name) {
        return SectionRole::Programs(Attach { prog_type, attach_type, frags, strict: true });
    }
    if let Some((_, unsupported)) = UNSUPPORTED.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return SectionRole::Unsupported(unsupported);
    }
    if let Some(&(_, prog_type, attach_type, strict)) =
        PREFIX.iter().find(|(prefix, ..)| name.starts_with(prefix))
    {
        return SectionRole::Programs(Attach { prog_type, attach_type, frags, strict });
    }
    match id_and_slot(name) {
        Some((map_id, slot)) => SectionRole::Slot { map_id, slot },
        None => SectionRole::Unknown,
    }
}

/// `"2/1"` or `"0xff/3"`: iproute2 reads both numbers as C writes them.
fn id_and_slot(name: &str) -> Option<(u32, u32)> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    let (id, slot) = name.split_once('/')?;
    Some((number(id)?, number(slot)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(name: &str) -> (ProgType, u32, bool) {
        match role(name) {
            SectionRole::Programs(a) => (a.prog_type, a.attach_type, a.strict),
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn names_users_write() {
        assert_eq!(programs("tc"), (ProgType::SchedCls, 0, true));
        assert_eq!(programs("tc/parser"), (ProgType::SchedCls, 0, false));
        assert_eq!(programs("tc/ingress"), (ProgType::SchedCls, 46, true));
        assert_eq!(programs("tcx/egress"), (ProgType::SchedCls, 47, true));
        assert_eq!(programs("classifier/x"), (ProgType::SchedCls, 0, false));
        assert_eq!(programs("cls_main"), (ProgType::SchedCls, 0, false));
        assert_eq!(programs("action"), (ProgType::SchedAct, 0, true));
        assert_eq!(programs("act/mark"), (ProgType::SchedAct, 0, false));
        assert_eq!(programs("xdp"), (ProgType::Xdp, 37, true));
        assert_eq!(programs("xdp_prog"), (ProgType::Xdp, 37, false));
        assert_eq!(programs("socket1"), (ProgType::SocketFilter, 0, false));
        assert_eq!(programs("kprobe/__seccomp_filter"), (ProgType::Kprobe, 0, true));
        assert_eq!(programs("?tc"), (ProgType::SchedCls, 0, true));
        assert_eq!(programs("xdp.frags/devmap"), (ProgType::Xdp, 33, true));
        assert_eq!(programs("lwt_seg6local"), (ProgType::LwtSeg6local, 0, true));
    }

    #[test]
    fn programs_for_fragments() {
        let frags = |name| matches!(role(name), SectionRole::Programs(Attach { frags: true, .. }));
        assert!(frags("xdp.frags") && frags("xdp.frags/cpumap") && frags("xdp.frags_drop"));
        assert!(!frags("xdp") && !frags("xdp/devmap") && !frags("tc"));
    }

    #[test]
    fn id_slot_sections() {
        assert_eq!(role("2/1"), SectionRole::Slot { map_id: 2, slot: 1 });
        assert_eq!(role("0x1f/10"), SectionRole::Slot { map_id: 31, slot: 10 });
        assert_eq!(role("2/x"), SectionRole::Unknown);
        assert_eq!(role("2"), SectionRole::Unknown);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        assert_eq!(role("fentry/x"), SectionRole::Unsupported("tracing (fentry)"));
        assert_eq!(role("parser"), SectionRole::Unknown);
    }
}
