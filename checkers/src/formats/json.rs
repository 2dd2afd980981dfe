//! JSON, read into values without a tree in between. Strings that come again
//! and again, as the names of functions do, are held once.

use std::{borrow::Cow, sync::Arc};

use rustc_hash::FxHashMap;

use super::{
    ImportError,
    jepsen::Reading,
    operation::RawOp,
    position,
    room::{FULL, Room},
};
use crate::{Kind, Value};

/// Deeper nesting is no history.
const MAX_DEPTH: usize = 64;

/// Longer texts and more of them are not looked for among the known ones.
const MAX_SHARED_LENGTH: usize = 16;
const MAX_SHARED: usize = 4_096;

/// Bytes that a value in a list takes while it is read: its own three times, and
/// what an empty list or a pair holds.
const ITEM: usize = 3 * size_of::<Value>() + 64;

/// Reads a history in one JSON array.
pub(super) fn parse(bytes: &[u8], reading: &mut Reading) -> Result<(), ImportError> {
    let mut texts = Texts::default();
    let mut json = Json::within(bytes, &mut texts, &reading.room);
    let fail = |problem: Problem| problem.at(bytes);
    json.space();
    json.expect(b'[', "an array of operations").map_err(fail)?;
    json.space();
    if json.take(b']') {
        return json.end().map_err(fail);
    }
    loop {
        json.space();
        let at = json.at;
        let op = json.operation().map_err(fail)?;
        reading.push(op, &|| position(&bytes[..at]))?;
        json.space();
        if !json.take(b',') {
            json.expect(b']', "a comma or the end of the array").map_err(fail)?;
            return json.end().map_err(fail);
        }
    }
}

/// What was expected, and behind how many bytes.
pub(super) struct Problem {
    pub(super) at: usize,
    pub(super) problem: String,
}

impl Problem {
    fn at(self, bytes: &[u8]) -> ImportError {
        let (line, column) = position(&bytes[..self.at.min(bytes.len())]);
        ImportError { line, column, problem: self.problem }
    }
}

/// What a reader keeps from one value to the next: texts met before, and the room
/// in which lists are put together, whose lengths are only known at their ends.
#[derive(Default)]
pub(super) struct Texts {
    known: FxHashMap<Box<str>, Arc<str>>,
    items: Vec<Value>,
}

impl Texts {
    fn get(&mut self, text: &str) -> Arc<str> {
        if text.len() > MAX_SHARED_LENGTH {
            return text.into();
        }
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if self.known.len() < MAX_SHARED {
            self.known.insert(text.into(), Arc::clone(&new));
        }
        new
    }
}

pub(super) struct Json<'a, 't> {
    bytes: &'a [u8],
    pub(super) at: usize,
    texts: &'t mut Texts,
    room: Room,
}

impl<'a, 't> Json<'a, 't> {
    pub(super) fn within(bytes: &'a [u8], texts: &'t mut Texts, room: &Room) -> Self {
        // A line that could not be read leaves what it had begun.
        texts.items.clear();
        Self { bytes, at: 0, texts, room: room.clone() }
    }

    /// Takes room until the operation is an event.
    fn pass(&self, bytes: usize) -> Result<(), Problem> {
        match self.room.pass(bytes) {
            true => Ok(()),
            false => Err(Problem { at: self.at, problem: FULL.to_owned() }),
        }
    }

    fn fail(&self, expected: &str) -> Problem {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let shown: String = String::from_utf8_lossy(&rest[..rest.len().min(80)])
            .chars()
            .take_while(|c| *c != '\n')
            .take(20)
            .collect();
        let found = if shown.is_empty() { "the end".to_owned() } else { format!("`{shown}`") };
        Problem { at: self.at, problem: format!("expected {expected}, found {found}") }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), Problem> {
        if self.take(byte) { Ok(()) } else { Err(self.fail(what)) }
    }

