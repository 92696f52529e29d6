use clap::Parser;

/// Measure the engines side by side.
#[derive(Parser, Debug)]
#[command(name = "bpfreplay-bench")]
pub(crate) struct Args {
    /// Only benchmarks whose name contains one of these.
    pub(crate) names: Vec<String>,
    /// Show the benchmarks and what they are for, and end.
    #[arg(long)]
    pub(crate) list: bool,
    /// Measure how long verification takes instead, on the large programs of the suites that `tests/selftests/judge` has
    /// built in this folder, and on our own.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) verification: Option<std::path::PathBuf>,
    /// Rounds; in each every variant runs once.
    #[arg(long, default_value_t = 61, value_parser = clap::value_parser!(u32).range(3..=10_000))]
    pub(crate) rounds: u32,
    /// Milliseconds of CPU time a variant runs in one round.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) round_ms: u32,
    /// Single runs sampled for percentiles; 0: none.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) samples: u32,
    /// Only these engines (jit, interpreter, kernel, kernel-syscall, native, native-reset).
    #[arg(long, value_delimiter = ',')]
    pub(crate) engines: Vec<String>,
    /// The CPU to run on.
    #[arg(long, default_value_t = 1)]
    pub(crate) cpu: usize,
    /// Frames of the captures that are generated for whole replays, in thousands.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) kiloframes: u32,
    /// Write one JSON object instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep the result in `bench/record`.
    #[arg(long)]
    pub(crate) record: bool,
}

impl Args {
    /// Whether a benchmark is asked for.
    pub(crate) fn selects(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|part| name.contains(part.as_str()))
    }

    /// Whether an engine is asked for.
    pub(crate) fn selects_engine(&self, name: &str) -> bool {
        self.engines.is_empty() || self.engines.iter().any(|engine| engine == name)
    }
}
