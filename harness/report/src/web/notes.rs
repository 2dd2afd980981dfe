//! Notes of people on moments of a run, kept in its folder.

use std::io;

use axum::{
    Json,
    extract::Query,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use maud::html;
use quarrel_checkers::millis;
use quarrel_run::results::{FileError, RunFolder};
use serde::{Deserialize, Serialize};

use super::{chosen::Chosen, layout::layout};

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
}

impl Notebook {
    pub(super) fn new(noting: Noting) -> Self {
        let token = (noting == Noting::On).then(|| format!("{:032x}", rand::random::<u128>()));
        Self { token }
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

/// The notes of a run, by their moments, and what else is in their file: the
/// folder may be a stranger's.
#[derive(Default)]
struct Kept {
    notes: Vec<Note>,
    /// Lines that are no notes.
    others: usize,
    /// Why the file cannot be read.
    error: Option<String>,
}

impl Kept {
    fn of(folder: &RunFolder) -> Self {
        let text = match folder.text(FILE) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(error) => return Self { error: Some(error.to_string()), ..Self::default() },
        };
        let mut notes: Vec<Note> =
            text.lines().take(MOST).filter_map(|line| serde_json::from_str(line).ok()).collect();
        notes.sort_by_key(|note| note.at_ms);
        let others = text.lines().count() - notes.len();
        Self { notes, others, error: None }
    }

    /// What of the file is not shown.
    fn unreadable(&self) -> Option<String> {
        match (&self.error, self.others) {
            (Some(error), _) => Some(format!("{FILE} cannot be read: {error}")),
            (None, 0) => None,
            (None, lines) => Some(format!("lines of {FILE} that cannot be read as notes: {lines}")),
        }
    }
}

/// How many notes a run has.
pub(super) fn count(folder: &RunFolder) -> usize {
    Kept::of(folder).notes.len()
}

/// The notes of a run, and a form for another.
pub(super) async fn page(
    Chosen { shelf, folder }: Chosen,
    Query(moment): Query<Moment>,
) -> Response {
    let name = &folder.name;
    let run = format!("/run/{name}");
    let kept = Kept::of(&folder);
    let body = html! {
        section {
            p { a href=(run) { "The report" } }
            @if let Some(lost) = kept.unreadable() { p.warn { (lost) } }
            @for note in kept.notes {
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
    Chosen { shelf, folder }: Chosen,
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
    let text = note.text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return (StatusCode::UNPROCESSABLE_ENTITY, "a note has 1 to 2000 bytes\n").into_response();
    }
    let note = Note {
        at_ms: note.at_ms,
        text: text.to_owned(),
        noted: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    };
    // Somebody else may write into the folder just now.
    match tokio::task::spawn_blocking(move || add(&folder, &note)).await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(why)) => (StatusCode::INSUFFICIENT_STORAGE, format!("{why}\n")).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether a request comes from a page of this server: browsers name the origin
/// of every POST.
fn is_own(headers: &HeaderMap) -> bool {
    let of = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let origin = of(header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
    origin.is_some() && origin == of(header::HOST)
}

/// Adds a note to what is there, whatever that is.
fn add(folder: &RunFolder, note: &Note) -> Result<(), FileError> {
    let line = serde_json::to_string(note).expect("our own types are JSON") + "\n";
    folder.change(FILE, |text| {
        if text.lines().count() >= MOST {
            return Err(io::Error::other(format!("this run has {MOST} notes already")));
        }
        // The line before was not ended if its writer was killed.
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        Ok(format!("{text}{end}{line}"))
    })
}
