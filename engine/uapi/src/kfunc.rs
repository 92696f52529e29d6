//! Kernel functions that programs call by BTF name (kfuncs), as far as this engine has them.
//!
//! A kernel gives them ids of its own BTF. Here the loader resolves the name: `call` with source 2 has [`Kfunc::id`] in
//! its immediate, and 0 in its offset.

use crate::prog::ProgType;

macro_rules! kfuncs {
    ($($variant:ident $id:literal $name:literal;)*) => {
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
        }
    };
}
kfuncs! {
    IterNumNew 1 "bpf_iter_num_new";
    IterNumNext 2 "bpf_iter_num_next";
    IterNumDestroy 3 "bpf_iter_num_destroy";
    DynptrFromSkb 4 "bpf_dynptr_from_skb";
    DynptrFromXdp 5 "bpf_dynptr_from_xdp";
    DynptrSlice 6 "bpf_dynptr_slice";
    DynptrSliceRdwr 7 "bpf_dynptr_slice_rdwr";
    DynptrAdjust 8 "bpf_dynptr_adjust";
    DynptrIsNull 9 "bpf_dynptr_is_null";
    DynptrIsRdonly 10 "bpf_dynptr_is_rdonly";
    DynptrSize 11 "bpf_dynptr_size";
    DynptrClone 12 "bpf_dynptr_clone";
}

impl Kfunc {
    /// Its number in the immediate of a call.
    #[must_use]
    pub const fn id(self) -> u32 {
        self as u32
    }

    /// How many arguments it has, in r1 upwards.
    #[must_use]
    pub const fn args(self) -> usize {
        match self {
            Kfunc::IterNumNext
            | Kfunc::IterNumDestroy
            | Kfunc::DynptrIsNull
            | Kfunc::DynptrIsRdonly
            | Kfunc::DynptrSize => 1,
            Kfunc::DynptrClone => 2,
            Kfunc::IterNumNew | Kfunc::DynptrFromSkb | Kfunc::DynptrFromXdp | Kfunc::DynptrAdjust => 3,
            Kfunc::DynptrSlice | Kfunc::DynptrSliceRdwr => 4,
        }
    }

    /// Whether it returns anything.
    #[must_use]
    pub const fn returns(self) -> bool {
        !matches!(self, Kfunc::IterNumDestroy)
    }

    /// Whether programs of the type may call it (the kernel's `BTF_KFUNCS` sets by program type).
    #[must_use]
    pub const fn allowed(self, prog_type: ProgType) -> bool {
        match self {
            Kfunc::DynptrFromSkb => prog_type.has_skb(),
            Kfunc::DynptrFromXdp => matches!(prog_type, ProgType::Xdp),
            Kfunc::IterNumNew
            | Kfunc::IterNumNext
            | Kfunc::IterNumDestroy
            | Kfunc::DynptrSlice
            | Kfunc::DynptrSliceRdwr
            | Kfunc::DynptrAdjust
            | Kfunc::DynptrIsNull
            | Kfunc::DynptrIsRdonly
            | Kfunc::DynptrSize
            | Kfunc::DynptrClone => true,
        }
    }
}
