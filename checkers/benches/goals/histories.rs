//! Histories of the sizes that goals are set for, as other tools write them.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use quarrel_checkers::{
    Event, F, History, Kind, Op, Process, Time, Value,
    formats::{self, Format},
    generate::{GeneratedLoad, Random, Store},
};

/// Writes them all into a folder, to be read by whole processes.
pub(crate) fn write_all(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let file = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    foreign(&registers(), file("foreign.jsonl")?)?;
    foreign(&stale(), file("stale.jsonl")?)?;
    formats::write(&appends(100_000), Format::JsonLines, &mut file("appends.jsonl")?)?;
    formats::write(&snapshots(100_000), Format::JsonLines, &mut file("snapshots.jsonl")?)
}

/// 10⁶ reads and writes of 100 keys.
pub(crate) fn registers() -> GeneratedLoad {
    GeneratedLoad { operations: 1_000_000, keys: 100, seed: 1, ..GeneratedLoad::default() }
}

/// 10⁶ reads and writes of one key, nearly a fifth of which are stale reads.
pub(crate) fn stale() -> GeneratedLoad {
    let store = Store::Replica { lag_ns: 16_000 };
    GeneratedLoad { operations: 1_000_000, store, seed: 1, ..GeneratedLoad::default() }
}

/// In another order of fields than ours, with spaces, and without versions.
pub(crate) fn foreign(load: &GeneratedLoad, mut to: impl Write) -> io::Result<()> {
    let mut written = Ok(());
    load.each_event(|event| {
        if written.is_ok() {
            written = line(&event, &mut to);
        }
    });
    written?;
    to.flush()
}

fn line(event: &Event, to: &mut impl Write) -> io::Result<()> {
    let kind = match event.kind {
        Kind::Invoke => "invoke",
        Kind::Ok => "ok",
        Kind::Fail => "fail",
        Kind::Info => "info",
    };
    let value = match &event.op.value {
        Value::Nil => "null".to_owned(),
        value => value.to_string(),
    };
    let key = event.op.key.map_or(0, |key| key.0);
    writeln!(
        to,
        "{{\"type\": \"{kind}\", \"f\": \"{}\", \"key\": {key}, \"value\": {value}, \
         \"process\": {}, \"time\": {}, \"index\": {}}}",
        event.op.f, event.process, event.time.0, event.index.0
    )
}

/// Clients at once.
const CLIENTS: u64 = 20;
const KEYS: u64 = 64;
/// A list is replaced by another one when it is so long.
const LONGEST: usize = 32;

/// What a serial store answers to transactions of four micro-operations on 64
/// keys, which are replaced after 32 writes; 20 clients run at once.
pub(crate) fn appends(count: u64) -> History {
    serial(count, "append")
}

/// The same on registers.
pub(crate) fn writes(count: u64) -> History {
    serial(count, "w")
}

fn micro(f: &str, name: i64, value: Value) -> Value {
    Value::List([f.into(), Value::Int(name), value].into())
}

fn transaction(micros: Vec<Value>) -> Op {
    Op { f: F::Txn, key: None, value: Value::List(micros.into()), version: None }
}

fn serial(count: u64, f: &str) -> History {
    let mut random = Random::seeded(9);
    let mut lists: Vec<Vec<Value>> = vec![Vec::new(); KEYS as usize];
    let mut names: Vec<i64> = (0..KEYS as i64).collect();
    let mut history = History::default();
    let mut running: Vec<Option<Op>> = vec![None; CLIENTS as usize];
    for n in 0..count {
        let mut asked = Vec::new();
        let mut answered = Vec::new();
        for _ in 0..4 {
            let key = random.below(KEYS) as usize;
            if lists[key].len() >= LONGEST {
                lists[key].clear();
                names[key] += KEYS as i64;
            }
            if random.permille(500) {
                let seen = match f {
                    "append" => Value::List(lists[key].clone().into()),
                    _ => lists[key].last().cloned().unwrap_or_default(),
                };
                asked.push(micro("r", names[key], Value::Nil));
                answered.push(micro("r", names[key], seen));
            } else {
                let value = Value::Int((n * 4 + asked.len() as u64) as i64);
                lists[key].push(value.clone());
                asked.push(micro(f, names[key], value.clone()));
                answered.push(micro(f, names[key], value));
            }
        }
        let client = n % CLIENTS;
        let process = Process::Client(client);
        if let Some(op) = running[client as usize].replace(transaction(answered)) {
            history.ok(Time(n * 2), process, op);
        }
        history.invoke(Time(n * 2 + 1), process, transaction(asked));
    }
    history
}

/// A transaction of a store with snapshots.
struct Running {
    asked: Vec<Value>,
    answered: Vec<Value>,
    /// By key that it appends to: how many appends its snapshot has.
    writes: Vec<(usize, usize, Value)>,
}

/// What a store with snapshot isolation answers, whose transactions read two
/// keys and append to one: so many of them depend on each other in circles
/// that nearly all are one component.
pub(crate) fn snapshots(count: u64) -> History {
    let mut random = Random::seeded(11);
    let mut lists: Vec<Vec<Value>> = vec![Vec::new(); KEYS as usize];
    let mut names: Vec<i64> = (0..KEYS as i64).collect();
    let mut history = History::default();
    let mut running: Vec<Option<Running>> = (0..CLIENTS).map(|_| None).collect();
    for n in 0..count {
        let client = random.below(CLIENTS);
        let process = Process::Client(client);
        if let Some(ended) = running[client as usize].take() {
            // Of two that append to one key at once, the first to commit wins.
            let is_free = |(key, length, _): &(usize, usize, Value)| lists[*key].len() == *length;
            let (op, kind) = match ended.writes.iter().all(is_free) {
                true => {
                    ended.writes.iter().for_each(|(key, _, v)| lists[*key].push(v.clone()));
                    (transaction(ended.answered), Kind::Ok)
                }
                false => (transaction(ended.asked), Kind::Fail),
            };
            history.push(Time(n * 2), process, kind, op, None);
        }
        // A full list gives way to another one when nobody is about to append.
        for key in 0..lists.len() {
            let is_full = lists[key].len() >= LONGEST;
            let is_used = || running.iter().flatten().any(|r| r.writes.iter().any(|w| w.0 == key));
            if is_full && !is_used() {
                lists[key].clear();
                names[key] += KEYS as i64;
            }
        }
        let begun = begin(n, &lists, &names, &mut random);
        history.invoke(Time(n * 2 + 1), process, transaction(begun.asked.clone()));
        running[client as usize] = Some(begun);
    }
    history
}

fn begin(n: u64, lists: &[Vec<Value>], names: &[i64], random: &mut Random) -> Running {
    let mut begun = Running { asked: Vec::new(), answered: Vec::new(), writes: Vec::new() };
    for _ in 0..8 {
        let key = random.below(KEYS) as usize;
        begun.asked.push(micro("r", names[key], Value::Nil));
        begun.answered.push(micro("r", names[key], Value::List(lists[key].clone().into())));
    }
    let key = random.below(KEYS) as usize;
    let value = Value::Int(n as i64);
    begun.asked.push(micro("append", names[key], value.clone()));
    begun.answered.push(micro("append", names[key], value.clone()));
    begun.writes.push((key, lists[key].len(), value));
    begun
}
