//! Quarrel's own files. Lines written by quarrel are read without a general
//! JSON parser; any other line that is an event is read by serde.

use serde::Deserialize;

use super::{Format, ImportError, Imported};
use crate::{Event, F, History, Index, Key, Kind, Op, Probe, Process, Step, Time, Value};

/// Reads a whole file.
pub(super) fn parse(bytes: &[u8]) -> Result<Imported, ImportError> {
    let mut imported = Imported {
        history: History::default(),
        probes: Vec::new(),
        format: Format::JsonLines,
        assumptions: vec![format!("the file is {}", Format::JsonLines)],
        key_names: Vec::new(),
        truncated: None,
    };
    let mut rest = bytes;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let end = memchr::memchr(b'\n', rest);
        let (line, next) = end.map_or((rest, &[][..]), |end| (&rest[..end], &rest[end + 1..]));
        rest = next;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match read_line(line, number, &mut imported) {
            Ok(()) => {}
            // A run that was killed leaves half a line, without an end.
            Err(error) if end.is_none() => imported.truncated = Some(error),
            Err(error) => return Err(error),
        }
    }
    Ok(imported)
}

fn read_line(line: &[u8], number: usize, imported: &mut Imported) -> Result<(), ImportError> {
    let fail = |column: usize, problem: String| ImportError { line: number, column, problem };
    let events = &mut imported.history.events;
    let event = match Cursor::new(line).event() {
        Some(event) => event,
        None => match slow(line).map_err(|(column, problem)| fail(column, problem))? {
            Line::Event(event) => *event,
            Line::Step(step) => {
                imported.history.steps.push(*step);
                return Ok(());
            }
            Line::Probe(probe) => {
                imported.probes.push(probe);
                return Ok(());
            }
        },
    };
    if event.index.0 != events.len() as u64 {
        let (found, expected) = (event.index.0, events.len());
        return Err(fail(
            1,
            format!(
                "expected index {expected}, found {found}: events are numbered from 0 without gaps"
            ),
        ));
    }
    events.push(event);
    Ok(())
}

enum Line {
    Event(Box<Event>),
    Step(Box<Step>),
    Probe(Probe),
}

/// Reads any line; an error says in which column what was expected.
fn slow(line: &[u8]) -> Result<Line, (usize, String)> {
    #[derive(Deserialize)]
    struct Tag<'a> {
        #[serde(rename = "type", borrow)]
        tag: std::borrow::Cow<'a, str>,
    }
    let expected = |what: &str, error: serde_json::Error| {
        // Fields are gathered before they are understood; then there is no column.
        let column = error.column().max(1);
        let text = error.to_string();
        let text = text.split(" at line 1 column ").next().unwrap_or_default();
        (column, format!("expected {what}: {text}"))
    };
    let tag: Tag<'_> =
        serde_json::from_slice(line).map_err(|e| expected("an event, a step or a probe", e))?;
    match &*tag.tag {
        "step" => Ok(Line::Step(serde_json::from_slice(line).map_err(|e| expected("a step", e))?)),
        "probe" => {
            Ok(Line::Probe(serde_json::from_slice(line).map_err(|e| expected("a probe", e))?))
        }
        _ => Ok(Line::Event(serde_json::from_slice(line).map_err(|e| expected("an event", e))?)),
    }
}

/// Reads an event as quarrel writes it; anything unusual gives none.
struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    const fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    fn event(mut self) -> Option<Event> {
        self.expect(b"{\"index\":")?;
        let index = Index(self.number()?);
        self.expect(b",\"time\":")?;
        let time = Time(self.number()?);
        self.expect(b",\"process\":")?;
        let process = Process::Client(self.number()?);
        self.expect(b",\"type\":\"")?;
        let kind = match self.line.get(self.at)? {
            b'o' => (Kind::Ok, &b"ok\",\"f\":\""[..]),
            b'i' if self.line.get(self.at + 2) == Some(&b'v') => {
                (Kind::Invoke, &b"invoke\",\"f\":\""[..])
            }
            b'i' => (Kind::Info, &b"info\",\"f\":\""[..]),
            _ => (Kind::Fail, &b"fail\",\"f\":\""[..]),
        };
        self.expect(kind.1)?;
        let f = self.function()?;
        let mut op = Op { f, key: None, value: Value::Nil, version: None };
        if self.expect(b",\"key\":").is_some() {
            op.key = Some(Key(self.number()?));
        }
        self.expect(b",\"value\":")?;
        op.value = self.value()?;
        if self.expect(b",\"version\":").is_some() {
            op.version = Some(self.number()?);
        }
        self.expect(b"}")?;
        let is_end = self.line[self.at..].trim_ascii().is_empty();
        is_end.then_some(Event { index, time, process, kind: kind.0, op, error: None })
    }

    fn expect(&mut self, text: &[u8]) -> Option<()> {
        if self.line[self.at..].starts_with(text) {
            self.at += text.len();
            Some(())
        } else {
            None
        }
    }

    /// A whole number without sign.
    fn number(&mut self) -> Option<u64> {
        let start = self.at;
        let mut number = 0_u64;
        while let Some(digit) =
            self.line.get(self.at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10)
        {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        // Nineteen digits never overflow.
        (1..=19).contains(&(self.at - start)).then_some(number)
    }

    /// The text up to the next quotation mark, if nothing in it is escaped.
    fn text(&mut self) -> Option<&'a str> {
        let rest = &self.line[self.at..];
        let end = memchr::memchr2(b'"', b'\\', rest)?;
        if rest[end] == b'\\' {
            return None;
        }
        self.at += end + 1;
        let text = std::str::from_utf8(&rest[..end]).ok()?;
        (!text.bytes().any(|b| b < 0x20)).then_some(text)
    }

    fn function(&mut self) -> Option<F> {
        self.text().map(F::from)
    }

    fn value(&mut self) -> Option<Value> {
        match self.line.get(self.at)? {
            b'0'..=b'9' => i64::try_from(self.number()?).ok().map(Value::Int),
            b'n' => self.expect(b"null").map(|()| Value::Nil),
            b't' => self.expect(b"true").map(|()| Value::Bool(true)),
            b'f' => self.expect(b"false").map(|()| Value::Bool(false)),
            b'"' => {
                self.at += 1;
                self.text().map(Value::from)
            }
            _ => None,
        }
    }
}
