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
    let event = match RawEvent::read(line) {
        Some(raw) => raw.event(),
        None => match read_slowly(line).map_err(|(column, problem)| fail(column, problem))? {
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
fn read_slowly(line: &[u8]) -> Result<Line, (usize, String)> {
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

/// An event in a line as quarrel writes it, nothing copied.
pub(crate) struct RawEvent<'a> {
    pub(crate) index: u64,
    pub(crate) time: u64,
    pub(crate) process: u64,
    pub(crate) kind: Kind,
    pub(crate) f: &'a str,
    pub(crate) key: Option<u64>,
    pub(crate) value: RawValue<'a>,
    version: Option<u64>,
    timeline: Option<u32>,
}

/// A value without structure.
pub(crate) enum RawValue<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Text(&'a str),
}

impl<'a> RawEvent<'a> {
    /// Reads a line; anything unusual gives none, and serde must be asked.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        Cursor { line, at: 0 }.event()
    }

    fn event(self) -> Event {
        let value = match self.value {
            RawValue::Nil => Value::Nil,
            RawValue::Bool(b) => Value::Bool(b),
            RawValue::Int(n) => Value::Int(n),
            RawValue::Text(text) => Value::from(text),
        };
        let op = Op { f: F::from(self.f), key: self.key.map(Key), value, version: self.version };
        Event {
            index: Index(self.index),
            time: Time(self.time),
            process: Process::Client(self.process),
            kind: self.kind,
            op,
            timeline: self.timeline,
            error: None,
        }
    }
}

struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn event(mut self) -> Option<RawEvent<'a>> {
        self.expect(b"{\"index\":")?;
        let index = self.number()?;
        self.expect(b",\"time\":")?;
        let time = self.number()?;
        self.expect(b",\"process\":")?;
        let process = self.number()?;
        self.expect(b",\"type\":\"")?;
        let kind = self.kind()?;
        self.expect(b"\",\"f\":\"")?;
        let f = self.function()?;
        let key = match self.expect(b",\"key\":") {
            Some(()) => Some(self.number()?),
            None => None,
        };
        self.expect(b",\"value\":")?;
        let value = self.value()?;
        let version = match self.expect(b",\"version\":") {
            Some(()) => Some(self.number()?),
            None => None,
        };
        let timeline = match self.expect(b",\"timeline\":") {
            Some(()) => Some(u32::try_from(self.number()?).ok()?),
            None => None,
        };
        self.expect(b"}")?;
        let is_end = self.line.len() == self.at || self.line[self.at..].trim_ascii().is_empty();
        is_end.then_some(RawEvent { index, time, process, kind, f, key, value, version, timeline })
    }

    /// Steps over `text`. Its length is known to the compiler, which makes a
    /// few comparisons of words out of this.
    #[inline]
    fn expect<const N: usize>(&mut self, text: &[u8; N]) -> Option<()> {
        if self.line[self.at..].first_chunk() == Some(text) {
            self.at += N;
            Some(())
        } else {
            None
        }
    }

    #[inline]
    fn kind(&mut self) -> Option<Kind> {
        if self.expect(b"ok").is_some() {
            Some(Kind::Ok)
        } else if self.expect(b"invoke").is_some() {
            Some(Kind::Invoke)
        } else if self.expect(b"info").is_some() {
            Some(Kind::Info)
        } else {
            self.expect(b"fail").map(|()| Kind::Fail)
        }
    }

    #[inline]
    fn function(&mut self) -> Option<&'a str> {
        if self.expect(b"read\"").is_some() {
            Some("read")
        } else if self.expect(b"write\"").is_some() {
            Some("write")
        } else {
            self.text()
        }
    }

    /// A whole number without sign.
    ///
    /// Digit by digit: numbers in one place of neighbouring lines have the same
    /// length as a rule, so that their ends are foreseen, and eight digits at a
    /// time were slower.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let digits = &self.line[self.at..];
        let mut number = 0_u64;
        let mut length = 0;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            length += 1;
        }
        self.at += length;
        // JSON has no leading zeros, and nineteen digits never overflow.
        let is_padded = length > 1 && digits[0] == b'0';
        ((1..=19).contains(&length) && !is_padded).then_some(number)
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

    #[inline]
    fn value(&mut self) -> Option<RawValue<'a>> {
        match self.line.get(self.at)? {
            b'0'..=b'9' => i64::try_from(self.number()?).ok().map(RawValue::Int),
            b'n' => self.expect(b"null").map(|()| RawValue::Nil),
            b't' => self.expect(b"true").map(|()| RawValue::Bool(true)),
            b'f' => self.expect(b"false").map(|()| RawValue::Bool(false)),
            b'"' => {
                self.at += 1;
                self.text().map(RawValue::Text)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines as quarrel writes them, and a few characters changed.
    fn lines() -> impl Strategy<Value = (String, bool)> {
        let kinds = prop::sample::select(vec!["invoke", "ok", "fail", "info"]);
        let functions = prop::sample::select(vec!["read", "write", "cas", "readx", "é"]);
        let number = || prop_oneof![0..20_u64, any::<u64>().prop_map(|n| n >> 1)];
        let values = prop_oneof![
            number().prop_map(|n| n.to_string()),
            prop::sample::select(vec!["null", "true", "false", "\"a b\"", "\"é\"", "\"\""])
                .prop_map(str::to_owned),
        ];
        let optional = |name: &'static str| {
            prop::option::of(number())
                .prop_map(move |n| n.map_or_else(String::new, |n| format!(",\"{name}\":{n}")))
        };
        let fields = (number(), number(), number(), kinds, functions);
        let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8), 0..3);
        let timelines = prop::sample::select(vec!["", "", ",\"timeline\":2"]);
        let op = (optional("key"), values, optional("version"), timelines);
        (fields, op, changes).prop_map(
            |((index, time, process, kind, f), (key, value, version, timeline), changes)| {
                let mut line = format!(
                    "{{\"index\":{index},\"time\":{time},\"process\":{process},\"type\":\"{kind}\",\
                     \"f\":\"{f}\"{key},\"value\":{value}{version}{timeline}}}"
                );
                let is_whole = changes.is_empty();
                for (at, change) in changes {
                    let mut characters: Vec<char> = line.chars().collect();
                    let at = at.index(characters.len());
                    match change {
                        0 => drop(characters.remove(at)),
                        1 => characters.insert(at, characters[at]),
                        _ => characters[at] = ['0', '"', '\\', '-', ' ', '\t', '9'][at % 7],
                    }
                    line = characters.into_iter().collect();
                }
                (line, is_whole)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) })]

        /// What is read fast is what the general reader reads; all that is
        /// written plainly is.
        #[test]
        fn a_line_is_what_serde_would_have_read((line, is_whole) in lines()) {
            let fast = RawEvent::read(line.as_bytes());
            prop_assert!(fast.is_some() || !is_whole, "{line}");
            if let Some(fast) = fast {
                let expected: Result<Event, _> = serde_json::from_str(&line);
                prop_assert_eq!(Some(fast.event()), expected.ok(), "{}", line);
            }
        }
    }

    #[test]
    fn digits_are_read_as_the_standard_library_reads_them() {
        for text in [
            "",
            "0",
            "7,",
            "10}",
            "00",
            "01",
            "99999999",
            "100000000",
            "123456789012345678",
            "/5",
            ":5",
            "12:4",
            "12/4",
            "9223372036854775807",
            "18446744073709551615",
            "00000000000000000001",
            "1\u{ff}",
            "99999999x",
            "12345678\n",
        ] {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let is_short = digits < 20 && (digits < 2 || !text.starts_with('0'));
            let mut cursor = Cursor { line: text.as_bytes(), at: 0 };
            let expected = is_short.then(|| text[..digits].parse().ok()).flatten();
            assert_eq!(cursor.number(), expected, "{text:?}");
            if expected.is_some() {
                assert_eq!(cursor.at, digits, "{text:?}");
            }
        }
    }
}
