use bpfreplay_isa::Width;
use bpfreplay_uapi::sock::{BtfSock, SockKind};

use super::dynptr::DynptrKind;
use super::object::Hold;
use crate::scalar::Scalar;

/// What a register holds (linux: enum bpf_reg_type). Part of the type: which object, never where in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum RegType {
    /// Never written on this path; unreadable.
    NotInit,
    /// A number.
    Scalar,
    /// The context.
    Ctx,
    /// A map, by [`crate::explore::Env::map`]'s index.
    MapPtr { map: u32 },
    /// A value of that map.
    MapValue { map: u32 },
    /// The stack of the frame with this index.
    Stack { frame: u8 },
    /// The packet, from `data`.
    Packet,
    /// The packet's metadata, from `data_meta`.
    PacketMeta,
    /// One past the packet, `data_end`.
    PacketEnd,
    /// A socket: the context's `sk`, or one that was looked up.
    Sock(SockKind),
    /// A socket as the kernel has it (linux: PTR_TO_BTF_ID).
    BtfSock(BtfSock),
    /// Memory of a known size.
    Mem { size: u32, sort: MemSort },
    /// A key of that map, to read: what a callback over its elements is given.
    MapKey { map: u32 },
    /// A function of the program, by index: a callback to hand to a helper.
    Func { function: u32 },
    /// A dynptr that a global function was handed, to read (linux: CONST_PTR_TO_DYNPTR).
    Dynptr(DynptrKind),
    /// A structure of the program's own types, by BTF id (linux: PTR_TO_BTF_ID).
    Object { type_id: u32, hold: Hold },
}

/// Whose memory it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum MemSort {
    /// An argument of a global function.
    Plain,
    /// A reserved record of a ring buffer (linux: MEM_RINGBUF).
    Ringbuf,
    /// What a kernel function lends, to read (linux: MEM_RDONLY).
    ReadOnly,
    /// What `bpf_dynptr_data` lends; `dynptr_id` says which dynptr's.
    DynptrData,
    /// What `bpf_dynptr_slice` lends of a dynptr of this kind, or `bpf_dynptr_slice_rdwr` (linux: MEM_RDONLY and
    /// DYNPTR_TYPE_FLAG_MASK).
    Slice { of: DynptrKind, writable: bool },
}

impl MemSort {
    /// Memory that programs only read.
    pub(crate) const fn is_read_only(self) -> bool {
        match self {
            MemSort::ReadOnly => true,
            MemSort::Slice { writable, .. } => !writable,
            MemSort::Plain | MemSort::Ringbuf | MemSort::DynptrData => false,
        }
    }

    /// Memory that a dynptr lends, at an address of any alignment.
    pub(crate) const fn is_of_dynptr(self) -> bool {
        match self {
            MemSort::DynptrData | MemSort::Slice { .. } => true,
            MemSort::Plain | MemSort::Ringbuf | MemSort::ReadOnly => false,
        }
    }
}

impl RegType {
    /// The kernel's name for messages (linux: reg_type_str()).
    pub(crate) const fn name(self, nullable: bool) -> &'static str {
        match (self, nullable) {
            (RegType::NotInit, _) => "?",
            (RegType::Scalar, _) => "scalar",
            (RegType::Ctx, _) => "ctx",
            (RegType::MapPtr { .. }, false) => "map_ptr",
            (RegType::MapPtr { .. }, true) => "map_ptr_or_null",
            (RegType::MapValue { .. }, false) => "map_value",
            (RegType::MapValue { .. }, true) => "map_value_or_null",
            (RegType::Stack { .. }, _) => "fp",
            (RegType::Packet, _) => "pkt",
            (RegType::PacketMeta, _) => "pkt_meta",
            (RegType::PacketEnd, _) => "pkt_end",
            (RegType::Sock(SockKind::Common), false) => "sock_common",
            (RegType::Sock(SockKind::Common), true) => "sock_common_or_null",
            (RegType::Sock(SockKind::Full), false) => "sock",
            (RegType::Sock(SockKind::Full), true) => "sock_or_null",
            (RegType::Sock(SockKind::Tcp), false) => "tcp_sock",
            (RegType::Sock(SockKind::Tcp), true) => "tcp_sock_or_null",
            (RegType::Sock(SockKind::Xdp), false) => "xdp_sock",
            (RegType::Sock(SockKind::Xdp), true) => "xdp_sock_or_null",
            (RegType::BtfSock(_), false) => "ptr_",
            (RegType::BtfSock(_), true) => "ptr_or_null_",
            (RegType::Mem { sort, .. }, nullable) => match (sort, sort.is_read_only(), nullable) {
                (MemSort::Ringbuf, _, false) => "ringbuf_mem",
                (MemSort::Ringbuf, _, true) => "ringbuf_mem_or_null",
                (_, true, false) => "rdonly_mem",
                (_, true, true) => "rdonly_mem_or_null",
                (_, false, false) => "mem",
                (_, false, true) => "mem_or_null",
            },
            (RegType::MapKey { .. }, _) => "map_key",
            (RegType::Func { .. }, _) => "func",
            (RegType::Dynptr(_), _) => "dynptr_ptr",
            (RegType::Object { hold, .. }, nullable) => hold.name(nullable),
        }
    }

    /// Packet bytes before `data_end` (or `data`): pointers that carry a range.
    pub(crate) const fn is_packet(self) -> bool {
        match self {
            RegType::Packet | RegType::PacketMeta => true,
            RegType::NotInit
            | RegType::Scalar
            | RegType::Ctx
            | RegType::MapPtr { .. }
            | RegType::MapValue { .. }
            | RegType::Stack { .. }
            | RegType::PacketEnd
            | RegType::Sock(_)
            | RegType::BtfSock(_)
            | RegType::Mem { .. }
            | RegType::MapKey { .. }
            | RegType::Func { .. }
            | RegType::Dynptr(_)
            | RegType::Object { .. } => false,
        }
    }

    /// Everything derived from the packet, dead once a helper moves it.
    pub(crate) const fn is_any_packet(self) -> bool {
        if let RegType::Mem { sort: MemSort::Slice { of, .. }, .. } = self {
            return of.may_be_packet();
        }
        self.is_packet() || matches!(self, RegType::PacketEnd)
    }
}

