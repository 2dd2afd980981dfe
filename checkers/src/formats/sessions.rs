//! Histories of transactions by session, as testers of isolation keep them: Plume's
//! and PolySI's text (`w(key,value,session,transaction)`), AWDIT's (`w key value`,
//! transactions apart by `-----`, sessions by `=====`) and dbcop's JSON. They tell the
//! order within each session and no real time between them.
//!
//! Transactions at the same place of their sessions are laid side by side, those
//! of one session one behind the other. What that says of real time between
//! sessions means nothing, see [`Imported::is_in_real_time`](super::Imported::is_in_real_time).

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;

use super::{ImportError, jepsen::Reading, operation::RawOp};
use crate::Value;

/// A read or write of a key.
#[derive(Clone, Copy, Debug)]
struct Access {
    does: Does,
    key: i64,
    /// None for a read of what was there at first.
    value: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Does {
    #[serde(rename = "r")]
    Read,
    #[serde(rename = "w")]
    Write,
}

#[derive(Debug, Default)]
struct Transaction {
    accesses: Vec<Access>,
    is_aborted: bool,
    line: usize,
}

#[derive(Debug, Default)]
struct Sessions(Vec<Vec<Transaction>>);

/// Whether a line is one of Plume's.
pub(super) fn is_plume(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    matches!(line, [b'r' | b'w', b'(', .., b')'])
        && line.iter().filter(|b| **b == b',').count() == 3
}

/// Whether a line is one of AWDIT's.
pub(super) fn is_awdit(line: &[u8]) -> bool {
    let parts: Vec<&[u8]> =
        line.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()).collect();
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    matches!(parts[..], [b"r" | b"w", key, value] if is_number(key) && is_number(value))
}

/// Whether a file begins as one of dbcop's.
pub(super) fn is_dbcop(beginning: &[u8]) -> bool {
    let has = |name: &[u8]| memchr::memmem::find(beginning, name).is_some();
    has(b"\"events\"") && (has(b"\"committed\"") || has(b"\"success\"")) && !has(b"\"process\"")
}

/// `w(key,value,session,transaction)`, a line each. Writes of transaction -1 were
/// aborted.
pub(super) fn parse_plume(text: &str, reading: &mut Reading) -> Result<(), ImportError> {
    let mut sessions = Sessions::default();
    let mut places: FxHashMap<i64, usize> = FxHashMap::default();
    let mut transactions: FxHashMap<(usize, i64), usize> = FxHashMap::default();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let fail = || ImportError {
            line,
            column: 1,
            problem: format!(
                "expected r(key,value,session,transaction) or w(…), four whole numbers, found \
                 `{}`",
                text.chars().take(80).collect::<String>()
            ),
        };
        let (does, rest) = match text.trim().split_once('(') {
            Some(("r", rest)) => (Does::Read, rest),
            Some(("w", rest)) => (Does::Write, rest),
            _ => return Err(fail()),
        };
        let numbers = rest.strip_suffix(')').ok_or_else(fail)?.split(',').map(number);
        let numbers: Option<Vec<i64>> = numbers.collect();
        let Some([key, value, session, transaction]) = numbers.as_deref() else {
            return Err(fail());
        };
        let next = places.len();
        let session = *places.entry(*session).or_insert(next);
        if session == sessions.0.len() {
            sessions.0.push(Vec::new());
        }
        let access = Access { does, key: *key, value: Some(*value) };
        let of_session = &mut sessions.0[session];
        if *transaction == -1 {
            of_session.extend(aborted(access, line));
            continue;
        }
        let at = *transactions.entry((session, *transaction)).or_insert_with(|| {
            of_session.push(Transaction { line, ..Transaction::default() });
            of_session.len() - 1
        });
        of_session[at].accesses.push(access);
    }
    sessions.tell(reading)
}

fn number(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

/// A transaction of a write that was aborted; of a read there is nothing to tell.
fn aborted(access: Access, line: usize) -> Option<Transaction> {
    let transaction = Transaction { accesses: vec![access], is_aborted: true, line };
    (access.does == Does::Write).then_some(transaction)
}

/// `w key value`, a line each; transactions apart by `-----`, sessions by `=====`.
pub(super) fn parse_awdit(text: &str, reading: &mut Reading) -> Result<(), ImportError> {
    let mut sessions = Sessions(vec![vec![Transaction::default()]]);
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        let is_all = |c: char| !text.is_empty() && text.chars().all(|found| found == c);
        let session = sessions.0.last_mut().expect("there is always one");
        if is_all('=') {
            sessions.0.push(vec![Transaction::default()]);
        } else if is_all('-') {
            session.push(Transaction::default());
        } else if !text.is_empty() {
            let parts: Vec<&str> = text.split_whitespace().collect();
            let does = match parts.first() {
                Some(&"r") => Some(Does::Read),
                Some(&"w") => Some(Does::Write),
                _ => None,
            };
            let numbers = match parts[..] {
                [_, key, value] => number(key).zip(number(value)),
                _ => None,
            };
            let Some((does, (key, value))) = does.zip(numbers) else {
                let problem = format!(
                    "expected `r KEY VALUE` or `w KEY VALUE`, a line of - between transactions or \
                     of = between sessions, found `{}`",
                    text.chars().take(80).collect::<String>()
                );
                return Err(ImportError { line, column: 1, problem });
            };
            let transaction = session.last_mut().expect("there is always one");
            transaction.line =
                if transaction.accesses.is_empty() { line } else { transaction.line };
            transaction.accesses.push(Access { does, key, value: Some(value) });
        }
    }
    sessions.tell(reading)
}

