/// How a pointer to a structure of the program's own types holds it (linux: the flags of PTR_TO_BTF_ID).
///
/// ```text
///   new, pop ──▶ Owned ──push, add──▶ Borrowed, Shared ──unlock──▶ a number
///                  │ ▲                  │       ▲  └──rcu unlock──▶ Stale
///                  │ └──remove──────────┘       └──load── kptr
///                  └──drop, xchg──▶ a number
///
///   Rcu ──rcu unlock──▶ Lost, of what was loaded from a __kptr and no list or tree can have
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Hold {
    /// By a reference, which has to be given back (linux: MEM_ALLOC).
    Owned,
    /// It is in a list or tree: there until the lock is released (linux: MEM_ALLOC | NON_OWN_REF).
    Borrowed,
    /// As [`Hold::Borrowed`], of a type whose objects are counted, so that others may hold it, too; or of a type with a
    /// node, loaded from where somebody else owns it (linux: MEM_ALLOC | NON_OWN_REF | MEM_RCU).
    Shared,
    /// One CPU's of an object that is there for each, or of a type without a node, loaded from where somebody else owns
    /// it: there while the program runs, and no lock's business (linux: MEM_ALLOC | MEM_RCU).
    Rcu,
    /// What was [`Hold::Shared`] before an RCU region ended. Its memory is still an object's: it is not given to
    /// another one before the program has ended (linux: MEM_ALLOC | NON_OWN_REF | PTR_UNTRUSTED).
    Stale,
    /// What was [`Hold::Rcu`] before an RCU region ended. The kernel reads nothing by it (linux: MEM_ALLOC |
    /// PTR_UNTRUSTED).
    Lost,
    /// Nobody knows whether it is still there (linux: PTR_UNTRUSTED).
    Untrusted,
    /// An object for each CPU, with a reference (linux: MEM_ALLOC | MEM_PERCPU).
    PercpuOwned,
    /// An object for each CPU that somebody else owns (linux: MEM_PERCPU | MEM_RCU).
    PercpuRcu,
}

impl Hold {
    /// The kernel's name of the type, in front of that of the structure (linux: reg_type_str()).
    pub(crate) const fn name(self, nullable: bool) -> &'static str {
        match (self, nullable) {
            (Hold::Owned | Hold::Borrowed, false) => "ptr_",
            (Hold::Owned | Hold::Borrowed, true) => "ptr_or_null_",
            (Hold::Shared | Hold::Rcu, false) => "rcu_ptr_",
            (Hold::Shared | Hold::Rcu, true) => "rcu_ptr_or_null_",
            (Hold::Stale | Hold::Lost | Hold::Untrusted, false) => "untrusted_ptr_",
            (Hold::Stale | Hold::Lost | Hold::Untrusted, true) => "untrusted_ptr_or_null_",
            (Hold::PercpuOwned, false) => "percpu_ptr_",
            (Hold::PercpuOwned, true) => "percpu_ptr_or_null_",
            (Hold::PercpuRcu, false) => "percpu_rcu_ptr_",
            (Hold::PercpuRcu, true) => "percpu_rcu_ptr_or_null_",
        }
    }

    /// Whether it is valid only as long as the lock is held (linux: type_is_non_owning_ref()).
    pub(crate) const fn is_borrowed(self) -> bool {
        matches!(self, Hold::Borrowed | Hold::Shared | Hold::Stale)
    }

    /// Whether it is known to be an object of `bpf_obj_new` (linux: MEM_ALLOC).
    pub(crate) const fn is_alloc(self) -> bool {
        match self {
            Hold::Owned
            | Hold::Borrowed
            | Hold::Shared
            | Hold::Rcu
            | Hold::Stale
            | Hold::Lost
            | Hold::PercpuOwned => true,
            Hold::Untrusted | Hold::PercpuRcu => false,
        }
    }

    /// Whether it is one for each CPU (linux: MEM_PERCPU).
    pub(crate) const fn is_percpu(self) -> bool {
        matches!(self, Hold::PercpuOwned | Hold::PercpuRcu)
    }

    /// What is left of it when an RCU region ends.
    pub(crate) const fn after_rcu_unlock(self) -> Option<Hold> {
        match self {
            Hold::Shared => Some(Hold::Stale),
            Hold::Rcu => Some(Hold::Lost),
            Hold::PercpuRcu => Some(Hold::Untrusted),
            Hold::Owned | Hold::Borrowed | Hold::Stale | Hold::Lost | Hold::Untrusted | Hold::PercpuOwned => {
                None
            }
        }
    }
}