/// Where a packet pointer is in the packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PacketRange {
    /// So many bytes from the pointer's base are known to be in the packet.
    Bytes(u32),
    /// The pointer was compared and is `data_end` or behind it (linux: AT_PKT_END).
    AtEnd,
    /// The pointer was compared and is behind `data_end` (linux: BEYOND_PKT_END).
    BeyondEnd,
}

impl PacketRange {
    pub(crate) const NONE: PacketRange = PacketRange::Bytes(0);

    /// Bytes that may be accessed.
    pub(crate) const fn bytes(self) -> u32 {
        match self {
            PacketRange::Bytes(bytes) => bytes,
            PacketRange::AtEnd | PacketRange::BeyondEnd => 0,
        }
    }

    /// Whether what was explored with `self` stands for `other`.
    pub(crate) fn includes(self, other: PacketRange) -> bool {
        match (self, other) {
            (PacketRange::Bytes(old), PacketRange::Bytes(new)) => old <= new,
            // Branches were decided by it.
            (PacketRange::AtEnd | PacketRange::BeyondEnd, _)
            | (_, PacketRange::AtEnd | PacketRange::BeyondEnd) => self == other,
        }
    }
}

/// What is known of one register, or of one spilled to the stack (linux: struct bpf_reg_state).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RegState {
    pub(crate) kind: RegType,
    /// The pointer may be NULL: no access, no arithmetic until it is compared with 0.
    pub(crate) nullable: bool,
    /// A linked scalar is the one it is linked to plus `off`, added at this width; with none it is that number
    /// (linux: BPF_ADD_CONST64, BPF_ADD_CONST32).
    pub(crate) add_const: Option<Width>,
    /// Pointers: the fixed part of the offset. Scalars: see `add_const`.
    pub(crate) off: i32,
    /// Shared identity, 0 for none: of pointers whose NULL check or packet range counts for all holders, of scalars
    /// that are equal or a constant apart.
    pub(crate) id: u32,
    /// The reference that keeps the object alive, 0 for none: when it is released, the pointer is dead
    /// (see [`super::Held`]).
    pub(crate) ref_obj_id: u32,
    /// The dynptr that lends the memory, 0 for none.
    pub(crate) dynptr_id: u32,
    /// Inner maps with timers, and their values: which lookup found the map, 0 for the program's own maps. Two lookups
    /// may find two maps.
    pub(crate) map_uid: u32,
    /// Packet pointers: what comparisons with `data_end` proved.
    pub(crate) range: PacketRange,
    /// Scalars: the value. Pointers: the variable part of the offset.
    pub(crate) value: Scalar,
}

impl RegState {
    pub(crate) const NOT_INIT: RegState = RegState {
        kind: RegType::NotInit,
        nullable: false,
        add_const: None,
        off: 0,
        id: 0,
        ref_obj_id: 0,
        dynptr_id: 0,
        map_uid: 0,
        range: PacketRange::NONE,
        value: Scalar::UNKNOWN,
    };

    pub(crate) const UNKNOWN: RegState = RegState::scalar(Scalar::UNKNOWN);

    pub(crate) const fn scalar(value: Scalar) -> RegState {
        RegState { kind: RegType::Scalar, value, ..RegState::NOT_INIT }
    }

    pub(crate) const fn constant(x: u64) -> RegState {
        RegState::scalar(Scalar::constant(x))
    }

    /// A pointer to the start of an object.
    pub(crate) const fn pointer(kind: RegType) -> RegState {
        RegState { kind, value: Scalar::constant(0), ..RegState::NOT_INIT }
    }

    pub(crate) fn is_scalar(&self) -> bool {
        self.kind == RegType::Scalar
    }

    /// Initialised and not a number.
    pub(crate) fn is_pointer(&self) -> bool {
        self.kind != RegType::Scalar && self.kind != RegType::NotInit
    }

    /// The scalar's value, if it is one number.
    pub(crate) fn as_const(&self) -> Option<u64> {
        if self.is_scalar() { self.value.as_const() } else { None }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.as_const() == Some(0)
    }

    /// The kernel's name of the type.
    pub(crate) const fn type_name(&self) -> &'static str {
        self.kind.name(self.nullable)
    }

    /// A pointer straight from `data`, `data_meta`: nothing added.
    pub(crate) fn is_initial(&self, kind: RegType) -> bool {
        self.kind == kind && self.off == 0 && self.value.as_const() == Some(0)
    }

    /// Forgets that other scalars are linked to this one.
    pub(crate) fn unlink(&mut self) {
        self.id = 0;
        if self.is_scalar() {
            self.off = 0;
            self.add_const = None;
        }
    }
}
