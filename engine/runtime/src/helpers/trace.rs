//! `bpf_trace_printk`: helper 6.

use std::ops::Range;

use bpfreplay_uapi::Errno;

use super::format;
use crate::exec::ExecutionContext;
use crate::maps;
use crate::memory::copy_live;

/// Bytes of text a worker keeps until somebody takes them; later lines are counted as lost.
const TEXT_MAX: usize = 256 << 10;
/// Lines a worker keeps.
const LINES_MAX: usize = 4096;
/// Bytes of one line (`MAX_BPRINTF_BUF`), its NUL included.
const LINE_MAX: usize = 1024;

/// What programs printed on one worker. Bounded: printing allocates nothing and never waits.
#[derive(Clone, Debug)]
pub struct Trace {
    text: Vec<u8>,
    lines: Vec<(u64, Range<usize>)>,
    lost: u64,
}

/// One call of `bpf_trace_printk`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceLine<'a> {
    /// The time of the packet, ns.
    pub time_ns: u64,
    /// The text as formatted.
    pub text: &'a [u8],
}

impl Default for Trace {
    fn default() -> Trace {
        Trace { text: Vec::with_capacity(TEXT_MAX), lines: Vec::with_capacity(LINES_MAX), lost: 0 }
    }
}

impl Trace {
    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = TraceLine<'_>> {
        self.lines
            .iter()
            .map(|(time_ns, range)| TraceLine { time_ns: *time_ns, text: &self.text[range.clone()] })
    }

    /// Lines there was no room for.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Forgets the lines, keeps the count of lost ones.
    pub fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
    }

    fn push(&mut self, time_ns: u64, text: &[u8]) {
        if self.text.len() + text.len() > TEXT_MAX || self.lines.len() == LINES_MAX {
            self.lost += 1;
            return;
        }
        let start = self.text.len();
        self.text.extend_from_slice(text);
        self.lines.push((time_ns, start..self.text.len()));
    }
}

/// `bpf_trace_printk`: the length of the text, even of what a line has no room for.
pub(super) fn printk(exec: &mut ExecutionContext, fmt: &[u8], args: &[u64]) -> u64 {
    let stack = exec.stack.clone();
    let mut line = [0; LINE_MAX];
    let reader = |addr, to: &mut [u8]| read_unchecked(&stack, addr, to);
    match format::format(fmt, args, &reader, &mut line) {
        Ok(len) => {
            let text = &line[..len.min(LINE_MAX - 1)];
            exec.trace.push(exec.now_ns, text);
            len as u64
        }
        Err(errno) => Errno::as_ret(errno),
    }
}

/// Copies from an address nobody checked, as far as it lies in the program's stack or in values of a map; returns how
/// many bytes (`strncpy_from_kernel_nofault`).
pub(super) fn read_unchecked(stack: &Range<u64>, addr: u64, to: &mut [u8]) -> usize {
    let len = to.len().min(usize::try_from(readable(stack, addr)).unwrap_or(usize::MAX));
    copy_live(addr, &mut to[..len]);
    len
}

/// How many bytes at an address nobody checked lie in the program's stack or in a map's value.
pub(super) fn readable(stack: &Range<u64>, addr: u64) -> u64 {
    if stack.contains(&addr) { stack.end - addr } else { maps::readable(addr) }
}
