//! Pictures of a run as SVG: each over the run's true time with its faults
//! shaded, or over what else it is about.

mod across;
mod axis;
mod chart;
mod series;

pub use across::{TrendPoint, overlaid_pbs, trend};
pub(super) use chart::{escape, stand_alone};
pub(super) use series::{BINS, Series};

use quarrel_checkers::{F, PbsBin, StalenessBin, millis, thousands};

use self::chart::{Chart, Unit};
use super::{rows::OperationEnd, view::View};

/// A picture of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The name of its file, without ending.
    pub name: &'static str,
    /// What it shows and how to read it, in a sentence.
    pub caption: &'static str,
    /// Why there is nothing in it, if there is not.
    pub nothing: Option<&'static str>,
    /// The picture.
    pub svg: String,
}

/// The most dots in a cloud: more are not seen, but weigh.
const DOTS: usize = 2500;

/// The plots whose horizontal axis is the run's time.
pub(super) fn over_time(view: &View<'_>, series: &Series) -> Vec<Figure> {
    vec![
        latency(view, series),
        throughput(view, series),
        staleness(view),
        hit_rate(view, series),
        replica_lag(view, series),
    ]
}

/// The plots over other things.
pub(super) fn of_staleness(view: &View<'_>) -> Vec<Figure> {
    let metrics = &view.verdict.metrics;
    let mut plots = Vec::new();
    if !metrics.pbs.is_empty() {
        plots.push(pbs(&metrics.pbs));
    }
    if !metrics.staleness_histogram.is_empty() {
        plots.push(histogram(&metrics.staleness_histogram));
    }
    plots
}

fn end_ms(view: &View<'_>) -> f64 {
    view.end.as_nanos() as f64 / 1e6
}

fn nanos_ms(time: quarrel_checkers::Time) -> f64 {
    time.as_nanos() as f64 / 1e6
}

/// Every so manieth, so that no more than [`DOTS`] are left.
fn thin<T>(points: Vec<T>) -> impl Iterator<Item = T> {
    let every = points.len().div_ceil(DOTS).max(1);
    points.into_iter().step_by(every)
}

/// Points of a series: the middle of each bin, and its value.
fn points<'a>(
    series: &'a Series,
    value: impl Fn(usize) -> Option<f64> + 'a,
) -> impl Iterator<Item = (f64, Option<f64>)> + 'a {
    (0..BINS).map(move |bin| ((bin as f64 + 0.5) * series.bin_ms, value(bin)))
}

fn latency(view: &View<'_>, series: &Series) -> Figure {
    let took = |row: super::OperationRow| Some(row.duration()?.as_secs_f64() * 1e3);
    let most = view.rows.iter().filter_map(took).fold(1.0, f64::max);
    let least = view.rows.iter().filter_map(took).fold(most, f64::min).max(0.001);
    let y = Chart::height_log(least, most * 1.1);
    let mut chart = Chart::over_time("Latency of operations", end_ms(view), y, Unit::Ms);
    chart.run(view);
    for (class, name, f) in [("read", "read", F::Read), ("write", "write", F::Write)] {
        let points = view.rows.iter().filter(|row| row.f == f && row.ending == OperationEnd::Ok);
        let points = points.filter_map(|row| Some((nanos_ms(row.start), took(row)?))).collect();
        chart.dots(class, name, thin(points));
    }
    let lost = view.rows.iter().filter(|row| row.ending != OperationEnd::Ok);
    let lost = lost.filter_map(|row| Some((nanos_ms(row.start), took(row)?))).collect();
    chart.dots("failed", "failed or unknown", thin(lost));
    let known = |value: f32| (value >= 0.0).then(|| f64::from(value));
    chart.line("p50", "median", points(series, |bin| known(series.p50_ms[bin])));
    chart.line("p99", "99 %", points(series, |bin| known(series.p99_ms[bin])));
    Figure {
        name: "latency",
        caption: "How long operations took; each dot is one, the vertical axis goes by magnitude.",
        nothing: None,
        svg: chart.finish(),
    }
}

fn throughput(view: &View<'_>, series: &Series) -> Figure {
    let a_second = |count: u32| f64::from(count) * 1e3 / series.bin_ms;
    let all = [&series.reads, &series.writes, &series.failed];
    let most = all.iter().flat_map(|counts| counts.iter()).copied().max().unwrap_or(1);
    let y = Chart::height_linear(0.0, a_second(most) * 1.1);
    let mut chart = Chart::over_time("Operations a second", end_ms(view), y, Unit::Count);
    chart.run(view);
    for (class, name, counts) in [
        ("read", "reads", &series.reads),
        ("write", "writes", &series.writes),
        ("failed", "failed or unknown", &series.failed),
    ] {
        if class != "failed" || counts.iter().any(|count| *count > 0) {
            chart.line(class, name, points(series, |bin| Some(a_second(counts[bin]))));
        }
    }
    Figure {
        name: "throughput",
        caption: "Operations that ended, a second.",
        nothing: None,
        svg: chart.finish(),
    }
}

