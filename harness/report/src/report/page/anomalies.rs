use std::collections::BTreeSet;

use maud::{Markup, PreEscaped, html};
use quarrel_checkers::{Anomaly, millis};

use super::scroller::scroller;
use crate::report::{
    Timeline,
    again::again,
    command_line, explain,
    terminal::{cause_told, headline, printable, why},
    view::View,
    zoom::{self, Pictures},
};

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

/// The first anomaly, whose headline is the page's: the picture, what it was,
/// what helps, and how to see it again.
pub(super) fn first(view: &View<'_>) -> Markup {
    let found = &view.verdict.anomalies;
    let Some(at) = worth_drawing(found, DRAWN).first().copied() else { return html! {} };
    html! {
        section id="anomaly" {
            h2 { "How it came about" }
            div id={ "anomaly-" (at + 1) } { (story(view, at)) }
        }
    }
}

/// The other anomalies: the ones worth it as pictures, all in a table.
pub(super) fn others(view: &View<'_>) -> Markup {
    let found = &view.verdict.anomalies;
    let drawn = worth_drawing(found, DRAWN);
    html! {
        section id="anomalies" {
            h2 { @if found.len() > 1 { "Other anomalies" } @else { "Anomalies" } }
            @match found.len() {
                0 => p { "None was found." },
                1 => p { "The one above is all that was found." },
                _ => {
                    @for at in drawn.iter().skip(1) { (folded(view, *at)) }
                    @if found.len() > drawn.len() { (table(view)) }
                },
            }
        }
    }
}

fn folded(view: &View<'_>, at: usize) -> Markup {
    let anomaly = &view.verdict.anomalies[at];
    html! {
        details id={ "anomaly-" (at + 1) } {
            summary {
                (at + 1) ". " (headline(view.evidence.as_ref(), anomaly)) " "
                span.sub { (anomaly.class) @if let Some(cause) = anomaly.cause { " / " (cause) } }
            }
            (story(view, at))
        }
    }
}

fn site(name: &str) -> Markup {
    html! { span.legend style="display:inline" { i style={ "--k:var(--" (name) ")" } {} (name) } }
}

/// An anomaly from its picture to its steps.
fn story(view: &View<'_>, at: usize) -> Markup {
    let anomaly = &view.verdict.anomalies[at];
    let number = at + 1;
    let evidence = view.evidence.as_ref();
    let pictures = evidence.and_then(|evidence| zoom::zoom(view.run, evidence, anomaly, number));
    let timeline = evidence.map(|evidence| Timeline::of(evidence, anomaly));
    let reason = match (evidence, &timeline) {
        (Some(evidence), Some(timeline)) => why(evidence, &timeline.names, anomaly),
        _ => printable(&anomaly.explanation),
    };
    html! {
        @if let Some(pictures) = pictures { (picture(&pictures)) }
        p.why { (reason) "." }
        @if let Some(cause) = anomaly.cause {
            @let entry = explain::cause(cause);
            @let told = cause_told(evidence, view.verdict, anomaly).unwrap_or(entry.summary);
            p.cause { b { (cause) } ": " (told) "." }
            @if !entry.cures.is_empty() {
                p { b { "What helps:" } }
                ul.cures { @for cure in entry.cures { li { (cure) } } }
            }
        }
        (reproduce(view, at))
        button type="button" data-anomaly=(number) hidden { "show it in the timeline" }
        @if let Some(timeline) = timeline { (steps(&timeline)) }
        @if let Some(cause) = anomaly.cause {
            details { summary { "More about " (cause) } p { (explain::cause(cause).text) } }
        }
    }
}

/// Lying for wide screens, standing for narrow ones.
fn picture(pictures: &Pictures) -> Markup {
    html! {
        figure.race {
            div.lying { (scroller("the picture of the anomaly", &PreEscaped(pictures.lying.clone()))) }
            div.standing { (PreEscaped(&pictures.standing)) }
            figcaption {
                "Red is the way that the wrong value took; striped is what the primary had overtaken. Steps at the "
                (site("cache")) " " (site("replica")) " " (site("primary"))
                "; every one has its true time, the distances are not to scale."
            }
        }
    }
}

/// The command that shows it again.
fn reproduce(view: &View<'_>, at: usize) -> Markup {
    let anomaly = &view.verdict.anomalies[at];
    // A race can be cut out of the run if its steps show the value's way.
    let is_told = view.evidence.as_ref().is_some_and(|evidence| evidence.is_retold(anomaly));
    let replay = format!("{}:{}", view.run.folder.called(), at + 1);
    html! {
        @if is_told && view.run.settings.app.is_none() {
            p { b { "Reproduce:" } " " code { (command_line(["quarrel", "replay", &replay])) } }
        } @else {
            p { b { "Run again:" } " " code { (again(view.run)) } }
        }
    }
}

/// Its steps in words: in a line each, on narrow screens in two.
fn steps(timeline: &Timeline) -> Markup {
    html! {
        h3 { "Step by step" }
        ol.told {
            @for row in &timeline.rows {
                li class={ (row.site) @if row.is_wrong { " wrong" } } {
                    span.at { "t=" (row.at) }
                    span.call { (row.who) ": " (row.call) }
                    span.reply { "→ " (row.reply) }
                    span.note { (row.note) }
                }
            }
        }
    }
}

fn table(view: &View<'_>) -> Markup {
    html! {
        details {
            summary { "All " (view.verdict.anomalies.len()) " that are kept as evidence" }
            (scroller("all anomalies", &html! {
                table {
                    thead { tr {
                        th scope="col" { "no." } th scope="col" { "class" } th scope="col" { "cause" }
                        th.number scope="col" { "key" } th.number scope="col" { "stale for" }
                        th.number scope="col" { "versions behind" } th scope="col" { "what" } td {}
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
            }))
        }
    }
}
