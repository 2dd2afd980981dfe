use rustc_hash::FxHashMap;

use crate::{F, History, Index, Kind, Value};

/// A key, by number.
pub(super) type KeyId = u32;

/// What a transaction does to one key.
#[derive(Clone, Debug)]
pub(super) enum Micro {
    /// It read this; none if the answer is not known.
    Read(KeyId, Option<Value>),
    /// It appended or wrote this.
    Write(KeyId, Value),
}

/// A transaction.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) invoke: Index,
    pub(super) complete: Option<Index>,
    pub(super) outcome: Outcome,
    pub(super) micros: Vec<Micro>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Committed,
    Aborted,
    Unknown,
}

/// The transactions of a history.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    pub(super) list: Vec<Transaction>,
    /// By [`KeyId`].
    pub(super) keys: Vec<Value>,
    /// Who wrote what: the transaction and the place among its micros.
    pub(super) writers: FxHashMap<(KeyId, Value), (u32, u32)>,
}

impl Transactions {
    /// Takes the transactions out of a history; an error says what is wrong.
    pub(super) fn of(history: &History) -> Result<Self, String> {
        let mut transactions = Self::default();
        let mut ids: FxHashMap<Value, KeyId> = FxHashMap::default();
        for operation in history.operations().map_err(|error| error.to_string())? {
            let invoke = &history.events[operation.invoke.position()];
            if invoke.op.f != F::Txn {
                continue;
            }
            let complete = operation.complete.map(|index| &history.events[index.position()]);
            let outcome = match complete.map(|event| event.kind) {
                Some(Kind::Ok) => Outcome::Committed,
                Some(Kind::Fail) => Outcome::Aborted,
                _ => Outcome::Unknown,
            };
            // What reads saw stands only in a successful completion.
            let told = complete.filter(|_| outcome == Outcome::Committed).unwrap_or(invoke);
            let Value::List(items) = &told.op.value else {
                return Err(format!(
                    "event {}: expected a list of [f key value], found {}",
                    told.index.0, told.op.value
                ));
            };
            let mut micros = Vec::with_capacity(items.len());
            for item in &**items {
                let micro = micro(item, outcome, &mut |key| {
                    let next = u32::try_from(transactions.keys.len()).unwrap_or(u32::MAX);
                    *ids.entry(key.clone()).or_insert_with(|| {
                        transactions.keys.push(key.clone());
                        next
                    })
                });
                micros.push(micro.ok_or_else(|| {
                    let index = told.index.0;
                    format!("event {index}: expected [r|append|w key value], found {item}")
                })?);
            }
            let (invoke, complete) = (operation.invoke, operation.complete);
            transactions.list.push(Transaction { invoke, complete, outcome, micros });
        }
        transactions.find_writers()?;
        Ok(transactions)
    }

    fn find_writers(&mut self) -> Result<(), String> {
        for (at, transaction) in (0_u32..).zip(&self.list) {
            for (place, micro) in (0_u32..).zip(&transaction.micros) {
                let Micro::Write(key, value) = micro else { continue };
                let written = (*key, value.clone());
                if let Some((first, _)) = self.writers.insert(written, (at, place)) {
                    return Err(format!(
                        "events {} and {} both write {value} to key {}: values must be unique",
                        self.list[first as usize].invoke.0,
                        transaction.invoke.0,
                        self.keys[*key as usize]
                    ));
                }
            }
        }
        Ok(())
    }

    /// Who wrote `value` to `key`.
    pub(super) fn writer(&self, key: KeyId, value: &Value) -> Option<u32> {
        self.writers.get(&(key, value.clone())).map(|&(transaction, _)| transaction)
    }

    /// Whether one transaction surely ended before another began. One that
    /// aborted has no place in time.
    pub(super) fn is_before(&self, first: u32, second: u32) -> bool {
        let (first, second) = (&self.list[first as usize], &self.list[second as usize]);
        let have_places = first.outcome == Outcome::Committed && second.outcome != Outcome::Aborted;
        have_places && first.complete.is_some_and(|ended| ended < second.invoke)
    }

    /// Whether the write at `place` is the last of its transaction to the key.
    pub(super) fn is_final(&self, transaction: u32, place: u32, key: KeyId) -> bool {
        let later = &self.list[transaction as usize].micros[place as usize + 1..];
        !later.iter().any(|micro| matches!(micro, Micro::Write(k, _) if *k == key))
    }
}

fn micro(item: &Value, outcome: Outcome, key_id: &mut dyn FnMut(&Value) -> KeyId) -> Option<Micro> {
    let Value::List(parts) = item else { return None };
    // quarrel's own histories have the version behind.
    let ([Value::Text(f), key, value] | [Value::Text(f), key, value, Value::Int(_)]) = &**parts
    else {
        return None;
    };
    let key = key_id(key);
    match f.trim_start_matches(':') {
        "r" | "read" => {
            Some(Micro::Read(key, (outcome == Outcome::Committed).then(|| value.clone())))
        }
        "append" | "w" | "write" => Some(Micro::Write(key, value.clone())),
        _ => None,
    }
}
