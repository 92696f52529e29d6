use std::collections::HashMap;

use bpfreplay_tc::DropReason;

use crate::frame::Refusal;

/// Verdicts without a name counted apart. A program may return anything under the test-run hook.
const MAX_UNNAMED_VERDICTS: usize = 256;
/// `TC_ACT_UNSPEC` (-1) to `TC_ACT_TRAP` (8).
const NAMED: usize = 10;

/// Where one worker's frames ended up.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub bytes: u64,
    pub snapped: u64,
    pub verdicts: Verdicts,
    pub refused: HashMap<Refusal, u64>,
    pub faulted: u64,
    pub not_run: u64,
    pub restarts: u64,
    /// Bytes that sockets were given.
    pub kept: u64,
}

impl Counters {
    #[inline(never)]
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal).or_default() += 1;
    }
}

/// Frames by verdict.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    named: [u64; NAMED],
    /// Drops that have a reason of their own, not the hook's.
    reclassify_loop: u64,
    /// What the hook's own drops are called.
    hook_drop: Option<DropReason>,
    unnamed: HashMap<i32, u64>,
    beyond_limit: u64,
}

impl Verdicts {
    #[inline]
    pub(crate) fn count(&mut self, action: i32, reason: Option<DropReason>) {
        // One past the number: UNSPEC is -1.
        match (self.named.get_mut(action.wrapping_add(1) as usize), reason) {
            (Some(count), None) => *count += 1,
            (Some(count), Some(DropReason::TcIngress | DropReason::TcEgress)) => {
                *count += 1;
                self.hook_drop = reason;
            }
            (_, Some(DropReason::TcReclassifyLoop)) => self.reclassify_loop += 1,
            (None, _) => self.count_unnamed(action),
        }
    }

    #[inline(never)]
    fn count_unnamed(&mut self, action: i32) {
        if self.unnamed.len() < MAX_UNNAMED_VERDICTS || self.unnamed.contains_key(&action) {
            *self.unnamed.entry(action).or_default() += 1;
        } else {
            self.beyond_limit += 1;
        }
    }

    pub(crate) fn beyond_limit(&self) -> u64 {
        self.beyond_limit
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ((i32, Option<DropReason>), u64)> {
        let shot = bpfreplay_uapi::tc::TC_ACT_SHOT;
        let reason = move |action| if action == shot { self.hook_drop } else { None };
        (-1..)
            .zip(self.named)
            .map(move |(action, frames)| ((action, reason(action)), frames))
            .chain([((shot, Some(DropReason::TcReclassifyLoop)), self.reclassify_loop)])
            .chain(self.unnamed.iter().map(|(action, frames)| ((*action, None), *frames)))
            .filter(|(_, frames)| *frames > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_verdict_is_counted_once() {
        let mut verdicts = Verdicts::default();
        verdicts.count(-1, None);
        verdicts.count(0, None);
        verdicts.count(2, Some(DropReason::TcIngress));
        verdicts.count(2, Some(DropReason::TcReclassifyLoop));
        verdicts.count(8, None);
        verdicts.count(9, None);
        verdicts.count(i32::MIN, None);
        verdicts.count(i32::MAX, None);
        for n in 100..1000 {
            verdicts.count(n, None);
        }
        let counted: u64 = verdicts.iter().map(|(_, frames)| frames).sum();
        assert_eq!(counted + verdicts.beyond_limit(), 908);
        assert_eq!(verdicts.unnamed.len(), MAX_UNNAMED_VERDICTS);
        let all: BTreeMap<_, _> = verdicts.iter().collect();
        assert_eq!(all[&(2, Some(DropReason::TcIngress))], 1);
        assert_eq!(all[&(2, Some(DropReason::TcReclassifyLoop))], 1);
        assert_eq!((all[&(-1, None)], all[&(8, None)], all[&(i32::MIN, None)]), (1, 1, 1));
    }
}
