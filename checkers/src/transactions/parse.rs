use rustc_hash::FxHashMap;

use crate::{F, History, Index, Kind, Op, Process, Value};

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
    /// Whose it is: its process, by number.
    pub(super) session: u32,
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
        let mut sessions: FxHashMap<Process, u32> = FxHashMap::default();
        for operation in history.operations().map_err(|error| error.to_string())? {
            let invoke = &history.events[operation.invoke.position()];
            let complete = operation.complete.map(|index| &history.events[index.position()]);
            if !is_transaction(&invoke.op) && !complete.is_some_and(|c| is_transaction(&c.op)) {
                continue;
            }
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
                let micro = micro(item, outcome, &mut |name| {
                    // Keys of one part of a history are not those of another.
                    let key = &invoke.op.key.map_or_else(
                        || name.clone(),
                        |part| {
                            let part = Value::Int(part.0.cast_signed());
                            Value::List([part, name.clone()].into())
                        },
                    );
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
            let next = u32::try_from(sessions.len()).expect("< 2^32 processes");
            let session = *sessions.entry(invoke.process).or_insert(next);
            let (invoke, complete) = (operation.invoke, operation.complete);
            let transaction = Transaction { invoke, complete, session, outcome, micros };
            transactions.list.push(transaction);
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

    /// Why registers cannot be judged if nil, which they hold at first, is
    /// written again.
    pub(super) fn writes_nil(&self) -> Option<String> {
        let mut nils = self.writers.iter().filter(|((_, value), _)| value.is_nil());
        let ((key, _), (writer, _)) = nils.next()?;
        Some(format!(
            "event {} writes nil to key {}, which is also what it holds at first: values must be \
             unique",
            self.list[*writer as usize].invoke.0, self.keys[*key as usize]
        ))
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
    let ([f, key, value] | [f, key, value, Value::Int(_)]) = &**parts else { return None };
    match f.name()? {
        "r" | "read" => {
            let seen = (outcome == Outcome::Committed).then(|| value.clone());
            Some(Micro::Read(key_id(key), seen))
        }
        "append" | "w" | "write" => Some(Micro::Write(key_id(key), value.clone())),
        _ => None,
    }
}

/// Whether an operation is a transaction: by its name, or by the shape of its
/// value, whatever it is called.
#[must_use]
pub fn is_transaction(op: &Op) -> bool {
    op.f == F::Txn || is_list(&op.value)
}

/// Whether a value is a list of `[f key value]`, `f` being one that
/// transactions have.
#[must_use]
pub fn is_list(value: &Value) -> bool {
    let is_part = |item: &Value| {
        let Some([f, _, _] | [f, _, _, Value::Int(_)]) = item.items() else { return false };
        matches!(f.name(), Some("r" | "read" | "w" | "write" | "append"))
    };
    value.items().is_some_and(|items| !items.is_empty() && items.iter().all(is_part))
}
