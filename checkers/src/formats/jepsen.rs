//! From the operations of other tools to events, and what has to be assumed
//! on the way.

use rustc_hash::FxHashMap;

use super::{
    Format, ImportError, Imported, Keys, WITHOUT_TIMES, json,
    operation::{RawOp, process},
    plain::PlainEvent,
    room::Room,
};
use crate::{Event, F, History, Index, Key, Kind, Op, Process, Time, Value, transactions};

/// What is read before anything is decided.
pub(super) struct Reading {
    format: Format,
    keys: Keys,
    /// What its events may take.
    pub(super) room: Room,
    pub(super) events: Vec<Event>,
    names: Names,
    skipped: usize,
    /// The first line that was left out: its number and its beginning.
    first_skipped: Option<(usize, String)>,
    /// Whether what stands in front was before, whoever did it.
    pub(super) is_in_real_time: bool,
    without_process: usize,
    without_f: usize,
    without_time: usize,
    renumbered: usize,
}

impl Reading {
    pub(super) fn new(format: Format, keys: Keys, room: &Room) -> Self {
        Self {
            format,
            keys,
            room: room.clone(),
            events: Vec::new(),
            names: Names::default(),
            skipped: 0,
            first_skipped: None,
            is_in_real_time: true,
            without_process: 0,
            without_f: 0,
            without_time: 0,
            renumbered: 0,
        }
    }

    /// A line that is no operation.
    pub(super) fn skip_line(&mut self, line: &str, number: usize) {
        if !line.trim().is_empty() {
            self.skipped += 1;
            let beginning = || (number, beginning(line));
            self.first_skipped.get_or_insert_with(beginning);
        }
    }

    /// Takes an operation; `position` is its line and column.
    pub(super) fn push(
        &mut self,
        op: RawOp,
        position: &dyn Fn() -> (usize, usize),
    ) -> Result<(), ImportError> {
        let fail = |problem: String| {
            let (line, column) = position();
            ImportError { line, column, problem }
        };
        let Some(kind) = op.kind.as_ref().and_then(Value::name).and_then(json::kind) else {
            let found = op.kind.map_or_else(|| "nothing".to_owned(), |kind| kind.to_string());
            let found = found.trim_start_matches(':');
            return Err(fail(format!(
                "expected :type to be :invoke, :ok, :fail or :info, found {found}"
            )));
        };
        let process = match &op.process {
            Some(found) => process(found).ok_or_else(|| {
                fail(format!("expected :process to be a whole number or :nemesis, found {found}"))
            })?,
            None => {
                self.without_process += 1;
                Process::Client(0)
            }
        };
        let f = op.f.as_ref().and_then(Value::name).map_or_else(
            || {
                self.without_f += 1;
                F::Txn
            },
            F::from,
        );
        let time = match op.time {
            Some(Value::Int(nanos)) => Some(u64::try_from(nanos).unwrap_or(0)),
            _ => None,
        };
        if let Some(Value::Int(index)) = op.index {
            self.renumbered += usize::from(usize::try_from(index) != Ok(self.events.len()));
        }
        let version = match op.version {
            Some(Value::Int(version)) => u64::try_from(version).ok(),
            _ => None,
        };
        let timeline = match op.timeline {
            Some(Value::Int(timeline)) => u32::try_from(timeline).ok(),
            _ => None,
        };
        let key = op.key.map(|key| self.names.key(&key, &mut self.events));
        let error = op.error;
        let op = Op { f, key, value: op.value, version };
        match self.event(time, process, kind, (op, timeline), error) {
            true => Ok(()),
            false => Err(Room::full_at(position())),
        }
    }

    /// Takes an event of plain values; whether there was room for it.
    pub(super) fn plain(&mut self, raw: PlainEvent<'_>) -> bool {
        let at = self.events.len() as u64;
        self.renumbered += usize::from(raw.index.is_some_and(|index| index != at));
        let key = raw.key.map(|key| match i64::try_from(key) {
            Ok(key) => self.names.key(&Value::Int(key), &mut self.events),
            Err(_) => Key(key),
        });
        let (f, value, version) = (F::from(raw.f), raw.value.value(), raw.version);
        let op = Op { f, key, value, version };
        let process = Process::Client(raw.process);
        self.event(raw.time, process, raw.kind, (op, raw.timeline), None)
    }

