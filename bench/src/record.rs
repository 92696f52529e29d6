//! What a run of benchmarks came to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::facts::Facts;
use crate::statistics::Summary;

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) machine: Facts,
    pub(crate) method: Method,
    pub(crate) benches: Vec<BenchRecord>,
}

/// How it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Method {
    pub(crate) clock: &'static str,
    pub(crate) rounds: u32,
    pub(crate) round_ms: u32,
    /// The CPU all ran on; none: the thread could not be kept on one.
    pub(crate) cpu: Option<usize>,
    /// The step of the counter that single runs are timed with.
    pub(crate) tsc_step_ns: f64,
    pub(crate) seed: u64,
}

/// One benchmark.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BenchRecord {
    pub(crate) name: String,
    pub(crate) analysis: String,
    pub(crate) baseline: &'static str,
    /// What every engine said, frame counts by verdict.
    pub(crate) verdicts: BTreeMap<String, u64>,
    pub(crate) engines: Vec<EngineRecord>,
    /// Engines that could not take part, and why.
    pub(crate) absent: BTreeMap<&'static str, String>,
}

/// One engine in a benchmark.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EngineRecord {
    pub(crate) engine: &'static str,
    /// ns a frame.
    pub(crate) gross_ns: Summary,
    /// ns a frame of an empty program on the same engine and frames.
    pub(crate) empty_ns: Summary,
    /// The difference, round by round.
    pub(crate) net_ns: Summary,
    /// How many times as long the baseline takes, round by round.
    pub(crate) gross_ratio: Summary,
    /// The medians of the net figures divided; none where one is too small to divide by.
    pub(crate) net_ratio: Option<f64>,
    /// Of runs timed one by one: that costs some ns of its own, which show in the low percentiles.
    pub(crate) percentiles_ns: Option<Percentiles>,
    /// Why there are none.
    pub(crate) no_percentiles: Option<&'static str>,
}

/// Of single runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

/// Net figures below this many ns are not divided by: they are the difference of two larger ones.
pub(crate) const NET_NS_MIN: f64 = 0.3;

/// The ratio of two net figures.
pub(crate) fn net_ratio(baseline: Summary, own: Summary) -> Option<f64> {
    let divisible = baseline.median >= NET_NS_MIN && own.median >= NET_NS_MIN;
    divisible.then(|| baseline.median / own.median)
}

impl Record {
    /// Keeps it, named by date.
    pub(crate) fn save(&self) -> anyhow::Result<PathBuf> {
        save(self, &self.machine.date.replace(':', ""))
    }
}

/// Writes a record to `bench/record`.
pub(crate) fn save(record: &impl Serialize, name: &str) -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("record");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(record)?;
    fs::write(&path, text + "\n").with_context(|| path.display().to_string())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_differences_are_not_divided() {
        let of = |median| Summary { median, p25: median, p75: median };
        assert_eq!(net_ratio(of(10.0), of(2.0)), Some(5.0));
        assert_eq!(net_ratio(of(10.0), of(0.1)), None);
        assert_eq!(net_ratio(of(-1.0), of(2.0)), None);
    }
}
