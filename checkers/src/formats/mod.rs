//! Histories in and out of files. Nothing here opens a file: it reads what it
//! is given and writes where it is told.
//!
//! | format | read | written | looks like |
//! |---|---|---|---|
//! | [`Format::JsonLines`] | yes | yes | `{"index":0,"time":5,"process":0,"type":"invoke","f":"write","key":7,"value":1}` |
//! | [`Format::Json`] | yes | no | one array of such objects, as elle-cli takes it |
//! | [`Format::Edn`] | yes | yes | Jepsen's `history.edn`, Porcupine's key-value logs |
//! | [`Format::JepsenLog`] | yes | no | lines of `jepsen.log` in any of its four forms, Porcupine's etcd logs |
//! | [`Format::Csv`] | yes | yes | a line of names such as `process,type,f,key,value`, then an event a line |
//! | [`Format::Plume`] | yes | no | Plume's and PolySI's text, `w(key,value,session,transaction)` |
//! | [`Format::Awdit`] | yes | no | AWDIT's text, `w key value`, transactions apart by `---`, sessions by `===` |
//! | [`Format::Dbcop`] | yes | no | dbcop's JSON: transactions by session |
//! | [`Format::Text`] | yes | yes | Jepsen's `history.txt`: process, type, function, value, error |
//!
//! Order of lines is order of events, whatever times or indices stand in them:
//! an invocation is logged before its call and a completion after it, so the
//! intervals are sound. An import drops nothing that may have had an effect.
//!
//! ```
//! use quarrel_checkers::formats::{self, Format, ImportOptions};
//!
//! let log = "INFO  jepsen.util - 0\t:invoke\t:write\t4\nINFO  jepsen.util - 0\t:ok\t:write\t4\n";
//! let imported = formats::parse(log.as_bytes(), &ImportOptions::default())?;
//! assert_eq!(imported.format, Format::JepsenLog);
//! assert_eq!(imported.history.operations()?.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod csv;
mod edn;
mod form;
mod jepsen;
mod json;
mod json_lines;
pub(crate) mod layout;
mod log;
mod operation;
pub(crate) mod plain;
mod print;
pub(crate) mod room;
mod sessions;

use std::{fmt, io::BufRead};

use crate::{History, Probe, Value};
use room::Room;

pub use csv::value;
pub use print::{write, write_event, write_probed};

/// How a history is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// One JSON object a line: quarrel's own.
    JsonLines,
    /// One JSON array of objects.
    Json,
    /// Extensible Data Notation: maps one after the other, or in one list.
    Edn,
    /// The log of a Jepsen run.
    JepsenLog,
    /// Columns: process, type, function, value and error.
    Text,
    /// Comma-separated values under a line of names.
    Csv,
    /// Transactions by session, as Plume and PolySI write them.
    Plume,
    /// Transactions by session, as AWDIT writes them for people.
    Awdit,
    /// Transactions by session, as dbcop writes them in JSON.
    Dbcop,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::JsonLines,
        Self::Json,
        Self::Edn,
        Self::JepsenLog,
        Self::Text,
        Self::Csv,
        Self::Plume,
        Self::Awdit,
        Self::Dbcop,
    ];
}

const _: () = assert!(Format::ALL.len() == Format::Dbcop as usize + 1, "one is missing");

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JsonLines => "JSON lines",
            Self::Json => "JSON array",
            Self::Edn => "EDN",
            Self::JepsenLog => "jepsen.log",
            Self::Text => "columns of text",
            Self::Csv => "CSV",
            Self::Plume => "Plume's text",
            Self::Awdit => "AWDIT's text",
            Self::Dbcop => "dbcop's JSON",
        })
    }
}

/// Whether values are pairs of a key and a value, as `jepsen.independent`
/// makes them. EDN prints such a pair like any other vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keys {
    /// They are if every read and write has a pair.
    #[default]
    Infer,
    /// They are.
    InValues,
    /// They are not.
    None,
}

