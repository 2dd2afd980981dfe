//! How contents are written in Redis and values in Postgres: short text that a
//! person at `redis-cli` can read and a Lua script can take apart.
//!
//! | content | text |
//! |---|---|
//! | row | `3\|Alice`: version, bar, value |
//! | marker | `!` |
//! | tombstone | `T3` |
//! | number | `3` |

use quarrel_checkers::{Content, Value};

/// An entry in Redis that quarrel did not write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cache entry: expected `VERSION|VALUE`, `!`, `TVERSION` or a number")]
pub struct DecodeError(pub String);

/// A value as Postgres and Redis hold it.
#[must_use]
pub fn value_to_text(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        other => other.to_string(),
    }
}

/// A value from its text: whole numbers are numbers, no text is nil.
#[must_use]
pub fn value_from_text(text: &str) -> Value {
    if text.is_empty() {
        return Value::Nil;
    }
    // "+5" and "007" stay text, so that text survives a round trip.
    match text.parse::<i64>() {
        Ok(n) if n.to_string() == text => Value::Int(n),
        _ => Value::Text(text.into()),
    }
}

/// The text of a content.
#[must_use]
pub fn encode(content: &Content) -> String {
    match content {
        Content::Row { value, version } => format!("{version}|{}", value_to_text(value)),
        Content::Marker => "!".to_owned(),
        Content::Tombstone(version) => format!("T{version}"),
        Content::Number(n) => n.to_string(),
    }
}

/// The content of a text.
///
/// # Errors
///
/// When the text is none that [`encode`] makes.
pub fn decode(text: &str) -> Result<Content, DecodeError> {
    let decoded = if text == "!" {
        Some(Content::Marker)
    } else if let Some(version) = text.strip_prefix('T') {
        version.parse().ok().map(Content::Tombstone)
    } else if let Some((version, value)) = text.split_once('|') {
        let version = version.parse().ok();
        version.map(|version| Content::Row { value: value_from_text(value), version })
    } else {
        text.parse().ok().map(Content::Number)
    };
    decoded.ok_or_else(|| DecodeError(text.to_owned()))
}
