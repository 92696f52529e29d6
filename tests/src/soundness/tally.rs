//! What came of a run over many mutants, in a form for the README.

use std::collections::BTreeMap;
use std::fmt;

use bpfreplay_uapi::ProgType;

use super::finding::Finding;
use super::laxer;
use super::trial::{Trial, Verdict};

/// Counts of mutants.
#[derive(Debug, Default)]
pub struct Tally {
    mutants: u64,
    refused: u64,
    accepted: u64,
    not_run: u64,
    stricter: BTreeMap<String, u64>,
    accepted_of_type: BTreeMap<&'static str, u64>,
    laxer: BTreeMap<&'static str, Class>,
    findings: BTreeMap<String, u64>,
}

/// Mutants that are explained by one row.
#[derive(Debug)]
struct Class {
    count: u64,
    /// The shortest of them, with the kernel's words.
    example: String,
}

impl Tally {
    /// Counts one; whether it is a finding unlike those before it.
    pub fn count(&mut self, prog_type: ProgType, outcome: &Result<Verdict, Finding>) -> bool {
        self.mutants += 1;
        match outcome {
            Ok(Verdict::Refused) => self.refused += 1,
            Ok(Verdict::Stricter(message)) => {
                self.refused += 1;
                let first = message.lines().next().unwrap_or_default().to_owned();
                *self.stricter.entry(first).or_default() += 1;
            }
            Ok(Verdict::Sound) => self.accept(prog_type),
            Ok(Verdict::NotRun) => {
                self.accept(prog_type);
                self.not_run += 1;
            }
            Ok(Verdict::Laxer { class, program, kernel }) => {
                self.accept(prog_type);
                let example = format!("{program}{kernel}");
                let known = self.laxer.entry(class).or_insert(Class { count: 0, example: example.clone() });
                known.count += 1;
                if example.len() < known.example.len() {
                    known.example = example;
                }
            }
            Err(finding) => {
                self.accept(prog_type);
                let times = self.findings.entry(finding.key()).or_default();
                *times += 1;
                return *times == 1;
            }
        }
        false
    }

    fn accept(&mut self, prog_type: ProgType) {
        self.accepted += 1;
        *self.accepted_of_type.entry(prog_type.name()).or_default() += 1;
    }

    /// How many findings are unlike each other.
    #[must_use]
    pub fn findings(&self) -> usize {
        self.findings.len()
    }

    /// Programs that were accepted and ran.
    #[must_use]
    pub fn ran(&self) -> u64 {
        self.accepted - self.not_run
    }

    /// The shortest mutant of each class that the kernel refuses and we accept.
    pub fn examples(&self) -> impl Iterator<Item = (&str, &str)> {
        self.laxer.iter().map(|(class, known)| (*class, known.example.as_str()))
    }

    /// The whole as text: a table in Markdown, then lists.
    #[must_use]
    pub fn report(&self, trial: &Trial) -> String {
        Report { tally: self, trial }.to_string()
    }
}

struct Report<'a> {
    tally: &'a Tally,
    trial: &'a Trial,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { tally, trial } = self;
        let types: Vec<String> =
            tally.accepted_of_type.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let laxer: u64 = tally.laxer.values().map(|class| class.count).sum();
        writeln!(f, "| | |\n|---|---|")?;
        writeln!(f, "| mutants | {} |", tally.mutants)?;
        writeln!(f, "| accepted | {} ({}) |", tally.accepted, types.join(", "))?;
        writeln!(f, "| runs of those on the checked interpreter | {} |", trial.runs)?;
        writeln!(f, "| programs the kernel was asked about | {} |", trial.kernel_asked)?;
        writeln!(f, "| accepted, refused by the kernel, explained | {laxer} |")?;
        writeln!(f, "| findings, distinct | {} |", tally.findings.len())?;
        for (class, known) in &tally.laxer {
            let row = laxer::rows().iter().find(|row| row.kernel == **class);
            writeln!(f, "laxer {}: {class} ({})", known.count, row.map_or("", |row| &row.reason))?;
        }
        for (message, count) in &tally.stricter {
            writeln!(f, "stricter {count}: {message}")?;
        }
        for (key, count) in &tally.findings {
            writeln!(f, "finding {count} times: {key}")?;
        }
        write!(f, "accepted, not run: {}; refused: {}", tally.not_run, tally.refused)
    }
}
