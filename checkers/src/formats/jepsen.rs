//! From the operations of other tools to events, and what has to be assumed
//! on the way.

use rustc_hash::FxHashMap;

use super::{Format, ImportError, Imported, Keys, form::Form};
use crate::{Event, F, History, Index, Key, Kind, Op, Process, Time, Value};

/// An operation as it stood in the file.
struct Raw {
    time: Option<u64>,
    process: Process,
    kind: Kind,
    f: String,
    key: Option<Form>,
    value: Form,
    error: Option<String>,
}

/// What is read before anything is decided.
pub(super) struct Reading {
    format: Format,
    keys: Keys,
    raws: Vec<Raw>,
    skipped: usize,
    first_skipped: Option<String>,
    without_process: usize,
    without_f: usize,
    renumbered: usize,
}

impl Reading {
    pub(super) const fn new(format: Format, keys: Keys) -> Self {
        Self {
            format,
            keys,
            raws: Vec::new(),
            skipped: 0,
            first_skipped: None,
            without_process: 0,
            without_f: 0,
            renumbered: 0,
        }
    }

    /// A line that is no operation.
    pub(super) fn skip_line(&mut self, line: &str) {
        if !line.trim().is_empty() {
            self.skipped += 1;
            self.first_skipped.get_or_insert_with(|| line.chars().take(80).collect());
        }
    }

    /// Takes an operation; `position` is its line and column.
    pub(super) fn operation(
        &mut self,
        form: &Form,
        position: &dyn Fn() -> (usize, usize),
    ) -> Result<(), ImportError> {
        let fail = |problem: String| {
            let (line, column) = position();
            ImportError { line, column, problem }
        };
        let Form::Map(pairs) = form else {
            return Err(fail(format!("expected the map of an operation, found {}", form.print())));
        };
        let get = |name: &str| {
            let is_it = |(key, _): &&(Form, Form)| key.name() == Some(name);
            pairs.iter().find(is_it).map(|(_, value)| value)
        };
        let kind = match get("type").and_then(Form::name) {
            Some("invoke") => Kind::Invoke,
            Some("ok") => Kind::Ok,
            Some("fail") => Kind::Fail,
            Some("info") => Kind::Info,
            found => {
                let found = found.unwrap_or("nothing");
                return Err(fail(format!(
                    "expected :type to be :invoke, :ok, :fail or :info, found {found}"
                )));
            }
        };
        let process = match get("process") {
            Some(form) => process(form).ok_or_else(|| {
                fail(format!(
                    "expected :process to be a whole number or :nemesis, found {}",
                    form.print()
                ))
            })?,
            None => {
                self.without_process += 1;
                Process::Client(0)
            }
        };
        let value = get("value").cloned().unwrap_or(Form::Nil);
        let f = get("f").and_then(Form::name).map_or_else(
            || {
                self.without_f += 1;
                "txn".to_owned()
            },
            str::to_owned,
        );
        let time = match get("time") {
            Some(Form::Int(nanos)) => Some(u64::try_from(*nanos).unwrap_or(0)),
            _ => None,
        };
        if let Some(Form::Int(index)) = get("index") {
            self.renumbered += usize::from(usize::try_from(*index) != Ok(self.raws.len()));
        }
        let error = get("error").or_else(|| get("exception")).filter(|form| !form.is_nil());
        let error = error.map(Form::print);
        self.raws.push(Raw { time, process, kind, f, key: get("key").cloned(), value, error });
        Ok(())
    }

    /// Decides what the file left open.
    pub(super) fn finish(mut self) -> Imported {
        let mut assumptions = self.assumptions();
        if self.has_pairs() {
            assumptions.push("values are pairs of a key and a value".to_owned());
            self.take_pairs_apart();
        }
        let names = Names::of(&self.raws);
        if !names.list.is_empty() {
            assumptions.push(format!(
                "{} keys that are no whole numbers were numbered in order of appearance",
                names.list.len()
            ));
        }
        let is_timed = self.raws.iter().all(|raw| raw.time.is_some());
        let mut history = History::default();
        let mut open: FxHashMap<Process, (Value, Option<Key>)> = FxHashMap::default();
        for (at, raw) in self.raws.into_iter().enumerate() {
            let time = Time(raw.time.filter(|_| is_timed).unwrap_or(at as u64));
            let mut op = Op {
                f: F::from(raw.f.as_str()),
                key: raw.key.as_ref().map(|key| names.key(key)),
                value: raw.value.value(),
                version: None,
            };
            let mut error = raw.error;
            if raw.kind == Kind::Invoke {
                open.insert(raw.process, (op.value.clone(), op.key));
            } else if let Some((value, key)) = open.remove(&raw.process) {
                complete(&mut op, raw.kind, (value, key), &mut error);
            }
            let index = Index(at as u64);
            let (process, kind) = (raw.process, raw.kind);
            history.events.push(Event { index, time, process, kind, op, timeline: None, error });
        }
        Imported {
            history,
            probes: Vec::new(),
            format: self.format,
            assumptions,
            key_names: names.list,
            truncated: None,
        }
    }

