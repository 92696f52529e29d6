//! Kernel functions that programs call by BTF name (kfuncs), as far as this engine has them.
//!
//! A kernel gives them ids of its own BTF. Here the loader resolves the name: `call` with source 2 has [`Kfunc::id`] in
//! its immediate, and 0 in its offset.

use crate::prog::ProgType;

/// What a kernel function takes in one of r1 to r5.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KfuncArg {
    /// The context, unmodified.
    Ctx,
    /// As [`KfuncArg::Ctx`], and known not to be NULL (`KF_TRUSTED_ARGS`).
    TrustedCtx,
    /// A number.
    Scalar,
    /// A `struct bpf_iter_num` on the stack.
    Iter,
    /// A `struct bpf_dynptr` that is initialised.
    Dynptr,
    /// Stack that becomes a dynptr (`__uninit`).
    NewDynptr,
    /// Memory to read and write, or NULL (`__opt`); its size is the next argument.
    OptionalBuffer,
    /// The size of the memory before it, a known constant (`__szk`); the result points to as many bytes.
    ConstSize,
    /// The BTF id of a local type, a known constant (`__k`).
    LocalTypeId,
    /// An owning reference to an allocated object (`__alloc`).
    AllocObject,
    /// A reference to an object with a `struct bpf_refcount` (`__refcounted_kptr`).
    RefcountedObject,
    /// A `struct bpf_list_head` in a map's value or an object.
    ListHead,
    /// A `struct bpf_list_node` in an object.
    ListNode,
    /// A `struct bpf_rb_root` in a map's value or an object.
    RbRoot,
    /// A `struct bpf_rb_node` in an object.
    RbNode,
    /// A function of the program that says which of two nodes comes first.
    Less,
    /// Whatever: the verifier puts something there (`__ign`).
    Ignored,
}

macro_rules! kfuncs {
    ($($variant:ident $id:literal $name:literal ($($arg:ident),*);)*) => {
        /// A kernel function.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u32)]
        #[expect(missing_docs, reason = "the kernel's names")]
        pub enum Kfunc { $($variant = $id,)* }

        impl Kfunc {
            /// Every kernel function of this engine.
            pub const ALL: &[Kfunc] = &[$(Kfunc::$variant),*];

            /// The function with this number of ours.
            #[must_use]
            pub const fn from_id(id: u32) -> Option<Kfunc> {
                match id { $($id => Some(Kfunc::$variant),)* _ => None }
            }

            /// The function of this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Kfunc> {
                match name { $($name => Some(Kfunc::$variant),)* _ => None }
            }

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Kfunc::$variant => $name,)* }
            }

            /// The arguments in r1 upwards.
            #[must_use]
            pub const fn args(self) -> &'static [KfuncArg] {
                match self { $(Kfunc::$variant => const { &[$(KfuncArg::$arg),*] },)* }
            }
        }
    };
}
kfuncs! {
    IterNumNew 1 "bpf_iter_num_new" (Iter, Scalar, Scalar);
    IterNumNext 2 "bpf_iter_num_next" (Iter);
    IterNumDestroy 3 "bpf_iter_num_destroy" (Iter);
    DynptrFromSkb 4 "bpf_dynptr_from_skb" (TrustedCtx, Scalar, NewDynptr);
    DynptrFromXdp 5 "bpf_dynptr_from_xdp" (Ctx, Scalar, NewDynptr);
    DynptrSlice 6 "bpf_dynptr_slice" (Dynptr, Scalar, OptionalBuffer, ConstSize);
    DynptrSliceRdwr 7 "bpf_dynptr_slice_rdwr" (Dynptr, Scalar, OptionalBuffer, ConstSize);
    DynptrAdjust 8 "bpf_dynptr_adjust" (Dynptr, Scalar, Scalar);
    DynptrIsNull 9 "bpf_dynptr_is_null" (Dynptr);
    DynptrIsRdonly 10 "bpf_dynptr_is_rdonly" (Dynptr);
    DynptrSize 11 "bpf_dynptr_size" (Dynptr);
    DynptrClone 12 "bpf_dynptr_clone" (Dynptr, NewDynptr);
    DynptrFromSkbRdonly 13 "bpf_dynptr_from_skb_rdonly" (TrustedCtx, Scalar, NewDynptr);
    DynptrCopy 14 "bpf_dynptr_copy" (Dynptr, Scalar, Dynptr, Scalar, Scalar);
    DynptrMemset 15 "bpf_dynptr_memset" (Dynptr, Scalar, Scalar, Scalar);
    RcuReadLock 16 "bpf_rcu_read_lock" ();
    RcuReadUnlock 17 "bpf_rcu_read_unlock" ();
    PreemptDisable 18 "bpf_preempt_disable" ();
    PreemptEnable 19 "bpf_preempt_enable" ();
    Throw 32 "bpf_throw" (Scalar);
    ObjNew 64 "bpf_obj_new_impl" (LocalTypeId, Ignored);
    ObjDrop 65 "bpf_obj_drop_impl" (AllocObject, Ignored);
    PercpuObjNew 66 "bpf_percpu_obj_new_impl" (LocalTypeId, Ignored);
    PercpuObjDrop 67 "bpf_percpu_obj_drop_impl" (AllocObject, Ignored);
    RefcountAcquire 68 "bpf_refcount_acquire_impl" (RefcountedObject, Ignored);
    ListPushFront 69 "bpf_list_push_front_impl" (ListHead, ListNode, Ignored, Scalar);
    ListPushBack 70 "bpf_list_push_back_impl" (ListHead, ListNode, Ignored, Scalar);
    ListPopFront 71 "bpf_list_pop_front" (ListHead);
    ListPopBack 72 "bpf_list_pop_back" (ListHead);
    ListFront 73 "bpf_list_front" (ListHead);
    ListBack 74 "bpf_list_back" (ListHead);
    RbtreeRemove 75 "bpf_rbtree_remove" (RbRoot, RbNode);
    RbtreeAdd 76 "bpf_rbtree_add_impl" (RbRoot, RbNode, Less, Ignored, Scalar);
    RbtreeFirst 77 "bpf_rbtree_first" (RbRoot);
    RbtreeRoot 78 "bpf_rbtree_root" (RbRoot);
    RbtreeLeft 79 "bpf_rbtree_left" (RbRoot, RbNode);
    RbtreeRight 80 "bpf_rbtree_right" (RbRoot, RbNode);
}