/// What dbcop writes, in its older form and its newer ones.
pub(super) fn parse_dbcop(bytes: &[u8], reading: &mut Reading) -> Result<(), ImportError> {
    /// Bytes that a byte of such a file comes to while it is read.
    const TIMES: usize = 4;
    if !reading.room.take(bytes.len() * TIMES) {
        return Err(super::room::Room::full_at((1, 1)));
    }
    let is_list = bytes.trim_ascii_start().first() == Some(&b'[');
    let file = if is_list {
        serde_json::from_slice(bytes)
    } else {
        serde_json::from_slice(bytes).map(|file: Dbcop| file.data)
    };
    let file: Vec<Vec<DbcopTransaction>> = file.map_err(|error| ImportError {
        line: error.line().max(1),
        column: error.column().max(1),
        problem: format!(
            "expected dbcop's JSON, lists of transactions {{\"events\": […], \"committed\": true}} by \
             session: {error}"
        ),
    })?;
    let mut sessions = Sessions::default();
    for told in file {
        let mut session = Vec::with_capacity(told.len());
        for DbcopTransaction { events, committed } in told {
            let mut transaction =
                Transaction { is_aborted: !committed, line: 1, ..Transaction::default() };
            for event in events {
                let (access, is_done) = event.access();
                match is_done {
                    true => transaction.accesses.push(access),
                    false => session.extend(aborted(access, 1)),
                }
            }
            session.push(transaction);
        }
        sessions.0.push(session);
    }
    sessions.tell(reading)
}

#[derive(Deserialize)]
struct Dbcop {
    #[serde(alias = "sessions")]
    data: Vec<Vec<DbcopTransaction>>,
}

#[derive(Deserialize)]
struct DbcopTransaction {
    events: Vec<DbcopEvent>,
    #[serde(alias = "success")]
    committed: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum DbcopEvent {
    Short(Does, i64, Option<i64>),
    Read {
        #[serde(rename = "Read")]
        read: Versioned,
    },
    Write {
        #[serde(rename = "Write")]
        write: Versioned,
    },
    Old {
        write: bool,
        variable: i64,
        value: i64,
        #[serde(default = "yes")]
        success: bool,
    },
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Versioned {
    variable: i64,
    version: Option<i64>,
}

impl DbcopEvent {
    /// What it is, and whether it was done.
    fn access(self) -> (Access, bool) {
        match self {
            Self::Short(does, key, value) => (Access { does, key, value }, true),
            Self::Read { read: Versioned { variable: key, version: value } } => {
                (Access { does: Does::Read, key, value }, true)
            }
            Self::Write { write: Versioned { variable: key, version: value } } => {
                (Access { does: Does::Write, key, value }, true)
            }
            Self::Old { write, variable: key, value, success } => {
                let does = if write { Does::Write } else { Does::Read };
                (Access { does, key, value: Some(value) }, success)
            }
        }
    }
}

impl Sessions {
    /// Hands on the transactions, those of one place in their sessions side by side.
    fn tell(mut self, reading: &mut Reading) -> Result<(), ImportError> {
        self.0.iter_mut().for_each(|session| session.retain(|t| !t.accesses.is_empty()));
        self.zeros_are_initial();
        reading.is_in_real_time = false;
        let rounds = self.0.iter().map(Vec::len).max().unwrap_or(0);
        for round in 0..rounds {
            let running = || {
                let at_once = (0..).zip(&self.0);
                at_once.filter_map(|(number, session)| Some((number, session.get(round)?)))
            };
            for (number, transaction) in running() {
                reading.push(transaction.operation(number, "invoke"), &|| (transaction.line, 1))?;
            }
            for (number, transaction) in running() {
                let kind = if transaction.is_aborted { "fail" } else { "ok" };
                reading.push(transaction.operation(number, kind), &|| (transaction.line, 1))?;
            }
        }
        Ok(())
    }

    /// A zero that nobody wrote to a key is what it held at first.
    fn zeros_are_initial(&mut self) {
        let accesses = || self.0.iter().flatten().flat_map(|transaction| &transaction.accesses);
        let zeros = accesses().filter(|a| a.does == Does::Write && a.value == Some(0));
        let written: FxHashSet<i64> = zeros.map(|access| access.key).collect();
        let all = self.0.iter_mut().flatten().flat_map(|transaction| &mut transaction.accesses);
        for access in all.filter(|access| access.does == Does::Read) {
            access.value =
                access.value.filter(|value| *value != 0 || written.contains(&access.key));
        }
    }
}

impl Transaction {
    fn operation(&self, session: i64, kind: &str) -> RawOp {
        let micros = self.accesses.iter().map(|access| {
            let value = access.value.map_or(Value::Nil, Value::Int);
            let (f, value) = match access.does {
                Does::Write => ("w", value),
                Does::Read if kind == "ok" => ("r", value),
                Does::Read => ("r", Value::Nil),
            };
            Value::List([f.into(), Value::Int(access.key), value].into())
        });
        RawOp {
            process: Some(Value::Int(session)),
            kind: Some(kind.into()),
            f: Some("txn".into()),
            value: Value::List(micros.collect()),
            ..RawOp::default()
        }
    }
}
