//! Sequential specifications of common objects, for
//! [`Linearizable`](crate::search::Linearizable). Write your own by
//! implementing [`Model`].
//!
//! Functions are named as Jepsen and Porcupine name them. A history with
//! functions that are not the model's, or with arguments that they do not take,
//! is not decided.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use rustc_hash::FxBuildHasher;

use crate::{F, Key, Model, Op, Value};

/// `read` and `write` of one value; absent at first.
///
/// A completed read of nil saw the register before its first write, or after
/// a write of nil.
#[derive(Clone, Copy, Debug, Default)]
pub struct Register;

impl Model for Register {
    type State = Value;

    fn initial(&self) -> Value {
        Value::Nil
    }

    fn step(&self, state: &Value, op: &Op, response: Option<&Value>) -> Option<Value> {
        match &op.f {
            F::Read => response.is_none_or(|seen| seen == state).then(|| state.clone()),
            F::Write => Some(op.value.clone()),
            F::Other(name) if &**name == "delete" => Some(Value::Nil),
            _ => None,
        }
    }

    fn knows(&self, op: &Op) -> bool {
        matches!(op.f.as_str(), "read" | "write" | "delete")
    }

    fn is_observation(&self, op: &Op, _: Option<&Value>) -> bool {
        op.f == F::Read
    }
}

/// A model that begins in another state than its own first one.
///
/// ```
/// use quarrel_checkers::{Model, Op, Value, models::{Register, Starting}};
///
/// let zero = Starting::at(Register, Value::Int(0));
/// let read = Op::read(1);
/// assert!(zero.step(&zero.initial(), &read, Some(&Value::Int(0))).is_some());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Starting<M: Model> {
    model: M,
    initial: M::State,
}

impl<M: Model> Starting<M> {
    /// `model`, beginning at `initial`.
    pub const fn at(model: M, initial: M::State) -> Self {
        Self { model, initial }
    }
}

impl<M: Model<State: Sync>> Model for Starting<M> {
    type State = M::State;

    fn initial(&self) -> M::State {
        self.initial.clone()
    }

    fn step(&self, state: &M::State, op: &Op, response: Option<&Value>) -> Option<M::State> {
        self.model.step(state, op, response)
    }

    fn knows(&self, op: &Op) -> bool {
        self.model.knows(op)
    }

    fn may_refuse(&self, op: &Op) -> bool {
        self.model.may_refuse(op)
    }

    fn is_observation(&self, op: &Op, response: Option<&Value>) -> bool {
        self.model.is_observation(op, response)
    }

    fn commute(&self, one: (&Op, Option<&Value>), other: (&Op, Option<&Value>)) -> bool {
        self.model.commute(one, other)
    }
}

/// A [`Register`] with compare-and-set: `cas` with the pair `[old new]`. The
/// response `false` says that it found something else than `old`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CasRegister;

impl Model for CasRegister {
    type State = Value;

    fn initial(&self) -> Value {
        Value::Nil
    }

    fn step(&self, state: &Value, op: &Op, response: Option<&Value>) -> Option<Value> {
        if op.f != F::Cas {
            return Register.step(state, op, response);
        }
        let Value::List(pair) = &op.value else { return None };
        let [old, new] = &**pair else { return None };
        match response {
            Some(Value::Bool(false)) => (old != state).then(|| state.clone()),
            _ => (old == state).then(|| new.clone()),
        }
    }

    fn knows(&self, op: &Op) -> bool {
        match op.f {
            F::Cas => op.value.items().is_some_and(|pair| pair.len() == 2),
            _ => Register.knows(op),
        }
    }

    fn is_observation(&self, op: &Op, response: Option<&Value>) -> bool {
        op.f == F::Read || (op.f == F::Cas && response == Some(&Value::Bool(false)))
    }
}

/// A number: `add` of a whole number, also called `inc`, and `read`. It begins
/// at 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

impl Model for Counter {
    type State = i64;

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, op: &Op, response: Option<&Value>) -> Option<i64> {
        match op.f.as_str() {
            "read" => response.is_none_or(|seen| *seen == Value::Int(*state)).then_some(*state),
            "add" | "inc" => match op.value {
                Value::Int(n) => state.checked_add(n),
                Value::Nil => state.checked_add(1),
                _ => None,
            },
            _ => None,
        }
    }

    fn knows(&self, op: &Op) -> bool {
        match op.f.as_str() {
            "read" => true,
            "add" | "inc" => matches!(op.value, Value::Int(_) | Value::Nil),
            _ => false,
        }
    }

    fn is_observation(&self, op: &Op, _: Option<&Value>) -> bool {
        op.f == F::Read
    }
}

