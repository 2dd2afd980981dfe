use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::extract::{Query, State};
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use super::{
    layout::{Answer, layout, outcome_class, outcome_glyph},
    list::{began, choice, encode, fault_name, short},
    shelf::{Entry, Shelf},
};
use crate::report::{TrendPoint, page::scroller, trend as trend_plot};

/// The most runs in a trend: the newest.
const TREND: usize = 200;

/// Strategies by faults: the newest run of each, and what held.
pub(super) async fn matrix(shelf: &Arc<Shelf>) -> Markup {
    let entries = shelf.entries().await;
    let mut newest: BTreeMap<(String, String), &Entry> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.state.is_judged()) {
        let place = (entry.line().strategy.clone(), fault_name(entry.line()));
        newest.entry(place).or_insert(entry);
    }
    let strategies: BTreeSet<&String> = newest.keys().map(|(strategy, _)| strategy).collect();
    let faults: BTreeSet<&String> = newest.keys().map(|(_, fault)| fault).collect();
    html! {
            p.hint { "The newest run of each strategy under each fault: the strongest guarantee that held. ✓ what was asked for held, ✗ it did not, ? nothing was shown." }
            @if newest.is_empty() { p { "There are no finished runs yet." } }
            (scroller("overview", &html! { table.matrix {
                thead { tr { th { "strategy" } @for fault in &faults { th scope="col" { (fault) } } } }
                tbody { @for strategy in &strategies { tr {
                    th scope="row" { (strategy) }
                    @for fault in &faults { (cell(newest.get(&((*strategy).clone(), (*fault).clone())))) }
                } } }
            } }))
    }
}

fn cell(entry: Option<&&Entry>) -> Markup {
    let Some(entry) = entry else { return html! { td.sub { "–" } } };
    let line = entry.line();
    html! {
        td class=(outcome_class(&line.outcome)) {
            (outcome_glyph(&line.outcome))
            a href={ "/run/" (line.run) } title={ (line.outcome) ": " (line.run) } { (line.strongest) }
            br; a.sub href={ "/trend?strategy=" (encode(&line.strategy)) "&fault=" (encode(&fault_name(line))) } { "trend" }
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TrendFilter {
    strategy: String,
    fault: String,
}

/// How a strategy did under a fault from run to run.
pub(super) async fn trend(
    State(shelf): State<Arc<Shelf>>,
    Query(asked): Query<TrendFilter>,
) -> Answer {
    let entries = shelf.entries().await;
    let finished = || entries.iter().filter(|entry| entry.state.is_judged());
    let strategies = finished().map(|entry| entry.line().strategy.clone()).collect();
    let faults = finished().map(|entry| fault_name(entry.line())).collect();
    let mut chosen: Vec<&Entry> = finished()
        .filter(|entry| asked.strategy.is_empty() || entry.line().strategy == asked.strategy)
        .filter(|entry| asked.fault.is_empty() || fault_name(entry.line()) == asked.fault)
        .take(TREND)
        .collect();
    chosen.reverse();
    let points: Vec<TrendPoint> = chosen
        .iter()
        .map(|entry| TrendPoint {
            run: entry.line().run.clone(),
            commit: entry.line().commit.clone(),
            share: entry.line().stale_reads as f64 / entry.line().reads_at_risk.max(1) as f64,
        })
        .collect();
    let cases: BTreeSet<String> = chosen.iter().map(|entry| entry.case()).collect();
    // Of several cases no one bound holds.
    let accepted = cases.first().filter(|_| cases.len() == 1).and_then(|case| shelf.accepts(case));
    let body = html! {
        section {
            form.filters method="get" action="/trend" {
                (choice("strategy", &asked.strategy, &strategies))
                (choice("fault", &asked.fault, &faults))
                button { "show" }
            }
            @if asked.strategy.is_empty() || asked.fault.is_empty() {
                p.hint { "Runs of different strategies or faults stand in one line here: choose one of each to see how it went from run to run." }
            }
            @if points.is_empty() { p { "No finished run fits." } } @else {
                (scroller("trend", &PreEscaped(trend_plot(&points, accepted))))
            }
            (scroller("runs", &html! { table {
                thead { tr { th.number { "no." } th { "run" } th { "began" } th { "commit" } th { "outcome" } th { "strongest" } th.number { "stale" } } }
                tbody { @for (at, entry) in chosen.iter().enumerate() { tr {
                    td.number { (at + 1) }
                    td.name { a href={ "/run/" (entry.folder.name) } { (entry.folder.name) } }
                    td { (began(entry.folder.name.as_str())) }
                    td.name { (short(&entry.line().commit)) }
                    td class=(outcome_class(&entry.line().outcome)) { (outcome_glyph(&entry.line().outcome)) (entry.line().outcome) }
                    td { (entry.line().strongest) }
                    td.number { (format!("{:.2} %", points[at].share * 100.0)) }
                } } }
            } }))
        }
    };
    Ok(layout("Trend", &body))
}
