//! A `.BTF` blob for assembled programs: the kernel wants one where a subprogram tail-calls or uses `LD_ABS`.
//!
//! ```text
//!   [1] INT int   [2] STRUCT __sk_buff {}   [3] PTR 2   [4] INT long   [5] ENUM { ZERO }
//!   [6..=10] FUNC_PROTO r (ctx: 3), r one of int, long, enum, pointer, void
//!   [11..=15] the same, r (cookie: 4)   [16..] FUNC, one a function, then the entry's DECL_TAG, if there is one
//! ```

use std::sync::Arc;

use bpfreplay_btf::Btf;
use bpfreplay_program::{Linkage, MapSpec, SpecialField, SpecialKind};

use super::file::Returns;

/// Id of the first function.
pub(super) const FIRST_FUNC: u32 = 16;

const INT: u32 = 1;
const CTX: u32 = 3;
const LONG: u32 = 4;
const ENUM: u32 = 5;
const FIRST_PROTO: u32 = 6;

const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_ENUM: u32 = 6;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_DECL_TAG: u32 = 17;
const INT_SIGNED: u32 = 1 << 24;
/// `sizeof(struct __sk_buff)`.
pub(super) const SK_BUFF_SIZE: u32 = 192;

/// A function as BTF has it.
pub(super) struct Func<'a> {
    pub(super) name: &'a str,
    pub(super) linkage: Linkage,
    pub(super) returns: Returns,
    /// Whether it is handed what the program throws: a number, not the context.
    pub(super) catches: bool,
}

