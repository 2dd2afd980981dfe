//! `report.html`: one self-contained file that opens offline, from a disk or
//! in a sandboxed frame.
//!
//! What must be readable without a script (verdict, anomalies, plots, tables)
//! is static; the timeline is drawn by a script from columns that the page
//! carries. Values come from histories, so every one of them is escaped, and
//! the page's policy lets no script run but its own.

mod anomalies;
mod data;
mod outline;
mod pack;
mod scroller;
mod sections;
mod tables;

pub(super) use anomalies::worth_drawing;
pub use data::Part;
pub(super) use data::kept;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use quarrel_run::results::RunOutcome;
use sha2::{Digest as _, Sha256};

pub(crate) use self::scroller::scroller;
use super::{
    plots::{self, Figure, Series},
    terminal::headline,
    view::View,
};

const STYLE: &str =
    concat!(include_str!("../assets/page.css"), include_str!("../assets/figure.css"));

const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("../assets/decode.js"),
    include_str!("../assets/model.js"),
    include_str!("../assets/lod.js"),
    include_str!("../assets/filter.js"),
    include_str!("../assets/chart.js"),
    include_str!("../assets/boxes.js"),
    include_str!("../assets/panels.js"),
    include_str!("../assets/detail.js"),
    include_str!("../assets/table.js"),
    include_str!("../assets/logs.js"),
    include_str!("../assets/main.js"),
    "})();\n"
);

/// The page's own styles, for other pages that should look alike.
#[must_use]
pub fn style() -> &'static str {
    STYLE
}

/// The whole page.
#[must_use]
pub fn page(view: &View<'_>) -> String {
    page_of(view, Part::Whole)
}

/// The page with a part of the run's operations.
#[must_use]
pub fn page_of(view: &View<'_>, part: Part) -> String {
    let series = Series::of(view);
    let over_time = plots::over_time(view, &series);
    let of_staleness = plots::of_staleness(view);
    let data = data::data(view, &series, part, data::MOST);
    let title =
        format!("{} {}: {}", view.verdict.strategy, view.run.folder.id, view.verdict.outcome);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(view))
                main {
                    (anomalies::first(view))
                    (sections::verdict(view))
                    (anomalies::others(view))
                    (timeline(view, &over_time))
                    (staleness(view, &of_staleness))
                    (sections::keys(view))
                    (operations())
                    (sections::run(view))
                }
                (help())
                script type="application/json" id="meta" { (PreEscaped(&data.meta)) }
                @for (name, column) in &data.columns {
                    script type="text/plain" id={ "c-" (name) } { (PreEscaped(column)) }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// A page that was made before, with something of those who serve it on top:
/// what stands in a page never changes, what is beside it does.
#[must_use]
pub fn beside(page: &str, top: &Markup) -> String {
    // No value of a history can look like the element: none is markup.
    page.replacen("<body>", &format!("<body>{}", top.0), 1)
}

/// The page's policy: its own script, its own styles, and nothing else.
#[must_use]
pub fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{hash}'; style-src 'unsafe-inline'; \
         img-src data:; base-uri 'none'; form-action 'none'"
    )
}

fn head(view: &View<'_>) -> Markup {
    let verdict = view.verdict;
    let said = match (verdict.outcome, verdict.anomalies.first()) {
        (RunOutcome::Violated, Some(anomaly)) => headline(view.evidence.as_ref(), anomaly),
        _ => super::verdict_line(verdict),
    };
    html! {
        header class=(verdict.outcome) {
            p.outcome { (verdict.outcome) @if verdict.simulated { " · simulated stores" } }
            h1 { (said) }
            p.sub {
                @if view.run.settings.app.is_some() { "application " } @else { "strategy " }
                b { (verdict.strategy) } " on " (verdict.cluster) ", "
                (sections::faults_in_words(verdict)) ", held to " b { (verdict.expected) }
                "; strongest guarantee that held: " b { (verdict.strongest) }
            }
            nav aria-label="parts of the report" {
                @if !verdict.anomalies.is_empty() { a href="#anomaly" { "Picture" } }
                a href="#verdict" { "Verdict" }
                a href="#anomalies" { "Anomalies" }
                a href="#timeline" { "Timeline and plots" }
                a href="#staleness" { "Staleness" }
                a href="#keys" { "Keys" }
                a href="#operations" { "Operations" }
                a href="#run" { "Run" }
            }
        }
    }
}