/// A set: `add`, `remove`, `contains` (answers true or false) and `read`, which
/// answers all members in any order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Set;

impl Model for Set {
    type State = BTreeSet<Value>;

    fn initial(&self) -> Self::State {
        BTreeSet::new()
    }

    fn step(&self, state: &Self::State, op: &Op, response: Option<&Value>) -> Option<Self::State> {
        let mut after = state.clone();
        let is_legal = match op.f.as_str() {
            "add" => {
                after.insert(op.value.clone());
                true
            }
            "remove" => {
                after.remove(&op.value);
                true
            }
            "contains" => {
                response.is_none_or(|seen| *seen == Value::Bool(state.contains(&op.value)))
            }
            "read" => match response {
                None => true,
                Some(Value::List(seen)) => {
                    let members: BTreeSet<&Value> = seen.iter().collect();
                    members.len() == state.len() && members.into_iter().eq(state)
                }
                Some(Value::Nil) => state.is_empty(),
                Some(_) => false,
            },
            _ => false,
        };
        is_legal.then_some(after)
    }

    fn knows(&self, op: &Op) -> bool {
        matches!(op.f.as_str(), "add" | "remove" | "contains" | "read")
    }

    fn is_observation(&self, op: &Op, _: Option<&Value>) -> bool {
        matches!(op.f.as_str(), "read" | "contains")
    }

    fn commute(&self, (one, _): (&Op, Option<&Value>), (other, _): (&Op, Option<&Value>)) -> bool {
        let is_of_one_member = |op: &Op| op.f != F::Read;
        is_of_one_member(one) && is_of_one_member(other) && one.value != other.value
    }
}

/// First in, first out: `enqueue`, `dequeue`, which answers nil if the queue is
/// empty, and `drain`, which answers all that it held and leaves it empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue;

impl Model for Queue {
    type State = VecDeque<Value>;

    fn initial(&self) -> Self::State {
        VecDeque::new()
    }

    fn step(&self, state: &Self::State, op: &Op, response: Option<&Value>) -> Option<Self::State> {
        let mut after = state.clone();
        match op.f.as_str() {
            "enqueue" => {
                after.push_back(op.value.clone());
                Some(after)
            }
            "dequeue" => {
                let first = after.pop_front().unwrap_or_default();
                response.is_none_or(|seen| *seen == first).then_some(after)
            }
            "drain" => {
                let is_all = |seen: &Value| match seen {
                    Value::List(seen) => seen.iter().eq(&after),
                    seen => seen.is_nil() && after.is_empty(),
                };
                response.is_none_or(is_all).then(VecDeque::new)
            }
            _ => None,
        }
    }

    fn knows(&self, op: &Op) -> bool {
        matches!(op.f.as_str(), "enqueue" | "dequeue" | "drain")
    }
}

/// Texts by key: `get`, `put` and `append` (Porcupine's key-value store).
/// What was never put is the empty text; a `get` may answer nil for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Map;

/// What a [`Map`] holds. Texts grow long and states many, so that the hash is
/// kept up to date and not computed from all of them.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// In order of keys.
    held: Vec<(Key, Arc<str>)>,
    /// The sum of the hashes of the entries.
    hash: u64,
}

impl PartialEq for Texts {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.held == other.held
    }
}

impl Eq for Texts {}

impl Hash for Texts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Texts {
    /// What `key` holds: the empty text if nothing was ever put there.
    #[must_use]
    pub fn get(&self, key: Key) -> &str {
        let at = self.held.binary_search_by_key(&key, |(key, _)| *key);
        at.map_or("", |at| &self.held[at].1)
    }

    fn with(&self, key: Key, text: &str) -> Self {
        let of = |text: &str| FxBuildHasher.hash_one((key, text));
        let mut after = self.clone();
        match after.held.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => {
                let old = std::mem::replace(&mut after.held[at].1, text.into());
                after.hash = after.hash.wrapping_sub(of(&old));
            }
            Err(at) => after.held.insert(at, (key, text.into())),
        }
        after.hash = after.hash.wrapping_add(of(text));
        after
    }
}