    /// Nothing but space may follow.
    pub(super) fn end(&mut self) -> Result<(), Problem> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.fail("nothing more")) }
    }

    /// An object with the fields of an operation, in any order; others are
    /// left out.
    pub(super) fn operation(&mut self) -> Result<RawOp, Problem> {
        let mut op = RawOp::default();
        self.expect(b'{', "the object of an operation")?;
        self.space();
        if self.take(b'}') {
            return Ok(op);
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.expect(b':', "a colon")?;
            self.space();
            self.field(&name, &mut op)?;
            self.space();
            if !self.take(b',') {
                self.expect(b'}', "a comma or the end of the object")?;
                return Ok(op);
            }
        }
    }

    fn field(&mut self, name: &str, op: &mut RawOp) -> Result<(), Problem> {
        match name {
            "index" => op.index = Some(self.value(0)?),
            "time" => op.time = Some(self.value(0)?),
            "process" => op.process = Some(self.value(0)?),
            "type" => op.kind = Some(self.value(0)?),
            "f" => op.f = Some(self.value(0)?),
            "key" => op.key = Some(self.value(0)?).filter(|key| !key.is_nil()),
            "value" => op.value = self.value(0)?,
            "version" => op.version = Some(self.value(0)?),
            "timeline" => op.timeline = Some(self.value(0)?),
            "error" | "exception" => {
                let value = self.value(0)?;
                if !value.is_nil() && (op.error.is_none() || name == "error") {
                    op.error = Some(value.to_string());
                }
            }
            _ => drop(self.value(0)?),
        }
        Ok(())
    }

    pub(super) fn value(&mut self, depth: usize) -> Result<Value, Problem> {
        if depth > MAX_DEPTH {
            return Err(self.fail(&format!("no more than {MAX_DEPTH} nested values")));
        }
        match self.peek() {
            Some(b'"') => {
                let text = self.string()?;
                self.pass(text.len())?;
                Ok(Value::Text(self.texts.get(&text)))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'[') => self.array(depth),
            Some(b'{') => self.object(depth),
            Some(b'n') => self.word(b"null", Value::Nil),
            Some(b't') => self.word(b"true", Value::Bool(true)),
            Some(b'f') => self.word(b"false", Value::Bool(false)),
            _ => Err(self.fail("a value")),
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value, Problem> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.fail("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value, Problem> {
        self.at += 1;
        self.space();
        let begin = self.texts.items.len();
        if self.take(b']') {
            return Ok(self.list(begin));
        }
        loop {
            self.space();
            self.pass(ITEM)?;
            let item = self.value(depth + 1)?;
            self.texts.items.push(item);
            self.space();
            if !self.take(b',') {
                self.expect(b']', "a comma or the end of the array")?;
                return Ok(self.list(begin));
            }
        }
    }

    /// The values read since, as a list: one allocation, of the right size.
    fn list(&mut self, begin: usize) -> Value {
        Value::List(self.texts.items.drain(begin..).collect())
    }

    /// A list of its pairs.
    fn object(&mut self, depth: usize) -> Result<Value, Problem> {
        self.at += 1;
        self.space();
        let begin = self.texts.items.len();
        if self.take(b'}') {
            return Ok(self.list(begin));
        }
        loop {
            self.space();
            let name = self.string()?;
            let name = Value::Text(self.texts.get(&name));
            self.space();
            self.expect(b':', "a colon")?;
            self.space();
            self.pass(ITEM)?;
            let pair = Value::List([name, self.value(depth + 1)?].into());
            self.texts.items.push(pair);
            self.space();
            if !self.take(b',') {
                self.expect(b'}', "a comma or the end of the object")?;
                return Ok(self.list(begin));
            }
        }
    }

    fn number(&mut self) -> Result<Value, Problem> {
        let start = self.at;
        let is_negative = self.take(b'-');
        let digits = self.at;
        let mut whole = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            whole = whole.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        let length = self.at - digits;
        if length == 0 || length > 1 && self.bytes[digits] == b'0' {
            self.at = start;
            return Err(self.fail("a number"));
        }
        // Eighteen digits always fit.
        if length <= 18 && !matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Ok(Value::Int(if is_negative { -whole } else { whole }));
        }
        while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = self.peek() {
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        if text.parse::<f64>().is_err() || text.ends_with('.') {
            self.at = start;
            return Err(self.fail("a number"));
        }
        Ok(Value::number(text))
    }

    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>, Problem> {
        let start = self.at;
        self.expect(b'"', "a text")?;
        let rest = &self.bytes[self.at..];
        let Some(end) = memchr::memchr2(b'"', b'\\', rest) else {
            self.at = start;
            return Err(self.fail("a text that ends"));
        };
        let plain = &rest[..end];
        if rest[end] == b'"' && !plain.iter().any(|b| *b < 0x20) {
            let text = std::str::from_utf8(plain).map_err(|_| self.fail("UTF-8"))?;
            self.at += end + 1;
            return Ok(Cow::Borrowed(text));
        }
        // What is escaped is rare, and serde knows how.
        let mut end = end;
        while rest.get(end).is_some_and(|b| *b != b'"') {
            end += if rest[end] == b'\\' { 2 } else { 1 };
        }
        let quoted = self.bytes.get(start..=self.at + end);
        let text = quoted.and_then(|quoted| serde_json::from_slice::<String>(quoted).ok());
        let Some(text) = text else {
            self.at = start;
            return Err(self.fail("a text of UTF-8, with control characters escaped"));
        };
        self.at += end + 1;
        Ok(Cow::Owned(text))
    }
}

/// The kind of a completion or an invocation by its name.
pub(super) fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "invoke" => Kind::Invoke,
        "ok" => Kind::Ok,
        "fail" => Kind::Fail,
        "info" => Kind::Info,
        _ => return None,
    })
}
