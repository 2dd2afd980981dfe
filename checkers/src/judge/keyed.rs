use std::{borrow::Cow, sync::OnceLock};

use rustc_hash::FxHashMap;

use super::{
    JudgeOptions, Order,
    absence::{self, Settled},
    parts, versions,
    witness::ByValue,
};
use crate::{
    Event, F, HistoryError, HistoryRef, Index, Key, Kind, Op, Process, StepsOf, Time, Value,
    Version,
    register::{OPEN, RegisterAction, RegisterOperation, ValueId},
};

/// One operation on one register, as the judge needs it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) invoke: Index,
    /// None if it never completed, or nobody knows how.
    pub(super) complete: Option<Index>,
    pub(super) process: Process,
    /// When it began.
    pub(super) begin: Time,
    /// When it ended; [`Time::MAX`] if it is open.
    pub(super) end: Time,
    /// The same in the order that the options ask for.
    pub(super) operation: RegisterOperation,
    /// The number of the version in its completion.
    pub(super) number: Option<u64>,
    /// The timeline in its completion, whatever its outcome.
    pub(super) timeline: Option<u32>,
    /// The version of its value, as far as it is known.
    pub(super) version: Option<Version>,
    /// Whether nobody told the version: it is the least that the read of an
    /// absence may have seen.
    pub(super) is_inferred: bool,
}

impl Entry {
    pub(super) const fn is_read(&self) -> bool {
        matches!(self.operation.action, RegisterAction::Read(_))
    }

    /// The value that it saw, or else stored.
    pub(super) fn value(&self) -> ValueId {
        let action = self.operation.action;
        action.written().or(action.seen()).unwrap_or_default()
    }
}

/// Everything that happened to one key, in order of completion; operations
/// without a known outcome come last.
#[derive(Debug, Default)]
pub(super) struct Keyed {
    pub(super) key: Option<Key>,
    pub(super) entries: Vec<Entry>,
    /// By [`ValueId`].
    pub(super) values: Vec<Value>,
    /// Their versions, where known.
    pub(super) versions: Vec<Option<Version>>,
    /// Which of them somebody may have written.
    pub(super) written: Vec<bool>,
    ids: FxHashMap<(Value, u64), ValueId>,
    /// Values of writes that certainly failed, and where they began.
    pub(super) failed: FxHashMap<ValueId, Index>,
    /// Why no register can be judged, if none can.
    pub(super) unsuitable: Option<String>,
    /// Deletes or reads of nothing carry no version, so that it is not clear
    /// which delete a read saw.
    pub(super) is_ambiguous: bool,
    /// Some of its operations are parts of transactions.
    pub(super) has_parts: bool,
    has_deletes: bool,
    has_plain_absence: bool,
    by_value: OnceLock<ByValue>,
}

impl Keyed {
    /// Where values stand among the entries, which are complete by then.
    pub(super) fn by_value(&self) -> &ByValue {
        self.by_value.get_or_init(|| ByValue::of(&self.entries, self.values.len()))
    }

    fn new(key: Option<Key>) -> Self {
        let mut keyed = Self { key, ..Self::default() };
        keyed.values.push(Value::Nil);
        keyed.ids.insert((Value::Nil, 0), ValueId::INITIAL);
        keyed
    }

    /// The number of a value. An absent value that a delete left behind is
    /// told apart by the delete's version.
    pub(super) fn id(&mut self, value: &Value, version: Option<u64>) -> ValueId {
        let tombstone = if value.is_nil() { version.unwrap_or(0) } else { 0 };
        let next = ValueId(u32::try_from(self.values.len()).expect("a key has < 2^32 values"));
        let id = *self.ids.entry((value.clone(), tombstone)).or_insert(next);
        if id == next {
            self.values.push(value.clone());
        }
        id
    }

    /// The number of a value that some operation mentioned.
    pub(super) fn known_id(&self, value: &Value, version: u64) -> Option<ValueId> {
        let tombstone = if value.is_nil() { version } else { 0 };
        self.ids.get(&(value.clone(), tombstone)).copied()
    }

