//! Notes of people on moments of a run, kept in its folder.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Json,
    extract::{Path as UrlPath, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use maud::html;
use quarrel_checkers::millis;
use quarrel_run::results::RunFolder;
use serde::{Deserialize, Serialize};

use super::{
    layout::{layout, missing},
    shelf::Shelf,
};

/// The file of a run's notes: JSON lines.
const FILE: &str = "notes.jsonl";

/// The longest note, in bytes, and the most that a run may have.
const LONGEST: usize = 2_000;
const MOST: usize = 1_000;

/// Whether those who look at results may leave notes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Noting {
    /// Nothing is written.
    #[default]
    Off,
    /// Notes are kept in the folders of runs.
    On,
}

/// Who may write: those who know the token, which is told on pages of this
/// server alone. Pages of others cannot read it.
#[derive(Debug)]
pub(super) struct Notebook {
    token: Option<String>,
    /// One writer at a time: a note is added to what is there.
    writing: Mutex<()>,
}

impl Notebook {
    pub(super) fn new(noting: Noting) -> Self {
        let token = (noting == Noting::On).then(|| format!("{:032x}", rand::random::<u128>()));
        Self { token, writing: Mutex::new(()) }
    }
}

/// A note on a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The moment, in milliseconds of the run.
    at_ms: u64,
    text: String,
    /// When it was made.
    noted: String,
}

/// A note to be kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewNote {
    at_ms: u64,
    text: String,
    token: String,
}

/// The moment that a page begins with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Moment {
    at_ms: u64,
}

/// The notes of a run, by their moments. A line that cannot be read is passed
/// over: the folder may be a stranger's.
fn notes(folder: &RunFolder) -> Vec<Note> {
    let text = folder.text(FILE).unwrap_or_default();
    let mut notes: Vec<Note> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    notes.truncate(MOST);
    notes.sort_by_key(|note| note.at_ms);
    notes
}

/// How many notes a run has.
pub(super) fn count(folder: &RunFolder) -> usize {
    notes(folder).len()
}

/// The notes of a run, and a form for another.
pub(super) async fn page(
    State(shelf): State<Arc<Shelf>>,
    UrlPath(name): UrlPath<String>,
    Query(moment): Query<Moment>,
) -> Response {
    let Some(folder) = shelf.run(&name) else {
        return missing("There is no run of this name.");
    };
    let run = format!("/run/{name}");
    let body = html! {
        section {
            p { a href=(run) { "The report" } }
            @for note in notes(&folder) {
                @let at = millis(std::time::Duration::from_millis(note.at_ms));
                p.note {
                    a href={ (run) "#ms=" (note.at_ms) } { "t=" (at) } " " (note.text)
                    span.sub { (note.noted) }
                }
            }
            @match &shelf.notebook.token {
                Some(token) => form id="note" data-to={ (run) "/notes" } data-token=(token) {
                    label { "moment, in ms of the run" input name="at_ms" type="number" min="0" required value=(moment.at_ms); }
                    label { "note" textarea name="text" required maxlength=(LONGEST) rows="3" {} }
                    button { "keep it" }
                    p.hint role="status" id="note-said" {}
                },
                None => p.hint { "Notes can be read here, and be written by " code { "quarrel serve --notes" } "." },
            }
        }
    };
    layout(&format!("Notes on {name}"), &body).into_response()
}

/// Keeps a note.
pub(super) async fn keep(
    State(shelf): State<Arc<Shelf>>,
    UrlPath(name): UrlPath<String>,
    headers: HeaderMap,
    Json(note): Json<NewNote>,
) -> Response {
    let refused = |why: &'static str| (StatusCode::FORBIDDEN, why).into_response();
    let Some(token) = &shelf.notebook.token else {
        return refused("this server only reads\n");
    };
    if !is_own(&headers) || note.token != *token {
        return refused("notes are taken from this server's own pages\n");
    }
    let Some(folder) = shelf.run(&name) else {
        return missing("There is no run of this name.");
    };
    let text = note.text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return (StatusCode::UNPROCESSABLE_ENTITY, "a note has 1 to 2000 bytes\n").into_response();
    }
    let note = Note {
        at_ms: note.at_ms,
        text: text.to_owned(),
        noted: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    };
    match add(&shelf.notebook, &folder, note) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why) => (StatusCode::INSUFFICIENT_STORAGE, format!("{why}\n")).into_response(),
    }
}

/// Whether a request comes from a page of this server: browsers name the origin
/// of every POST.
fn is_own(headers: &HeaderMap) -> bool {
    let of = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let origin = of(header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
    origin.is_some() && origin == of(header::HOST)
}

fn add(notebook: &Notebook, folder: &RunFolder, note: Note) -> Result<(), String> {
    let _alone = notebook.writing.lock().unwrap_or_else(PoisonError::into_inner);
    let mut notes = notes(folder);
    if notes.len() >= MOST {
        return Err(format!("this run has {MOST} notes already"));
    }
    notes.push(note);
    let line = |note: &Note| serde_json::to_string(note).map(|line| line + "\n");
    let lines: Result<String, _> = notes.iter().map(line).collect();
    let lines = lines.map_err(|error| error.to_string())?;
    folder.write(FILE, &lines).map_err(|error| error.to_string())
}
