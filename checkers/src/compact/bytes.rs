//! How a record is written, and read again.
//!
//! Numbers take seven bits a byte, the lowest first. Two bytes of flags say
//! what a record has; what it does not have takes no room.

use std::sync::Arc;

use super::words::Words;
use crate::{
    Certainty, Content, Event, F, Index, Key, Kind, Lsn, Object, Op, Process, Reply, Site, Step,
    Time, Value,
};

/// Flags of an event, beside its kind and its process.
const HAS_KEY: u8 = 1 << 4;
const HAS_VERSION: u8 = 1 << 5;
const HAS_TIMELINE: u8 = 1 << 6;
const HAS_ERROR: u8 = 1 << 7;
/// Beside its function: it does not stand where its index says.
const IS_ELSEWHERE: u8 = 1 << 3;

/// Flags of a step, beside its site and its process.
const HAS_OPERATION: u8 = 1 << 4;
const HAS_END: u8 = 1 << 5;
const HAS_OBJECT: u8 = 1 << 6;
const HAS_LSN: u8 = 1 << 7;
/// Beside its reply.
const HAS_ARGUMENT: u8 = 1 << 3;
const HAS_SPACE: u8 = 1 << 4;
const HAS_OBJECT_VERSION: u8 = 1 << 5;
const IS_DEFINITE: u8 = 1 << 6;

pub(super) fn put_event(to: &mut Vec<u8>, words: &mut Words, event: &Event, place: Index) {
    let Event { index, time, process, kind, op, timeline, error } = event;
    let Op { f, key, value, version } = op;
    let kind = match kind {
        Kind::Invoke => 0,
        Kind::Ok => 1,
        Kind::Fail => 2,
        Kind::Info => 3,
    };
    let has = |is: bool, flag: u8| if is { flag } else { 0 };
    to.push(
        kind | tag(*process) << 2
            | has(key.is_some(), HAS_KEY)
            | has(version.is_some(), HAS_VERSION)
            | has(timeline.is_some(), HAS_TIMELINE)
            | has(error.is_some(), HAS_ERROR),
    );
    let function = match f {
        F::Read => 0,
        F::Write => 1,
        F::Cas => 2,
        F::Txn => 3,
        F::Other(_) => 4,
    };
    to.push(function | has(*index != place, IS_ELSEWHERE));
    if *index != place {
        put(to, index.0);
    }
    put(to, time.0);
    put_process(to, *process);
    if let F::Other(name) = f {
        put(to, words.number_of(name));
    }
    if let Some(Key(key)) = key {
        put(to, *key);
    }
    put_value(to, value);
    if let Some(version) = version {
        put(to, *version);
    }
    if let Some(timeline) = timeline {
        put(to, u64::from(*timeline));
    }
    if let Some(error) = error {
        put(to, words.number_of(error));
    }
}

pub(super) fn put_step(to: &mut Vec<u8>, words: &mut Words, step: &Step) {
    let Step { operation, process, start, end, site, verb, object, argument, reply, lsn } = step;
    let site = match site {
        Site::Primary => 0,
        Site::Replica => 1,
        Site::Cache => 2,
        Site::Client => 3,
    };
    let has = |is: bool, flag: u8| if is { flag } else { 0 };
    to.push(
        site | tag(*process) << 2
            | has(operation.is_some(), HAS_OPERATION)
            | has(end.is_some(), HAS_END)
            | has(object.is_some(), HAS_OBJECT)
            | has(lsn.is_some(), HAS_LSN),
    );
    let reply_tag = match reply {
        Reply::Pending => 0,
        Reply::Found(_) => 1,
        Reply::Miss => 2,
        Reply::Done { version: None } => 3,
        Reply::Done { version: Some(_) } => 4,
        Reply::Refused => 5,
        Reply::Gap => 6,
        Reply::Failed { .. } => 7,
    };
    let is_definite = matches!(reply, Reply::Failed { certainty: Certainty::Definite, .. });
    let has_space = object.as_ref().is_some_and(|object| !object.space.is_empty());
    let has_version = object.as_ref().is_some_and(|object| object.version.is_some());
    to.push(
        reply_tag
            | has(argument.is_some(), HAS_ARGUMENT)
            | has(has_space, HAS_SPACE)
            | has(has_version, HAS_OBJECT_VERSION)
            | has(is_definite, IS_DEFINITE),
    );
    if let Some(Index(operation)) = operation {
        put(to, *operation);
    }
    put_process(to, *process);
    put(to, start.0);
    if let Some(end) = end {
        // A stranger's step may end before it begins.
        put(to, end.0.wrapping_sub(start.0));
    }
    put(to, words.number(verb, || verb.clone()));
    if let Some(Object { space, key, version }) = object {
        if has_space {
            put(to, words.number(space, || space.clone()));
        }
        put(to, key.0);
        if let Some(version) = version {
            put(to, *version);
        }
    }
    if let Some(content) = argument {
        put_content(to, content);
    }
    match reply {
        Reply::Found(content) => put_content(to, content),
        Reply::Done { version: Some(version) } => put(to, *version),
        Reply::Failed { error, .. } => put(to, words.number_of(error)),
        Reply::Pending
        | Reply::Miss
        | Reply::Done { version: None }
        | Reply::Refused
        | Reply::Gap => {}
    }
    if let Some(Lsn(lsn)) = lsn {
        put(to, *lsn);
    }
}

const fn tag(process: Process) -> u8 {
    match process {
        Process::Client(_) => 0,
        Process::Agent(_) => 1,
        Process::Nemesis => 2,
    }
}

fn put_process(to: &mut Vec<u8>, process: Process) {
    if let Process::Client(number) | Process::Agent(number) = process {
        put(to, number);
    }
}

