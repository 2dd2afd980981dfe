//! From a file of JSON lines to the verdict without a history in between.

use std::io::BufRead;

use rustc_hash::FxHashMap;

use super::{Conflict, DenseError, DenseRecord, DenseRecords, Interner, OPEN};
use crate::{
    Key, Kind,
    formats::{
        BYTE_ORDER_MARK, ImportError,
        layout::Layouts,
        plain::{PlainEvent, PlainValue},
        room::Room,
    },
};

/// What a file of reads and writes came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// Completed reads, and writes but for failed ones.
    pub operations: usize,
    /// How many of them are reads that began after a write of their key had been
    /// acknowledged.
    pub reads_at_risk: u64,
    /// Lines that are events.
    pub events: u64,
    /// A key that is not linearizable, if there is one, and the number of a
    /// value that is involved.
    pub conflict: Option<(Key, Conflict)>,
    /// The line that a killed run left unfinished, and why it was left out.
    pub truncated: Option<ImportError>,
}

/// A file could not be judged while it was read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The reader failed.
    #[error("the history cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is no event, or no event that can stand there.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// It would take more memory than is allowed.
    #[error("line {line}: to read on would take more memory than is allowed")]
    Memory {
        /// Where there was no more.
        line: usize,
    },
    /// A line is more than a read or write of a whole number, or a value is
    /// written twice: [`formats::parse`](crate::formats::parse) and
    /// [`judge`](crate::judge) can say more.
    #[error("line {line}: {problem}")]
    Unsuitable {
        /// Which line; 0 for none in particular.
        line: usize,
        /// Why.
        problem: String,
    },
}

/// Judges a file of [JSON lines](crate::formats::Format::JsonLines) that holds
/// only reads and writes of whole numbers: whether every key is linearizable,
/// by order of lines. Memory grows with operations, not with the length of
/// their lines; steps and probes are skipped.
///
/// ```
/// use quarrel_checkers::register::check_json_lines;
///
/// let file = r#"{"index":0,"time":1,"process":0,"type":"invoke","f":"write","key":7,"value":1}
/// {"index":1,"time":2,"process":0,"type":"ok","f":"write","key":7,"value":1}
/// {"index":2,"time":3,"process":1,"type":"invoke","f":"read","key":7,"value":null}
/// {"index":3,"time":4,"process":1,"type":"ok","f":"read","key":7,"value":null}
/// "#;
/// let streamed = check_json_lines(file.as_bytes())?;
/// assert_eq!(streamed.operations, 2);
/// // The read missed the write, which had been acknowledged.
/// assert_eq!(streamed.conflict.map(|(key, _)| key), Some(7.into()));
/// # Ok::<(), quarrel_checkers::register::StreamError>(())
/// ```
///
/// # Errors
///
/// [`StreamError`]; an unsuitable file may still be a good history.
pub fn check_json_lines(input: impl BufRead) -> Result<Streamed, StreamError> {
    gather(input, &Room::of(None), &mut ())
}

/// The same in about `most_memory` bytes of memory at most.
///
/// # Errors
///
/// The same, and [`StreamError::Memory`].
pub fn check_json_lines_within(
    input: impl BufRead,
    most_memory: u64,
) -> Result<Streamed, StreamError> {
    gather(input, &Room::of(Some(most_memory)), &mut ())
}

/// Who wants to know more of a file than whether its keys are linearizable.
pub(crate) trait Listener {
    /// What is remembered of an operation until it ends.
    type Begun: Copy;

    /// Whether a file in which something is wrong is of no use: then it is not read
    /// to its end.
    const WANTS_VALID: bool;

