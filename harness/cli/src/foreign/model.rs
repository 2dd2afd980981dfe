//! What a history is a history of.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use quarrel_checkers::{
    Event, F, History, Kind, Process, Stake, Value, transactions::is_transaction,
};

use super::decide::AtStake;
use crate::Failure;

/// What the history is a history of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelName {
    /// Reads and writes
    Register,
    /// Reads, writes and compare-and-set
    CasRegister,
    /// Adds and reads of a sum
    Counter,
    /// Adds and reads of all members
    Set,
    /// Enqueues and dequeues
    Queue,
    /// Gets, puts and appends of text by key
    Map,
    /// Acquires and releases
    Mutex,
    /// Transactions on registers, each of which takes effect at one instant
    MultiRegister,
    /// Transactions that append to lists and read them
    ListAppend,
    /// Transactions that write registers and read them
    RwRegister,
}

impl ModelName {
    pub(super) fn name(self) -> String {
        let shown = self.to_possible_value().expect("no model is hidden");
        shown.get_name().to_owned()
    }

    /// Whether it is about transactions only, and what else there is says
    /// nothing.
    const fn is_of_transactions(self) -> bool {
        matches!(self, Self::ListAppend | Self::RwRegister)
    }

    pub(super) const fn is_register(self) -> bool {
        matches!(self, Self::Register | Self::CasRegister)
    }
}

/// What clients asked; the nemesis and background agents choose no model.
pub(super) fn invoked(history: &History) -> impl Iterator<Item = &Event> {
    history
        .events
        .iter()
        .filter(|event| event.kind == Kind::Invoke && matches!(event.process, Process::Client(_)))
}

/// The model whose functions the history has.
pub(super) fn infer(history: &History) -> Result<ModelName, Failure> {
    // Transactions are what looks like them, whatever they are called.
    let mut transactions = invoked(history).filter(|event| is_transaction(&event.op)).peekable();
    if transactions.peek().is_some() {
        let is_list = transactions.any(|event| mentions(&event.op.value, "append"));
        return Ok(if is_list { ModelName::ListAppend } else { ModelName::RwRegister });
    }
    let functions: BTreeSet<&str> = invoked(history).map(|event| event.op.f.as_str()).collect();
    let has = |name: &str| functions.contains(name);
    Ok(match () {
        () if has("cas") => ModelName::CasRegister,
        () if has("put") || has("get") || has("append") => ModelName::Map,
        () if has("enqueue") || has("dequeue") || has("drain") => ModelName::Queue,
        () if has("acquire") || has("release") => ModelName::Mutex,
        () if has("add") && reads_a_collection(history) => ModelName::Set,
        () if has("add") || has("inc") => ModelName::Counter,
        () if has("write") || has("read") || has("delete") => ModelName::Register,
        () if functions.is_empty() => ModelName::Register,
        () => {
            let found: Vec<_> = functions.into_iter().collect();
            let found = found.join(", ");
            let models: Vec<_> = ModelName::value_variants().iter().map(|m| m.name()).collect();
            return Err(Failure::undecided(format!(
                "no model is known for the functions {found}; if one of these fits, name it with \
                 --model: {}",
                models.join(", ")
            )));
        }
    })
}

/// What a model of transactions leaves out of the history, in a sentence.
pub(super) fn left_out(history: &History, model: ModelName) -> Option<String> {
    if !model.is_of_transactions() {
        return None;
    }
    let others: Vec<&Event> = invoked(history).filter(|event| !is_transaction(&event.op)).collect();
    let names: BTreeSet<&str> = others.iter().map(|event| event.op.f.as_str()).collect();
    let first = others.first()?;
    Some(format!(
        "{} operations are no transactions and were left out, the first: event {}; they are called \
         {}",
        others.len(),
        first.index.0,
        names.into_iter().collect::<Vec<_>>().join(", ")
    ))
}

/// What could have been found wrong in a history of this model, whatever the
/// object did: of registers, reads and compare-and-sets that began after a
/// write of their key had been acknowledged, as whoever names an initial value
/// says of every key; of other objects, whatever was answered.
pub(super) fn at_stake(history: &History, model: ModelName, initial: Option<&Value>) -> AtStake {
    let is_client = |event: &Event| matches!(event.process, Process::Client(_));
    if !model.is_register() {
        let answered = history
            .events
            .iter()
            .filter(|event| event.kind == Kind::Ok && is_client(event))
            .count();
        return AtStake::of(Stake::Operations, answered as u64);
    }
    let mut written = BTreeSet::new();
    let mut open = BTreeMap::new();
    let mut at_risk = 0;
    for event in history.events.iter().filter(|event| is_client(event)) {
        let key = event.op.key;
        let shows = matches!(event.op.f, F::Read | F::Cas);
        match event.kind {
            Kind::Invoke => {
                let was_written = initial.is_some() || written.contains(&key);
                open.insert(event.process, was_written);
            }
            Kind::Ok => {
                let was_written = open.remove(&event.process).unwrap_or(false);
                at_risk += u64::from(shows && was_written);
                if event.op.f != F::Read {
                    written.insert(key);
                }
            }
            // That it was refused says what the value was not.
            Kind::Fail => {
                let was_written = open.remove(&event.process).unwrap_or(false);
                at_risk += u64::from(event.op.f == F::Cas && was_written);
            }
            Kind::Info => drop(open.remove(&event.process)),
        }
    }
    AtStake::of(Stake::ReadsAtRisk, at_risk)
}

fn reads_a_collection(history: &History) -> bool {
    history
        .events
        .iter()
        .any(|event| event.op.f == F::Read && matches!(event.op.value, Value::List(_)))
}

/// Whether a word stands anywhere in a transaction, as a name or a keyword.
fn mentions(value: &Value, word: &str) -> bool {
    match value {
        Value::List(items) => items.iter().any(|item| mentions(item, word)),
        value => value.name() == Some(word),
    }
}
