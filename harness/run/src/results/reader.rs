//! Reads the lines of a journal as [`line`](super::line) writes them, without
//! the general reader's detours. A line of any other form is none of its
//! business: `serde` reads it.

use std::{
    borrow::Cow,
    str,
    sync::{Arc, Mutex, PoisonError},
};

use quarrel_checkers::{
    Certainty, Content, Event, F, Index, Key, Kind, Lsn, Object, Op, Process, Reply, Site, Step,
    Time, Value,
};
use quarrel_strategy::record::Record;
use rustc_hash::{FxHashMap, FxHashSet};

/// How many different words are kept for good, and how long they may be.
const WORDS: usize = 256;
const LONGEST: usize = 32;
/// How many different texts are shared among values.
const TEXTS: usize = 4_096;
/// How deep lists may be nested here.
const DEPTH: usize = 8;

/// Reads line after line.
#[derive(Default)]
pub(super) struct Reader {
    words: FxHashSet<&'static str>,
    texts: FxHashMap<Box<str>, Arc<str>>,
}

/// What a store is asked and what is kept under a key have few names, which
/// come millions of times. They are shared by all histories of this process,
/// so that no stranger's history makes them many.
static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

impl Reader {
    /// The record of a line; none if it is not as a journal writes it.
    pub(super) fn record(&mut self, line: &[u8]) -> Option<Record> {
        let mut cursor = Cursor { rest: line.strip_suffix(b"\n").unwrap_or(line), reader: self };
        let record = if cursor.take(b"{\"type\":\"step\"") {
            Record::Step(cursor.step()?)
        } else {
            Record::Event(cursor.event()?)
        };
        cursor.rest.is_empty().then_some(record)
    }

    fn word(&mut self, word: &str) -> Cow<'static, str> {
        if word.is_empty() {
            return Cow::Borrowed("");
        }
        if let Some(known) = self.words.get(word) {
            return Cow::Borrowed(known);
        }
        match name(word) {
            Some(known) => {
                self.words.insert(known);
                Cow::Borrowed(known)
            }
            None => Cow::Owned(word.to_owned()),
        }
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if text.len() <= LONGEST && self.texts.len() < TEXTS {
            self.texts.insert(text.into(), Arc::clone(&new));
        }
        new
    }
}

fn name(word: &str) -> Option<&'static str> {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.iter().find(|name| **name == word) {
        return Some(known);
    }
    if names.len() == WORDS || word.len() > LONGEST {
        return None;
    }
    let new: &'static str = Box::leak(word.into());
    names.push(new);
    Some(new)
}

struct Cursor<'a, 'r> {
    rest: &'a [u8],
    reader: &'r mut Reader,
}

