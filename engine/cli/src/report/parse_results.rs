use std::sync::Arc;

use bpfreplay_parsers::{Outcome, Reason};
use bpfreplay_program::MapSpec;
use bpfreplay_replay::values_by_cpu;
use bpfreplay_runtime::Map;
use bpfreplay_uapi::MapType;

/// The per-CPU array of the parsers that counts how runs ended, by [`Reason`].
const PARSE_ERRORS: &str = "parse_errors";

/// How the parsers' runs ended.
#[derive(Debug)]
pub(crate) struct ParseResults {
    by_reason: Vec<(Reason, u64)>,
}

impl ParseResults {
    /// From the maps of an object, if it is the parsers: embedded, given as a file, or built anew. They are known by
    /// the shape of their counters.
    pub(crate) fn read(maps: &[Arc<Map>]) -> Option<ParseResults> {
        let map = maps.iter().find(|map| is_parse_errors(map.spec()))?;
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

/// Whether a map is the parsers' counters by reason: a number for each reason there is.
fn is_parse_errors(spec: &MapSpec) -> bool {
    spec.name == PARSE_ERRORS
        && spec.map_type == MapType::PercpuArray
        && (spec.key_size, spec.value_size) == (4, 8)
        && usize::try_from(spec.max_entries).is_ok_and(|entries| entries == Reason::ALL.len())
}
