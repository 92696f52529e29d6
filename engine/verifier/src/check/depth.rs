//! The stack along every chain of calls (linux: check_max_stack_depth()).

use bpfreplay_uapi::limits::{MAX_BPF_STACK, MAX_CALL_FRAMES};

use crate::cfg::Code;
use crate::error::{Checked, ErrorKind, Refusal, refuse};

/// Frames are rounded up to this, as the kernel's JIT does.
const FRAME_ALIGN: u32 = 16;
/// Stack the frames above a function with a tail call may use: 33 programs times this stay within 8 KiB.
const TAIL_CALL_STACK: u32 = 256;

/// Checks all chains from the entry, longest first: `above[f]` is the most stack that the frames above `f` can use
/// where `f` is the frame with that number.
pub(crate) fn check(code: &Code, stack_depth: &[u16]) -> Checked {
    let rounded = |function: usize| u32::from(stack_depth[function]).next_multiple_of(FRAME_ALIGN);
    let mut above: Vec<Option<u32>> = vec![None; code.functions.len()];
    above[0] = Some(0);
    for frame in 1..=MAX_CALL_FRAMES {
        let mut below = vec![None; code.functions.len()];
        for (index, function) in code.functions.iter().enumerate() {
            let Some(above) = above[index] else { continue };
            if index > 0 && function.has_tail_call && above >= TAIL_CALL_STACK {
                let message = format!(
                    "tail_calls are not allowed when call stack of previous frames is {above} bytes. Too large"
                );
                return Err(Refusal::new(ErrorKind::Access, message).at(function.start));
            }
            let sum = above + rounded(index);
            if sum as usize > MAX_BPF_STACK {
                let message = format!("combined stack size of {frame} calls is {sum}. Too large");
                return Err(Refusal::new(ErrorKind::Access, message).at(function.start));
            }
            for &(_, callee) in &function.calls {
                below[callee] = below[callee].max(Some(sum));
            }
        }
        above = below;
    }
    if above.iter().any(Option::is_some) {
        refuse!(TooBig, "the call stack of {} frames is too deep !", MAX_CALL_FRAMES);
    }
    Ok(())
}
