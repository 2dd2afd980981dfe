use std::collections::BTreeSet;

use maud::{Markup, PreEscaped, html};
use quarrel_checkers::{Anomaly, millis};

use crate::report::{Timeline, command_line, explain, terminal::headline, view::View, zoom};

/// How many anomalies are drawn; the others stand in a table.
const DRAWN: usize = 8;

/// Which anomalies a person should look at first: of every class and cause
/// the worst, then the worst of other keys. As positions.
pub(in crate::report) fn worth_drawing(anomalies: &[Anomaly], most: usize) -> Vec<usize> {
    let mut kinds = BTreeSet::new();
    let mut chosen: Vec<usize> = (0..anomalies.len())
        .filter(|at| kinds.insert((anomalies[*at].class, anomalies[*at].cause)))
        .take(most)
        .collect();
    // The worst reads are often of one key, within a moment: other keys tell
    // more.
    let mut keys = BTreeSet::new();
    let other = (0..anomalies.len()).filter(|at| keys.insert(anomalies[*at].key));
    let rest: Vec<usize> =
        other.filter(|at| !chosen.contains(at)).take(most - chosen.len()).collect();
    chosen.extend(rest);
    chosen.sort_unstable();
    chosen
}

/// Whether an anomaly's picture is seen at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Open,
    Folded,
}

/// Every anomaly: the first ones as pictures, all in a table.
pub(super) fn anomalies(view: &View<'_>) -> Markup {
    let found = &view.verdict.anomalies;
    let drawn = worth_drawing(found, DRAWN);
    html! {
        section id="anomalies" {
            h2 { "Anomalies" }
            @if found.is_empty() {
                p { "None was found." }
            } @else {
                p.hint {
                    "Colours of steps: " (site("cache")) " " (site("replica")) " " (site("primary"))
                    ". Time is stretched where steps are dense; every step has its true time. "
                    "Red is the way that the wrong value took; striped is what the primary had overtaken."
                }
                @for (rank, at) in drawn.iter().enumerate() {
                    (anomaly(view, *at, if rank == 0 { Shown::Open } else { Shown::Folded }))
                }
                @if found.len() > drawn.len() { (table(view)) }
            }
        }
    }
}

fn site(name: &str) -> Markup {
    html! { span.legend style="display:inline" { i style={ "--k:var(--" (name) ")" } {} (name) } }
}

fn anomaly(view: &View<'_>, at: usize, shown: Shown) -> Markup {
    let anomaly = &view.verdict.anomalies[at];
    let number = at + 1;
    let cause = anomaly.cause.map(explain::cause);
    // A race can be cut out of the run if its steps show the value's way.
    let is_told = view.evidence.as_ref().is_some_and(|e| e.is_retold(anomaly));
    let timeline = view.evidence.as_ref().map(|evidence| Timeline::of(evidence, anomaly));
    let picture =
        view.evidence.as_ref().and_then(|evidence| zoom::zoom(view.run, evidence, anomaly, number));
    html! {
        details open[shown == Shown::Open] id={ "anomaly-" (number) } {
            summary {
                (number) ". " (headline(view.evidence.as_ref(), anomaly)) " "
                span.sub { (anomaly.class) @if let Some(cause) = cause { " / " (cause.name) } }
            }
            @if let Some(cause) = cause {
                p { b { (cause.name) } ": " (cause.summary) ". " (cause.text) }
                @if !cause.cures.is_empty() {
                    p { "What helps:" }
                    ul { @for cure in cause.cures { li { (cure) } } }
                }
            }
            @if let Some(picture) = picture {
                div.scroll { (PreEscaped(picture)) }
            }
            @if let Some(timeline) = timeline {
                pre { code { (timeline) } }
            }
            @if is_told {
                p { "Again, step by step: " code { (command_line(["quarrel", "replay", &format!("{}:{number}", view.run.folder.called())])) } }
            }
            p.hint { (anomaly.explanation) }
            button type="button" data-anomaly=(number) hidden { "show it in the timeline" }
        }
    }
}

fn table(view: &View<'_>) -> Markup {
    html! {
        details {
            summary { "All " (view.verdict.anomalies.len()) " that are kept as evidence" }
            div.scroll {
                table {
                    thead { tr {
                        th scope="col" { "no." } th scope="col" { "class" } th scope="col" { "cause" }
                        th.number scope="col" { "key" } th.number scope="col" { "stale for" }
                        th.number scope="col" { "versions behind" } th scope="col" { "what" } th {}
                    } }
                    tbody {
                        @for (at, anomaly) in view.verdict.anomalies.iter().enumerate() {
                            tr {
                                td { (at + 1) }
                                td { (anomaly.class) }
                                td { @if let Some(cause) = anomaly.cause { (cause) } }
                                td.number { @if let Some(key) = anomaly.key { (key) } }
                                td.number {
                                    @if !anomaly.stale_for.is_zero() { (millis(anomaly.stale_for)) }
                                }
                                td.number { @if anomaly.versions_behind > 0 { (anomaly.versions_behind) } }
                                td { (headline(view.evidence.as_ref(), anomaly)) }
                                td { button type="button" data-anomaly=(at + 1) hidden { "show" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
