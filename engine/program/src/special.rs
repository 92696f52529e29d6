//! Fields that are not plain bytes: of map values, and of the structures a program allocates.

use bpfreplay_uapi::MapType;

/// A field that programs reach through helpers and kernel functions only (linux: struct btf_field).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SpecialField {
    /// Where in the value or object, in bytes.
    pub off: u32,
    /// What it is.
    pub kind: SpecialKind,
}

/// What a special field is (linux: enum btf_field_type). Type ids are those of the BTF that the field was found in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the kernel's names")]
pub enum SpecialKind {
    SpinLock,
    Timer,
    Workqueue,
    Refcount,
    ListNode,
    RbNode,
    /// A pointer to an object, tagged as one.
    Kptr {
        /// Which tag.
        kind: KptrKind,
        /// The structure pointed to.
        type_id: u32,
    },
    /// The head of a list of objects of one type (linux: struct btf_field_graph_root).
    ListHead {
        /// The structure in the list.
        value_type_id: u32,
        /// Where its node is in it, in bytes.
        node_off: u32,
    },
    /// The root of a tree of objects of one type.
    RbRoot {
        /// The structure in the tree.
        value_type_id: u32,
        /// Where its node is in it, in bytes.
        node_off: u32,
    },
}

/// What a tagged pointer may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KptrKind {
    /// `__kptr_untrusted`: loaded and stored as it is, owns nothing.
    Unref,
    /// `__kptr`: owns its object, changed by `bpf_kptr_xchg` only.
    Ref,
    /// `__percpu_kptr`: owns an object that is there for each CPU.
    Percpu,
}

impl SpecialKind {
    /// The C structure's name, or the tag's (linux: btf_field_type_name()).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            SpecialKind::SpinLock => "bpf_spin_lock",
            SpecialKind::Timer => "bpf_timer",
            SpecialKind::Workqueue => "bpf_wq",
            SpecialKind::Refcount => "bpf_refcount",
            SpecialKind::ListNode => "bpf_list_node",
            SpecialKind::RbNode => "bpf_rb_node",
            SpecialKind::Kptr { kind: KptrKind::Unref | KptrKind::Ref, .. } => "kptr",
            SpecialKind::Kptr { kind: KptrKind::Percpu, .. } => "percpu_kptr",
            SpecialKind::ListHead { .. } => "bpf_list_head",
            SpecialKind::RbRoot { .. } => "bpf_rb_root",
        }
    }

    /// Whether values of maps of this type may have it (linux: map_check_btf()).
    #[must_use]
    pub const fn may_be_in(self, map_type: MapType) -> bool {
        use MapType as M;
        let is_storage = matches!(map_type, M::SkStorage | M::InodeStorage | M::TaskStorage | M::CgrpStorage);
        match self {
            SpecialKind::SpinLock => is_storage || matches!(map_type, M::Hash | M::Array | M::CgroupStorage),
            SpecialKind::Timer
            | SpecialKind::Workqueue
            | SpecialKind::ListHead { .. }
            | SpecialKind::RbRoot { .. } => matches!(map_type, M::Hash | M::LruHash | M::Array),
            SpecialKind::Kptr { .. } | SpecialKind::Refcount => {
                let is_hash = matches!(map_type, M::Hash | M::PercpuHash | M::LruHash | M::LruPercpuHash);
                is_storage || is_hash || matches!(map_type, M::Array | M::PercpuArray)
            }
            // They are in objects alone.
            SpecialKind::ListNode | SpecialKind::RbNode => false,
        }
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn size(self) -> u32 {
        match self {
            SpecialKind::SpinLock | SpecialKind::Refcount => 4,
            SpecialKind::Kptr { .. } => 8,
            SpecialKind::Timer
            | SpecialKind::Workqueue
            | SpecialKind::ListHead { .. }
            | SpecialKind::RbRoot { .. } => 16,
            SpecialKind::ListNode => 24,
            SpecialKind::RbNode => 32,
        }
    }

    /// What its offset is a multiple of, in bytes.
    #[must_use]
    pub const fn align(self) -> u32 {
        match self {
            SpecialKind::SpinLock | SpecialKind::Refcount => 4,
            SpecialKind::Kptr { .. }
            | SpecialKind::Timer
            | SpecialKind::Workqueue
            | SpecialKind::ListNode
            | SpecialKind::RbNode
            | SpecialKind::ListHead { .. }
            | SpecialKind::RbRoot { .. } => 8,
        }
    }
}

/// A structure of the object with special fields, that programs allocate with `bpf_obj_new`
/// (linux: struct btf_struct_meta).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalType {
    /// Its id in the object's BTF.
    pub btf_id: u32,
    /// Its name.
    pub name: String,
    /// Bytes of it.
    pub size: u32,
    /// Its special fields, by offset; at least one.
    pub special: Vec<SpecialField>,
}