impl Kfunc {
    /// Its number in the immediate of a call.
    #[must_use]
    pub const fn id(self) -> u32 {
        self as u32
    }

    /// Whether it returns anything.
    #[must_use]
    pub const fn returns(self) -> bool {
        !matches!(
            self,
            Kfunc::IterNumDestroy
                | Kfunc::Throw
                | Kfunc::RcuReadLock
                | Kfunc::RcuReadUnlock
                | Kfunc::PreemptDisable
                | Kfunc::PreemptEnable
                | Kfunc::ObjDrop
                | Kfunc::PercpuObjDrop
        )
    }

    /// Whether it is about objects that programs allocate.
    #[must_use]
    pub const fn is_of_objects(self) -> bool {
        self.id() >= Kfunc::ObjNew.id()
    }

    /// Whether programs of the type may call it (the kernel's `BTF_KFUNCS` sets by program type).
    #[must_use]
    pub const fn allowed(self, prog_type: ProgType) -> bool {
        match self {
            Kfunc::DynptrFromSkb => prog_type.has_skb(),
            Kfunc::DynptrFromXdp => matches!(prog_type, ProgType::Xdp),
            // What `bpf_dynptr_from_skb` becomes in programs that may not write packets.
            Kfunc::DynptrFromSkbRdonly => false,
            Kfunc::IterNumNew
            | Kfunc::IterNumNext
            | Kfunc::IterNumDestroy
            | Kfunc::DynptrSlice
            | Kfunc::DynptrSliceRdwr
            | Kfunc::DynptrAdjust
            | Kfunc::DynptrIsNull
            | Kfunc::DynptrIsRdonly
            | Kfunc::DynptrSize
            | Kfunc::DynptrClone
            | Kfunc::DynptrCopy
            | Kfunc::DynptrMemset
            | Kfunc::RcuReadLock
            | Kfunc::RcuReadUnlock
            | Kfunc::PreemptDisable
            | Kfunc::PreemptEnable => true,
            // The generic set, which fewer hooks register than the common one.
            Kfunc::Throw
            | Kfunc::ObjNew
            | Kfunc::ObjDrop
            | Kfunc::PercpuObjNew
            | Kfunc::PercpuObjDrop
            | Kfunc::RefcountAcquire
            | Kfunc::ListPushFront
            | Kfunc::ListPushBack
            | Kfunc::ListPopFront
            | Kfunc::ListPopBack
            | Kfunc::ListFront
            | Kfunc::ListBack
            | Kfunc::RbtreeRemove
            | Kfunc::RbtreeAdd
            | Kfunc::RbtreeFirst
            | Kfunc::RbtreeRoot
            | Kfunc::RbtreeLeft
            | Kfunc::RbtreeRight => matches!(
                prog_type,
                ProgType::SchedCls | ProgType::Xdp | ProgType::CgroupSkb | ProgType::Tracepoint
            ),
        }
    }
}
