//! Strategies × faults: the matrices that `quarrel matrix` left, each cell with
//! its witnesses.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    extract::{Path as UrlPath, Query, State},
    response::{IntoResponse as _, Response},
};
use maud::{Markup, html};
use quarrel_checkers::{Guarantee, Validity, millis};
use quarrel_run::results::{
    CellBreak, CellOutcome, CellRung, MatrixCell, MatrixFile, RunFolder, is_inside, read_matrix,
    text_inside,
};
use serde::Deserialize;

use super::{
    files,
    layout::{layout, missing},
    list::encode,
    overview, run,
    shelf::Shelf,
};
use crate::report::{command_line, explain, matrix_legend, matrix_words, page::scroller};

/// What the page of matrices shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    /// A matrix by its folder's name; empty stands for the newest, or for the
    /// runs themselves where there is none.
    of: String,
}

/// The name by which the runs' own matrix is chosen.
const RUNS: &str = "runs";

/// The most matrices that can be chosen: the newest.
const LISTED: usize = 20;

/// Which cell of a matrix.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Place {
    strategy: String,
    fault: String,
}

/// A matrix: the newest, or the one that was asked for.
pub(super) async fn page(State(shelf): State<Arc<Shelf>>, Query(asked): Query<Choice>) -> Response {
    let newest = shelf.matrices().into_iter().rev().take(LISTED);
    let names: Vec<String> = newest.filter(|name| read(&shelf, name).is_some()).collect();
    let chosen = match asked.of.as_str() {
        "" => names.first().map_or(RUNS, String::as_str),
        name => name,
    };
    let form = choose(&names, chosen);
    if chosen == RUNS {
        let runs = overview::matrix(&shelf).await;
        let body = html! { section { (form) (runs) } };
        return layout("Matrix", &body).into_response();
    }
    let Some((_, matrix)) = read(&shelf, chosen) else {
        return missing("There is no matrix of this name that can be read.");
    };
    let body = html! { section { (form) (table(chosen, &matrix)) } };
    layout("Matrix", &body).into_response()
}

/// One cell: every guarantee that was looked at, and the races that broke it.
pub(super) async fn cell(
    State(shelf): State<Arc<Shelf>>,
    UrlPath(name): UrlPath<String>,
    Query(place): Query<Place>,
) -> Response {
    let Some((folder, matrix)) = read(&shelf, &name) else {
        return missing("There is no matrix of this name that can be read.");
    };
    let Some(cell) = matrix.cell(&place.strategy, &place.fault) else {
        return missing("This matrix has no such cell.");
    };
    let title = format!("{} under {}", cell.strategy, cell.fault);
    let body = html! {
        section {
            p { a href={ "/matrix?of=" (encode(&name)) } { "The whole matrix" } }
            (found(&name, &folder, &matrix, cell))
        }
        @for rung in &cell.rungs { (rung_section(&name, &folder, rung)) }
    };
    layout(&title, &body).into_response()
}

/// A file of a matrix.
pub(super) async fn file(
    State(shelf): State<Arc<Shelf>>,
    UrlPath((name, path)): UrlPath<(String, String)>,
) -> Response {
    let Some(folder) = shelf.matrix(&name) else {
        return missing("There is no matrix of this name.");
    };
    files::answer(folder, path).await
}

/// The report of a storm of a matrix.
pub(super) async fn report(
    State(shelf): State<Arc<Shelf>>,
    UrlPath((name, path)): UrlPath<(String, String)>,
) -> Response {
    let Some(folder) = shelf.matrix(&name) else {
        return missing("There is no matrix of this name.");
    };
    let Some(run) = RunFolder::within(&folder, &path) else {
        return missing("This matrix has no such run.");
    };
    run::answer(shelf.report(run).await)
}

fn read(shelf: &Shelf, name: &str) -> Option<(PathBuf, MatrixFile)> {
    let folder = shelf.matrix(name)?;
    let matrix = read_matrix(&folder).ok()?;
    Some((folder, matrix))
}

fn choose(names: &[String], chosen: &str) -> Markup {
    html! {
        form.filters method="get" action="/matrix" {
            label { "matrix"
                select name="of" {
                    @for name in names { option value=(name) selected[name == chosen] { (name) } }
                    option value=(RUNS) selected[chosen == RUNS] { "the newest run of each" }
                }
            }
            button { "show" }
        }
    }
}

/// How a cell looks: its class, and a glyph for those who do not see colours.
fn look(cell: &MatrixCell) -> (&'static str, &'static str) {
    match (cell.outcome, cell.strongest) {
        (CellOutcome::Held, _) => ("good", "✓ "),
        (CellOutcome::Broken, Some(Guarantee::None)) => ("bad", "✗ "),
        (CellOutcome::Broken, _) => ("warn", "◐ "),
        (CellOutcome::Refused, _) => ("sub", "– "),
        _ => ("sub", "? "),
    }
}

