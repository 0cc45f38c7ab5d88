//! Figures, as a table or one JSON object a line.

use lianbo_node::cli::{note, print};
use serde::Serialize;

/// One figure, as a program reads it.
#[derive(Debug, Serialize)]
struct Figure<'a> {
    bench: &'a str,
    metric: &'a str,
    value: f64,
    unit: &'a str,
}

/// Where figures are told.
#[derive(Debug)]
pub(super) struct Report {
    bench: &'static str,
    json: bool,
}

impl Report {
    pub(super) fn new(bench: &'static str, json: bool) -> Self {
        Self { bench, json }
    }

    /// One figure.
    pub(super) fn figure(&self, metric: &str, value: f64, unit: &str) -> anyhow::Result<()> {
        let line = if self.json {
            let value = (value * 1000.0).round() / 1000.0;
            serde_json::to_string(&Figure { bench: self.bench, metric, value, unit })?
        } else {
            let digits = if value >= 100.0 { 0 } else { 3 };
            format!("{:<8} {metric:<32} {value:>12.digits$} {unit}", self.bench)
        };
        Ok(print::text(&format!("{}\n", line.trim_end()))?)
    }

    /// A remark on stderr.
    pub(super) fn note(&self, text: &str) {
        note(&format!("# {}: {text}", self.bench));
    }
}

/// The middle one of some figures, or the mean of the two in the middle; 0 of none.
pub(super) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match (sorted.get(low), sorted.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => 0.0,
    }
}

/// The figure that `percent` of the sorted figures do not exceed; 0 of none.
pub(super) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_tail_of_figures_are_theirs() {
        assert_eq!(median([3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
        assert_eq!(median([]).to_bits(), 0.0_f64.to_bits());
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 99).to_bits(), 198.0_f64.to_bits());
        assert_eq!(percentile(&sorted[..1], 50).to_bits(), 1.0_f64.to_bits());
    }
}
