use serde_json::{Map, Value, json};

use bpfreplay_replay::VerdictKind;

use crate::report::{Facts, problems};

/// Percentiles of the latency that are reported.
pub(super) const PERCENTILES: [(&str, f64); 4] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99_9", 99.9)];

/// The report as one JSON object on one line.
pub(crate) fn json(facts: &Facts<'_>) -> String {
    let report = facts.report;
    let mut verdicts = Map::new();
    let mut drops = Map::new();
    for ((action, reason), frames) in &report.verdicts {
        add(&mut verdicts, &facts.programs.verdict_name(*action), *frames);
        if let Some(reason) = reason {
            add(&mut drops, reason.name(), *frames);
        }
    }
    if report.other_verdicts > 0 {
        add(&mut verdicts, "other", report.other_verdicts);
    }
    let name = |id| facts.programs.name(id);
    let programs: Vec<Value> =
        report.runs.iter().map(|(id, runs)| json!({"name": name(*id), "id": id, "runs": runs})).collect();
    let taken: Vec<Value> = report
        .tail_calls
        .iter()
        .map(|(call, count)| {
            json!({"program": name(call.prog), "index": call.index, "target": name(call.target), "count": count})
        })
        .collect();
    let failed: Vec<Value> = report
        .tail_call_failures
        .sorted()
        .iter()
        .map(|(call, count)| {
            json!({"program": name(call.prog), "insn": call.insn, "index": call.index,
                   "reason": call.reason.name(), "count": count})
        })
        .collect();
    let refused: Map<String, Value> =
        facts.refused().into_iter().map(|(reason, frames)| (reason, frames.into())).collect();
    let mut latency = Map::new();
    for (key, percentile) in PERCENTILES {
        add(&mut latency, key, report.latency.value_at_percentile(percentile));
    }
    add(&mut latency, "max", report.latency.max());
    let mut object = json!({
        "frames": report.frames,
        "bytes": report.bytes,
        "snapped": report.snapped,
        "engine": facts.engine(),
        "hook": facts.hook(),
        "workers": report.workers,
        "verdicts": verdicts,
        "drop_reasons": drops,
        "programs": programs,
        "tail_calls": {"taken": taken, "failed": failed, "failed_uncounted": report.tail_call_failures.overflow()},
        "restarts": report.restarts,
    });
    if facts.programs.verdict_kind() == VerdictKind::Socket {
        object["kept_bytes"] = report.kept.into();
    }
    if report.timer_runs + report.timers_pending > 0 {
        object["timers"] = json!({"runs": report.timer_runs, "pending": report.timers_pending});
    }
    if let Some(results) = &facts.parse_results {
        let errors: Map<String, Value> = results
            .errors()
            .into_iter()
            .map(|(reason, frames)| (reason.text().to_owned(), frames.into()))
            .collect();
        object["parse_errors"] = errors.into();
    }
    if !report.records.is_empty() {
        let records = report.records.iter().map(|count| {
            json!({"map": count.map, "type": count.map_type.name(), "records": count.records, "bytes": count.bytes,
                   "lost": count.lost})
        });
        object["records"] = records.collect::<Vec<Value>>().into();
    }
    object["refused"] = refused.into();
    object["faulted"] = report.faulted.into();
    object["not_run"] = report.not_run.into();
    object["problems"] = problems(facts).into();
    object["elapsed_ns"] = u64::try_from(report.elapsed.as_nanos()).unwrap_or(u64::MAX).into();
    object["frames_per_second"] = report.frames_per_second().round().into();
    object["latency_ns"] = latency.into();
    format!("{object}\n")
}

fn add(to: &mut Map<String, Value>, key: &str, frames: u64) {
    let before = to.get(key).and_then(Value::as_u64).unwrap_or(0);
    to.insert(key.to_owned(), (before + frames).into());
}