impl<'a> Cursor<'a, '_> {
    fn event(&mut self) -> Option<Event> {
        self.expect(b"{\"index\":")?;
        let index = Index(self.whole()?);
        self.expect(b",\"time\":")?;
        let time = Time(self.whole()?);
        self.expect(b",\"process\":")?;
        let process = self.process()?;
        self.expect(b",\"type\":\"")?;
        let kind = match self.quoted()? {
            "invoke" => Kind::Invoke,
            "ok" => Kind::Ok,
            "fail" => Kind::Fail,
            "info" => Kind::Info,
            _ => return None,
        };
        self.expect(b",\"f\":\"")?;
        let f = F::from(self.quoted()?);
        let key = self.maybe(b",\"key\":")?.map(Key);
        self.expect(b",\"value\":")?;
        let value = self.value(DEPTH)?;
        let version = self.maybe(b",\"version\":")?;
        let timeline = self.maybe(b",\"timeline\":")?.map(u32::try_from).transpose().ok()?;
        let error = match self.take(b",\"error\":\"") {
            true => Some(self.quoted()?.to_owned()),
            false => None,
        };
        self.expect(b"}")?;
        let op = Op { f, key, value, version };
        Some(Event { index, time, process, kind, op, timeline, error })
    }

    /// Behind the word that says that it is one.
    fn step(&mut self) -> Option<Step> {
        let operation = self.maybe(b",\"operation\":")?.map(Index);
        self.expect(b",\"process\":")?;
        let process = self.process()?;
        self.expect(b",\"time\":")?;
        let start = Time(self.whole()?);
        let end = self.maybe(b",\"end\":")?.map(Time);
        self.expect(b",\"site\":\"")?;
        let site = match self.quoted()? {
            "primary" => Site::Primary,
            "replica" => Site::Replica,
            "cache" => Site::Cache,
            "client" => Site::Client,
            _ => return None,
        };
        self.expect(b",\"f\":\"")?;
        let verb = self.quoted()?;
        let verb = self.reader.word(verb);
        let object = match self.take(b",\"object\":{") {
            true => Some(self.object()?),
            false => None,
        };
        let argument = match self.take(b",\"argument\":") {
            true => Some(self.content()?),
            false => None,
        };
        self.expect(b",\"reply\":")?;
        let reply = self.reply()?;
        let lsn = match self.take(b",\"lsn\":\"") {
            true => Some(self.quoted()?.parse::<Lsn>().ok()?),
            false => None,
        };
        self.expect(b"}")?;
        Some(Step { operation, process, start, end, site, verb, object, argument, reply, lsn })
    }

    fn object(&mut self) -> Option<Object> {
        let space = match self.take(b"\"space\":\"") {
            true => {
                let space = self.quoted()?;
                self.expect(b",")?;
                self.reader.word(space)
            }
            false => Cow::Borrowed(""),
        };
        self.expect(b"\"key\":")?;
        let key = Key(self.whole()?);
        let version = self.maybe(b",\"version\":")?;
        self.expect(b"}")?;
        Some(Object { space, key, version })
    }

    fn content(&mut self) -> Option<Content> {
        if self.take(b"{\"row\":{\"value\":") {
            let value = self.value(DEPTH)?;
            self.expect(b",\"version\":")?;
            let version = self.whole()?;
            self.expect(b"}}")?;
            return Some(Content::Row { value, version });
        }
        if self.take(b"\"marker\"") {
            return Some(Content::Marker);
        }
        let make = if self.take(b"{\"tombstone\":") {
            Content::Tombstone
        } else {
            self.expect(b"{\"number\":")?;
            Content::Number
        };
        let number = self.whole()?;
        self.expect(b"}")?;
        Some(make(number))
    }

    fn reply(&mut self) -> Option<Reply> {
        if self.take(b"{\"found\":") {
            let found = self.content()?;
            self.expect(b"}")?;
            return Some(Reply::Found(found));
        }
        if self.take(b"{\"done\":{") {
            let version = self.maybe(b"\"version\":")?;
            self.expect(b"}}")?;
            return Some(Reply::Done { version });
        }
        if self.take(b"{\"failed\":{\"certainty\":\"") {
            let certainty = match self.quoted()? {
                "definite" => Certainty::Definite,
                "indefinite" => Certainty::Indefinite,
                _ => return None,
            };
            self.expect(b",\"error\":\"")?;
            let error = self.quoted()?.to_owned();
            self.expect(b"}}")?;
            return Some(Reply::Failed { certainty, error });
        }
        self.expect(b"\"")?;
        match self.quoted()? {
            "miss" => Some(Reply::Miss),
            "pending" => Some(Reply::Pending),
            "refused" => Some(Reply::Refused),
            "gap" => Some(Reply::Gap),
            _ => None,
        }
    }

    fn process(&mut self) -> Option<Process> {
        if self.take(b"\"nemesis\"") {
            return Some(Process::Nemesis);
        }
        if self.take(b"\"agent-") {
            let number = self.whole()?;
            self.expect(b"\"")?;
            return Some(Process::Agent(number));
        }
        self.whole().map(Process::Client)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.rest.first()? {
            b'n' => self.expect(b"null").map(|()| Value::Nil),
            b't' => self.expect(b"true").map(|()| Value::Bool(true)),
            b'f' => self.expect(b"false").map(|()| Value::Bool(false)),
            b'"' => {
                self.expect(b"\"")?;
                let text = self.quoted()?;
                Some(Value::Text(self.reader.text(text)))
            }
            b'[' => {
                self.expect(b"[")?;
                let depth = depth.checked_sub(1)?;
                let mut items = Vec::new();
                while !self.take(b"]") {
                    if !items.is_empty() {
                        self.expect(b",")?;
                    }
                    items.push(self.value(depth)?);
                }
                Some(Value::List(items.into()))
            }
            b'-' => {
                self.expect(b"-")?;
                let number = self.whole().filter(|number| *number > 0)?;
                0_i64.checked_sub_unsigned(number).map(Value::Int)
            }
            _ => self.whole().and_then(|number| i64::try_from(number).ok()).map(Value::Int),
        }
    }

    /// A number behind `name`, if that comes next.
    fn maybe(&mut self, name: &[u8]) -> Option<Option<u64>> {
        if self.take(name) { self.whole().map(Some) } else { Some(None) }
    }

    fn whole(&mut self) -> Option<u64> {
        let mut number: u64 = 0;
        let mut digits = 0;
        while let Some(byte @ b'0'..=b'9') = self.rest.get(digits) {
            number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            digits += 1;
        }
        let has_zeros_before = digits > 1 && self.rest[0] == b'0';
        // What goes on is another kind of number.
        let goes_on = matches!(self.rest.get(digits), Some(b'.' | b'e' | b'E'));
        if digits == 0 || has_zeros_before || goes_on {
            return None;
        }
        self.rest = &self.rest[digits..];
        Some(number)
    }

    /// A text without escapes, behind its first quote and past its last.
    fn quoted(&mut self) -> Option<&'a str> {
        let end = self.rest.iter().position(|byte| *byte == b'"')?;
        let text = &self.rest[..end];
        if text.iter().any(|byte| *byte == b'\\' || *byte < b' ') {
            return None;
        }
        self.rest = &self.rest[end + 1..];
        str::from_utf8(text).ok()
    }

    fn take(&mut self, text: &[u8]) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &[u8]) -> Option<()> {
        self.take(text).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Record> {
        Reader::default().record(line.as_bytes())
    }

    #[test]
    fn what_a_journal_does_not_write_is_left_to_others() {
        let event = r#"{"index":7,"time":8,"process":3,"type":"ok","f":"read","key":1,"value":-5,"version":2}"#;
        assert!(read(event).is_some() && read(&format!("{event}\n")).is_some());
        for (this, other) in [
            ("7,", "07,"),
            ("-5", "-0"),
            ("-5", "5.0"),
            ("-5", "5e1"),
            ("-5", "9223372036854775808"),
            ("\"read\"", "\"r\\u0065ad\""),
            ("\"read\"", "\"re\tad\""),
            ("\"key\"", " \"key\""),
            ("\"ok\"", "\"done\""),
            ("}", ",\"more\":1}"),
            ("}", ""),
            ("}", "}}"),
        ] {
            let line = event.replace(this, other);
            assert_eq!(read(&line), None, "{line}");
        }
        let deep = format!("{}1{}", "[".repeat(99), "]".repeat(99));
        assert_eq!(read(&event.replace("-5", &deep)), None);
    }

    /// Words of strangers do not fill the memory for good.
    #[test]
    fn only_so_many_words_are_kept() {
        let mut reader = Reader::default();
        for number in 0..2 * WORDS {
            assert_eq!(reader.word(&format!("WORD{number}")), format!("WORD{number}"));
        }
        assert!(NAMES.lock().unwrap().len() <= WORDS);
        assert!(reader.words.len() <= WORDS);
        assert!(matches!(reader.word(&"x".repeat(LONGEST + 1)), Cow::Owned(_)));
    }
}