fn table(name: &str, matrix: &MatrixFile) -> Markup {
    html! {
        p { code { (matrix.command) } ", " (matrix.began) ", "
            @if matrix.simulated { "explored on simulated stores" } @else { "storms on " (matrix.cluster) } ". "
            a href={ "/matrix/" (encode(name)) "/file/matrix.json" } { "matrix.json" } }
        p.hint { "✓ linearizable · ◐ a weaker guarantee is what holds · ✗ none does · ? not decided · – not possible. " (matrix_legend(matrix)) }
        (scroller("matrix", &html! { table.matrix {
            thead { tr { th scope="col" { "strategy" } @for fault in &matrix.faults { th scope="col" { (fault) } } } }
            tbody { @for strategy in &matrix.strategies { tr {
                th scope="row" { (strategy) }
                @for fault in &matrix.faults { (table_cell(name, matrix.cell(strategy, fault))) }
            } } }
        } }))
    }
}

fn table_cell(name: &str, cell: Option<&MatrixCell>) -> Markup {
    let Some(cell) = cell else { return html! { td.sub { "not reached" } } };
    let (class, glyph) = look(cell);
    let (guarantee, detail) = matrix_words(cell);
    let place = format!(
        "/matrix/{}/cell?strategy={}&fault={}",
        encode(name),
        encode(&cell.strategy),
        encode(&cell.fault)
    );
    let witness = shortest(cell).map(|rung| format!("{place}#{}", rung.guarantee));
    html! {
        td class=(class) title=[&cell.note] {
            (glyph) a href=(place) { (guarantee) }
            @match (detail.is_empty(), witness) {
                (true, _) => {}
                (false, Some(witness)) => { br; a.sub href=(witness) { (detail) } }
                (false, None) => { br; span.sub { (detail) } }
            }
        }
    }
}

/// The rung whose break the cell tells of.
fn shortest(cell: &MatrixCell) -> Option<&CellRung> {
    let shortest = cell.shortest()?;
    let is_it = |rung: &&CellRung| rung.broken.as_ref().is_some_and(|b| std::ptr::eq(b, shortest));
    cell.rungs.iter().find(is_it)
}

/// What came of a cell, and on what that rests.
fn found(name: &str, folder: &std::path::Path, matrix: &MatrixFile, cell: &MatrixCell) -> Markup {
    let (class, glyph) = look(cell);
    let (guarantee, _) = matrix_words(cell);
    let told = cell.strongest.map(explain::guarantee);
    html! {
        p { "What holds: " b class=(class) { (glyph) (guarantee) } @if let Some(told) = told { ": " (told.summary) } "." }
        @if let Some(note) = &cell.note { p { (note) } }
        @if let Some(searched) = &cell.searched {
            p.hint { (searched.interleavings) " interleavings, " (searched.states) " states. Within: " (matrix.within) }
        }
        @if let Some(evidence) = &cell.evidence {
            p {
                (evidence.stale_reads) " of " (evidence.reads_at_risk) " reads at risk were stale, the worst "
                (millis(Duration::try_from_secs_f64(evidence.worst_staleness_ms / 1e3).unwrap_or_default())) "; "
                (evidence.faults_observed) " of " (evidence.faults_injected) " faults observed."
            }
            @let report = format!("{}/report.html", evidence.run);
            @if is_inside(folder, &report) {
                p { a href={ "/matrix/" (encode(name)) "/report/" (report.trim_end_matches("/report.html")) } { "The run's report" } }
            }
        }
    }
}

fn rung_section(name: &str, folder: &std::path::Path, rung: &CellRung) -> Markup {
    let (class, word) = match rung.validity {
        Validity::Valid => ("good", "✓ held"),
        Validity::Unknown => ("warn", "? open"),
        Validity::Invalid => ("bad", "✗ broken"),
    };
    html! {
        section id=(rung.guarantee) {
            h2 { (rung.guarantee) ": " span class=(class) { (word) }
                @if let Some(steps) = rung.below_steps { span.sub { ", everything with fewer than " (steps) " steps was searched" } } }
            p.hint { (explain::guarantee(rung.guarantee).summary) }
            @if let Some(broken) = &rung.broken { (witness(name, folder, broken)) }
        }
    }
}

/// How a guarantee was broken: the cause in words, and the race itself.
fn witness(name: &str, folder: &std::path::Path, broken: &CellBreak) -> Markup {
    let cause = explain::cause(broken.cause);
    let race = broken.race.as_ref().and_then(|path| Some((path, text_inside(folder, path).ok()?)));
    html! {
        p {
            @if let Some(steps) = broken.steps { "In " (steps) " steps: " }
            b { (broken.what) } ", because of " b { (cause.name) } ": " (cause.summary) "."
        }
        @if let Some((path, text)) = race {
            pre.race tabindex="0" role="group" aria-label="the race" { code { (text) } }
            p { "Again, on real servers: " code { (command_line(["quarrel", "replay", &folder.join(path).to_string_lossy()])) } " · "
                a href={ "/matrix/" (encode(name)) "/file/" (path) } { "the file" } }
        }
    }
}
