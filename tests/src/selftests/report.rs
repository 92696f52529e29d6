use std::collections::BTreeMap;
use std::fmt;

use super::explained::Explained;
use super::judge::{Said, Verdicts};
use super::trial::{Expect, Trial};

/// Of the programs that should load at least this many in a hundred must.
const ACCEPTED_MIN_PERCENT: f64 = 97.0;

/// The table and the differences.
#[derive(Clone, Debug, Default)]
pub struct Report {
    files: BTreeMap<String, Counts>,
    false_accepts: Vec<String>,
    explained: Vec<String>,
    false_refusals: Vec<String>,
    wrong_values: Vec<String>,
    suite_and_kernel: Vec<String>,
    /// Refusals with the kernel's words, and all that both make.
    same_words: (u32, u32),
    other_words: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    ok: u32,
    accepted: u32,
    fail: u32,
    refused: u32,
    false_accepts: u32,
    explained: u32,
    runs: u32,
    runs_right: u32,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.ok += other.ok;
        self.accepted += other.accepted;
        self.fail += other.fail;
        self.refused += other.refused;
        self.false_accepts += other.false_accepts;
        self.explained += other.explained;
        self.runs += other.runs;
        self.runs_right += other.runs_right;
    }
}

impl Report {
    /// Adds one trial.
    pub fn add(&mut self, trial: &Trial, verdicts: &Verdicts, explained: &Explained) {
        let key = trial.key();
        let mut counts = Counts::default();
        let kernel = match &verdicts.kernel {
            Some(Said::Accepts) => "the kernel accepts".to_owned(),
            Some(Said::Refuses(why)) => format!("the kernel: {why}"),
            None => "the kernel was not asked".to_owned(),
        };
        match trial.expect {
            Expect::Accept => {
                counts.ok = 1;
                match &verdicts.ours {
                    Said::Accepts => counts.accepted = 1,
                    Said::Refuses(why) => {
                        let why = why.replace('\n', " | ");
                        let known = explained.reason(&key).map_or(String::new(), |r| format!(" [{r}]"));
                        self.false_refusals.push(format!("{key}: {why} ({kernel}){known}"));
                    }
                }
            }
            Expect::Refuse => counts.fail = 1,
        }
        // The kernel of this machine is the judge of what is safe; where it cannot be asked, the suite is.
        let should_refuse = match &verdicts.kernel {
            Some(said) => *said != Said::Accepts,
            None => trial.expect == Expect::Refuse,
        };
        match (&verdicts.ours, should_refuse) {
            (Said::Accepts, true) => match explained.reason(&key) {
                Some(reason) => {
                    counts.explained = 1;
                    self.explained.push(format!("{key}: {reason} ({kernel})"));
                }
                None => {
                    counts.false_accepts = 1;
                    self.false_accepts.push(format!("{key}: expected {:?} ({kernel})", trial.message));
                }
            },
            (Said::Refuses(_), _) => counts.refused = counts.fail,
            (Said::Accepts, false) => {}
        }
        if verdicts.kernel.as_ref().is_some_and(|said| (*said == Said::Accepts) != (counts.ok == 1)) {
            self.suite_and_kernel.push(format!("{key}: the suite says {:?}, {kernel}", trial.expect));
        }
        if let (Some(same), Said::Refuses(why)) = (verdicts.same_words, &verdicts.ours) {
            self.same_words.0 += u32::from(same);
            self.same_words.1 += 1;
            if !same {
                let first = why.lines().next().unwrap_or_default();
                self.other_words.push(format!("{key}: {first:?} ({kernel})"));
            }
        }
        let ours = verdicts.ran.iter().filter(|ran| ran.engine != "kernel");
        for ran in ours {
            counts.runs += 1;
            counts.runs_right += u32::from(ran.right());
            if !ran.right() {
                let same = |other: &&super::Ran| other.engine == "kernel" && other.run == ran.run;
                let theirs = verdicts.ran.iter().find(same).map(|ran| &ran.got);
                let (engine, run, want, got) = (ran.engine, ran.run, ran.want, &ran.got);
                let line =
                    format!("{key}: {engine}, run {run}: expected {want:?}, got {got:?}, kernel {theirs:?}");
                self.wrong_values.push(line);
            }
        }
        self.files.entry(trial.file.clone()).or_default().add(&counts);
    }

    /// Whether there is nothing to mend.
    #[must_use]
    pub fn passes(&self) -> bool {
        let total = self.total();
        let enough = f64::from(total.accepted) >= f64::from(total.ok) * ACCEPTED_MIN_PERCENT / 100.0;
        self.false_accepts.is_empty() && self.wrong_values.is_empty() && enough && total.ok > 0
    }

    fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.files.values().for_each(|counts| total.add(counts));
        total
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<44} {:>6} {:>8} {:>6} {:>7} {:>9} {:>8} {:>9} {:>11}",
            "file",
            "exp ok",
            "accepted",
            "exp no",
            "refused",
            "false acc",
            "false rf",
            "explained",
            "runs right"
        )?;
        let mut row = |name: &str, c: &Counts| {
            let runs = format!("{}/{}", c.runs_right, c.runs);
            writeln!(
                f,
                "{name:<44} {:>6} {:>8} {:>6} {:>7} {:>9} {:>8} {:>9} {runs:>11}",
                c.ok,
                c.accepted,
                c.fail,
                c.refused,
                c.false_accepts,
                c.ok - c.accepted,
                c.explained
            )
        };
        for (name, counts) in &self.files {
            row(name, counts)?;
        }
        let total = self.total();
        row("total", &total)?;
        let percent = 100.0 * f64::from(total.accepted) / f64::from(total.ok.max(1));
        writeln!(f, "accepted of those expected to load: {percent:.2} %")?;
        let (same, both) = self.same_words;
        writeln!(f, "refusals in the kernel's words: {same} of {both} that both make")?;
        for (title, lines) in [
            ("accepted, though they should be refused", &self.false_accepts),
            ("accepted, though they should be refused: explained", &self.explained),
            ("refused, though they should load", &self.false_refusals),
            ("wrong return values", &self.wrong_values),
            ("the suite and this kernel differ", &self.suite_and_kernel),
            ("refused in other words than the kernel's", &self.other_words),
        ] {
            writeln!(f, "\n{title}: {}", lines.len())?;
            lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}