    /// Takes an event that was understood already; whether there was room for it.
    fn event(
        &mut self,
        time: Option<u64>,
        process: Process,
        kind: Kind,
        (op, timeline): (Op, Option<u32>),
        error: Option<String>,
    ) -> bool {
        self.without_time += usize::from(time.is_none());
        let index = Index(self.events.len() as u64);
        let time = Time(time.unwrap_or(index.0));
        let event = Event { index, time, process, kind, op, timeline, error };
        let is_room = self.room.keep(&event);
        self.events.push(event);
        is_room
    }

    /// Decides what the file left open. A file of which nothing was understood
    /// is none.
    pub(super) fn finish(mut self) -> Result<Imported, ImportError> {
        if self.events.is_empty() {
            return Err(self.nothing());
        }
        let mut assumptions = self.assumptions();
        if self.has_pairs() {
            assumptions.push("values are pairs of a key and a value".to_owned());
            self.take_pairs_apart();
        }
        if !self.names.list.is_empty() {
            assumptions.push(format!(
                "{} keys that are no whole numbers were numbered in order of appearance",
                self.names.list.len()
            ));
        }
        if self.without_time > 0 {
            (0..).map(Time).zip(&mut self.events).for_each(|(time, event)| event.time = time);
        }
        self.fill_completions();
        assumptions.extend(self.backwards());
        Ok(Imported {
            history: History { events: self.events, steps: Vec::new() },
            probes: Vec::new(),
            format: self.format,
            is_in_real_time: self.is_in_real_time,
            assumptions,
            key_names: self.names.list,
            truncated: None,
        })
    }

    fn nothing(&self) -> ImportError {
        let (line, problem) = self.first_skipped.as_ref().map_or_else(
            || (1, "expected a history, found nothing".to_owned()),
            |(line, text)| (*line, format!("expected an operation, found `{text}`")),
        );
        ImportError { line, column: 1, problem }
    }

    fn assumptions(&self) -> Vec<String> {
        let mut said = vec![format!("the file is {}", self.format)];
        if !self.is_in_real_time {
            said.push(
                "sessions tell their own order and no time between them; a zero that nobody wrote \
                 is what a key held at first"
                    .to_owned(),
            );
        } else if self.without_time > 0 {
            said.push(WITHOUT_TIMES.to_owned());
        }
        if self.without_process > 0 {
            let count = self.without_process;
            said.push(format!("{count} operations without a process belong to process 0"));
        }
        if self.without_f > 0 {
            said.push(format!("{} operations without a function are transactions", self.without_f));
        }
        if self.renumbered > 0 {
            said.push("events were numbered by their order, not by their :index".to_owned());
        }
        if let Some((_, first)) = &self.first_skipped {
            said.push(format!("{} lines are no operations, the first: {first}", self.skipped));
        }
        said
    }

    /// Times that contradict the order of lines, as in logs of several clients
    /// put one behind the other.
    fn backwards(&self) -> Option<String> {
        let clients = || self.events.iter().filter(|event| event.process != Process::Nemesis);
        let pairs = || clients().zip(clients().skip(1));
        let (before, after) = pairs().find(|(before, after)| after.time < before.time)?;
        let count = pairs().filter(|(before, after)| after.time < before.time).count();
        Some(format!(
            "times run backwards at {count} events, the first: event {} at {} ns stands behind \
             event {} at {} ns; what is before what was judged by the order of lines, which is \
             wrong if clients' logs were only put one behind the other",
            after.index.0, after.time.0, before.index.0, before.time.0
        ))
    }

    /// Whether the values are pairs of a key and a value.
    fn has_pairs(&self) -> bool {
        match self.keys {
            Keys::InValues => true,
            Keys::None => false,
            Keys::Infer => {
                let invoked = || {
                    self.events.iter().filter(|event| {
                        event.kind == Kind::Invoke
                            && event.process != Process::Nemesis
                            && event.op.key.is_none()
                    })
                };
                let is_telling = |op: &Op| matches!(op.f, F::Read | F::Write | F::Cas);
                let mut telling = invoked().filter(|event| is_telling(&event.op)).peekable();
                if telling.peek().is_some() {
                    return telling.all(|event| is_pair(&event.op));
                }
                let mut all = invoked().peekable();
                all.peek().is_some() && all.all(|event| is_pair(&event.op))
            }
        }
    }

