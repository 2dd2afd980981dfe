//! Lines of plain values. Those that quarrel wrote are read field by field in
//! their order; others in any order need a little more.

use crate::{Kind, Value};

/// An event of a client in a line without lists, nothing copied.
pub(crate) struct PlainEvent<'a> {
    pub(crate) index: Option<u64>,
    pub(crate) time: Option<u64>,
    pub(crate) process: u64,
    pub(crate) kind: Kind,
    pub(crate) f: &'a str,
    pub(crate) key: Option<u64>,
    pub(crate) value: PlainValue<'a>,
    pub(crate) version: Option<u64>,
    pub(crate) timeline: Option<u32>,
}

/// A value without structure.
#[derive(Clone, Copy, Default)]
pub(crate) enum PlainValue<'a> {
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Text(&'a str),
}

impl<'a> PlainEvent<'a> {
    /// Reads a line as quarrel writes it; anything else gives none.
    #[inline]
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        Cursor { line, at: 0 }.event()
    }

    /// Reads a line with the fields in any order, with or without an index and
    /// a time; anything unusual gives none, and a reader of JSON must be asked.
    pub(super) fn read_loosely(
        line: &'a [u8],
        learn: impl FnMut(Field, usize, usize),
    ) -> Option<Self> {
        Cursor { line, at: 0 }.fields(learn)
    }
}

/// What a field of an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Index,
    Time,
    Process,
    Kind,
    Function,
    Key,
    Value,
    Version,
    Timeline,
    Error,
    /// Of no interest.
    Other,
}

impl Field {
    fn of(name: &str) -> Self {
        match name {
            "process" => Self::Process,
            "type" => Self::Kind,
            "f" => Self::Function,
            "value" => Self::Value,
            "index" => Self::Index,
            "time" => Self::Time,
            "key" => Self::Key,
            "version" => Self::Version,
            "timeline" => Self::Timeline,
            "error" | "exception" => Self::Error,
            _ => Self::Other,
        }
    }
}

/// The fields of an event, as far as they were read.
#[derive(Default)]
pub(super) struct Fields<'a> {
    process: Option<u64>,
    kind: Option<Kind>,
    f: Option<&'a str>,
    index: Option<u64>,
    time: Option<u64>,
    key: Option<u64>,
    value: PlainValue<'a>,
    version: Option<u64>,
    timeline: Option<u32>,
}

impl<'a> Fields<'a> {
    /// Reads the value of a field; none if it is anything unusual.
    #[inline]
    pub(super) fn read(&mut self, field: Field, cursor: &mut Cursor<'a>) -> Option<()> {
        match field {
            Field::Process => self.process = Some(cursor.number()?),
            Field::Kind => {
                cursor.expect(b"\"")?;
                self.kind = Some(cursor.kind()?);
                cursor.expect(b"\"")?;
            }
            Field::Function => {
                cursor.expect(b"\"")?;
                self.f = Some(cursor.function()?);
            }
            Field::Value => self.value = cursor.value()?,
            Field::Index => self.index = Some(cursor.number()?),
            Field::Time => self.time = Some(cursor.number()?),
            Field::Key => self.key = Some(cursor.number()?),
            Field::Version => self.version = Some(cursor.number()?),
            Field::Timeline => self.timeline = Some(u32::try_from(cursor.number()?).ok()?),
            Field::Error => cursor.expect(b"null")?,
            Field::Other => drop(cursor.value()?),
        }
        Some(())
    }

    #[inline]
    pub(super) fn event(self) -> Option<PlainEvent<'a>> {
        let Self { process, kind, f, index, time, key, value, version, timeline } = self;
        let (process, kind, f) = (process?, kind?, f?);
        Some(PlainEvent { index, time, process, kind, f, key, value, version, timeline })
    }
}

impl PlainValue<'_> {
    pub(super) fn value(self) -> Value {
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(b) => Value::Bool(b),
            Self::Int(n) => Value::Int(n),
            Self::Text(text) => Value::from(text),
        }
    }
}

pub(super) struct Cursor<'a> {
    pub(super) line: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn event(mut self) -> Option<PlainEvent<'a>> {
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
        let (index, time) = (Some(index), Some(time));
        is_end.then_some(PlainEvent {
            index,
            time,
            process,
            kind,
            f,
            key,
            value,
            version,
            timeline,
        })
    }

    /// Reads fields in any order; `learn` is told where which value begins and
    /// ends.
    fn fields(mut self, mut learn: impl FnMut(Field, usize, usize)) -> Option<PlainEvent<'a>> {
        let mut fields = Fields::default();
        self.space();
        self.expect(b"{")?;
        loop {
            self.space();
            self.expect(b"\"")?;
            let name = self.text()?;
            self.space();
            self.expect(b":")?;
            self.space();
            let (field, begin) = (Field::of(name), self.at);
            fields.read(field, &mut self)?;
            learn(field, begin, self.at);
            self.space();
            if self.expect(b",").is_none() {
                self.expect(b"}")?;
                self.space();
                return fields.event().filter(|_| self.at == self.line.len());
            }
            self.space();
        }
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.line.get(self.at) {
            self.at += 1;
        }
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
    fn value(&mut self) -> Option<PlainValue<'a>> {
        match self.line.get(self.at)? {
            b'0'..=b'9' => {
                let number = i64::try_from(self.number()?).ok()?;
                // What is not whole is for the reader of JSON.
                let is_whole = !matches!(self.line.get(self.at), Some(b'.' | b'e' | b'E'));
                is_whole.then_some(PlainValue::Int(number))
            }
            b'n' => self.expect(b"null").map(|()| PlainValue::Nil),
            b't' => self.expect(b"true").map(|()| PlainValue::Bool(true)),
            b'f' => self.expect(b"false").map(|()| PlainValue::Bool(false)),
            b'"' => {
                self.at += 1;
                self.text().map(PlainValue::Text)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Event,
        formats::{Format, Keys, jepsen::Reading, room::Room},
    };

    /// The event of a line.
    fn event(raw: PlainEvent<'_>) -> Event {
        let at = raw.index.unwrap_or(0);
        let mut reading = Reading::new(Format::JsonLines, Keys::None, &Room::of(None));
        assert!(reading.plain(raw));
        let mut event = reading.events.remove(0);
        event.index = crate::Index(at);
        event
    }

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
            let fast = PlainEvent::read(line.as_bytes());
            let loose = PlainEvent::read_loosely(line.as_bytes(), |_, _, _| {});
            prop_assert!(fast.is_some() && loose.is_some() || !is_whole, "{line}");
            for read in [fast, loose].into_iter().flatten() {
                let expected: Result<Event, _> = serde_json::from_str(&line);
                // Serde wants every field.
                let is_full = read.index.is_some() && read.time.is_some();
                if is_full || expected.is_ok() {
                    prop_assert_eq!(Some(event(read)), expected.ok(), "{}", line);
                }
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
