/// What a dynptr spans (linux: enum bpf_dynptr_type).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum DynptrKind {
    /// Memory of the program's own: a map value.
    Local,
    /// A record of a ring buffer, with a reference.
    Ringbuf,
    /// The packet of a `struct __sk_buff`.
    Skb,
    /// The packet of a `struct xdp_md`.
    Xdp,
    /// What a caller handed to a global function: of any kind, and called local by the kernel.
    Argument,
}

impl DynptrKind {
    /// The kernel's name (linux: dynptr_type_str()).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            DynptrKind::Local | DynptrKind::Argument => "local",
            DynptrKind::Ringbuf => "ringbuf",
            DynptrKind::Skb => "skb",
            DynptrKind::Xdp => "xdp",
        }
    }

    /// Whether a reference goes with it, which must be given back (linux: dynptr_type_refcounted()).
    pub(crate) const fn is_referenced(self) -> bool {
        match self {
            DynptrKind::Ringbuf => true,
            DynptrKind::Local | DynptrKind::Skb | DynptrKind::Xdp | DynptrKind::Argument => false,
        }
    }

    /// Whether it may span packet bytes.
    pub(crate) const fn may_be_packet(self) -> bool {
        match self {
            DynptrKind::Skb | DynptrKind::Xdp | DynptrKind::Argument => true,
            DynptrKind::Local | DynptrKind::Ringbuf => false,
        }
    }
}

/// A dynptr, as far as it is known before the run: neither where it begins nor how long it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Dynptr {
    pub(crate) kind: DynptrKind,
    /// Its identity, which the memory that it lends has, too.
    pub(crate) id: u32,
    /// The reference that it and all its clones hold; 0 for none.
    pub(crate) ref_obj_id: u32,
}

/// One half of a dynptr on the stack (linux: STACK_DYNPTR).
///
/// ```text
///   slot n + 1: first     the lower address, where pointers to it point
///   slot n:     second
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DynptrSlot {
    pub(crate) dynptr: Dynptr,
    pub(crate) is_first: bool,
}
