//! What is said about a replay.

mod json;
mod parse_results;
mod text;

use bpfreplay_replay::{Programs, Report};

pub(crate) use json::json;
pub(crate) use parse_results::ParseResults;
pub(crate) use text::text;

use crate::hiargs::ReplayArgs;
use crate::lowargs::{Engine, Hook};

/// Everything a report is made from.
pub(crate) struct Facts<'a> {
    pub args: &'a ReplayArgs,
    pub report: &'a Report,
    pub programs: &'a Programs,
    /// What the parsers counted, if it is they that ran.
    pub parse_results: Option<ParseResults>,
    /// In what the engines' maps differ in the end.
    pub maps_differ: Option<String>,
}

impl Facts<'_> {
    fn engine(&self) -> &'static str {
        match self.args.engine {
            Engine::Jit => "jit",
            Engine::Interpreter => "interpreter",
            Engine::Both => "both",
        }
    }

    fn hook(&self) -> &'static str {
        match self.args.hook {
            Hook::Ingress => "ingress",
            Hook::Egress => "egress",
            Hook::TestRun => "test-run",
        }
    }

    /// Refused frames by reason, the most frequent first.
    fn refused(&self) -> Vec<(String, u64)> {
        let mut refused: Vec<_> =
            self.report.refused.iter().map(|(reason, frames)| (reason.to_string(), *frames)).collect();
        refused.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        refused
    }
}

/// Why the exit code is 1, one line each.
pub(crate) fn problems(facts: &Facts<'_>) -> Vec<String> {
    let report = facts.report;
    let mut problems = Vec::new();
    for ending in &report.endings {
        problems.push(format!("{}: {} (after {})", ending.capture, ending.error, count(ending.frames)));
    }
    for error in &report.sink_errors {
        problems.push(error.to_string());
    }
    if report.workers < report.workers_asked {
        problems.push(format!(
            "only {} of {} workers could be started: the system gives no more threads; all frames were run by them",
            report.workers, report.workers_asked
        ));
    }
    for count in report.records.iter().filter(|count| count.lost > 0) {
        problems.push(format!("map {}: no room for {} records", count.map, count.lost));
    }
    if report.printk_lost > 0 {
        problems.push(format!("{} lines of bpf_trace_printk lost", report.printk_lost));
    }
    if report.interrupted {
        problems.push(format!("stopped after {}", count(report.frames - report.not_run)));
    }
    if let Some(fault) = &report.fault {
        problems.push(format!(
            "program {} faulted at instruction {}: {:?}; a verified program cannot, please report it",
            facts.programs.name(fault.prog),
            fault.pc,
            fault.kind
        ));
    }
    if let Some(difference) = &report.difference {
        problems.push(difference.to_string());
    }
    if let Some(difference) = &facts.maps_differ {
        problems.push(format!("the engines' maps differ: {difference}"));
    }
    for (reason, frames) in facts.refused() {
        problems.push(format!("{} refused: {reason}", count(frames)));
    }
    problems
}

fn count(frames: u64) -> String {
    if frames == 1 { "1 frame".to_owned() } else { format!("{frames} frames") }
}
