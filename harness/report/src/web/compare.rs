use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use maud::{Markup, PreEscaped, html};
use quarrel_checkers::{F, Key, Time};
use quarrel_run::results::{LoadedRun, RunFolder, VerdictFile, load_run};
use serde::Deserialize;

use super::{
    layout::{layout, missing, outcome_class, outcome_glyph},
    shelf::{Shelf, judged},
};
use crate::report::{Band, OperationEnd, View, overlaid_pbs, page::scroller};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pair {
    a: String,
    b: String,
}

/// One of two runs, with all that is compared.
struct Side {
    run: LoadedRun,
    verdict: VerdictFile,
}

/// A stretch of a run between changes of its faults.
struct Phase {
    name: String,
    reads: u64,
    stale: u64,
    worst: Duration,
}

/// Two runs beside each other.
pub(super) async fn page(State(shelf): State<Arc<Shelf>>, Query(pair): Query<Pair>) -> Response {
    let names: Vec<String> = shelf
        .entries()
        .await
        .into_iter()
        .filter(|entry| entry.state.is_judged())
        .take(500)
        .map(|entry| entry.folder.name)
        .collect();
    let form = form(&names, &pair);
    if pair.a.is_empty() || pair.b.is_empty() {
        let body = html! { section { (form) p { "Choose two runs." } } };
        return layout("Compare", &body).into_response();
    }
    let (Some(a), Some(b)) = (shelf.run(&pair.a), shelf.run(&pair.b)) else {
        return missing("One of these runs is not here.");
    };
    match shelf.heavy(move || Some(compare(&read(a)?, &read(b)?))).await {
        Some(compared) => {
            let body = html! { section { (form) } (compared) };
            layout("Compare", &body).into_response()
        }
        _ => missing("One of these runs cannot be read; quarrel check says why."),
    }
}

fn form(names: &[String], pair: &Pair) -> Markup {
    let field = |name: &str, chosen: &str| {
        html! {
            label { "run " (name)
                select name=(name) {
                    option value="" { "choose" }
                    @for run in names { option value=(run) selected[run == chosen] { (run) } }
                }
            }
        }
    };
    html! {
        form.filters method="get" action="/compare" {
            (field("a", &pair.a)) (field("b", &pair.b)) button { "compare" }
        }
    }
}

fn read(folder: RunFolder) -> Option<Side> {
    let run = load_run(folder).ok()?;
    let verdict = match Shelf::verdict(&run.folder) {
        Some(verdict) => verdict,
        None => judged(&run)?,
    };
    Some(Side { run, verdict })
}

fn compare(a: &Side, b: &Side) -> Markup {
    let (view_a, view_b) = (View::new(&a.run, &a.verdict), View::new(&b.run, &b.verdict));
    let curves = overlaid_pbs(&[
        (format!("a: {}", a.run.folder.name), &a.verdict.metrics.pbs),
        (format!("b: {}", b.run.folder.name), &b.verdict.metrics.pbs),
    ]);
    html! {
        section { h2 { "Numbers" } (numbers(&a.verdict, &b.verdict)) }
        section id="phases" { h2 { "By phase of the faults" } (phases(&view_a, &view_b)) }
        section id="curves" { h2 { "Staleness" } (scroller("curves of staleness", &PreEscaped(curves))) }
        section id="diverging" { h2 { "Where they part" } (diverging(&view_a, &view_b)) }
    }
}

fn numbers(a: &VerdictFile, b: &VerdictFile) -> Markup {
    let ms = |duration: Duration| format!("{:.1} ms", duration.as_secs_f64() * 1e3);
    let share = |verdict: &VerdictFile| {
        let metrics = &verdict.metrics;
        format!("{:.2} %", metrics.stale_reads as f64 * 100.0 / metrics.reads_at_risk.max(1) as f64)
    };
    let rows: Vec<(&str, String, String)> = [
        ("strategy", a.strategy.clone(), b.strategy.clone()),
        ("faults", a.faults.join(" "), b.faults.join(" ")),
        ("cluster", a.cluster.clone(), b.cluster.clone()),
        ("seed", a.seed.to_string(), b.seed.to_string()),
        ("strongest", a.strongest.to_string(), b.strongest.to_string()),
        ("reads at risk", a.metrics.reads_at_risk.to_string(), b.metrics.reads_at_risk.to_string()),
        ("stale reads", a.metrics.stale_reads.to_string(), b.metrics.stale_reads.to_string()),
        ("share of stale reads", share(a), share(b)),
        ("worst staleness", ms(a.metrics.worst_staleness), ms(b.metrics.worst_staleness)),
        ("99 % of stale reads", ms(a.metrics.staleness.p99), ms(b.metrics.staleness.p99)),
        ("lost writes", a.metrics.lost_updates.to_string(), b.metrics.lost_updates.to_string()),
        ("evidence kept", a.anomalies.len().to_string(), b.anomalies.len().to_string()),
    ]
    .into();
    let outcome = |verdict: &VerdictFile| {
        let word = verdict.outcome.to_string();
        html! { td class=(outcome_class(&word)) { (outcome_glyph(&word)) (word) } }
    };
    html! {
        (scroller("numbers", &html! { table {
            thead { tr { td {} th scope="col" { "a: " a href={ "/run/" (a.run) } { (a.run) } } th scope="col" { "b: " a href={ "/run/" (b.run) } { (b.run) } } } }
            tbody {
                tr { th scope="row" { "outcome" } (outcome(a)) (outcome(b)) }
                @for (name, left, right) in rows { tr { th scope="row" { (name) } td { (left) } td { (right) } } }
            }
        } }))
    }
}

