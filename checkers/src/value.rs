use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

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
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Absent, or not known.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(Arc<str>),
    /// What stands for itself and is no text: a keyword with its colon, a
    /// symbol, a number that is not whole or is too large.
    Atom(Arc<str>),
    /// Several values in order: a compare-and-set's pair, a transaction.
    List(Arc<[Value]>),
}

impl Value {
    /// Whether there is no value.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// A number by how it is written. Equal numbers are equal values: `1.0`
    /// and `1e0` are the whole number 1.
    #[must_use]
    pub fn number(text: &str) -> Self {
        if let Ok(number) = text.parse() {
            return Self::Int(number);
        }
        match text.parse::<f64>() {
            Ok(number) if is_digits(text) || !number.is_finite() => {
                Self::Atom(text.trim_start_matches('+').into())
            }
            Ok(number) => Self::float(number),
            Err(_) => Self::Atom(text.into()),
        }
    }

    fn float(number: f64) -> Self {
        // Beyond this a float is no exact whole number of 64 bits.
        const LIMIT: f64 = 9_007_199_254_740_992.0;
        let whole = (number.fract() == 0.0 && number.abs() <= LIMIT)
            .then(|| format!("{number:.0}").parse().ok())
            .flatten();
        whole.map_or_else(|| Self::Atom(number.to_string().into()), Self::Int)
    }

    /// The text of a text, or the name of a keyword without its colon.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Atom(text) => Some(text.strip_prefix(':').unwrap_or(text)),
            _ => None,
        }
    }

    /// As JSON writes it: keywords and symbols become texts.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Values hold nothing that JSON cannot.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What a list holds.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-'))
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Int(n) => serializer.serialize_i64(*n),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Atom(text) => match text.parse::<f64>() {
                Ok(number) if Self::number(text) == *self && number.is_finite() => {
                    serializer.serialize_f64(number)
                }
                _ => serializer.serialize_str(text),
            },
            Self::List(items) => items.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
                Ok(Value::Nil)
            }

            fn visit_bool<E: de::Error>(self, b: bool) -> Result<Value, E> {
                Ok(Value::Bool(b))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Value, E> {
                Ok(Value::Int(n))
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Value, E> {
                Ok(i64::try_from(n).map_or_else(|_| Value::number(&n.to_string()), Value::Int))
            }

            fn visit_f64<E: de::Error>(self, n: f64) -> Result<Value, E> {
                Ok(Value::float(n))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::from(text))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Value::List(list.into()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some((key, value)) = pairs.next_entry::<Value, Value>()? {
                    list.push(Value::List([key, value].into()));
                }
                Ok(Value::List(list.into()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(b) => b.fmt(f),
            Self::Int(n) => n.fmt(f),
            Self::Text(text) | Self::Atom(text) => f.write_str(text),
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