    fn take_pairs_apart(&mut self) {
        for at in 0..self.events.len() {
            let event = &self.events[at];
            if event.process == Process::Nemesis || event.op.key.is_some() {
                continue;
            }
            // An old log replaced the value by the error.
            let Some([key, value]) = event.op.value.items() else { continue };
            let (key, value) = (key.clone(), value.clone());
            let key = self.names.key(&key, &mut self.events);
            let op = &mut self.events[at].op;
            (op.key, op.value) = (Some(key), value);
        }
    }

    /// Gives completions what stood in their invocations only, and writes what
    /// stands in their completions only.
    fn fill_completions(&mut self) {
        let mut open: FxHashMap<Process, usize> = FxHashMap::default();
        for at in 0..self.events.len() {
            let event = &self.events[at];
            if event.kind == Kind::Invoke {
                open.insert(event.process, at);
                continue;
            }
            let Some(invoked) = open.remove(&event.process) else { continue };
            let (before, after) = self.events.split_at_mut(at);
            let Some(event) = after.first_mut() else { continue };
            complete(&mut before[invoked].op, event);
        }
    }
}

/// The beginning of a line, fit to be printed.
fn beginning(line: &str) -> String {
    let shown = |c: char| {
        let escaped = c.is_control().then(|| c.escape_default());
        let plain = (!c.is_control()).then_some(c);
        escaped.into_iter().flatten().chain(plain)
    };
    line.trim_end().chars().take(80).flat_map(shown).collect()
}

/// Fills a completion from its invocation, or the other way round.
fn complete(invoked: &mut Op, event: &mut Event) {
    let (kind, op) = (event.kind, &mut event.op);
    op.key = op.key.or(invoked.key);
    let is_keyword = |value: &Value| matches!(value, Value::Atom(text) if text.starts_with(':'));
    if kind != Kind::Ok && is_keyword(&op.value) && !is_keyword(&invoked.value) {
        // An old log replaced the value by the error.
        event.error.get_or_insert_with(|| op.value.to_string());
        op.value = invoked.value.clone();
    } else if op.value.is_nil() && (kind != Kind::Ok || op.f != F::Read) {
        op.value = invoked.value.clone();
    } else if kind == Kind::Ok && invoked.value.is_nil() && stores(&op.f) {
        // The client chose the value when the operation ran.
        invoked.value = op.value.clone();
    }
}

/// Whether an operation's value is what it stores, not what it saw.
fn stores(f: &F) -> bool {
    matches!(f.as_str(), "write" | "cas" | "add" | "inc" | "enqueue" | "put" | "append" | "push")
}

fn is_pair(op: &Op) -> bool {
    let is_scalar = |value: &Value| !matches!(value, Value::List(_));
    match (&op.f, op.value.items()) {
        (F::Cas, Some([key, Value::List(values)])) => is_scalar(key) && values.len() == 2,
        (F::Cas, _) => false,
        (F::Txn, Some([key, value])) => is_scalar(key) && transactions::is_list(value),
        (_, Some([key, _])) => is_scalar(key),
        _ => false,
    }
}

/// Numbers for keys. Keys that are whole numbers keep them, unless others have
/// names.
#[derive(Default)]
struct Names {
    ids: FxHashMap<Value, Key>,
    list: Vec<Value>,
}

impl Names {
    fn key(&mut self, key: &Value, before: &mut [Event]) -> Key {
        if self.list.is_empty() {
            if let Value::Int(n @ 0..) = key {
                return Key(n.unsigned_abs());
            }
            for event in before {
                let number = |key: Key| Value::Int(key.0.cast_signed());
                event.op.key = event.op.key.map(|key| self.id(&number(key)));
            }
        }
        self.id(key)
    }

    fn id(&mut self, name: &Value) -> Key {
        if let Some(known) = self.ids.get(name) {
            return *known;
        }
        let next = Key(self.list.len() as u64);
        self.list.push(name.clone());
        self.ids.insert(name.clone(), next);
        next
    }
}
