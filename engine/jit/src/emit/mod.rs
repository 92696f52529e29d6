//! The verbs: what each kind of BPF instruction is in machine code. Each sequence has its pseudo-code above it.

pub(crate) mod alu;
pub(crate) mod atomic;
pub(crate) mod call;
pub(crate) mod divide;
pub(crate) mod entry;
pub(crate) mod jump;
pub(crate) mod ld_abs;
pub(crate) mod lookup;
pub(crate) mod mem;
pub(crate) mod shift;
pub(crate) mod tail_call;
pub(crate) mod throw;

use bpfreplay_uapi::limits::{MAX_BPF_STACK, MAX_FRAME_EXTRA};

/// Bytes of machine stack for the frame of a function, whatever it uses of them.
const FRAME: usize = MAX_BPF_STACK + MAX_FRAME_EXTRA;