fn put_content(to: &mut Vec<u8>, content: &Content) {
    match content {
        Content::Row { value, version } => {
            to.push(0);
            put_value(to, value);
            put(to, *version);
        }
        Content::Marker => to.push(1),
        Content::Tombstone(version) => {
            to.push(2);
            put(to, *version);
        }
        Content::Number(number) => {
            to.push(3);
            put(to, *number);
        }
    }
}

fn put_value(to: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Nil => to.push(0),
        Value::Bool(false) => to.push(1),
        Value::Bool(true) => to.push(2),
        Value::Int(number) => {
            to.push(3);
            // Zigzag: numbers below zero are short, too.
            put(to, (number << 1 ^ number >> 63).cast_unsigned());
        }
        Value::Text(text) => put_text(to, 4, text),
        Value::Atom(text) => put_text(to, 5, text),
        Value::List(items) => {
            to.push(6);
            put(to, items.len() as u64);
            items.iter().for_each(|item| put_value(to, item));
        }
    }
}

fn put_text(to: &mut Vec<u8>, tag: u8, text: &str) {
    to.push(tag);
    put(to, text.len() as u64);
    to.extend_from_slice(text.as_bytes());
}

fn put(to: &mut Vec<u8>, mut number: u64) {
    while number >= 1 << 7 {
        to.push(number.to_le_bytes()[0] | 1 << 7);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

/// Reads a record that was written here: whatever it asks for is there.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn event(mut self, words: &Words, place: Index) -> Event {
        let flags = self.byte();
        let more = self.byte();
        let kind = match flags & 3 {
            0 => Kind::Invoke,
            1 => Kind::Ok,
            2 => Kind::Fail,
            _ => Kind::Info,
        };
        let index = if more & IS_ELSEWHERE == 0 { place } else { Index(self.number()) };
        let time = Time(self.number());
        let process = self.process(flags);
        let f = match more & 7 {
            0 => F::Read,
            1 => F::Write,
            2 => F::Cas,
            3 => F::Txn,
            _ => F::Other(Arc::from(&**words.word(self.number()))),
        };
        let key = self.maybe(flags, HAS_KEY).map(Key);
        let value = self.value();
        let version = self.maybe(flags, HAS_VERSION);
        let timeline = self.maybe(flags, HAS_TIMELINE);
        let timeline = timeline.map(|number| u32::try_from(number).expect("it was one"));
        let error = self.maybe(flags, HAS_ERROR).map(|number| words.word(number).to_string());
        Event { index, time, process, kind, op: Op { f, key, value, version }, timeline, error }
    }

    /// The operation of a step, which stands first.
    pub(super) fn operation(mut self) -> Option<Index> {
        let flags = self.byte();
        self.byte();
        self.maybe(flags, HAS_OPERATION).map(Index)
    }

    pub(super) fn step(mut self, words: &Words) -> Step {
        let flags = self.byte();
        let more = self.byte();
        let site = match flags & 3 {
            0 => Site::Primary,
            1 => Site::Replica,
            2 => Site::Cache,
            _ => Site::Client,
        };
        let operation = self.maybe(flags, HAS_OPERATION).map(Index);
        let process = self.process(flags);
        let start = Time(self.number());
        let took = self.maybe(flags, HAS_END);
        let end = took.map(|took| Time(start.0.wrapping_add(took)));
        let verb = words.word(self.number()).clone();
        let object = (flags & HAS_OBJECT != 0).then(|| {
            let space = self.maybe(more, HAS_SPACE);
            let space = space.map_or("".into(), |number| words.word(number).clone());
            let key = Key(self.number());
            Object { space, key, version: self.maybe(more, HAS_OBJECT_VERSION) }
        });
        let argument = (more & HAS_ARGUMENT != 0).then(|| self.content());
        let reply = match more & 7 {
            0 => Reply::Pending,
            1 => Reply::Found(self.content()),
            2 => Reply::Miss,
            3 => Reply::Done { version: None },
            4 => Reply::Done { version: Some(self.number()) },
            5 => Reply::Refused,
            6 => Reply::Gap,
            _ => Reply::Failed {
                certainty: match more & IS_DEFINITE {
                    0 => Certainty::Indefinite,
                    _ => Certainty::Definite,
                },
                error: words.word(self.number()).to_string(),
            },
        };
        let lsn = self.maybe(flags, HAS_LSN).map(Lsn);
        Step { operation, process, start, end, site, verb, object, argument, reply, lsn }
    }

    fn process(&mut self, flags: u8) -> Process {
        match flags >> 2 & 3 {
            0 => Process::Client(self.number()),
            1 => Process::Agent(self.number()),
            _ => Process::Nemesis,
        }
    }

    fn content(&mut self) -> Content {
        match self.byte() {
            0 => {
                let value = self.value();
                Content::Row { value, version: self.number() }
            }
            1 => Content::Marker,
            2 => Content::Tombstone(self.number()),
            _ => Content::Number(self.number()),
        }
    }

    fn value(&mut self) -> Value {
        match self.byte() {
            0 => Value::Nil,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => {
                let number = self.number();
                Value::Int((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
            }
            4 => Value::Text(self.text().into()),
            5 => Value::Atom(self.text().into()),
            _ => {
                let items = self.number();
                Value::List((0..items).map(|_| self.value()).collect())
            }
        }
    }

    fn text(&mut self) -> &'a str {
        let length = usize::try_from(self.number()).expect("it was in memory");
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        std::str::from_utf8(text).expect("it was a text")
    }

    fn maybe(&mut self, flags: u8, flag: u8) -> Option<u64> {
        (flags & flag != 0).then(|| self.number())
    }

    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 1 << 7 {
                return number;
            }
            shift += 7;
        }
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect("a record is as long as it was written");
        self.0 = rest;
        *first
    }
}
