use std::time::Duration;

use quarrel_checkers::{F, Key, Kind, Op, Value};

use super::{
    AnyStrategy, Session,
    operation::{Cut, failed_for_certain, uncut},
    session::Published,
};
use crate::stores::{Row, StoreError};

/// An operation on two keys that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transaction {
    /// Reads both.
    Read([Key; 2]),
    /// Writes both, with values that no other write uses.
    Write([(Key, Value); 2]),
}

/// How a transaction ended, for the client that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionEnd {
    /// It returned, or was acknowledged.
    Done,
    /// It certainly changed nothing.
    Failed(StoreError),
    /// Nobody knows. The process must retire.
    Unknown(String),
}

enum Ended {
    Read(Result<[Option<Row>; 2], StoreError>),
    Written(Result<[u64; 2], StoreError>),
}

/// Performs a transaction and records it as one operation of the function
/// `txn`, whose value is a list of `[f key value]`, as in Jepsen, and in a
/// completion of `[f key value version]`. Otherwise as
/// [`perform`](super::perform).
pub async fn perform_transaction(
    strategy: &dyn AnyStrategy,
    session: &mut Session,
    transaction: &Transaction,
    deadline: Option<Duration>,
) -> TransactionEnd {
    let process = session.runs_for();
    let asked = op(transaction.asked());
    let invoked = session.recorder().map(|recorder| recorder.invoke(process, asked.clone()));
    session.begin(invoked);
    let crashed = session.crash_signal();
    let work = async {
        match transaction.clone() {
            Transaction::Read(keys) => Ended::Read(strategy.read_pair(session, keys).await),
            Transaction::Write(writes) => {
                Ended::Written(strategy.write_pair(session, writes).await)
            }
        }
    };
    let ended = uncut(crashed, deadline, work).await;
    let published = session.end();
    let answered = match &ended {
        Ok(Ended::Read(Ok(rows))) => Some(transaction.read(rows)),
        Ok(Ended::Written(Ok(versions))) => Some(transaction.written(*versions)),
        _ => None,
    };
    let ending = judge(ended, published);
    if let Some(recorder) = session.recorder() {
        let (kind, error) = match &ending {
            TransactionEnd::Done => (Kind::Ok, None),
            TransactionEnd::Failed(error) => (Kind::Fail, Some(error.to_string())),
            TransactionEnd::Unknown(why) => (Kind::Info, Some(why.clone())),
        };
        let op = answered.map_or(asked, op);
        recorder.complete_on(session.timeline(), process, kind, op, error);
    }
    ending
}

impl Transaction {
    fn asked(&self) -> [Value; 2] {
        match self {
            Self::Read(keys) => keys.map(|key| micro("r", key, Value::Nil, None)),
            Self::Write(writes) => writes.clone().map(|(key, value)| micro("w", key, value, None)),
        }
    }

    fn read(&self, rows: &[Option<Row>; 2]) -> [Value; 2] {
        let row = |key: Key, row: &Option<Row>| match row {
            Some(row) => micro("r", key, row.value.clone(), Some(row.version)),
            None => micro("r", key, Value::Nil, Some(0)),
        };
        let [first, second] = self.keys();
        [row(first, &rows[0]), row(second, &rows[1])]
    }

    fn written(&self, versions: [u64; 2]) -> [Value; 2] {
        let Self::Write([(first, one), (second, other)]) = self else { return self.asked() };
        [
            micro("w", *first, one.clone(), Some(versions[0])),
            micro("w", *second, other.clone(), Some(versions[1])),
        ]
    }

    /// The keys that it is about.
    #[must_use]
    pub const fn keys(&self) -> [Key; 2] {
        match self {
            Self::Read(keys) => *keys,
            Self::Write([(first, _), (second, _)]) => [*first, *second],
        }
    }
}

fn op(micros: [Value; 2]) -> Op {
    Op { f: F::Txn, key: None, value: Value::List(micros.into()), version: None }
}

/// A part of a transaction. Version 0 of a value that is there means that the
/// primary has not given it one yet, and is left out.
fn micro(f: &str, key: Key, value: Value, version: Option<u64>) -> Value {
    let whole = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let known = version.filter(|version| *version > 0 || value.is_nil());
    let parts = [Value::from(f), whole(key.0), value].into_iter().chain(known.map(whole));
    Value::List(parts.collect())
}

/// One half of a recorded transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionHalf {
    /// Whether it wrote its key.
    pub writes: bool,
    /// On what.
    pub key: Key,
    /// What it wrote or read; nil of what was absent, or not yet read.
    pub value: Value,
    /// The version of it, if the primary gave one; 0 of what was absent.
    pub version: Option<u64>,
}

/// The halves of an operation as [`perform_transaction`] records it; none of
/// any other operation.
#[must_use]
pub fn sides(op: &Op) -> Vec<TransactionHalf> {
    let Value::List(parts) = &op.value else { return Vec::new() };
    let whole = |value: &Value| match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let side = |part: &Value| {
        let Value::List(words) = part else { return None };
        let [Value::Text(f), key, value, rest @ ..] = &**words else { return None };
        let version = rest.first().and_then(whole);
        Some(TransactionHalf {
            writes: &**f != "r",
            key: Key(whole(key)?),
            value: value.clone(),
            version,
        })
    };
    if op.f == F::Txn { parts.iter().filter_map(side).collect() } else { Vec::new() }
}

fn judge(ended: Result<Ended, Cut>, published: Published) -> TransactionEnd {
    match ended {
        Ok(Ended::Read(Ok(_)) | Ended::Written(Ok(_))) => TransactionEnd::Done,
        Ok(Ended::Read(Err(error))) => TransactionEnd::Failed(error),
        Ok(Ended::Written(Err(error))) => {
            if failed_for_certain(&error, published) {
                TransactionEnd::Failed(error)
            } else {
                TransactionEnd::Unknown(error.to_string())
            }
        }
        Err(cut) => TransactionEnd::Unknown(cut.why("transaction")),
    }
}
