use std::collections::HashMap;

use bpfreplay_runtime::{ExecutionContext, Fault, ProgramId, SkBuff};
use bpfreplay_tc::Observer;
use foldhash::fast::FixedState;

/// Prog array indexes counted without hashing; what lies above is counted in a map.
const DENSE_INDEXES: usize = 1024;

/// What ran on one worker: programs, tail calls, faults.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Runs by program id.
    runs: Vec<u64>,
    /// Tail calls by the id of the program that made them.
    tail_calls: Vec<TailCalls>,
    /// Runs of timers' callbacks; `runs` has them too.
    pub(crate) timer_runs: u64,
    /// The first fault.
    pub(crate) fault: Option<Fault>,
    /// Whether anybody asks for `path`.
    pub(crate) keep_path: bool,
    /// Whether a run of the frame faulted.
    pub(crate) frame_faulted: bool,
    /// The programs of the frame so far, over all filters and passes.
    pub(crate) path: Vec<ProgramId>,
    /// Tail calls of the frame so far.
    pub(crate) frame_tail_calls: u32,
}

/// Tail calls one program made.
#[derive(Debug, Default)]
struct TailCalls {
    /// By index: how many, and to which program they went.
    dense: Vec<(u64, ProgramId)>,
    /// By index and target: high indexes, and slots whose program was replaced while frames were running.
    other: HashMap<(u32, ProgramId), u64, FixedState>,
}

/// Tail calls taken, added up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TailCallTaken {
    /// The program that made them.
    pub prog: ProgramId,
    /// The prog array index.
    pub index: u32,
    /// The program they went to.
    pub target: ProgramId,
}

impl Tally {
    /// Before each frame.
    #[inline]
    pub(crate) fn begin_frame(&mut self) {
        self.path.clear();
        self.frame_tail_calls = 0;
        self.frame_faulted = false;
    }

    /// Counts one run by the path it left.
    #[inline]
    pub(crate) fn ran(&mut self, exec: &ExecutionContext) {
        let Some((entry, hops)) = exec.path().split_first() else { return };
        *slot(&mut self.runs, entry.prog as usize) += 1;
        let mut caller = entry.prog;
        for hop in hops {
            *slot(&mut self.runs, hop.prog as usize) += 1;
            slot(&mut self.tail_calls, caller as usize).count(hop.index, hop.prog);
            caller = hop.prog;
        }
        self.frame_tail_calls += hops.len() as u32;
        if self.keep_path {
            self.path.extend(exec.path().iter().map(|entry| entry.prog));
        }
        if let Some(fault) = exec.fault {
            self.frame_faulted = true;
            self.fault.get_or_insert(fault);
        }
    }

    /// Counts one run of a timer's callback: no frame's, so it is in no path.
    pub(crate) fn timer_ran(&mut self, exec: &ExecutionContext) {
        *slot(&mut self.runs, exec.path[0].prog as usize) += 1;
        self.timer_runs += 1;
        if let Some(fault) = exec.fault {
            self.frame_faulted = true;
            self.fault.get_or_insert(fault);
        }
    }

    /// Runs by program.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (ProgramId, u64)> {
        (0..).zip(self.runs.iter().copied()).filter(|(_, runs)| *runs > 0)
    }

    /// Tail calls taken.
    pub(crate) fn tail_calls(&self) -> impl Iterator<Item = (TailCallTaken, u64)> {
        (0..).zip(&self.tail_calls).flat_map(|(prog, calls)| {
            let dense = (0..).zip(&calls.dense).map(|(index, (count, target))| ((index, *target), *count));
            let other = calls.other.iter().map(|(key, count)| (*key, *count));
            dense
                .chain(other)
                .filter(|(_, count)| *count > 0)
                .map(move |((index, target), count)| (TailCallTaken { prog, index, target }, count))
        })
    }
}

impl TailCalls {
    #[inline]
    fn count(&mut self, index: u32, target: ProgramId) {
        if (index as usize) < DENSE_INDEXES {
            let (count, known) = slot(&mut self.dense, index as usize);
            if *known == target || *count == 0 {
                *known = target;
                *count += 1;
                return;
            }
        }
        self.count_apart(index, target);
    }

    #[inline(never)]
    fn count_apart(&mut self, index: u32, target: ProgramId) {
        *self.other.entry((index, target)).or_default() += 1;
    }
}

/// The element, made if it is not there: ids and indexes are small and dense, so this grows a few times and then never
/// again.
#[inline]
fn slot<T: Default>(of: &mut Vec<T>, at: usize) -> &mut T {
    if at >= of.len() {
        grow(of, at);
    }
    &mut of[at]
}

#[cold]
fn grow<T: Default>(of: &mut Vec<T>, at: usize) {
    of.resize_with(at + 1, T::default);
}

impl Observer for Tally {
    #[inline]
    fn ran(&mut self, exec: &ExecutionContext, _: &SkBuff, _: u32) {
        Tally::ran(self, exec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bpfreplay_runtime::PathEntry;

    fn run(tally: &mut Tally, path: &[(ProgramId, u32)]) {
        let mut exec = ExecutionContext::new(0);
        exec.tail_call_cnt = path.len() as u32 - 1;
        for (entry, (prog, index)) in exec.path.iter_mut().zip(path) {
            *entry = PathEntry { prog: *prog, index: *index };
        }
        tally.begin_frame();
        tally.ran(&exec);
    }

    #[test]
    fn hops_are_counted_by_caller_index_and_target() {
        let mut tally = Tally { keep_path: true, ..Tally::default() };
        run(&mut tally, &[(1, 0), (2, 6)]);
        run(&mut tally, &[(1, 0), (2, 6), (1, 3), (3, 5000)]);
        // A slot replaced while frames were running.
        run(&mut tally, &[(1, 0), (4, 6)]);
        assert_eq!((tally.path.as_slice(), tally.frame_tail_calls), (&[1, 4][..], 1));
        assert_eq!(tally.runs().collect::<Vec<_>>(), [(1, 4), (2, 2), (3, 1), (4, 1)]);
        let mut taken: Vec<_> = tally.tail_calls().map(|(t, n)| (t.prog, t.index, t.target, n)).collect();
        taken.sort_unstable();
        assert_eq!(taken, [(1, 6, 2, 2), (1, 6, 4, 1), (1, 5000, 3, 1), (2, 3, 1, 1)]);
    }
}