    /// Whether a value was never the key's: nobody wrote it, or whoever did
    /// failed for certain. It has no place among the others, whatever number
    /// was told with it.
    pub(super) fn never_was(&self, value: ValueId) -> bool {
        let at = value.position();
        value != ValueId::INITIAL && !self.written[at] && !self.values[at].is_nil()
    }

    /// Whether an absent read without a version is surely the initial value.
    pub(super) const fn has_deletes(&self) -> bool {
        self.has_deletes
    }

    /// The operations for the register check.
    pub(super) fn operations(&self) -> Vec<RegisterOperation> {
        self.entries.iter().map(|entry| entry.operation).collect()
    }

    /// The operations for a search.
    pub(super) fn paired(&self) -> Vec<crate::Operation> {
        let paired = self
            .entries
            .iter()
            .map(|entry| crate::Operation { invoke: entry.invoke, complete: entry.complete });
        let mut paired: Vec<_> = paired.collect();
        paired.sort_by_key(|operation| operation.invoke);
        paired
    }

    /// The same with nanoseconds as instants.
    pub(super) fn timed_operations(&self) -> Vec<RegisterOperation> {
        let timed = |entry: &Entry| RegisterOperation {
            invoked: entry.begin.0.min(OPEN - 2),
            returned: if entry.complete.is_some() { entry.end.0 } else { OPEN },
            action: entry.operation.action,
        };
        self.entries.iter().map(timed).collect()
    }

    fn unsuitable(&mut self, why: impl FnOnce() -> String) {
        if self.unsuitable.is_none() {
            self.unsuitable = Some(why());
        }
    }
}

/// A history taken apart by key.
pub(super) struct Split<'a> {
    pub(super) keys: Vec<Keyed>,
    /// Functions that are no operations on a register.
    pub(super) transactions: usize,
    /// What clients did at the stores is looked up there.
    pub(super) history: HistoryRef<'a>,
    /// The steps of each operation.
    pub(super) steps_of: StepsOf,
}

impl Split<'_> {
    /// Everything about a key; `by_key` says where it stands.
    fn of(&mut self, key: Option<Key>, by_key: &mut FxHashMap<Option<Key>, usize>) -> &mut Keyed {
        let at = *by_key.entry(key).or_insert(self.keys.len());
        if at == self.keys.len() {
            self.keys.push(Keyed::new(key));
        }
        &mut self.keys[at]
    }
}

/// Takes a history apart.
pub(super) fn split<'a>(
    history: HistoryRef<'a>,
    options: &JudgeOptions,
) -> Result<Split<'a>, HistoryError> {
    let mut by_key: FxHashMap<Option<Key>, usize> = FxHashMap::default();
    let steps_of = history.steps_of();
    let mut split = Split { keys: Vec::new(), transactions: 0, history, steps_of };
    let are_versioned = parts::are_versioned(history);
    each_pair(history, |invoke, complete| {
        if invoke.op.f != F::Txn {
            add(split.of(invoke.op.key, &mut by_key), (invoke, complete), options.order);
            return;
        }
        let Some(parts) = parts::of(invoke, complete).filter(|_| are_versioned) else {
            split.transactions += 1;
            return;
        };
        for (invoke, complete) in &parts {
            let keyed = split.of(invoke.op.key, &mut by_key);
            keyed.has_parts = true;
            add(keyed, (invoke, complete.as_ref()), options.order);
        }
    })?;
    let timelines = versions::Timelines::of(history);
    for keyed in &mut split.keys {
        keyed.entries.sort_by_key(|entry| entry.operation.returned);
        versions::resolve(keyed, timelines);
        if keyed.has_deletes {
            let settled = absence::settle(keyed, timelines);
            keyed.is_ambiguous = settled == Settled::No && keyed.has_plain_absence;
        }
    }
    split.keys.sort_by_key(|keyed| keyed.key);
    Ok(split)
}

