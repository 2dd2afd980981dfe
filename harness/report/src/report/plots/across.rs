//! Pictures of several runs.

use quarrel_checkers::PbsBin;

use super::chart::{Chart, Unit};

/// Classes of the lines of several runs, in order.
const LINES: [&str; 4] = ["stale", "read", "write", "cache"];

/// The PBS curves of several runs over each other, as SVG.
#[must_use]
pub fn overlaid_pbs(runs: &[(String, &[PbsBin])]) -> String {
    let middle = |bin: &PbsBin| {
        let (from, to) = (bin.from.as_secs_f64() * 1e3, bin.to.as_secs_f64() * 1e3);
        (from.max(to / 4.0) * to).sqrt()
    };
    let all = || runs.iter().flat_map(|(_, bins)| bins.iter()).map(middle);
    let (low, high) = (all().fold(1000.0, f64::min), all().fold(1.0, f64::max));
    let x = Chart::width_log(low / 1.6, high * 1.6);
    let y = Chart::height_linear(0.0, 1.0);
    let label = "time from the last acknowledged write of the key to the begin of the read";
    let title = "How likely is a read to be stale?";
    let mut chart = Chart::over(title, x, (Unit::Ms, Unit::Share), y, label);
    for ((name, bins), class) in runs.iter().zip(LINES.iter().cycle()) {
        let points =
            bins.iter().map(|bin| (middle(bin), Some(bin.stale as f64 / bin.reads.max(1) as f64)));
        chart.line(class, name, points);
    }
    chart.finish()
}

/// One run in a trend.
#[derive(Clone, Debug, PartialEq)]
pub struct TrendPoint {
    /// Its name.
    pub run: String,
    /// The commit that it ran at; empty if none is known.
    pub commit: String,
    /// The share of stale reads among those at risk.
    pub share: f64,
}

/// The share of stale reads from run to run, oldest first, as SVG; with the
/// share that is accepted, if one is.
#[must_use]
pub fn trend(points: &[TrendPoint], accepted: Option<f64>) -> String {
    let end = points.len().max(2) as f64 + 1.0;
    let x = Chart::width_linear(0.0, end);
    let shares = points.iter().map(|point| point.share).chain(accepted);
    let most = shares.fold(0.01, f64::max);
    let y = Chart::height_linear(0.0, (most * 1.1).min(1.0));
    let title = "Share of stale reads among those at risk, run by run";
    let mut chart = Chart::over(title, x, (Unit::Count, Unit::Share), y, "run, oldest first");
    let numbered = || points.iter().enumerate().map(|(at, point)| ((at + 1) as f64, point.share));
    chart.line("stale", "stale reads", numbered().map(|(x, y)| (x, Some(y))));
    if let Some(accepted) = accepted {
        let told = format!("policy: {:.2} %", accepted * 100.0);
        chart.line("read", &told, [0.0, end].map(|x| (x, Some(accepted))).into_iter());
    }
    for ((x, share), point) in numbered().zip(points) {
        let at = match point.commit.get(..10) {
            Some(commit) => format!(" at {commit}"),
            None => String::new(),
        };
        let told = format!("{}{at}: {:.2} %", point.run, share * 100.0);
        chart.interval(x, share, share, share, &told);
    }
    chart.finish()
}