fn timeline(view: &View<'_>, over_time: &[Figure]) -> Markup {
    html! {
        section id="timeline" {
            h2 { "Timeline" }
            div.needs-js {
                div.bar role="toolbar" aria-label="timeline" {
                    button type="button" data-act="before" { "◂ anomaly" kbd { "p" } }
                    button type="button" data-act="next" { "anomaly ▸" kbd { "n" } }
                    button type="button" data-act="back" { "◂ step" kbd { "k" } }
                    button type="button" data-act="step" { "step ▸" kbd { "j" } }
                    button type="button" data-act="closer" { "closer" kbd { "+" } }
                    button type="button" data-act="farther" { "farther" kbd { "-" } }
                    button type="button" data-act="all" { "whole run" kbd { "0" } }
                    button type="button" data-act="even" { "even spacing" kbd { "e" } }
                    input id="filter" type="search" placeholder="filter: key:7 stale>20ms"
                        aria-label="filter operations" spellcheck="false" autocomplete="off";
                    button type="button" data-act="help" { "help" kbd { "?" } }
                }
                p id="anomaly-name" aria-live="polite" {}
                div id="work" {
                    div id="stage" tabindex="0" role="application"
                        aria-label="timeline of operations; the table of operations below has the same data" {
                        canvas id="chart" {}
                        canvas id="over" {}
                    }
                    div id="detail" tabindex="0" role="group" aria-live="polite" aria-label="what is selected" {}
                }
                p.hint { span id="status" role="status" { "decoding…" } " " a id="rest" hidden { "carry what is in sight" } }
            }
            (legend(view))
            div.needs-js id="said" aria-label="what the servers said in sight" hidden {}
            div.without-js {
                p.hint { "Without a script these plots stand in for the timeline." }
                @for plot in over_time {
                    @match plot.nothing {
                        Some(words) => p { (words) },
                        None => (figure(plot)),
                    }
                }
            }
            (tables::over_time(view))
        }
    }
}

fn legend(view: &View<'_>) -> Markup {
    let entry = |class: &str, colour: &str, text: &str| {
        html! { li { i class=(class) style={ "--k:var(--" (colour) ")" } {} (text) } }
    };
    html! {
        ul.legend aria-label="what the colours mean" {
            (entry("", "read", "read"))
            (entry("", "write", "write"))
            (entry("", "stale", "stale read (full height)"))
            (entry("hatched", "failed", "failed, or open-ended: outcome unknown"))
            (entry("", "cache", "step at the cache"))
            (entry("", "replica", "at the replica"))
            (entry("", "primary", "at the primary"))
            @if !view.bands.is_empty() {
                (entry("asked", "fault", "fault asked for"))
                (entry("seen", "fault", "fault observed"))
            }
        }
    }
}

fn staleness(view: &View<'_>, plots: &[Figure]) -> Markup {
    html! {
        section id="staleness" {
            h2 { "Staleness" }
            @if plots.is_empty() {
                p { "No read was at risk of being stale: there is nothing to draw." }
            }
            @for plot in plots {
                (figure(plot))
            }
            @if !plots.is_empty() { (tables::of_staleness(&view.verdict.metrics)) }
        }
    }
}

fn figure(plot: &Figure) -> Markup {
    html! {
        figure {
            (scroller(plot.name, &PreEscaped(plot.svg.clone())))
            figcaption { (plot.caption) }
        }
    }
}

fn operations() -> Markup {
    html! {
        section id="operations" {
            h2 { "Operations" }
            p.hint.without-js { "The table needs a script; quarrel check --format json and the run's history.jsonl.zst have the same data." }
            div.scroll.needs-js id="operation-table" tabindex="0" role="group" aria-label="operations" {}
        }
    }
}

fn help() -> Markup {
    let keys = [
        ("n p", "next and previous anomaly: zoom to it, dim the rest, show what the stores held"),
        (
            "j k",
            "next and previous step of the anomaly, or of the selected key, with all state beside it",
        ),
        (
            "click",
            "an operation: its steps, the state of the stores, and where its value came from",
        ),
        (
            "drag, wheel",
            "move, and zoom at the cursor (once the timeline was clicked; with Ctrl always)",
        ),
        ("shift-drag", "measure a time"),
        ("+ - ← →", "zoom and move"),
        ("0", "the whole run"),
        ("e", "even spacing, and back to true time"),
        (
            "/",
            "filter: key:7 client:3 f:write stale stale>20ms took>5ms hit miss failed unknown version:98 value:text during:replica-lag after:2s before:3s; -word for the opposite",
        ),
        ("c", "copy a link to what is in sight"),
        ("m", "a note on what is selected or in sight, where quarrel serve keeps them"),
        ("Esc", "leave the anomaly, the filter's field or this help"),
    ];
    html! {
        dialog id="help" aria-label="keys" {
            h2 { "Keys and mouse" }
            table { @for (key, text) in keys { tr { td { kbd { (key) } } td { (text) } } } }
            form method="dialog" { button { "close" } }
        }
    }
}