    /// A line with an event, which is at this position.
    fn event(&mut self, event: &PlainEvent<'_>, at: u64);

    /// A line without one that counts.
    fn other(&mut self);

    /// Whether what was told so far makes the rest of no use.
    fn has_enough(&self) -> bool;

    /// An operation on a key begins; keys are numbered as they come.
    fn begins(&mut self, key: u32, event: &PlainEvent<'_>) -> Self::Begun;

    /// A write was acknowledged.
    fn acknowledged(&mut self, key: u32, event: &PlainEvent<'_>);

    /// A read returned.
    fn answered(&mut self, begun: Self::Begun);

    /// A write ended and nobody knows how, or did not end.
    fn left_open(&mut self);
}

impl Listener for () {
    type Begun = ();

    const WANTS_VALID: bool = false;

    fn event(&mut self, _: &PlainEvent<'_>, _: u64) {}

    fn other(&mut self) {}

    fn has_enough(&self) -> bool {
        false
    }

    fn begins(&mut self, _: u32, _: &PlainEvent<'_>) {}

    fn acknowledged(&mut self, _: u32, _: &PlainEvent<'_>) {}

    fn answered(&mut self, (): ()) {}

    fn left_open(&mut self) {}
}

pub(crate) fn gather<L: Listener>(
    mut input: impl BufRead,
    room: &Room,
    listener: &mut L,
) -> Result<Streamed, StreamError> {
    let mut gathered = Gathered::of(listener);
    // What a chunk leaves of its last line waits here for the next one.
    let mut carried: Vec<u8> = Vec::new();
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        let length = chunk.len();
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let before = gathered.events;
            if carried.is_empty() {
                gathered.line(&rest[..end])?;
            } else {
                carried.extend_from_slice(&rest[..end]);
                gathered.line(&carried)?;
                carried.clear();
                room.passed();
            }
            if gathered.events > before && !room.take(EVENT) {
                return Err(StreamError::Memory { line: gathered.lines });
            }
            rest = &rest[end + 1..];
        }
        if !room.pass(rest.len()) {
            return Err(StreamError::Memory { line: gathered.lines + 1 });
        }
        carried.extend_from_slice(rest);
        input.consume(length);
    }
    let mut truncated = None;
    if !carried.trim_ascii().is_empty()
        && let Err(error) = gathered.line(&carried)
    {
        match error {
            StreamError::Import(error) => truncated = Some(error),
            other => return Err(other),
        }
    }
    gathered.judge(truncated)
}

/// About the bytes that an event takes, of which two are an operation: its record
/// and the number of its value, in lists that may have doubled for it.
const EVENT: usize = 2 * size_of::<DenseRecord>();

/// Where something is wrong it mostly shows in so many operations.
const LOOKED_AT: usize = 1 << 16;

/// Longer lines are not asked what they are: as a tree they would take many times
/// their length.
const MOST_ODD: usize = 1 << 20;

/// An operation under way.
#[derive(Clone, Copy)]
struct Open<B> {
    invoked: u64,
    /// The key by number and by name.
    key: u32,
    name: u64,
    /// The number of the value that it writes; none if it reads.
    writes: Option<u32>,
    /// Whether a write of the key had been acknowledged before.
    is_at_risk: bool,
    begun: B,
}

/// Processes are small numbers as a rule, for which a list is the fastest map.
struct OpenByProcess<B> {
    small: Vec<Option<Open<B>>>,
    large: FxHashMap<u64, Open<B>>,
}

/// The name of the register without a name. No line has it: a number of twenty
/// digits is not read here.
const NO_KEY: u64 = u64::MAX;

/// Processes below this are kept in a list.
const SMALL: u64 = 1 << 16;

impl<B: Copy> OpenByProcess<B> {
    /// Says whether there was one already.
    fn insert(&mut self, process: u64, open: Open<B>) -> bool {
        if process >= SMALL {
            return self.large.insert(process, open).is_some();
        }
        let at = process as usize;
        if at >= self.small.len() {
            self.small.resize(at + 1, None);
        }
        self.small[at].replace(open).is_some()
    }

    fn remove(&mut self, process: u64) -> Option<Open<B>> {
        if process >= SMALL {
            return self.large.remove(&process);
        }
        self.small.get_mut(process as usize)?.take()
    }

    fn rest(&self) -> impl Iterator<Item = &Open<B>> {
        self.small.iter().flatten().chain(self.large.values())
    }
}

struct Gathered<'l, L: Listener> {
    listener: &'l mut L,
    records: DenseRecords,
    layouts: Layouts,
    open: OpenByProcess<L::Begun>,
    /// Writes of unknown outcome, which come last.
    unknown: Vec<DenseRecord>,
    values: Interner,
    keys: FxHashMap<u64, u32>,
    lines: usize,
    events: u64,
    /// By number of the key: whether a write of it has been acknowledged.
    acknowledged: Vec<bool>,
    reads_at_risk: u64,
}

impl<'l, L: Listener> Gathered<'l, L> {
    fn of(listener: &'l mut L) -> Self {
        Self {
            listener,
            records: DenseRecords::default(),
            layouts: Layouts::default(),
            open: OpenByProcess { small: Vec::new(), large: FxHashMap::default() },
            unknown: Vec::new(),
            values: Interner::default(),
            keys: FxHashMap::default(),
            lines: 0,
            events: 0,
            acknowledged: Vec::new(),
            reads_at_risk: 0,
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), StreamError> {
        self.lines += 1;
        let line = match self.lines {
            1 => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
            _ => line,
        };
        let event = match PlainEvent::read(line) {
            Some(event) => {
                if let Some(found) = event.index.filter(|index| *index != self.events) {
                    let expected = self.events;
                    return Err(self.fail(format!("expected index {expected}, found {found}")));
                }
                event
            }
            // Another tool may number as it likes.
            None => match self.layouts.read(line) {
                Some(event) => event,
                None => return self.odd_line(line),
            },
        };
        let at = self.events;
        self.listener.event(&event, at);
        if self.listener.has_enough() {
            return Err(self.unsuitable("it is of another kind"));
        }
        self.events += 1;
        if event.kind == Kind::Invoke {
            let open = self.invoke(&event, at)?;
            if self.open.insert(event.process, open) {
                let process = event.process;
                return Err(self.fail(format!("process {process} has an operation open already")));
            }
            return Ok(());
        }
        let Some(open) = self.open.remove(event.process) else {
            let process = event.process;
            return Err(self.fail(format!("process {process} never invoked what it completes")));
        };
        self.complete(&event, open, at)
    }

    /// Steps, probes and empty lines are no events.
    fn odd_line(&mut self, line: &[u8]) -> Result<(), StreamError> {
        #[derive(serde::Deserialize)]
        struct Tag {
            #[serde(rename = "type")]
            tag: String,
            process: Option<serde_json::Value>,
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        self.listener.other();
        if self.listener.has_enough() {
            return Err(self.unsuitable("it is of another kind"));
        }
        if line.len() > MOST_ODD {
            return Err(self.unsuitable("the line is longer than 1 MB"));
        }
        let tag: Tag = serde_json::from_slice(line)
            .map_err(|error| self.fail(format!("expected an event, a step or a probe: {error}")))?;
        match tag.tag.as_str() {
            "step" | "probe" => Ok(()),
            _ if tag.process == Some("nemesis".into()) => {
                self.events += 1;
                Ok(())
            }
            _ => Err(self.unsuitable("the event is more than a read or write of a whole number")),
        }
    }

    fn invoke(&mut self, event: &PlainEvent<'_>, at: u64) -> Result<Open<L::Begun>, StreamError> {
        // An absent key is one unnamed register beside the named ones.
        let name = event.key.unwrap_or(NO_KEY);
        let next = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let key = *self.keys.entry(name).or_insert(next);
        let writes = match (event.f, &event.value) {
            ("read", _) => None,
            ("write", PlainValue::Int(value)) => {
                Some(self.values.number(key, value.cast_unsigned()))
            }
            _ => return Err(self.unsuitable("only reads and writes of whole numbers are streamed")),
        };
        let is_at_risk = self.acknowledged.get(key as usize).is_some_and(|known| *known);
        let begun = self.listener.begins(key, event);
        Ok(Open { invoked: at, key, name, writes, is_at_risk, begun })
    }

    fn complete(
        &mut self,
        event: &PlainEvent<'_>,
        open: Open<L::Begun>,
        at: u64,
    ) -> Result<(), StreamError> {
        let Open { invoked, key, name, writes, is_at_risk, begun } = open;
        let fits = if writes.is_some() { event.f == "write" } else { event.f == "read" };
        if !fits || event.key.unwrap_or(NO_KEY) != name {
            let process = event.process;
            let problem = format!("process {process} completes another operation than it invoked");
            return Err(self.fail(problem));
        }
        let record = match (event.kind, writes) {
            (Kind::Fail, _) | (Kind::Info, None) => return Ok(()),
            (Kind::Info, Some(value)) => {
                self.listener.left_open();
                self.unknown.push(DenseRecord::write(key, value, invoked, OPEN));
                return Ok(());
            }
            (_, Some(value)) => {
                let key_at = key as usize;
                if key_at >= self.acknowledged.len() {
                    self.acknowledged.resize(key_at + 1, false);
                }
                self.acknowledged[key_at] = true;
                self.listener.acknowledged(key, event);
                DenseRecord::write(key, value, invoked, at)
            }
            (_, None) => {
                let value = match event.value {
                    PlainValue::Nil => DenseRecord::INITIAL,
                    PlainValue::Int(value) => self.values.number(key, value.cast_unsigned()),
                    _ => return Err(self.unsuitable("a read returned no whole number")),
                };
                self.reads_at_risk += u64::from(is_at_risk);
                self.listener.answered(begun);
                DenseRecord::read(key, value, invoked, at)
            }
        };
        self.records.push(record).map_err(|error| self.unsuitable(&error.to_string()))?;
        if L::WANTS_VALID && self.records.len() == LOOKED_AT && self.is_wrong_so_far() {
            return Err(self.unsuitable("something is wrong with it"));
        }
        Ok(())
    }

    /// Whether no order explains what there is, whatever comes: operations that are
    /// under way may have happened.
    fn is_wrong_so_far(&self) -> bool {
        let mut records = self.records.clone();
        let left = self.open.rest().filter_map(|open| {
            Some(DenseRecord::write(open.key, open.writes?, open.invoked, OPEN))
        });
        let mut all = self.unknown.iter().copied().chain(left);
        let is_taken = all.all(|record| records.push(record).is_ok());
        is_taken && !matches!(records.check(), Ok(None))
    }

    fn judge(mut self, truncated: Option<ImportError>) -> Result<Streamed, StreamError> {
        let listener = self.listener;
        let left = self.open.rest().filter_map(|open| {
            let record = DenseRecord::write(open.key, open.writes?, open.invoked, OPEN);
            listener.left_open();
            Some(record)
        });
        let unsuitable =
            |error: DenseError| StreamError::Unsuitable { line: 0, problem: error.to_string() };
        for record in self.unknown.drain(..).chain(left) {
            self.records.push(record).map_err(unsuitable)?;
        }
        // Values have their numbers; the table is larger than what follows.
        self.values = Interner::default();
        let conflict = self.records.check().map_err(unsuitable)?;
        let name = |conflict: Conflict| {
            let (&key, _) = self.keys.iter().find(|(_, number)| **number == conflict.key)?;
            Some((Key(key), conflict))
        };
        let operations = self.records.len();
        let (reads_at_risk, events) = (self.reads_at_risk, self.events);
        let conflict = conflict.and_then(name);
        Ok(Streamed { operations, reads_at_risk, events, conflict, truncated })
    }

    fn fail(&self, problem: String) -> StreamError {
        ImportError { line: self.lines, column: 1, problem }.into()
    }

    fn unsuitable(&self, problem: &str) -> StreamError {
        StreamError::Unsuitable { line: self.lines, problem: problem.to_owned() }
    }
}
