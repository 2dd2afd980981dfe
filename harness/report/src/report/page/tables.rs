//! What the pictures show, for those who do not see them.

use std::time::Duration;

use maud::{Markup, html};
use quarrel_checkers::{F, Metrics, Site, Time, millis, thousands};

use super::scroller::scroller;
use crate::report::{OperationEnd, OperationRow, View};

/// Stretches of time in the table of what plots over time show.
const STRETCHES: u64 = 16;

/// What happened in a stretch of a run.
#[derive(Default)]
struct Stretch {
    reads: u64,
    writes: u64,
    failed: u64,
    stale: u64,
    worst: Duration,
    sourced: u64,
    hits: u64,
    took: Vec<Duration>,
    lag: Option<Duration>,
}

impl Stretch {
    fn count(&mut self, row: &OperationRow) {
        match (row.ending, &row.f) {
            (OperationEnd::Ok, F::Read) => self.reads += 1,
            (OperationEnd::Ok, _) => self.writes += 1,
            _ => self.failed += 1,
        }
        self.stale += u64::from(row.stale.is_some());
        self.worst = self.worst.max(row.stale.unwrap_or_default());
        self.sourced += u64::from(row.source.is_some());
        self.hits += u64::from(row.source == Some(Site::Cache));
        self.took.extend(row.duration());
    }

    /// By the nearest rank; nothing of nothing.
    fn quantile(&self, percent: usize) -> String {
        let rank = (self.took.len() * percent).div_ceil(100);
        self.took.get(rank.max(1) - 1).map_or_else(String::new, |took| millis(*took))
    }
}

/// Latency, throughput, staleness, hit rate and lag, stretch by stretch.
pub(super) fn over_time(view: &View<'_>) -> Markup {
    let end = view.end.as_nanos();
    let at = |time: Time| {
        (u128::from(time.as_nanos()) * u128::from(STRETCHES) / u128::from(end + 1)) as usize
    };
    let mut stretches: Vec<Stretch> = (0..STRETCHES).map(|_| Stretch::default()).collect();
    for row in view.rows.iter() {
        stretches[at(row.start)].count(&row);
    }
    for (time, lag) in &view.lag {
        let slot = &mut stretches[at(*time)].lag;
        *slot = (*slot).max(Some(*lag));
    }
    for stretch in &mut stretches {
        stretch.took.sort_unstable();
    }
    let began = |number: usize| Time(end / STRETCHES * number as u64);
    html! {
        details {
            summary { "The plots as a table" }
            (scroller("the plots as a table", &html! { table {
                thead { tr {
                    th.number scope="col" { "from" } th scope="col" { "what the run was doing" }
                    th.number scope="col" { "reads" } th.number scope="col" { "writes" }
                    th.number scope="col" { "failed or unknown" }
                    th.number scope="col" { "median" } th.number scope="col" { "99 %" }
                    th.number scope="col" { "stale" } th.number scope="col" { "worst" }
                    th.number scope="col" { "hits" } th.number scope="col" { "most lag" }
                } }
                tbody { @for (number, stretch) in stretches.iter().enumerate() { tr {
                    td.number { (millis(began(number).since(Time::ZERO))) }
                    td { (doing(view, began(number), began(number + 1))) }
                    td.number { (thousands(stretch.reads)) }
                    td.number { (thousands(stretch.writes)) }
                    td.number { (thousands(stretch.failed)) }
                    td.number { (stretch.quantile(50)) }
                    td.number { (stretch.quantile(99)) }
                    td.number { (thousands(stretch.stale)) }
                    td.number { @if stretch.stale > 0 { (millis(stretch.worst)) } }
                    td.number { @if stretch.sourced > 0 { (stretch.hits * 100 / stretch.sourced) " %" } }
                    td.number { @if let Some(lag) = stretch.lag { (millis(lag)) } }
                } } }
            } }))
        }
    }
}

/// Phases and faults of a stretch.
fn doing(view: &View<'_>, from: Time, to: Time) -> String {
    let phases = view.phases.iter().filter(|phase| phase.from < to && from < phase.to);
    let faults = view.bands.iter().filter(|band| band.from < to && from < band.to);
    let mut names: Vec<&str> = phases.map(|phase| phase.name).collect();
    names.extend(faults.map(|band| band.fault.as_str()));
    names.dedup();
    names.join(", ")
}

/// The PBS curve and the histogram.
pub(super) fn of_staleness(metrics: &Metrics) -> Markup {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    html! {
        details {
            summary { "These as tables" }
            @if !metrics.pbs.is_empty() { (scroller("staleness by time since the write", &html! { table {
                thead { tr {
                    th scope="col" { "time since the write" } th.number scope="col" { "reads" } th.number scope="col" { "stale" }
                    th.number scope="col" { "share" } th.number scope="col" { "95 % interval" }
                } }
                tbody { @for bin in &metrics.pbs { tr {
                    td { (millis(bin.from)) " to " (millis(bin.to)) }
                    td.number { (thousands(bin.reads)) }
                    td.number { (thousands(bin.stale)) }
                    td.number { (percent(bin.stale as f64 / bin.reads.max(1) as f64)) }
                    td.number { (percent(bin.wilson_low)) " to " (percent(bin.wilson_high)) }
                } } }
            } })) }
            @if !metrics.staleness_histogram.is_empty() { (scroller("how stale reads were", &html! { table {
                thead { tr { th scope="col" { "staleness" } th.number scope="col" { "reads" } } }
                tbody { @for bin in &metrics.staleness_histogram { tr {
                    td { (millis(bin.from)) " to " (millis(bin.to)) }
                    td.number { (thousands(bin.reads)) }
                } } }
            } })) }
        }
    }
}
