//! One JSON object a line: quarrel's own files and other tools'. Lines written
//! by quarrel are read field by field in their order; lines of plain values in
//! any order need a little more, and lines with lists the reader of JSON.

use std::io::BufRead;

use serde::Deserialize;

use super::{
    Format, ImportError, Imported, Keys, ReadError,
    jepsen::Reading,
    json::{Json, Texts},
    layout::Layouts,
    plain::PlainEvent,
    room::Room,
};
use crate::{Probe, Step, Value};

/// Reads a whole file.
pub(super) fn parse(bytes: &[u8], keys: Keys, room: &Room) -> Result<Imported, ImportError> {
    let mut lines = Lines::new(keys, room);
    let rest = lines.whole_lines(bytes)?;
    lines.finish(rest)
}

/// Reads `input` behind `begun`, a piece at a time: of the text no more is kept
/// than a line.
pub(super) fn read(
    begun: Vec<u8>,
    mut input: impl BufRead,
    keys: Keys,
    room: &Room,
) -> Result<Imported, ReadError> {
    let mut lines = Lines::new(keys, room);
    // What a piece leaves of its last line waits here for the next one.
    let mut carried = lines.whole_lines(&begun)?.to_vec();
    drop(begun);
    loop {
        let piece = input.fill_buf()?;
        let length = piece.len();
        if length == 0 {
            return Ok(lines.finish(&carried)?);
        }
        let mut rest = piece;
        if !carried.is_empty()
            && let Some(end) = memchr::memchr(b'\n', rest)
        {
            carried.extend_from_slice(&rest[..end]);
            lines.line(&carried)?;
            carried.clear();
            rest = &rest[end + 1..];
        }
        if carried.is_empty() {
            rest = lines.whole_lines(rest)?;
        }
        room.passed();
        if !room.pass(carried.len() + rest.len()) {
            return Err(ReadError::Memory { line: lines.number + 1 });
        }
        carried.extend_from_slice(rest);
        input.consume(length);
    }
}

/// Whether a gap in the numbers of events is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbering {
    /// It is not: another tool's numbers may mean anything.
    Free,
    /// It is: quarrel wrote the file, and an event is missing.
    Dense,
}

struct Lines {
    reading: Reading,
    layouts: Layouts,
    /// How many lines there were.
    number: usize,
    texts: Texts,
    steps: Vec<Step>,
    probes: Vec<Probe>,
    numbering: Numbering,
}

impl Lines {
    fn new(keys: Keys, room: &Room) -> Self {
        Self {
            reading: Reading::new(Format::JsonLines, keys, room),
            layouts: Layouts::default(),
            number: 0,
            texts: Texts::default(),
            steps: Vec::new(),
            probes: Vec::new(),
            numbering: Numbering::Free,
        }
    }

    /// Reads all lines that have an end, and gives back what is behind them.
    fn whole_lines<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], ImportError> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.line(&bytes[..end])?;
            bytes = &bytes[end + 1..];
        }
        Ok(bytes)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), ImportError> {
        self.number += 1;
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        self.read(line, self.number)
    }

    /// Reads what is behind the last end of a line, and sums up.
    fn finish(mut self, rest: &[u8]) -> Result<Imported, ImportError> {
        let mut truncated = None;
        match self.line(rest) {
            Ok(()) => {}
            // A run that was killed leaves half a line, without an end.
            Err(error) if !self.reading.room.was_exceeded() => truncated = Some(error),
            Err(error) => return Err(error),
        }
        if let Some(error) = truncated.take_if(|_| self.reading.events.is_empty()) {
            return Err(error);
        }
        let mut imported = self.reading.finish()?;
        imported.history.steps = self.steps;
        imported.probes = self.probes;
        imported.truncated = truncated;
        Ok(imported)
    }

    fn read(&mut self, line: &[u8], number: usize) -> Result<(), ImportError> {
        if let Some(raw) = PlainEvent::read(line) {
            self.numbering = Numbering::Dense;
            return self.plain(raw, number);
        }
        if let Some(raw) = self.layouts.read(line) {
            return self.plain(raw, number);
        }
        let fail =
            |at: usize, problem: String| ImportError { line: number, column: at + 1, problem };
        self.reading.room.passed();
        let mut json = Json::within(line, &mut self.texts, &self.reading.room);
        json.space();
        let op = json.operation().and_then(|op| json.end().map(|()| op));
        let op = op.map_err(|problem| fail(problem.at, problem.problem))?;
        match op.kind.as_ref().and_then(Value::name) {
            Some("step") => {
                self.numbering = Numbering::Dense;
                self.steps.push(slowly(line, "a step").map_err(|(at, text)| fail(at, text))?);
                self.take(size_of::<Step>() + line.len(), number)
            }
            Some("probe") => {
                self.numbering = Numbering::Dense;
                self.probes.push(slowly(line, "a probe").map_err(|(at, text)| fail(at, text))?);
                self.take(size_of::<Probe>() + line.len(), number)
            }
            None => {
                self.reading.skip_line(&String::from_utf8_lossy(line), number);
                Ok(())
            }
            Some(_) => {
                if let Some(Value::Int(index)) = op.index {
                    self.check(u64::try_from(index).ok(), number)?;
                }
                self.reading.push(op, &|| (number, 1))
            }
        }
    }

    fn plain(&mut self, raw: PlainEvent<'_>, number: usize) -> Result<(), ImportError> {
        if let Some(index) = raw.index {
            self.check(Some(index), number)?;
        }
        match self.reading.plain(raw) {
            true => Ok(()),
            false => Err(Room::full_at((number, 1))),
        }
    }

    fn take(&self, bytes: usize, number: usize) -> Result<(), ImportError> {
        match self.reading.room.take(bytes) {
            true => Ok(()),
            false => Err(Room::full_at((number, 1))),
        }
    }

    fn check(&self, index: Option<u64>, number: usize) -> Result<(), ImportError> {
        let expected = self.reading.events.len();
        if self.numbering == Numbering::Free || index == Some(expected as u64) {
            return Ok(());
        }
        let found = index.map_or_else(|| "less than 0".to_owned(), |index| index.to_string());
        let problem = format!(
            "expected index {expected}, found {found}: events are numbered from 0 without gaps"
        );
        Err(ImportError { line: number, column: 1, problem })
    }
}

/// Reads what has many fields; an error says behind which column what was
/// expected.
fn slowly<'a, T: Deserialize<'a>>(line: &'a [u8], what: &str) -> Result<T, (usize, String)> {
    serde_json::from_slice(line).map_err(|error| {
        // Fields are gathered before they are understood; then there is no column.
        let column = error.column().max(1);
        let text = error.to_string();
        let text = text.split(" at line 1 column ").next().unwrap_or_default();
        (column - 1, format!("expected {what}: {text}"))
    })
}
