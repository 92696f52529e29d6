//! Tables and JSON.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use crate::definition::Bench;
use crate::record::{BenchRecord, Method, Record};
use crate::statistics::Summary;

/// The benchmarks and what they are for.
pub(crate) fn list(benches: &[Bench]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for bench in benches {
        let engines: Vec<&str> = bench.engines.iter().map(|engine| engine.name()).collect();
        writeln!(out, "{}  ({})", bench.name, engines.join(", "))?;
        for line in bench.analysis.trim().lines() {
            writeln!(out, "    {}", line.trim())?;
        }
    }
    Ok(())
}

/// One JSON object.
pub(crate) fn json(record: &Record) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, record)?;
    writeln!(out)?;
    Ok(())
}

/// For people.
pub(crate) fn text(record: &Record) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let machine = &record.machine;
    writeln!(out, "{} · {} CPUs · Linux {} · {}", machine.cpu, machine.cpus, machine.kernel, machine.date)?;
    writeln!(out, "{}; median (p25–p75) of ns a frame", how(&record.method))?;
    for bench in &record.benches {
        writeln!(out, "\n{}", bench.name)?;
        writeln!(out, "{}", table(bench, record.method.tsc_step_ns))?;
        for (engine, reason) in &bench.absent {
            writeln!(out, "  without {engine}: {reason}")?;
        }
        for (engine, reason) in without_percentiles(bench) {
            writeln!(out, "  without percentiles of {engine}: {reason}")?;
        }
    }
    writeln!(
        out,
        "\nnet: less an empty program on the same engine and frames · × : the baseline's time over this one's"
    )?;
    writeln!(
        out,
        "~ : the quartiles lie more than 10 % apart · p50 to p99.9: single runs, timed one by one"
    )?;
    writeln!(out, "< : shorter than a step of the counter that times them")?;
    Ok(())
}

fn how(method: &Method) -> String {
    let place =
        method.cpu.map_or_else(|| "not pinned to a CPU".to_owned(), |cpu| format!("pinned to CPU {cpu}"));
    format!("{} rounds of about {} ms, {}, {place}", method.rounds, method.round_ms, method.clock)
}

fn without_percentiles(bench: &BenchRecord) -> impl Iterator<Item = (&'static str, &'static str)> {
    bench.engines.iter().filter_map(|engine| Some((engine.engine, engine.no_percentiles?)))
}

fn table(bench: &BenchRecord, tsc_step_ns: f64) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let gross_ratio = format!("× {}", bench.baseline);
    let head =
        ["  engine", "gross ns", "(p25–p75)", "net ns", "M/s", &gross_ratio, "× net", "p50", "p99", "p99.9"];
    table.set_header(head);
    for engine in &bench.engines {
        let percentile = |of: fn(&crate::record::Percentiles) -> f64| {
            engine.percentiles_ns.as_ref().map_or_else(|| "-".to_owned(), |p| timed(of(p), tsc_step_ns))
        };
        table.add_row([
            format!("  {}", engine.engine),
            marked(&engine.gross_ns),
            format!("({}–{})", number(engine.gross_ns.p25), number(engine.gross_ns.p75)),
            number(engine.net_ns.median),
            number(1000.0 / engine.gross_ns.median),
            number(engine.gross_ratio.median),
            engine.net_ratio.map_or_else(|| "-".to_owned(), number),
            percentile(|p| p.p50),
            percentile(|p| p.p99),
            percentile(|p| p.p999),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn marked(summary: &Summary) -> String {
    let mark = if summary.is_noisy() { "~" } else { "" };
    format!("{mark}{}", number(summary.median))
}

/// What the counter said; less than a step of it says only that.
fn timed(ns: f64, step_ns: f64) -> String {
    if ns < step_ns { format!("<{}", number(step_ns)) } else { number(ns) }
}

/// Three digits or so.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_takes_no_time() {
        assert_eq!(timed(0.0, 10.0), "<10.0");
        assert_eq!(timed(9.99, 10.0), "<10.0");
        assert_eq!(timed(20.0, 10.0), "20.0");
    }

    #[test]
    fn pinned_is_said_only_of_what_is() {
        let method = |cpu| Method { clock: "C", rounds: 3, round_ms: 1, cpu, tsc_step_ns: 1.0, seed: 0 };
        assert_eq!(how(&method(Some(1))), "3 rounds of about 1 ms, C, pinned to CPU 1");
        assert_eq!(how(&method(None)), "3 rounds of about 1 ms, C, not pinned to a CPU");
    }
}
