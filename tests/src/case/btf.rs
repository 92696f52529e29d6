//! A `.BTF` blob for assembled programs: the kernel wants one where a subprogram tail-calls or uses `LD_ABS`.
//!
//! ```text
//!   [1] INT int   [2] FWD __sk_buff   [3] PTR 2   [4] FUNC_PROTO int (ctx: 3)   [5..] FUNC, one a function
//! ```

/// Id of the first function.
pub(super) const FIRST_FUNC: u32 = 5;

const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_FWD: u32 = 7;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const INT_SIGNED_32: u32 = 1 << 24 | 32;

/// BTF in which function `n` of `names` has id `FIRST_FUNC + n`, takes the context and returns int. The first is
/// global (the entry), the others static.
pub(super) fn functions(names: &[String]) -> Vec<u8> {
    let mut strings = vec![0u8];
    let mut string = |text: &str| {
        let at = strings.len() as u32;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        at
    };
    let mut types: Vec<u32> = Vec::new();
    types.extend([string("int"), KIND_INT << 24, 4, INT_SIGNED_32]);
    types.extend([string("__sk_buff"), KIND_FWD << 24, 0]);
    types.extend([0, KIND_PTR << 24, 2]);
    types.extend([0, KIND_FUNC_PROTO << 24 | 1, 1, string("ctx"), 3]);
    for (at, name) in names.iter().enumerate() {
        types.extend([string(name), KIND_FUNC << 24 | u32::from(at == 0), 4]);
    }

    let types: Vec<u8> = types.into_iter().flat_map(u32::to_le_bytes).collect();
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
