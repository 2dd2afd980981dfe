use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Which register an operation is about. Keys of Jepsen histories that are not
/// whole numbers are numbered in order of first appearance on import.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Key(pub u64);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for Key {
    fn from(key: u64) -> Self {
        Self(key)
    }
}

/// A value that an operation wrote or returned.
///
/// In quarrel's own histories a write's value is unique within its key, so
/// where a read's value came from is exact. [`Value::Nil`] in a completed read
/// means that the key was absent; in an invocation it means "not known yet".
/// Cloning never copies text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Absent, or not known.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text; a keyword of an imported history keeps its colon.
    Text(Arc<str>),
    /// Several values in order: a compare-and-set's pair, a transaction.
    List(Arc<[Value]>),
}

impl Value {
    /// Whether there is no value.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(b) => b.fmt(f),
            Self::Int(n) => n.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(" ")?;
                    }
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
        }
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}
