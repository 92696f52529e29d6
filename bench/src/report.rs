//! Tables and JSON.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use crate::definition::Bench;
use crate::record::{BenchRecord, Record};
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
    writeln!(
        out,
        "{} rounds of about {} ms, {}, pinned to CPU {}; median (p25–p75) of ns a frame",
        record.method.rounds, record.method.round_ms, record.method.clock, record.method.cpu
    )?;
    for bench in &record.benches {
        writeln!(out, "\n{}", bench.name)?;
        writeln!(out, "{}", table(bench))?;
        for (engine, reason) in &bench.absent {
            writeln!(out, "  without {engine}: {reason}")?;
        }
    }
    writeln!(
        out,
        "\nnet: less an empty program on the same engine and frames · × : the baseline's time over this one's"
    )?;
    writeln!(out, "~ : the quartiles lie more than 10 % apart · single runs are timed one by one")?;
    Ok(())
}

fn table(bench: &BenchRecord) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let gross_ratio = format!("× {}", bench.baseline);
    let head =
        ["  engine", "gross ns", "(p25–p75)", "net ns", "M/s", &gross_ratio, "× net", "p50", "p99", "p99.9"];
    table.set_header(head);
    for engine in &bench.engines {
        let percentile = |of: fn(&crate::record::Percentiles) -> f64| {
            engine.percentiles_ns.as_ref().map_or_else(|| "-".to_owned(), |p| number(of(p)))
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

/// Three digits or so.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
