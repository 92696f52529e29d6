//! Rounds: every variant in each of them, so that what the machine does meanwhile hits all alike.

use crate::machine::thread_cpu_ns;
use crate::statistics::Summary;
use crate::subject::Subject;

/// One variant being measured.
pub(crate) struct Lane<'f> {
    pub(crate) subject: Box<dyn Subject + 'f>,
    /// Frames it runs in a round.
    count: u64,
    /// ns a frame, by round.
    pub(crate) rounds: Vec<f64>,
}

impl<'f> Lane<'f> {
    /// Finds out how many frames take about `round_ns`, warming up by it.
    pub(crate) fn new(mut subject: Box<dyn Subject + 'f>, round_ns: u64) -> Lane<'f> {
        let mut count = subject.whole_pass().unwrap_or(64);
        if subject.whole_pass().is_none() {
            // Doubled until it takes long enough to be told from the clock's own steps.
            let mut spent = time(&mut *subject, count);
            while spent < round_ns / 4 && count < COUNT_MAX {
                count *= 2;
                spent = time(&mut *subject, count);
            }
            count = (count * round_ns / spent.max(1)).clamp(1, COUNT_MAX);
        }
        time(&mut *subject, count);
        Lane { subject, count, rounds: Vec::new() }
    }

    fn round(&mut self) {
        let spent = time(&mut *self.subject, self.count);
        self.rounds.push(spent as f64 / self.count as f64);
    }
}

/// Frames in one round at the most.
const COUNT_MAX: u64 = 1 << 26;

/// Runs the rounds. The order changes from round to round, so that nobody always runs after the same other.
pub(crate) fn rounds(lanes: &mut [Lane<'_>], rounds: u32) {
    let lanes_count = lanes.len();
    for round in 0..rounds as usize {
        for at in 0..lanes_count {
            lanes[(at + round) % lanes_count].round();
        }
    }
}

/// What a variant costs beyond an empty program, round by round.
pub(crate) fn net(gross: &[f64], empty: &[f64]) -> Summary {
    Summary::of(gross.iter().zip(empty).map(|(gross, empty)| gross - empty))
}

/// How many times as long the baseline takes, round by round.
pub(crate) fn ratio(baseline: &[f64], own: &[f64]) -> Summary {
    Summary::of(baseline.iter().zip(own).map(|(baseline, own)| baseline / own))
}

fn time(subject: &mut dyn Subject, count: u64) -> u64 {
    let before = thread_cpu_ns();
    subject.run(count);
    thread_cpu_ns() - before
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;
    use crate::machine::Tsc;
    use crate::subject::Verdicts;

    struct Counter(std::rc::Rc<std::cell::Cell<u64>>);

    impl Subject for Counter {
        fn run(&mut self, count: u64) {
            for _ in 0..count {
                self.0.set(std::hint::black_box(self.0.get() + 1));
            }
        }

        fn verdicts(&mut self) -> anyhow::Result<Verdicts> {
            Ok(Verdicts::new())
        }

        fn sample(&mut self, _: u32, _: Tsc, _: &mut Histogram<u64>) -> Result<(), &'static str> {
            Err("it only counts")
        }
    }

    #[test]
    fn every_variant_runs_once_a_round() {
        let counts: Vec<_> = (0..3).map(|_| std::rc::Rc::new(std::cell::Cell::new(0))).collect();
        let mut lanes: Vec<Lane<'_>> =
            counts.iter().map(|count| Lane::new(Box::new(Counter(count.clone())), 10_000)).collect();
        let before: Vec<u64> = counts.iter().map(|count| count.get()).collect();
        rounds(&mut lanes, 7);
        for ((lane, count), before) in lanes.iter().zip(&counts).zip(before) {
            assert_eq!(lane.rounds.len(), 7);
            assert_eq!(count.get() - before, 7 * lane.count);
        }
    }

    #[test]
    fn net_and_ratio_compare_rounds() {
        let (gross, empty) = ([12.0, 22.0, 32.0], [2.0, 12.0, 22.0]);
        assert_eq!(net(&gross, &empty).median, 10.0);
        assert_eq!(ratio(&[10.0, 20.0, 30.0], &[5.0, 10.0, 15.0]).median, 2.0);
    }
}