impl Model for Map {
    type State = Texts;

    fn initial(&self) -> Texts {
        Texts::default()
    }

    fn step(&self, state: &Texts, op: &Op, response: Option<&Value>) -> Option<Texts> {
        let key = op.key.unwrap_or_default();
        match op.f.as_str() {
            "get" | "read" => {
                let fits = |seen: &Value| text(seen).is_some_and(|seen| seen == state.get(key));
                response.is_none_or(fits).then(|| state.clone())
            }
            "put" | "write" => Some(state.with(key, text(&op.value)?)),
            "append" => Some(state.with(key, &format!("{}{}", state.get(key), text(&op.value)?))),
            _ => None,
        }
    }

    fn knows(&self, op: &Op) -> bool {
        match op.f.as_str() {
            "get" | "read" => true,
            "put" | "write" | "append" => text(&op.value).is_some(),
            _ => false,
        }
    }

    fn is_observation(&self, op: &Op, _: Option<&Value>) -> bool {
        matches!(op.f.as_str(), "get" | "read")
    }

    fn commute(&self, (one, _): (&Op, Option<&Value>), (other, _): (&Op, Option<&Value>)) -> bool {
        one.key.unwrap_or_default() != other.key.unwrap_or_default()
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Nil => Some(""),
        _ => None,
    }
}

/// A lock: `acquire` and `release`, free at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutex;

/// Whether a [`Mutex`] is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lock {
    /// Nobody holds it.
    #[default]
    Free,
    /// Somebody holds it.
    Held,
}

impl Model for Mutex {
    type State = Lock;

    fn initial(&self) -> Lock {
        Lock::Free
    }

    fn step(&self, state: &Lock, op: &Op, _: Option<&Value>) -> Option<Lock> {
        match (op.f.as_str(), state) {
            ("acquire", Lock::Free) => Some(Lock::Held),
            ("release", Lock::Held) => Some(Lock::Free),
            _ => None,
        }
    }

    fn knows(&self, op: &Op) -> bool {
        matches!(op.f.as_str(), "acquire" | "release")
    }
}

/// Several registers read and written together: `txn` with a list of
/// `[r key value]` and `[w key value]`, applied in order. Keys may be any
/// values. Check it with [`Partition::Whole`](crate::search::Partition::Whole).
#[derive(Clone, Copy, Debug, Default)]
pub struct MultiRegister;

impl Model for MultiRegister {
    type State = BTreeMap<Value, Value>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, op: &Op, response: Option<&Value>) -> Option<Self::State> {
        // What the reads saw stands in the response.
        let (Value::List(micros), is_known) = (response.unwrap_or(&op.value), response.is_some())
        else {
            return None;
        };
        let mut after = state.clone();
        for micro in &**micros {
            let Value::List(parts) = micro else { return None };
            let [f, key, value] = &**parts else { return None };
            match f.name()? {
                "w" | "write" => {
                    after.insert(key.clone(), value.clone());
                }
                "r" | "read" => {
                    let held = after.get(key).unwrap_or(&Value::Nil);
                    if is_known && held != value {
                        return None;
                    }
                }
                _ => return None,
            }
        }
        Some(after)
    }

    fn knows(&self, op: &Op) -> bool {
        let is_known = |part: &Value| {
            let Some([f, _, _]) = part.items() else { return false };
            matches!(f.name(), Some("r" | "read" | "w" | "write"))
        };
        match op.value.items() {
            Some(parts) => parts.iter().all(is_known),
            None => op.f == F::Txn && op.value.is_nil(),
        }
    }

    fn commute(&self, one: (&Op, Option<&Value>), other: (&Op, Option<&Value>)) -> bool {
        registers(one).all(|key| registers(other).all(|touched| touched != key))
    }
}

/// What a transaction reads or writes.
fn registers<'a>((op, response): (&'a Op, Option<&'a Value>)) -> impl Iterator<Item = &'a Value> {
    let micros = match response.unwrap_or(&op.value) {
        Value::List(micros) => &**micros,
        _ => &[],
    };
    micros.iter().filter_map(|micro| match micro {
        Value::List(parts) => parts.get(1),
        _ => None,
    })
}