/// What the reader of a file knows better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// The format; none to recognise it.
    pub format: Option<Format>,
    /// Whether values carry keys.
    pub keys: Keys,
    /// About how many bytes of memory the file and its history may take while
    /// they are read; none for as many as there are.
    pub most_memory: Option<u64>,
}

/// A history that was read, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The history.
    pub history: History,
    /// Probes of the stores, which only quarrel's own files hold.
    pub probes: Vec<Probe>,
    /// What it was taken for.
    pub format: Format,
    /// What the file left open and how it was understood, in sentences.
    pub assumptions: Vec<String>,
    /// Whether the order of events is that of time between clients, too. Files of
    /// sessions have no such order: what strict serializability would make of them
    /// means nothing.
    pub is_in_real_time: bool,
    /// The names of the keys, by their numbers, if they had to be numbered.
    pub key_names: Vec<Value>,
    /// The last line of a run that was killed while it wrote, which was left
    /// out: its number and why it could not be read.
    pub truncated: Option<ImportError>,
}

/// The text is no history. Lines and columns count from 1; columns are bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ImportError {
    /// Where.
    pub line: usize,
    /// Where in it.
    pub column: usize,
    /// What was expected there and what was found.
    pub problem: String,
}

/// A history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The reader failed.
    #[error("the history cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// What it read is no history.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// It would take more memory than [`ImportOptions::most_memory`].
    #[error("line {line}: to read on would take more memory than is allowed")]
    Memory {
        /// Where there was no more.
        line: usize,
    },
}

/// Reads a history to its end and parses it.
///
/// # Errors
///
/// Of the reader, for want of memory, or as [`parse`].
pub fn read(mut input: impl BufRead, options: &ImportOptions) -> Result<Imported, ReadError> {
    let room = Room::of(options.most_memory);
    let of_memory = |error| match error {
        ReadError::Import(error) if room.was_exceeded() => ReadError::Memory { line: error.line },
        error => error,
    };
    let mut bytes = Vec::new();
    loop {
        let chunk = input.fill_buf()?;
        let length = chunk.len();
        if length == 0 {
            break;
        }
        if !room.pass(bytes.len() + length) {
            return Err(ReadError::Memory { line: position(&bytes).0 });
        }
        room.passed();
        let was_short = bytes.len() < SURE;
        bytes.extend_from_slice(chunk);
        input.consume(length);
        if was_short && bytes.len() >= SURE && is_json_lines(&bytes, options) {
            let marked = bytes.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec);
            let begun = marked.unwrap_or(bytes);
            return json_lines::read(begun, input, options.keys, &room).map_err(of_memory);
        }
    }
    // The text stays while its events are made.
    if !room.take(bytes.len()) {
        return Err(ReadError::Memory { line: position(&bytes).0 });
    }
    parse_within(&bytes, options, &room).map_err(|error| of_memory(error.into()))
}

/// A file of which so many bytes were read may show what it is.
const SURE: usize = 1 << 16;

/// Whether what begins so is surely JSON lines, which are read line by line.
fn is_json_lines(bytes: &[u8], options: &ImportOptions) -> bool {
    let is_found = || {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let bytes = &bytes[..memchr::memrchr(b'\n', bytes).unwrap_or(0)];
        recognise(bytes) == Format::JsonLines && {
            let mut lines = bytes.split(|&b| b == b'\n').take(MAX_ASKED);
            lines.any(|line| sort_of_object(line) == Some(Format::JsonLines))
        }
    };
    options.format.map_or_else(is_found, |format| format == Format::JsonLines)
}

/// Parses a history.
///
/// # Errors
///
/// The first thing that is not as the format wants it, and where; the first
/// line of a file of which nothing was understood. A last line
/// of [`Format::JsonLines`] that does not end is no error, see
/// [`Imported::truncated`].
pub fn parse(bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    parse_within(bytes, options, &Room::of(options.most_memory))
}

