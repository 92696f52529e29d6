use std::cmp::Reverse;
use std::fmt::Write;

use bpfreplay_replay::{SAMPLE_EVERY, VerdictKind};
use comfy_table::{CellAlignment, Table};

use crate::report::Facts;
use crate::report::json::PERCENTILES;

/// Tail calls that failed, as many as a screen can take; --json has all.
const FAILED_ROWS_MAX: usize = 12;

/// The report for people: a line of totals, and a table for whatever there is something to say of.
pub(crate) fn text(facts: &Facts<'_>) -> String {
    let mut out = String::new();
    totals(facts, &mut out);
    let sections = [
        verdicts(facts),
        programs(facts),
        tail_calls(facts),
        failed_tail_calls(facts),
        records(facts),
        parse_errors(facts),
        refused(facts),
    ];
    for section in sections.into_iter().flatten() {
        let _ = writeln!(out, "\n{section}");
    }
    rate(facts, &mut out);
    out
}

fn totals(facts: &Facts<'_>, out: &mut String) {
    let report = facts.report;
    let workers =
        if report.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", report.workers) };
    let _ = write!(out, "{}, {}", counted(report.frames, "frame"), counted(report.bytes, "byte"));
    if report.snapped > 0 {
        let _ = write!(out, " ({} cut at the snapshot length)", counted(report.snapped, "frame"));
    }
    let _ = writeln!(out, "; hook {}, engine {}, {workers}", facts.hook(), facts.engine());
    if report.not_run > 0 {
        let _ = writeln!(out, "{} read and not run", counted(report.not_run, "frame"));
    }
    if report.faulted > 0 {
        let _ = writeln!(out, "{} faulted", counted(report.faulted, "frame"));
    }
    if facts.programs.verdict_kind() == VerdictKind::Socket {
        let _ = writeln!(out, "{} kept", counted(report.kept, "byte"));
    }
    if report.timer_runs + report.timers_pending > 0 {
        let _ = write!(out, "{}", counted(report.timer_runs, "timer run"));
        let _ = writeln!(out, ", {} pending at the end", counted(report.timers_pending, "timer"));
    }
    if report.restarts > 0 {
        let _ = writeln!(out, "{}", counted(report.restarts, "reclassification"));
    }
}

fn verdicts(facts: &Facts<'_>) -> Option<String> {
    let report = facts.report;
    let mut rows = Vec::new();
    for ((action, reason), frames) in &report.verdicts {
        let reason = reason.map_or_else(String::new, |reason| reason.name().to_owned());
        rows.push([
            facts.programs.verdict_name(*action).into_owned(),
            grouped(*frames),
            share(*frames, report.frames),
            reason,
        ]);
    }
    if report.other_verdicts > 0 {
        let frames = report.other_verdicts;
        rows.push(["other".to_owned(), grouped(frames), share(frames, report.frames), String::new()]);
    }
    let reasons = rows.iter().any(|row| !row[3].is_empty());
    table(&["verdict", "frames", "%", if reasons { "reason" } else { "" }], &[1, 2], rows)
}

fn programs(facts: &Facts<'_>) -> Option<String> {
    let mut runs: Vec<_> = facts.report.runs.iter().collect();
    runs.sort_by_key(|(id, runs)| (Reverse(**runs), **id));
    let rows = runs.into_iter().map(|(id, runs)| [facts.programs.name(*id).to_owned(), grouped(*runs)]);
    table(&["program", "runs"], &[1], rows.collect())
}

fn tail_calls(facts: &Facts<'_>) -> Option<String> {
    let name = |id| facts.programs.name(id).to_owned();
    let rows = facts.report.tail_calls.iter();
    let rows =
        rows.map(|(call, n)| [name(call.prog), call.index.to_string(), name(call.target), grouped(*n)]);
    table(&["tail call by", "index", "to", "taken"], &[1, 3], rows.collect())
}

fn failed_tail_calls(facts: &Facts<'_>) -> Option<String> {
    let failures = &facts.report.tail_call_failures;
    let mut failed = failures.sorted();
    // Stable, so that equal counts stay in the order of programs and indexes.
    failed.sort_by_key(|(_, times)| Reverse(*times));
    let shown = failed.len().min(FAILED_ROWS_MAX);
    let mut rows: Vec<[String; 5]> = failed[..shown]
        .iter()
        .map(|(call, n)| {
            let prog = facts.programs.name(call.prog).to_owned();
            [prog, call.insn.to_string(), call.index.to_string(), call.reason.name().to_owned(), grouped(*n)]
        })
        .collect();
    let others: u64 = failed[shown..].iter().map(|(_, times)| times).sum();
    if others + failures.overflow() > 0 {
        let [insn, index, reason] = [(); 3].map(|()| String::new());
        rows.push(["all others".to_owned(), insn, index, reason, grouped(others + failures.overflow())]);
    }
    table(&["tail call by", "insn", "index", "reason", "failed"], &[1, 2, 4], rows)
}

fn records(facts: &Facts<'_>) -> Option<String> {
    let counts = &facts.report.records;
    let lost = counts.iter().any(|count| count.lost > 0);
    let rows = counts.iter().map(|count| {
        let lost = if lost { grouped(count.lost) } else { String::new() };
        [
            count.map.clone(),
            count.map_type.name().to_owned(),
            grouped(count.records),
            grouped(count.bytes),
            lost,
        ]
    });
    table(
        &["records in", "type", "records", "bytes", if lost { "lost" } else { "" }],
        &[2, 3, 4],
        rows.collect(),
    )
}

fn parse_errors(facts: &Facts<'_>) -> Option<String> {
    let errors = facts.parse_results.as_ref()?.errors();
    let rows = errors.into_iter().map(|(reason, frames)| [reason.text().to_owned(), grouped(frames)]);
    table(&["not parsed", "frames"], &[1], rows.collect())
}

fn refused(facts: &Facts<'_>) -> Option<String> {
    let rows = facts.refused().into_iter().map(|(reason, frames)| [reason, grouped(frames)]);
    table(&["refused", "frames"], &[1], rows.collect())
}

fn rate(facts: &Facts<'_>, out: &mut String) {
    let report = facts.report;
    let rate = report.frames_per_second();
    let (rate, unit) = if rate >= 1e6 { (rate / 1e6, "million ") } else { (rate / 1e3, "thousand ") };
    let _ = writeln!(out, "\n{:.3} s, {rate:.2} {unit}frames a second", report.elapsed.as_secs_f64());
    if report.latency.is_empty() {
        return;
    }
    let _ = write!(out, "ns a frame (one in {SAMPLE_EVERY}):");
    for (name, percentile) in PERCENTILES {
        let _ = write!(out, " {} {}", name.replace('_', "."), report.latency.value_at_percentile(percentile));
    }
    let _ = writeln!(out, " max {}", report.latency.max());
}

/// A table without lines; None if it has no rows. Columns with these numbers are aligned to the right.
fn table<const N: usize>(header: &[&str; N], right: &[usize], rows: Vec<[String; N]>) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&n) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Some(table.trim_fmt())
}

fn share(part: u64, of: u64) -> String {
    format!("{:.1}", part as f64 * 100.0 / of.max(1) as f64)
}

/// So many of a thing.
fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567, "1 234 567")] {
            assert_eq!(super::grouped(number), text);
        }
    }
}
