//! Transactions taken apart into operations on single keys.

use crate::{Event, F, HistoryRef, Key, Kind, Op, Value};

/// Whether the transactions of a history say which version each part saw or
/// got, so that keys can be judged one by one.
pub(super) fn are_versioned(history: HistoryRef<'_>) -> bool {
    let mut transactions =
        history.events().filter(|event| event.kind == Kind::Ok && event.op.f == F::Txn);
    transactions.any(|event| {
        let mut parts = list(&event.op.value).unwrap_or_default().iter().filter_map(part);
        parts.any(|op| op.version.is_some())
    })
}

/// The parts of a transaction, each as an operation that begins and ends with
/// the whole; none unless each is a read or a write of a key of its own.
pub(super) fn of(invoke: &Event, complete: Option<&Event>) -> Option<Vec<(Event, Option<Event>)>> {
    let asked: Vec<Op> = list(&invoke.op.value)?.iter().map(part).collect::<Option<_>>()?;
    let repeats = |at: usize| asked[..at].iter().any(|other| other.key == asked[at].key);
    if (0..asked.len()).any(repeats) {
        return None;
    }
    let answered: Option<Vec<Op>> = match complete {
        Some(event) => Some(list(&event.op.value)?.iter().map(part).collect::<Option<_>>()?),
        None => None,
    };
    let mut parts = Vec::with_capacity(asked.len());
    for (at, op) in asked.into_iter().enumerate() {
        let end = match (complete, &answered) {
            (Some(event), Some(answered)) => {
                let answer = answered.get(at).filter(|answer| answer.key == op.key)?;
                Some(Event { op: answer.clone(), ..event.clone() })
            }
            _ => None,
        };
        parts.push((Event { op, ..invoke.clone() }, end));
    }
    Some(parts)
}

fn list(value: &Value) -> Option<&[Value]> {
    if let Value::List(items) = value { Some(items) } else { None }
}

/// `[f key value]`, and perhaps a version behind.
fn part(item: &Value) -> Option<Op> {
    let (f, key, value, version) = match list(item)? {
        [f, Value::Int(key), value] => (f, key, value, None),
        [f, Value::Int(key), value, Value::Int(version)] => {
            (f, key, value, Some(u64::try_from(*version).ok()?))
        }
        _ => return None,
    };
    let f = match f.name()? {
        "r" => F::Read,
        "w" => F::Write,
        _ => return None,
    };
    let key = Some(Key(u64::try_from(*key).ok()?));
    Some(Op { f, key, value: value.clone(), version })
}