/// BTF in which function `n` of `funcs` has id `FIRST_FUNC + n` and takes the context.
pub(super) fn functions(funcs: &[Func<'_>]) -> Vec<u8> {
    let mut strings = vec![0u8];
    let mut string = |text: &str| -> u32 {
        let at = strings.len() as u32;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        at
    };
    let mut types: Vec<u32> = Vec::new();
    types.extend([string("int"), KIND_INT << 24, 4, INT_SIGNED | 32]);
    types.extend([string("__sk_buff"), KIND_STRUCT << 24, SK_BUFF_SIZE]);
    types.extend([0, KIND_PTR << 24, 2]);
    types.extend([string("long"), KIND_INT << 24, 8, INT_SIGNED | 64]);
    types.extend([string("answer"), KIND_ENUM << 24 | 1, 4, string("ZERO"), 0]);
    let ctx = string("ctx");
    for (name, takes) in [(ctx, CTX), (string("cookie"), LONG)] {
        for returns in [INT, LONG, ENUM, CTX, 0] {
            types.extend([0, KIND_FUNC_PROTO << 24 | 1, returns, name, takes]);
        }
    }
    for func in funcs {
        let linkage = match func.linkage {
            Linkage::Static => 0,
            Linkage::Global => 1,
        };
        let proto = match func.returns {
            Returns::Int => 0,
            Returns::Long => 1,
            Returns::Enum => 2,
            Returns::Pointer => 3,
            Returns::Void => 4,
        };
        let proto = if func.catches { proto + 5 } else { proto };
        types.extend([string(func.name), KIND_FUNC << 24 | linkage, FIRST_PROTO + proto]);
    }
    for func in funcs.iter().filter(|func| func.catches) {
        let tag = string(&format!("exception_callback:{}", func.name));
        types.extend([tag, KIND_DECL_TAG << 24, FIRST_FUNC, u32::MAX]);
    }

    blob(&types, &strings)
}

/// Ids of [`locked_value`]'s types.
pub(super) const LOCKED_KEY: u32 = 1;
pub(super) const LOCKED_VALUE: u32 = 4;

/// Makes the values of a map `struct { long count; struct bpf_timer timer; long data; }`.
pub(super) fn with_timer(spec: &mut MapSpec) {
    timed(spec, &timed_value("count", LONG_OF_VALUES), &[]);
}

/// Makes them `struct { struct bpf_spin_lock lock; struct bpf_timer timer; long data; }`.
pub(super) fn with_lock_and_timer(spec: &mut MapSpec) {
    let lock = [SpecialField { off: 0, kind: SpecialKind::SpinLock }];
    timed(spec, &timed_value("lock", LOCK_OF_VALUES), &lock);
}

fn timed(spec: &mut MapSpec, types: &[u8], more: &[SpecialField]) {
    spec.btf = Some(Arc::new(Btf::parse(types).expect("our own BTF is right")));
    spec.btf_key_type_id = LOCKED_KEY;
    spec.btf_value_type_id = TIMED_VALUE;
    spec.special = more.to_vec();
    spec.special.push(SpecialField { off: 8, kind: SpecialKind::Timer });
}

const LONG_OF_VALUES: u32 = 2;
const LOCK_OF_VALUES: u32 = 3;
const TIMED_VALUE: u32 = 6;

/// `[1] INT int   [2] INT long   [3] STRUCT bpf_spin_lock   [4] ARRAY long[2]   [5] STRUCT bpf_timer { [4] }
/// [6] STRUCT value { first; timer; long }`, the first member a long or a lock.
fn timed_value(first: &str, first_type: u32) -> Vec<u8> {
    let mut strings = vec![0u8];
    let mut string = |text: &str| add_string(&mut strings, text);
    let mut types = lock_types(&mut string);
    types.extend([0, KIND_ARRAY << 24, 0, 2, 1, 2]);
    types.extend([string("bpf_timer"), KIND_STRUCT << 24 | 1, 16, string("opaque"), 4, 0]);
    types.extend([string("value"), KIND_STRUCT << 24 | 3, 32]);
    types.extend([string(first), first_type, 0]);
    types.extend([string("timer"), 5, 64, string("data"), 2, 192]);
    blob(&types, &strings)
}

/// `[1] INT int   [2] INT long   [3] STRUCT bpf_spin_lock { int val }   [4] STRUCT value { int; lock; long }`
pub(super) fn locked_value() -> Vec<u8> {
    let mut strings = vec![0u8];
    let mut string = |text: &str| add_string(&mut strings, text);
    let mut types = lock_types(&mut string);
    types.extend([string("value"), KIND_STRUCT << 24 | 3, 16]);
    types.extend([string("count"), 1, 0, string("lock"), 3, 32, string("data"), 2, 64]);
    blob(&types, &strings)
}

/// `[1] INT int   [2] INT long   [3] STRUCT bpf_spin_lock { int val }`
fn lock_types(mut string: impl FnMut(&str) -> u32) -> Vec<u32> {
    let mut types: Vec<u32> = Vec::new();
    types.extend([string("int"), KIND_INT << 24, 4, INT_SIGNED | 32]);
    types.extend([string("long"), KIND_INT << 24, 8, INT_SIGNED | 64]);
    types.extend([string("bpf_spin_lock"), KIND_STRUCT << 24 | 1, 4, string("val"), 1, 0]);
    types
}

/// Where the text is among the strings, once it is put there.
fn add_string(strings: &mut Vec<u8>, text: &str) -> u32 {
    let at = strings.len() as u32;
    strings.extend_from_slice(text.as_bytes());
    strings.push(0);
    at
}

/// Types and strings behind a header.
fn blob(types: &[u32], strings: &[u8]) -> Vec<u8> {
    let types: Vec<u8> = types.iter().copied().flat_map(u32::to_le_bytes).collect();
    raw(&types, strings)
}

/// A `.BTF` of raw types and strings.
pub(crate) fn raw(types: &[u8], strings: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    blob.extend(0xeb9f_u16.to_le_bytes());
    blob.extend([1, 0]);
    for word in [24, 0, types.len() as u32, types.len() as u32, strings.len() as u32] {
        blob.extend(word.to_le_bytes());
    }
    blob.extend(types);
    blob.extend(strings);
    blob
}
