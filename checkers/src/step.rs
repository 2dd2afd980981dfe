use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Index, Key, Process, Time, Value};

/// A position in Postgres's write-ahead log, printed as Postgres does: `0/3A10`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// The text is not two hexadecimal numbers with a slash between.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a log position: expected two hexadecimal numbers, as in 0/3A10")]
pub struct ParseLsnError(String);

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (high, low) = text.split_once('/')?;
            let high = u32::from_str_radix(high, 16).ok()?;
            let low = u32::from_str_radix(low, 16).ok()?;
            Some(Self(u64::from(high) << 32 | u64::from(low)))
        };
        parse().ok_or_else(|| ParseLsnError(text.to_owned()))
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

impl TryFrom<String> for Lsn {
    type Error = ParseLsnError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Which store a step talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// The Postgres that takes writes.
    Primary,
    /// The Postgres that replays them.
    Replica,
    /// Redis.
    Cache,
    /// Nowhere: something the client does by itself, such as waiting.
    Client,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Cache => "cache",
            Self::Client => "client",
        })
    }
}

/// What a step reads or changes in its store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Object {
    /// Which of the things kept under a key: empty for the row or its cache
    /// entry, else a name such as `pointer` or `marker`.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub space: Cow<'static, str>,
    /// The key.
    pub key: Key,
    /// The version in the name of a versioned cache entry (`k:v3`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl Object {
    /// The row, or the cache entry, of `key`.
    #[must_use]
    pub const fn of(key: Key) -> Self {
        Self { space: Cow::Borrowed(""), key, version: None }
    }
}

impl fmt::Display for Object {
    /// `7`, `7:v3`, `marker:7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.space.is_empty() {
            write!(f, "{}:", self.space)?;
        }
        self.key.fmt(f)?;
        self.version.map_or(Ok(()), |v| write!(f, ":v{v}"))
    }
}

/// What a store holds under an object, or is told to hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// A row, with the version that the primary gave it.
    Row {
        /// The value.
        value: Value,
        /// Its version.
        version: u64,
    },
    /// Something whose presence is all that matters.
    Marker,
    /// "Deleted or changed as of this version".
    Tombstone(u64),
    /// A number: a pointer to a version, a lease token, a counter.
    Number(u64),
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row { value, .. } => value.fmt(f),
            Self::Marker => f.write_str("marker"),
            Self::Tombstone(version) => write!(f, "tombstone v{version}"),
            Self::Number(n) => n.fmt(f),
        }
    }
}

/// Whether an error proves that nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// It surely had no effect.
    Definite,
    /// It may have had its effect, or may still have it later.
    Indefinite,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// It has not ended: the client crashed or gave up before it did.
    Pending,
    /// A read found this.
    Found(Content),
    /// A read found nothing.
    Miss,
    /// A change was made; `version` is what the primary returned.
    Done {
        /// The version that the row has now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
    },
    /// A conditional change found its condition false and did nothing.
    Refused,
    /// Who asked what it had been told learnt that it had not been listening:
    /// what was said until now it will never hear.
    Gap,
    /// An error came back, or nothing did in time.
    Failed {
        /// What is known about its effect.
        certainty: Certainty,
        /// What the client saw.
        error: String,
    },
}

/// One call of a strategy to a store, inside an operation.
///
/// It is the atom of quarrel: what is recorded, held at a gate, struck by a
/// fault, reordered by the explorer and drawn in a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The invocation it belongs to; none for a background agent's own steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Index>,
    /// Who made it.
    pub process: Process,
    /// When the call began.
    #[serde(rename = "time")]
    pub start: Time,
    /// When its reply came; none while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Time>,
    /// Where.
    pub site: Site,
    /// What it does, as the store names it: `GET`, `DEL`, `SELECT`, `UPDATE`.
    #[serde(rename = "f")]
    pub verb: Cow<'static, str>,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// What it stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<Content>,
    /// What came back.
    pub reply: Reply,
    /// Where the store's log stood: the replica's replay position at a read,
    /// the primary's insert position at a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsn: Option<Lsn>,
}

impl Step {
    /// Whether it is about what clients are told of changes, and not about what
    /// a store holds.
    #[must_use]
    pub fn is_message(&self) -> bool {
        self.verb == "PUBLISH" || self.is_look()
    }

    /// Whether a client looked by it at what it had been told. A look that heard
    /// of several keys is as many steps, which begin at one time.
    #[must_use]
    pub fn is_look(&self) -> bool {
        matches!(&*self.verb, "HEAR" | "INVALIDATIONS")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_position_is_read_as_it_is_printed() {
        for (text, position) in [
            ("0/0", 0),
            ("0/3A10", 0x3A10),
            ("1/0", 1 << 32),
            ("16/B374D848", 0x16_B374_D848),
            ("FFFFFFFF/FFFFFFFF", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Lsn(position)));
            assert_eq!(Lsn(position).to_string(), text);
        }
        for text in ["", "12", "1/", "/1", "1/2/3", "100000000/0", "g/1"] {
            let error = text.parse::<Lsn>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a log position")), "{error}");
        }
    }
}