    fn assumptions(&self) -> Vec<String> {
        let mut said = vec![format!("the file is {}", self.format)];
        if self.raws.iter().any(|raw| raw.time.is_none()) {
            said.push("operations carry no times, so lines stand for nanoseconds".to_owned());
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
        if let Some(first) = &self.first_skipped {
            said.push(format!("{} lines are no operations, the first: {first}", self.skipped));
        }
        said
    }

    /// Whether the values are pairs of a key and a value.
    fn has_pairs(&self) -> bool {
        match self.keys {
            Keys::InValues => true,
            Keys::None => false,
            Keys::Infer => {
                let invoked = self.raws.iter().filter(|raw| {
                    raw.kind == Kind::Invoke && raw.process != Process::Nemesis && raw.key.is_none()
                });
                let mut telling = invoked
                    .filter(|raw| matches!(raw.f.as_str(), "read" | "write" | "cas"))
                    .peekable();
                telling.peek().is_some() && telling.all(is_pair)
            }
        }
    }

    fn take_pairs_apart(&mut self) {
        for raw in self.raws.iter_mut().filter(|raw| raw.process != Process::Nemesis) {
            raw.value = match std::mem::replace(&mut raw.value, Form::Nil) {
                Form::Sequence(mut items) if items.len() == 2 => {
                    let value = items.pop().unwrap_or(Form::Nil);
                    raw.key = items.pop();
                    value
                }
                // An old log replaced the value by the error.
                other => other,
            };
        }
    }
}

/// Fills a completion from its invocation.
fn complete(
    op: &mut Op,
    kind: Kind,
    (value, key): (Value, Option<Key>),
    error: &mut Option<String>,
) {
    op.key = op.key.or(key);
    let is_keyword = |value: &Value| matches!(value, Value::Text(text) if text.starts_with(':'));
    if kind != Kind::Ok && is_keyword(&op.value) && !is_keyword(&value) {
        // An old log replaced the value by the error.
        error.get_or_insert_with(|| op.value.to_string());
        op.value = value;
    } else if op.value.is_nil() && (kind != Kind::Ok || op.f != F::Read) {
        op.value = value;
    }
}

fn is_pair(raw: &Raw) -> bool {
    let Form::Sequence(items) = &raw.value else { return false };
    let is_scalar = |form: &Form| !matches!(form, Form::Sequence(_) | Form::Map(_));
    match (raw.f.as_str(), items.as_slice()) {
        ("cas", [key, Form::Sequence(values)]) => is_scalar(key) && values.len() == 2,
        ("cas", _) => false,
        (_, [key, _]) => is_scalar(key),
        _ => false,
    }
}

fn process(form: &Form) -> Option<Process> {
    match form {
        Form::Int(n) => u64::try_from(*n).ok().map(Process::Client),
        Form::Keyword(name) | Form::Text(name) if name == "nemesis" => Some(Process::Nemesis),
        Form::Text(name) => name.strip_prefix("agent-")?.parse().ok().map(Process::Agent),
        _ => None,
    }
}

/// Numbers for keys.
struct Names {
    ids: FxHashMap<Value, Key>,
    list: Vec<Value>,
}

impl Names {
    /// Keys that are whole numbers keep them, unless others have names.
    fn of(raws: &[Raw]) -> Self {
        let mut names = Self { ids: FxHashMap::default(), list: Vec::new() };
        let keys = || raws.iter().filter_map(|raw| raw.key.as_ref());
        if keys().all(|key| matches!(key, Form::Int(0..))) {
            return names;
        }
        for key in keys() {
            let next = Key(names.list.len() as u64);
            if names.ids.insert(key.value(), next).is_none() {
                names.list.push(key.value());
            }
        }
        // The first appearance counts.
        names.ids =
            (0..).map(Key).zip(&names.list).map(|(key, name)| (name.clone(), key)).collect();
        names
    }

    fn key(&self, form: &Form) -> Key {
        match form {
            Form::Int(n) if self.list.is_empty() => Key(n.unsigned_abs()),
            _ => self.ids.get(&form.value()).copied().unwrap_or_default(),
        }
    }
}