fn staleness(view: &View<'_>) -> Figure {
    let stale: Vec<(f64, f64)> = view
        .rows
        .iter()
        .filter_map(|row| Some((nanos_ms(row.start), row.stale?.as_secs_f64() * 1e3)))
        .collect();
    let most = stale.iter().map(|(_, ms)| *ms).fold(1.0, f64::max);
    let y = Chart::height_linear(0.0, most * 1.08);
    let nothing = stale.is_empty().then_some("No read was stale.");
    let mut chart = Chart::over_time("Staleness of reads", end_ms(view), y, Unit::Ms);
    chart.run(view);
    chart.dots("stale", "stale read", thin(stale));
    Figure {
        name: "staleness",
        caption: "How long before it began the value of a stale read had been overwritten.",
        nothing,
        svg: chart.note(nothing).finish(),
    }
}

fn hit_rate(view: &View<'_>, series: &Series) -> Figure {
    let any = series.sourced.iter().any(|count| *count > 0);
    let nothing = (!any).then_some("No read says where its value came from.");
    let y = Chart::height_linear(0.0, 1.0);
    let mut chart = Chart::over_time("Cache hit rate", end_ms(view), y, Unit::Share);
    chart.run(view);
    chart.line(
        "cache",
        "reads that the cache answered",
        points(series, |bin| {
            let all = series.sourced[bin];
            (all > 0).then(|| f64::from(series.hits[bin]) / f64::from(all))
        }),
    );
    Figure {
        name: "hit-rate",
        caption: "The share of reads that the cache answered.",
        nothing,
        svg: chart.note(nothing).finish(),
    }
}

fn replica_lag(view: &View<'_>, series: &Series) -> Figure {
    let most = series.lag_ms.iter().copied().fold(1.0, f32::max);
    let nothing = view.lag.is_empty().then_some("The replica was never read.");
    let y = Chart::height_linear(0.0, f64::from(most) * 1.1);
    let mut chart = Chart::over_time("Replica lag", end_ms(view), y, Unit::Ms);
    chart.run(view);
    chart.line(
        "replica",
        "the most in each moment",
        points(series, |bin| (series.lag_ms[bin] >= 0.0).then(|| f64::from(series.lag_ms[bin]))),
    );
    Figure {
        name: "replica-lag",
        caption: "The age of the oldest acknowledged write that the replica had not replayed when it was read.",
        nothing,
        svg: chart.note(nothing).finish(),
    }
}

fn pbs(bins: &[PbsBin]) -> Figure {
    let middle = |bin: &PbsBin| {
        let (from, to) = (bin.from.as_secs_f64() * 1e3, bin.to.as_secs_f64() * 1e3);
        (from.max(to / 4.0) * to).sqrt()
    };
    let low = bins.iter().map(middle).fold(f64::MAX, f64::min) / 1.6;
    let high = bins.iter().map(middle).fold(0.0, f64::max) * 1.6;
    let x = Chart::width_log(low, high);
    let title = "How likely is a read to be stale? (PBS curve)";
    let label = "time from the last acknowledged write of the key to the begin of the read";
    let y = Chart::height_linear(0.0, 1.0);
    let mut chart = Chart::over(title, x, (Unit::Ms, Unit::Share), y, label);
    let share = |bin: &PbsBin| bin.stale as f64 / bin.reads.max(1) as f64;
    chart.line("stale", "stale reads, with the 95 % interval", {
        bins.iter().map(|bin| (middle(bin), Some(share(bin))))
    });
    for bin in bins {
        let hint = format!(
            "{} to {} after the write: {} of {} reads stale",
            millis(bin.from),
            millis(bin.to),
            thousands(bin.stale),
            thousands(bin.reads)
        );
        chart.interval(middle(bin), share(bin), bin.wilson_low, bin.wilson_high, &hint);
    }
    Figure {
        name: "pbs",
        caption: "The share of stale reads by the time since the write, with its 95 % Wilson interval.",
        nothing: None,
        svg: chart.finish(),
    }
}

fn histogram(bins: &[StalenessBin]) -> Figure {
    let most = bins.iter().map(|bin| bin.reads).max().unwrap_or(1) as f64;
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    let low =
        bins.iter().map(|bin| ms(bin.from)).filter(|from| *from > 0.0).fold(f64::MAX, f64::min);
    let high = bins.iter().map(|bin| ms(bin.to)).fold(0.0, f64::max);
    let low = low.min(high / 2.0).max(0.001);
    let x = Chart::width_log(low / 2.0, high);
    let y = Chart::height_linear(0.0, most * 1.1);
    let units = (Unit::Ms, Unit::Count);
    let mut chart = Chart::over("How stale were stale reads?", x, units, y, "staleness");
    for bin in bins {
        let hint =
            format!("{} to {}: {} reads", millis(bin.from), millis(bin.to), thousands(bin.reads));
        chart.bar("stale", ms(bin.from).max(low / 2.0), ms(bin.to), bin.reads as f64, &hint);
    }
    chart.legend_entry("stale box", "stale reads");
    Figure {
        name: "staleness-histogram",
        caption: "Stale reads by how stale they were; the axis goes by magnitude.",
        nothing: None,
        svg: chart.finish(),
    }
}
