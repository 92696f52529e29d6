use std::sync::Arc;

use bpfreplay_parsers::{Outcome, Reason};
use bpfreplay_replay::values_by_cpu;
use bpfreplay_runtime::Map;

/// The per-CPU array of the embedded parsers that counts how runs ended, by [`Reason`].
const PARSE_ERRORS: &str = "parse_errors";

/// How the embedded parsers' runs ended.
#[derive(Debug)]
pub(crate) struct ParseResults {
    by_reason: Vec<(Reason, u64)>,
}

impl ParseResults {
    /// From the parsers' maps.
    pub(crate) fn read(maps: &[Arc<Map>]) -> Option<ParseResults> {
        let map = maps.iter().find(|map| map.spec().name == PARSE_ERRORS)?;
        let count = |reason: Reason| {
            let values = map.lookup(&(reason as u32).to_le_bytes()).ok()?;
            let number = |value: &[u8]| value.try_into().map(u64::from_le_bytes).ok();
            values_by_cpu(map, &values).map(number).sum::<Option<u64>>()
        };
        let by_reason = Reason::ALL.iter().filter_map(|reason| Some((*reason, count(*reason)?))).collect();
        Some(ParseResults { by_reason })
    }

    /// Frames that were not parsed to their end, by reason, most frequent first.
    pub(crate) fn errors(&self) -> Vec<(Reason, u64)> {
        let mut errors: Vec<_> = self
            .by_reason
            .iter()
            .copied()
            .filter(|(reason, frames)| *frames > 0 && reason.outcome() != Outcome::Accepted)
            .collect();
        errors.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        errors
    }
}