/// Hands on invocations with their completions, in order of completion.
fn each_pair(
    history: HistoryRef<'_>,
    mut hand_on: impl FnMut(&Event, Option<&Event>),
) -> Result<(), HistoryError> {
    let mut open: FxHashMap<Process, Cow<'_, Event>> = FxHashMap::default();
    for event in history.events() {
        if event.process == Process::Nemesis {
            continue;
        }
        if event.kind == Kind::Invoke {
            let (process, second) = (event.process, event.index.0);
            if let Some(first) = open.insert(process, event) {
                return Err(HistoryError::StillOpen { process, first: first.index.0, second });
            }
            continue;
        }
        let Some(invoke) = open.remove(&event.process) else {
            let (process, index) = (event.process, event.index.0);
            return Err(HistoryError::NeverInvoked { process, index });
        };
        if invoke.op.f != event.op.f || invoke.op.key != event.op.key {
            return Err(HistoryError::mismatch(&invoke, &event));
        }
        hand_on(&invoke, Some(&event));
    }
    let mut rest: Vec<Cow<'_, Event>> = open.into_values().collect();
    rest.sort_by_key(|event| event.index);
    rest.iter().for_each(|event| hand_on(event, None));
    Ok(())
}

fn add(keyed: &mut Keyed, (invoke, complete): (&Event, Option<&Event>), order: Order) {
    let kind = complete.map_or(Kind::Info, |event| event.kind);
    let sure = (kind == Kind::Ok).then_some(complete).flatten();
    let Some(action) = action(keyed, invoke, sure, kind) else { return };
    let instant = |event: &Event| match order {
        Order::Recorded => event.index.0,
        Order::Time => event.time.0.min(OPEN - 2),
    };
    // Keys fill up side by side: with room for as much again in each, a long
    // history would need half as much memory more.
    if keyed.entries.len() == keyed.entries.capacity() {
        keyed.entries.reserve_exact(keyed.entries.len() / 8 + 4);
    }
    keyed.entries.push(Entry {
        invoke: invoke.index,
        complete: sure.map(|event| event.index),
        process: invoke.process,
        begin: invoke.time,
        end: sure.map_or(Time::MAX, |event| event.time),
        operation: RegisterOperation {
            invoked: instant(invoke),
            returned: sure.map_or(OPEN, instant),
            action,
        },
        number: sure.and_then(|event| event.op.version),
        timeline: complete.and_then(|event| event.timeline),
        version: None,
        is_inferred: false,
    });
}

/// What an operation did; none if it had no effect or is no use to the judge.
fn action(
    keyed: &mut Keyed,
    invoke: &Event,
    sure: Option<&Event>,
    kind: Kind,
) -> Option<RegisterAction> {
    let version = sure.and_then(|event| event.op.version);
    match &invoke.op.f {
        F::Read => {
            let value = &sure?.op.value;
            keyed.has_plain_absence |= value.is_nil() && version.is_none();
            Some(RegisterAction::Read(keyed.id(value, version)))
        }
        F::Write => store(keyed, &invoke.op.value.clone(), version, invoke.index, kind),
        F::Other(name) if &**name == "delete" => {
            store(keyed, &Value::Nil, version, invoke.index, kind)
        }
        F::Cas => cas(keyed, &invoke.op, kind),
        F::Txn => None,
        F::Other(name) => {
            keyed.unsuitable(|| format!("`{name}` is no operation of a register"));
            None
        }
    }
}

fn store(
    keyed: &mut Keyed,
    value: &Value,
    version: Option<u64>,
    invoke: Index,
    kind: Kind,
) -> Option<RegisterAction> {
    if kind == Kind::Fail {
        // A failed delete leaves nothing that a read could be blamed for.
        if !value.is_nil() {
            let id = keyed.id(value, None);
            keyed.failed.insert(id, invoke);
        }
        return None;
    }
    if value.is_nil() {
        keyed.has_deletes = true;
        keyed.has_plain_absence |= version.is_none();
    }
    Some(RegisterAction::Write(keyed.id(value, version)))
}

fn cas(keyed: &mut Keyed, op: &Op, kind: Kind) -> Option<RegisterAction> {
    let pair = match &op.value {
        Value::List(items) => <&[Value; 2]>::try_from(&**items).ok(),
        _ => None,
    };
    let Some([old, new]) = pair else {
        keyed.unsuitable(|| format!("a compare-and-set has the value {}, not a pair", op.value));
        return None;
    };
    if kind == Kind::Fail {
        return None;
    }
    keyed.has_plain_absence |= old.is_nil();
    let old = keyed.id(old, None);
    Some(RegisterAction::Cas { old, new: keyed.id(new, None) })
}
