//! Helper functions: ids, names, prototypes (`___BPF_FUNC_MAPPER` and the `bpf_*_proto` objects).
//!
//! One row of `helper_table.rs` a helper. The verifier checks calls against the row, the interpreter checks memory
//! arguments by it, and the runtime has one function a row, or none: such a program verifies, and is then refused by
//! the engine by name.

use crate::prog::ProgType;

pub use crate::helper_table::HelperId;

/// What a helper takes in one of r1 to r5.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ArgType {
    /// Any initialised register.
    Anything,
    /// The context, unmodified.
    Ctx,
    /// As [`ArgType::Ctx`], or NULL.
    CtxOrNull,
    /// A map, known at verification.
    ConstMapPtr,
    /// Initialised memory of the map's key size.
    MapKey,
    /// Memory of the map's value size.
    MapValue(MemAccess),
    /// As [`ArgType::MapValue`] that is read, or NULL.
    MapValueOrNull,
    /// Memory whose size is the next argument.
    Mem(MemAccess),
    /// As [`ArgType::Mem`], or NULL (then the size must be 0).
    MemOrNull(MemAccess),
    /// The size of the memory before it, at least 1.
    ConstSize,
    /// The size of the memory before it, 0 allowed.
    ConstSizeOrZero,
    /// Memory of this many bytes, aligned to them.
    FixedMem(MemAccess, u32),
    /// A known constant: how many bytes the result points to.
    ConstAllocSize,
    /// A NUL-terminated string in a read-only frozen map.
    ConstStr,
    /// A `struct bpf_spin_lock` in a map value.
    SpinLock,
    /// A `struct bpf_timer` in a map value.
    Timer,
    /// A field of a map's value or of an object that owns an object (`__kptr`), or nothing.
    Kptr,
    /// An object that is there for each CPU.
    PercpuObject,
    /// An object that the call takes away (`OBJ_RELEASE`), or NULL.
    ObjectOrNull,
    /// A program-local function, by `ld_imm64` with source 4.
    Func,
    /// Stack memory handed on to a callback, or NULL.
    StackOrNull,
    /// A ring buffer record that was reserved; the call ends it.
    RingbufMem,
    /// A socket of any kind.
    SockCommon,
    /// A socket of any kind, trusted BTF pointers included.
    BtfSockCommon,
    /// As [`ArgType::BtfSockCommon`] with a reference; the call ends it.
    BtfSockCommonRelease,
    /// A `struct bpf_dynptr` on the stack.
    Dynptr(DynptrArg),
}

/// What a helper expects of a dynptr and does to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DynptrArg {
    /// Initialised, of any kind; stays as it is.
    Initialized,
    /// Becomes a dynptr of memory of the program's own.
    NewLocal,
    /// Becomes a dynptr of a ring buffer record, with a reference.
    NewRingbuf,
    /// A ring buffer's; the call ends it.
    ReleaseRingbuf,
}

/// What a helper does with memory it is handed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MemAccess {
    /// Reads it.
    Read,
    /// Fills it; it need not be initialised (`MEM_UNINIT | MEM_WRITE`).
    Fill,
    /// Reads it and may write it.
    Change,
}

/// What a helper leaves in r0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RetType {
    /// Any scalar.
    Integer,
    /// Nothing: r0 is unreadable.
    Void,
    /// A pointer to a value of the map in r1, or NULL; of a map of maps, the inner map or NULL.
    MapValueOrNull,
    /// A pointer to a value of the map in r1.
    MapValue,
    /// A full socket with a reference or without, as the helper has it, or NULL.
    SocketOrNull,
    /// A socket of any kind, or NULL.
    SockCommonOrNull,
    /// A TCP socket, or NULL.
    TcpSockOrNull,
    /// A socket as the kernel has it ([`BtfSock`](crate::sock::BtfSock)), or NULL.
    BtfSockOrNull,
    /// A ring buffer record of the size of [`ArgType::ConstAllocSize`] with a reference, or NULL.
    RingbufMemOrNull,
    /// A CPU's part of the object in r1.
    ObjectOfCpu,
    /// As [`RetType::ObjectOfCpu`], or NULL.
    ObjectOfCpuOrNull,
    /// What the field in r1 owned, with a reference, or NULL.
    ObjectOrNull,
    /// Bytes of a dynptr, as many as [`ArgType::ConstAllocSize`] says, or NULL.
    DynptrDataOrNull,
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
    /// Whether it leaves r1 to r5 that are no arguments alone, so that spills around it may be removed
    /// (`allow_fastcall`).
    pub fastcall: bool,
    /// Which program types may call it.
    pub allowed: fn(ProgType) -> bool,
}

impl HelperProto {
    /// Whether spills around a call of it may be removed in programs of the type. Types whose helpers are the base set
    /// alone get a `bpf_get_smp_processor_id` of which Linux does not say that it leaves registers alone
    /// (`bpf_get_raw_smp_processor_id_proto`).
    #[must_use]
    pub const fn fastcall_in(&self, prog_type: ProgType) -> bool {
        self.fastcall && !matches!(prog_type, ProgType::SocketFilter | ProgType::CgroupSkb)
    }
}

impl HelperId {
    /// The static id.
    #[must_use]
    pub const fn id(self) -> u32 {
        self as u32
    }

    /// Whether it calls a function of the program before it returns (linux: is_sync_callback_calling_function()).
    #[must_use]
    pub const fn calls_back(self) -> bool {
        matches!(self, HelperId::ForEachMapElem | HelperId::Loop | HelperId::UserRingbufDrain)
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
