use axum::{
    extract::Query,
    http::{HeaderValue, header},
    response::{Html, IntoResponse as _, Response},
};
use maud::{Markup, html};
use quarrel_checkers::Time;
use quarrel_run::results::{RunFolder, RunSettings, RunState, load_run};
use serde::Deserialize;

use super::{
    chosen::Chosen,
    layout::{layout, missing},
    notes,
    shelf::{Neighbours, Shelf, judged},
};
use crate::report::{
    View, command_line,
    page::{self as report_page, Part},
};

/// A run: its report, or how far it is.
pub(super) async fn page(Chosen { shelf, folder }: Chosen) -> Response {
    let state = Shelf::state(&folder).await;
    let beside = neighbours(&shelf.neighbours(&folder).await, &folder);
    if !folder.is_complete() && !state.is_judged() {
        return progress(&folder, &state, &beside);
    }
    let made = shelf.report(folder).await;
    answer(made.map(|page| report_page::beside(&page, &beside)))
}

/// Ways to other runs.
fn neighbours(of: &Neighbours, folder: &RunFolder) -> Markup {
    let name = &folder.name;
    let notes = notes::count(folder);
    let way = |words: &str, to: &Option<String>, rel: &str| {
        html! { @if let Some(run) = to { a href={ "/run/" (run) } rel=(rel) title=(run) { (words) } } }
    };
    html! {
        nav.runs aria-label="runs" {
            a href="/" { "Runs" }
            (way("‹ previous", &of.previous, "prev"))
            (way("next ›", &of.next, "next"))
            @if let Some(other) = &of.same_case {
                a href={ "/compare?a=" (other) "&b=" (name) } title=(other) { "compare with the last of this case" }
            }
            a href={ "/run/" (name) "/notes" } { "Notes" @if notes > 0 { " (" (notes) ")" } }
            a href="/matrix" { "Matrix" }
            a href="/trend" { "Trend" }
        }
    }
}

/// A stretch of a run, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Stretch {
    from: u64,
    to: u64,
}

/// A run's report with all operations of a stretch of it: what a report of
/// very many operations leaves out.
pub(super) async fn window(
    Chosen { shelf, folder }: Chosen,
    Query(stretch): Query<Stretch>,
) -> Response {
    let part = Part::Window(Time::from_millis(stretch.from), Time::from_millis(stretch.to));
    let made = shelf.heavy(move || {
        let run = load_run(folder).ok()?;
        let verdict = Shelf::verdict(&run.folder).or_else(|| judged(&run))?;
        Some(report_page::page_of(&View::new(&run, &verdict), part))
    });
    answer(made.await)
}

/// A report, or what to do if it cannot be had.
pub(super) fn answer(page: Option<String>) -> Response {
    match page {
        Some(text) => {
            let mut response = Html(text).into_response();
            // What stands in the page cannot be trusted: it may have been
            // written by anybody. Only the script of our reports runs in it.
            let policy = format!("{}; frame-ancestors 'none'", report_page::policy());
            if let Ok(policy) = HeaderValue::from_str(&policy) {
                response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            }
            response
        }
        _ => missing("This run cannot be read; quarrel check says why."),
    }
}

/// The report, made of what the run recorded. The one that is in its folder may
/// be a stranger's, who can have written anything into it.
pub(super) fn report(folder: &RunFolder) -> Option<String> {
    let run = load_run(folder.clone()).ok()?;
    let verdict = Shelf::verdict(&run.folder).or_else(|| judged(&run))?;
    Some(report_page::page(&View::new(&run, &verdict)))
}

fn progress(folder: &RunFolder, state: &RunState, beside: &Markup) -> Response {
    let text = folder.text(RunFolder::SETTINGS).unwrap_or_default();
    let settings: Option<RunSettings> = toml::from_str(&text).ok();
    let (strategy, faults, time) = settings
        .map(|settings| (settings.strategy, settings.faults.join(" "), settings.time_ms))
        .unwrap_or_default();
    let body = html! {
        (beside)
        @if let (false, Some(reason)) = (matches!(state, RunState::Live(_)), state.reason()) {
            section.verdictless { p { b.warn { "? " (state.line().outcome) } ": " (reason) } }
        }
        section id="live" data-events={ "/run/" (folder.name) "/live" } {
            h2 { (strategy) " under " @if faults.is_empty() { "no fault" } @else { (faults) } }
            progress id="live-bar" max=(time.max(1)) value="0" aria-label="time of the storm" {}
            dl.facts {
                div { dt { "time" } dd id="live-time" { "–" } }
                div { dt { "operations" } dd id="live-operations" { "–" } }
                div { dt { "a second" } dd id="live-rate" { "–" } }
                div { dt { "stale reads so far" } dd id="live-stale" { "–" } }
                div { dt { "failed or unknown" } dd id="live-failed" { "–" } }
            }
            p { "faults that are on: " b id="live-faults" role="status" { "none" } }
            p.hint id="live-quiet" {}
            p.hint {
                "Its report comes here when it has ended. If it was killed, "
                code { (command_line(["quarrel", "report", &folder.called()])) } " judges it up to where it was saved."
            }
        }
    };
    layout(&folder.name, &body).into_response()
}
