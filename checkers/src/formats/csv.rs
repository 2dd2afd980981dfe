//! Comma-separated values (RFC 4180) under a line of names, in any order:
//! `index`, `time`, `process`, `type`, `f`, `key`, `value`, `version`,
//! `timeline` and `error`; other columns are left out. A cell holds a value as JSON or EDN
//! write it, else it is a text; an empty one is nil.

use std::io::{self, Write};

use super::{
    ImportError,
    edn::Reader,
    form::Form,
    jepsen::Reading,
    json::{Json, Texts},
    operation::RawOp,
    room::Room,
};
use crate::{Event, Process, Value};

const NAMES: [&str; 10] =
    ["index", "time", "process", "type", "f", "key", "value", "version", "timeline", "error"];

/// Bytes that a cell takes while its record is read, in a list that may have
/// doubled its room for it.
const CELL: usize = 2 * size_of::<String>() + 32;

/// Whether a line names the columns of a history.
pub(super) fn is_header(line: &[u8]) -> bool {
    let names: Vec<&[u8]> = line.split(|b| *b == b',').map(bare).collect();
    let has = |name: &str| names.iter().any(|found| found.eq_ignore_ascii_case(name.as_bytes()));
    names.len() > 1 && has("type") && (has("process") || has("f"))
}

fn bare(cell: &[u8]) -> &[u8] {
    let cell = cell.trim_ascii();
    cell.strip_prefix(b"\"").and_then(|cell| cell.strip_suffix(b"\"")).unwrap_or(cell)
}

/// Reads a whole file.
pub(super) fn parse(text: &str, reading: &mut Reading) -> Result<(), ImportError> {
    let mut records = Records { rest: text, line: 1, room: reading.room.clone() };
    let Some((_, header)) = records.next()? else { return Ok(()) };
    let names: Vec<String> = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    if !names.iter().any(|name| name == "type") {
        let problem = format!(
            "expected the names of columns, among them `type`, out of {}; found {}",
            NAMES.join(", "),
            header.join(",")
        );
        return Err(ImportError { line: 1, column: 1, problem });
    }
    let mut texts = Texts::default();
    while let Some((line, cells)) = records.next()? {
        if cells.len() != names.len() {
            let (expected, found) = (names.len(), cells.len());
            let problem = format!("expected {expected} cells as in the first line, found {found}");
            return Err(ImportError { line, column: 1, problem });
        }
        let mut op = RawOp::default();
        for (name, cell) in names.iter().zip(&cells) {
            let value = shared(cell, &mut texts, &reading.room);
            // It would be taken for a text.
            if reading.room.was_exceeded() {
                return Err(Room::full_at((line, 1)));
            }
            let some = Some(value.clone()).filter(|value| !value.is_nil());
            match name.as_str() {
                "index" => op.index = some,
                "time" => op.time = some,
                "process" => op.process = some,
                "type" => op.kind = some,
                "f" => op.f = some,
                "key" => op.key = some,
                "value" => op.value = value,
                "version" => op.version = some,
                "timeline" => op.timeline = some,
                "error" => op.error = some.map(|error| error.to_string()),
                _ => {}
            }
        }
        reading.push(op, &|| (line, 1))?;
    }
    Ok(())
}

/// A value as a cell of [CSV](super::Format::Csv) or a command line holds it: as
/// JSON or EDN write it, else a text.
///
/// ```
/// use quarrel_checkers::{Value, formats::value};
///
/// assert_eq!(value("1.0"), Value::Int(1));
/// assert_eq!(value("[1, null]"), Value::List([Value::Int(1), Value::Nil].into()));
/// assert_eq!(value(":a"), Value::Atom(":a".into()));
/// assert_eq!(value("two words"), Value::from("two words"));
/// ```
#[must_use]
pub fn value(cell: &str) -> Value {
    shared(cell, &mut Texts::default(), &Room::of(None))
}

fn shared(cell: &str, texts: &mut Texts, room: &Room) -> Value {
    let cell = cell.trim();
    if cell.is_empty() {
        return Value::Nil;
    }
    let mut json = Json::within(cell.as_bytes(), texts, room);
    if let Ok(value) = json.value(0)
        && json.end().is_ok()
    {
        return value;
    }
    let mut reader = Reader::within(cell, room);
    match reader.form(0) {
        Ok(form) if reader.peek().is_none() && !matches!(form, Form::Other(_)) => form.value(),
        _ => Value::from(cell),
    }
}

struct Records<'a> {
    rest: &'a str,
    line: usize,
    room: Room,
}

impl Records<'_> {
    /// The next record that is not empty, and its line.
    fn next(&mut self) -> Result<Option<(usize, Vec<String>)>, ImportError> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let line = self.line;
            let cells = self.record()?;
            if cells.len() > 1 || cells.iter().any(|cell| !cell.trim().is_empty()) {
                return Ok(Some((line, cells)));
            }
        }
    }

    fn record(&mut self) -> Result<Vec<String>, ImportError> {
        let start = self.line;
        let mut cells = vec![String::new()];
        let mut characters = self.rest.char_indices().peekable();
        let mut is_quoted = false;
        let mut end = self.rest.len();
        while let Some((at, c)) = characters.next() {
            let Some(cell) = cells.last_mut() else { break };
            match c {
                '"' if is_quoted => {
                    if characters.next_if(|(_, next)| *next == '"').is_some() {
                        cell.push('"');
                    } else {
                        is_quoted = false;
                    }
                }
                '"' if cell.trim().is_empty() => {
                    cell.clear();
                    is_quoted = true;
                }
                ',' if !is_quoted => {
                    if !self.room.pass(CELL) {
                        return Err(Room::full_at((start, at + 1)));
                    }
                    cells.push(String::new());
                }
                '\n' => {
                    self.line += 1;
                    if !is_quoted {
                        end = at + 1;
                        break;
                    }
                    cell.push(c);
                }
                '\r' if !is_quoted => {}
                other => cell.push(other),
            }
        }
        if is_quoted {
            let problem = "expected a quotation mark at the end of this record".to_owned();
            return Err(ImportError { line: start, column: 1, problem });
        }
        self.rest = &self.rest[end..];
        Ok(cells)
    }
}

/// Writes an event, the first one behind the names of the columns.
pub(super) fn write(event: &Event, to: &mut impl Write) -> io::Result<()> {
    if event.index.0 == 0 {
        writeln!(to, "{}", NAMES.join(","))?;
    }
    let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
    let process = match event.process {
        Process::Client(n) => n.to_string(),
        other => other.to_string(),
    };
    let kind = serde_json::to_string(&event.kind)?;
    let cells = [
        event.index.0.to_string(),
        event.time.0.to_string(),
        process,
        kind.trim_matches('"').to_owned(),
        cell(&Value::from(event.op.f.as_str())),
        number(event.op.key.map(|key| key.0)),
        cell(&event.op.value),
        number(event.op.version),
        number(event.timeline.map(u64::from)),
        event.error.as_ref().map_or_else(String::new, |e| cell(&Value::from(e.as_str()))),
    ];
    writeln!(to, "{}", cells.map(|cell| quoted(&cell)).join(","))
}

/// A value as [`value`] reads it back, but for keywords inside of lists.
fn cell(held: &Value) -> String {
    match held {
        Value::Nil => String::new(),
        Value::Text(text) if value(text) == *held => text.to_string(),
        Value::Atom(text) if value(text) == *held => text.to_string(),
        other => other.to_json(),
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
