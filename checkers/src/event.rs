use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Key, Time, Value};

/// Position of an [`Event`] in its history, from 0 without gaps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Index(pub u64);

impl Index {
    /// As a position in a slice.
    #[must_use]
    pub fn position(self) -> usize {
        usize::try_from(self.0).expect("a history in memory has fewer events than usize holds")
    }
}

/// A logical thread of operations: it has at most one operation open.
///
/// After an operation of unknown outcome ([`Kind::Info`]) the process id is
/// never used again; its client goes on under a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// A client's process. With `n` clients, client `c` owns the processes
    /// `c, c + n, c + 2n, …`, as in Jepsen.
    Client(u64),
    /// Injects and heals faults.
    Nemesis,
    /// A background agent of the strategy (an outbox relay, a delayed delete),
    /// by number.
    Agent(u64),
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(n) => n.fmt(f),
            Self::Nemesis => f.write_str("nemesis"),
            Self::Agent(n) => write!(f, "agent-{n}"),
        }
    }
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Client(n) => serializer.serialize_u64(*n),
            other => serializer.collect_str(other),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Process;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a process: a whole number, \"nemesis\" or \"agent-N\"")
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Process, E> {
                Ok(Process::Client(n))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Process, E> {
                match (text, text.strip_prefix("agent-")) {
                    ("nemesis", _) => Ok(Process::Nemesis),
                    (_, Some(n)) => n
                        .parse()
                        .map(Process::Agent)
                        .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What an event says about its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The operation begins. Recorded before the call starts.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly had no effect.
    Fail,
    /// Nobody knows: it may take effect at any later moment, or never.
    Info,
}

/// The function of an operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum F {
    /// Reads a register.
    Read,
    /// Writes a register.
    Write,
    /// Compare-and-set; the value is the pair `[old new]`.
    Cas,
    /// A transaction; the value is a list of `[f key value]`.
    Txn,
    /// Any other function, by its name in the history.
    Other(Arc<str>),
}

impl F {
    /// The name that stands in histories.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Cas => "cas",
            Self::Txn => "txn",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for F {
    fn from(name: &str) -> Self {
        match name {
            "read" => Self::Read,
            "write" => Self::Write,
            "cas" => Self::Cas,
            "txn" => Self::Txn,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for F {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for F {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for F {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = F;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a function")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<F, E> {
                Ok(name.into())
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// What was asked, and in a completion what came back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Op {
    /// The function.
    pub f: F,
    /// The register, if the operation is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The argument of an invocation, the result of a completion.
    #[serde(default)]
    pub value: Value,
    /// The version that the primary gave the value, where it is known.
    /// Version 0 is "absent".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl Op {
    /// A read that has not returned yet.
    #[must_use]
    pub fn read(key: impl Into<Key>) -> Self {
        Self { f: F::Read, key: Some(key.into()), value: Value::Nil, version: None }
    }

    /// A write of `value`.
    #[must_use]
    pub fn write(key: impl Into<Key>, value: impl Into<Value>) -> Self {
        Self { f: F::Write, key: Some(key.into()), value: value.into(), version: None }
    }

    /// The same operation with the value that it returned.
    #[must_use]
    pub fn returning(mut self, value: impl Into<Value>) -> Self {
        self.value = value.into();
        self
    }

    /// The same operation with the version that the primary gave.
    #[must_use]
    pub fn at_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }
}

/// One line of a history: an operation begins or ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its position in the history.
    pub index: Index,
    /// When, in nanoseconds since the run began.
    pub time: Time,
    /// Who.
    pub process: Process,
    /// Begin, or kind of end.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What.
    #[serde(flatten)]
    pub op: Op,
    /// Of a write: the timeline of the primary on which it happened, or if its
    /// outcome is unknown, would have. If no event of a history tells one, all
    /// happened on one timeline; else a write that was acknowledged without one
    /// happened on timeline 1, and of one of unknown outcome nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
    /// Why it failed, or why the outcome is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
