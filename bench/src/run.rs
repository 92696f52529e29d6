//! From definitions to figures.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;

use crate::args::Args;
use crate::definition::{Bench, EngineName};
use crate::facts::Facts;
use crate::frames::SEED;
use crate::machine::{Tsc, pin_to};
use crate::measure::{Lane, net, ratio, rounds};
use crate::record::{BenchRecord, EngineRecord, Method, Percentiles, Record, net_ratio};
use crate::statistics::Summary;
use crate::subject::{Input, Program, Subject, Verdicts, make};

/// Digits of the percentiles.
const PERCENTILE_DIGITS: u8 = 3;
/// Picoseconds of the longest run told from longer ones: a second.
const LONGEST_RUN_PS: u64 = 1_000_000_000_000;

/// Runs benchmarks one after the other.
pub(crate) fn all(benches: &[Bench], args: &Args) -> anyhow::Result<Record> {
    if cfg!(debug_assertions) {
        eprintln!("warning: this build is not optimised (use --release); its figures mean nothing");
    }
    let machine = Facts::gather();
    let pinned = pin_to(args.cpu);
    if let Err(error) = &pinned {
        eprintln!("warning: not pinned to CPU {}: {error}", args.cpu);
    }
    let tsc = Tsc::calibrate();
    let mut records = Vec::new();
    for bench in benches {
        eprintln!("{} ...", bench.name);
        records.push(one(bench, args, tsc).with_context(|| format!("benchmark {}", bench.name))?);
    }
    let method = Method {
        clock: "CLOCK_THREAD_CPUTIME_ID",
        rounds: args.rounds,
        round_ms: args.round_ms,
        cpu: pinned.is_ok().then_some(args.cpu),
        tsc_step_ns: tsc.step_ns(),
        seed: SEED,
    };
    Ok(Record { machine, method, benches: records })
}

/// An engine that takes part: the program, and the empty one.
struct Entrant<'f> {
    engine: EngineName,
    entry: Box<dyn Subject + 'f>,
    empty: Box<dyn Subject + 'f>,
}

fn one(bench: &Bench, args: &Args, tsc: Tsc) -> anyhow::Result<BenchRecord> {
    let input = Input::make(bench, u64::from(args.kiloframes) * 1000)?;
    let mut absent = BTreeMap::new();
    let mut entrants = Vec::new();
    for &engine in bench.engines.iter().filter(|engine| args.selects_engine(engine.name())) {
        let make = |program| make(bench, engine, program, &input);
        match (make(Program::Entry), make(Program::Empty)) {
            (Ok(entry), Ok(empty)) => entrants.push(Entrant { engine, entry, empty }),
            // Without root there is no kernel to compare with; anything else that fails is a defect.
            (Err(error), _) | (_, Err(error)) if is_kernel(engine) => {
                absent.insert(engine.name(), format!("{error:#}"));
            }
            (Err(error), _) | (_, Err(error)) => return Err(error.context(engine.name())),
        }
    }
    ensure!(!entrants.is_empty(), "no engine takes part");
    let verdicts = agreed(bench, &input, &mut entrants)?;

    let round_ns = u64::from(args.round_ms) * 1_000_000;
    let mut engines = Vec::new();
    let mut lanes = Vec::new();
    for entrant in entrants {
        engines.push(entrant.engine);
        lanes.push(Lane::new(entrant.entry, round_ns));
        lanes.push(Lane::new(entrant.empty, round_ns));
    }
    rounds(&mut lanes, args.rounds);

    let at = |engine| engines.iter().position(|other| *other == engine).unwrap_or(0);
    let baseline = at(bench.baseline);
    let mut records = Vec::new();
    for (index, &engine) in engines.iter().enumerate() {
        let sampled = sample(&mut *lanes[2 * index].subject, args.samples, tsc);
        let (own, empty) = (&lanes[2 * index].rounds, &lanes[2 * index + 1].rounds);
        let (base, base_empty) = (&lanes[2 * baseline].rounds, &lanes[2 * baseline + 1].rounds);
        let own_net = net(own, empty);
        records.push(EngineRecord {
            engine: engine.name(),
            gross_ns: Summary::of(own.iter().copied()),
            empty_ns: Summary::of(empty.iter().copied()),
            net_ns: own_net,
            gross_ratio: ratio(base, own),
            net_ratio: net_ratio(net(base, base_empty), own_net),
            percentiles_ns: sampled.as_ref().ok().copied(),
            no_percentiles: sampled.err(),
        });
    }
    Ok(BenchRecord {
        name: bench.name.clone(),
        analysis: bench.analysis.trim().to_owned(),
        baseline: engines[baseline].name(),
        verdicts,
        engines: records,
        absent,
    })
}

