//! What rounds come to.

use serde::Serialize;

/// Median and quartiles of the rounds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Summary {
    /// Half of the rounds were below.
    pub(crate) median: f64,
    /// A quarter of the rounds were below.
    pub(crate) p25: f64,
    /// A quarter of the rounds were above.
    pub(crate) p75: f64,
}

/// Spreads of more than this part of the median are marked: something else ran.
pub(crate) const NOISY_SPREAD: f64 = 0.10;

impl Summary {
    /// Of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Summary {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Summary { median: quantile(&values, 0.5), p25: quantile(&values, 0.25), p75: quantile(&values, 0.75) }
    }

    /// Whether the rounds lay far apart.
    pub(crate) fn is_noisy(&self) -> bool {
        (self.p75 - self.p25).abs() > NOISY_SPREAD * self.median.abs()
    }
}

/// The value below which a part of the sorted values lies, between two of them in proportion.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = part * last as f64;
    let (below, share) = (at.floor() as usize, at.fract());
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_odd_and_even_numbers() {
        let summary = Summary::of([5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(summary, Summary { median: 3.0, p25: 2.0, p75: 4.0 });
        let summary = Summary::of([4.0, 1.0, 2.0, 3.0]);
        assert_eq!(summary, Summary { median: 2.5, p25: 1.75, p75: 3.25 });
        assert_eq!(Summary::of([7.0]), Summary { median: 7.0, p25: 7.0, p75: 7.0 });
    }

    #[test]
    fn one_slow_round_moves_nothing() {
        let quiet = Summary::of([10.0; 61]);
        let mut disturbed = [10.0; 61];
        disturbed[30] = 1e9;
        assert_eq!(Summary::of(disturbed), quiet);
    }

    #[test]
    fn spread_is_seen() {
        assert!(!Summary::of([10.0, 10.1, 10.2, 10.3]).is_noisy());
        assert!(Summary::of([10.0, 11.0, 13.0, 14.0]).is_noisy());
        assert!(!Summary::of([0.0; 9]).is_noisy());
    }

    #[test]
    fn nothing_measured_is_not_a_number() {
        assert!(Summary::of([]).median.is_nan());
    }
}