/// The stretches between the changes of a run's faults.
fn stretches(bands: &[Band], end: Time) -> Vec<(String, Time, Time)> {
    let mut edges: Vec<Time> = vec![Time::ZERO, end];
    edges.extend(bands.iter().flat_map(|band| [band.from, band.to]));
    edges.sort_unstable();
    edges.dedup();
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    edges
        .windows(2)
        .map(|pair| {
            let on: Vec<&str> = bands
                .iter()
                .filter(|band| band.from <= pair[0] && pair[0] < band.to)
                .map(|band| band.fault.split('=').next().unwrap_or(&band.fault))
                .collect();
            let name = if on.is_empty() { "calm".to_owned() } else { on.join(" + ") };
            let number = numbers.entry(name.clone()).or_default();
            *number += 1;
            (format!("{name} {number}"), pair[0], pair[1])
        })
        .collect()
}

fn measure(view: &View<'_>) -> Vec<Phase> {
    stretches(&view.bands, view.end)
        .into_iter()
        .map(|(name, from, to)| {
            let reads = view.rows.iter().filter(|row| {
                row.f == F::Read
                    && row.ending == OperationEnd::Ok
                    && from <= row.start
                    && row.start < to
            });
            let mut phase = Phase { name, reads: 0, stale: 0, worst: Duration::ZERO };
            for read in reads {
                phase.reads += 1;
                phase.stale += u64::from(read.stale.is_some());
                phase.worst = phase.worst.max(read.stale.unwrap_or_default());
            }
            phase
        })
        .collect()
}

/// Phases of the same name and number stand in one row.
fn phases(a: &View<'_>, b: &View<'_>) -> Markup {
    let (left, right) = (measure(a), measure(b));
    let mut names: Vec<&str> = left.iter().map(|phase| phase.name.as_str()).collect();
    names.extend(
        right.iter().map(|p| p.name.as_str()).filter(|n| !left.iter().any(|p| p.name == *n)),
    );
    let cells = |phases: &[Phase], name: &str| match phases.iter().find(|phase| phase.name == name)
    {
        None => html! { td.number { "–" } td.number { "–" } td.number { "–" } },
        Some(phase) => html! {
            td.number { (phase.reads) }
            td.number { (format!("{:.1} %", phase.stale as f64 * 100.0 / phase.reads.max(1) as f64)) }
            td.number { (format!("{:.1} ms", phase.worst.as_secs_f64() * 1e3)) }
        },
    };
    html! {
        (scroller("phases", &html! { table {
            thead {
                tr { td {} th colspan="3" { "a" } th colspan="3" { "b" } }
                tr { th { "phase" } @for _ in 0..2 { th.number { "reads" } th.number { "stale" } th.number { "worst" } } }
            }
            tbody { @for name in names { tr { th scope="row" { (name) } (cells(&left, name)) (cells(&right, name)) } } }
        } }))
    }
}

/// The first key on which one run had a stale read and the other had not.
fn diverging(a: &View<'_>, b: &View<'_>) -> Markup {
    let first = |view: &View<'_>| {
        let mut first: BTreeMap<Key, Time> = BTreeMap::new();
        for row in view.rows.iter().filter(|row| row.stale.is_some()) {
            if let Some(key) = row.key {
                first.entry(key).or_insert(row.start);
            }
        }
        first
    };
    let (left, right) = (first(a), first(b));
    let one_sided = left
        .iter()
        .filter(|(key, _)| !right.contains_key(key))
        .map(|(key, time)| (*time, *key, "a", "b"))
        .chain(
            right
                .iter()
                .filter(|(key, _)| !left.contains_key(key))
                .map(|(key, time)| (*time, *key, "b", "a")),
        )
        .min();
    html! {
        p {
            "Keys with stale reads: " (left.len()) " in a, " (right.len()) " in b. "
            @match one_sided {
                Some((time, key, bad, good)) => {
                    "The first on which they part is key " b { (key) } ": run " (bad)
                    " read it stale at " (format!("{:.3} s", time.as_nanos() as f64 / 1e9))
                    ", run " (good) " never."
                }
                None => { "Every key with stale reads in one has some in the other." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_of_the_same_name_are_numbered() {
        let band = |from, to| Band {
            fault: "replica-lag=200ms".to_owned(),
            from: Time::from_millis(from),
            to: Time::from_millis(to),
            observed: None,
        };
        let names: Vec<_> = stretches(&[band(5, 9), band(12, 15)], Time::from_millis(20))
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        assert_eq!(names, ["calm 1", "replica-lag 1", "calm 2", "replica-lag 2", "calm 3"]);
    }
}