fn is_kernel(engine: EngineName) -> bool {
    match engine {
        EngineName::Kernel | EngineName::KernelSyscall => true,
        EngineName::Jit | EngineName::Interpreter | EngineName::Native | EngineName::NativeReset => false,
    }
}

/// The verdicts, if all engines agree with what is expected: figures of programs that do different things are not to be
/// compared.
fn agreed(bench: &Bench, input: &Input, entrants: &mut [Entrant<'_>]) -> anyhow::Result<Verdicts> {
    for entrant in entrants {
        // Beside a whole replay an engine may run frames in memory, which are others than the file's.
        if bench.frames.is_file() && entrant.entry.whole_pass().is_none() {
            continue;
        }
        let verdicts = entrant.entry.verdicts().with_context(|| entrant.engine.name())?;
        ensure!(
            verdicts == input.expected,
            "{}: verdicts {verdicts:?}, expected {:?}",
            entrant.engine.name(),
            input.expected
        );
    }
    Ok(input.expected.clone())
}

/// Percentiles of single runs, or why there are none.
fn sample(subject: &mut dyn Subject, count: u32, tsc: Tsc) -> Result<Percentiles, &'static str> {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, LONGEST_RUN_PS, PERCENTILE_DIGITS)
        .expect("the bounds and three digits are allowed");
    if count == 0 {
        return Err("--samples 0");
    }
    subject.sample(count, tsc, &mut histogram)?;
    let ns = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Percentiles {
        p50: ns(0.5),
        p90: ns(0.9),
        p99: ns(0.99),
        p999: ns(0.999),
        max: histogram.max() as f64 / 1000.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition;

    struct Says(&'static str);

    impl Subject for Says {
        fn run(&mut self, _: u64) {}

        fn verdicts(&mut self) -> anyhow::Result<Verdicts> {
            Ok(Verdicts::from([(self.0.to_owned(), 1)]))
        }

        fn sample(&mut self, _: u32, _: Tsc, into: &mut Histogram<u64>) -> Result<(), &'static str> {
            (1..=1000).for_each(|ns| into.saturating_record(ns * 1000));
            Ok(())
        }
    }

    fn bench(name: &str) -> Bench {
        let mut all = definition::all().expect("sound definitions").into_iter();
        all.find(|bench| bench.name == name).expect("a benchmark")
    }

    fn says(verdicts: [&'static str; 2]) -> Vec<Entrant<'static>> {
        let engines = [EngineName::Jit, EngineName::Interpreter];
        let entrant = |(engine, verdict)| Entrant {
            engine,
            entry: Box::new(Says(verdict)),
            empty: Box::new(Says(verdict)),
        };
        engines.into_iter().zip(verdicts).map(entrant).collect()
    }

    #[test]
    fn verdicts_that_differ_end_the_run() {
        let bench = bench("chain/same");
        let input = Input::make(&bench, 0).expect("frames");
        let agreeing = agreed(&bench, &input, &mut says(["TC_ACT_OK", "TC_ACT_OK"]));
        assert_eq!(agreeing.expect("all agree"), bench.verdicts);
        for differing in [["TC_ACT_OK", "TC_ACT_SHOT"], ["TC_ACT_SHOT", "TC_ACT_SHOT"]] {
            assert!(agreed(&bench, &input, &mut says(differing)).is_err());
        }
    }

    #[test]
    fn percentiles_come_in_ns() {
        let tsc = Tsc::calibrate();
        let percentiles = sample(&mut Says(""), 1, tsc).expect("sampled");
        assert!((percentiles.p50 - 500.0).abs() < 5.0, "{percentiles:?}");
        assert!((percentiles.p99 - 990.0).abs() < 5.0, "{percentiles:?}");
        assert_eq!(sample(&mut Says(""), 0, tsc).err(), Some("--samples 0"));
    }

    #[test]
    fn the_jit_comes_to_the_verdicts_of_every_definition() {
        for bench in definition::all().expect("sound definitions") {
            let input = Input::make(&bench, 10_000).expect("frames");
            let mut entry = make(&bench, EngineName::Jit, Program::Entry, &input).expect("loads");
            assert_eq!(entry.verdicts().expect("runs"), input.expected, "{}", bench.name);
        }
    }

    #[test]
    fn native_code_comes_to_the_verdicts_of_the_programs() {
        for bench in definition::all().expect("sound definitions") {
            let native = [EngineName::Native, EngineName::NativeReset];
            for engine in bench.engines.iter().copied().filter(|engine| native.contains(engine)) {
                let input = Input::make(&bench, 0).expect("frames");
                let mut entry = make(&bench, engine, Program::Entry, &input).expect("made");
                assert_eq!(entry.verdicts().expect("runs"), input.expected, "{}", bench.name);
            }
        }
    }
}