fn parse_within(
    bytes: &[u8],
    options: &ImportOptions,
    room: &Room,
) -> Result<Imported, ImportError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let format = options.format.unwrap_or_else(|| recognise(bytes));
    if format == Format::JsonLines {
        return json_lines::parse(bytes, options.keys, room);
    }
    let mut reading = jepsen::Reading::new(format, options.keys, room);
    match format {
        Format::Json | Format::JsonLines => json::parse(bytes, &mut reading)?,
        Format::Edn => edn::parse(text(bytes)?, &mut reading)?,
        Format::JepsenLog => log::parse(text(bytes)?, &mut reading)?,
        Format::Text => log::parse_columns(text(bytes)?, &mut reading)?,
        Format::Csv => csv::parse(text(bytes)?, &mut reading)?,
        Format::Plume => sessions::parse_plume(text(bytes)?, &mut reading)?,
        Format::Awdit => sessions::parse_awdit(text(bytes)?, &mut reading)?,
        Format::Dbcop => sessions::parse_dbcop(bytes, &mut reading)?,
    }
    reading.finish()
}

/// What is assumed of a history without times.
pub(crate) const WITHOUT_TIMES: &str = "operations carry no times, so lines stand for nanoseconds";

/// What some editors put in front of UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// The format that the beginning of a file looks like.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Format {
    let lines = || bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_start);
    let is_comment = |line: &&[u8]| line.is_empty() || line.starts_with(b";");
    let Some(first) = lines().find(|line| !is_comment(line)) else { return Format::JsonLines };
    let second = first.iter().skip(1).copied().find(|b| !b.is_ascii_whitespace());
    let is_process = |field: &[u8]| {
        field == b":nemesis" || (!field.is_empty() && field.iter().all(u8::is_ascii_digit))
    };
    let beginning = &bytes[..bytes.len().min(SURE)];
    match (first.first(), second) {
        (Some(b'{'), Some(b'"') | None) | (Some(b'['), Some(b'[') | None)
            if sessions::is_dbcop(beginning) =>
        {
            Format::Dbcop
        }
        (Some(b'{'), Some(b'"')) => of_objects(lines()),
        (Some(b'['), Some(b'{') | None) if first_key_is_quoted(bytes) => Format::Json,
        (Some(b'[' | b'(' | b'#'), _) | (Some(b'{'), Some(b':' | b'}')) => Format::Edn,
        _ if first.split(|&b| b == b'\t').next().is_some_and(is_process) => Format::Text,
        _ if csv::is_header(first) => Format::Csv,
        _ if sessions::is_plume(first) => Format::Plume,
        _ if sessions::is_awdit(first) => Format::Awdit,
        _ => Format::JepsenLog,
    }
}

/// More lines are not asked what they are.
const MAX_ASKED: usize = 10_000;

/// Whether objects are events or the lines of a structured log: the first line
/// that is either decides.
fn of_objects<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Format {
    lines.take(MAX_ASKED).find_map(sort_of_object).unwrap_or(Format::JsonLines)
}

/// What a line decides, if it does.
fn sort_of_object(line: &[u8]) -> Option<Format> {
    const TYPES: [&[u8]; 4] = [b"\"invoke\"", b"\"ok\"", b"\"fail\"", b"\"info\""];
    if contains(line, b"\"message\"") && log::is_operation(line) {
        return Some(Format::JepsenLog);
    }
    let is_event = contains(line, b"\"type\"") && TYPES.iter().any(|name| contains(line, name));
    is_event.then_some(Format::JsonLines)
}

/// Whether the first thing in the first brace is a string.
fn first_key_is_quoted(bytes: &[u8]) -> bool {
    let brace = bytes.iter().position(|&b| b == b'{').map_or(&[][..], |at| &bytes[at + 1..]);
    brace.trim_ascii_start().first() == Some(&b'"')
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn text(bytes: &[u8]) -> Result<&str, ImportError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = position(&bytes[..error.valid_up_to()]);
        ImportError { line, column, problem: "expected UTF-8".to_owned() }
    })
}

/// The line and the column behind `before`.
fn position(before: &[u8]) -> (usize, usize) {
    let lines = before.iter().filter(|&&b| b == b'\n').count();
    let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    (lines + 1, before.len() - start + 1)
}
