//! What impairments of bytes do to whole messages: an answer is as long as it
//! would be on the wire, and comes late, or not at all, by its length.

use std::time::Duration;

use quarrel_checkers::{Content, Site, Value};
use quarrel_strategy::{
    cluster::{Impairment, Link},
    stores::{Response, Row, StoreError},
};

use super::network::Answer;

/// What becomes of an answer on its way.
pub(super) enum Fate {
    /// It takes so much longer.
    Later(Duration),
    /// It never comes, and the connection stays open.
    Never,
    /// The connection breaks, with what the client hears of it.
    Breaks(StoreError),
}

/// What an answer of Postgres takes besides its values: the message headers
/// and the row's description.
const POSTGRES_BYTES: u64 = 90;
/// The same for Redis: a type, a length, two line ends.
const REDIS_BYTES: u64 = 10;
/// What a commit takes in the replica's stream.
pub(super) const COMMIT_BYTES: u64 = 250;

/// What happens to an answer of `bytes` on an impaired link, over a connection
/// that has let `before` bytes through.
pub(super) fn fate(impairment: Impairment, site: Site, bytes: u64, before: u64) -> Fate {
    let breaks = |why: &str| Fate::Breaks(StoreError::unknown(site, why));
    match impairment {
        Impairment::Reset => breaks("connection reset by peer"),
        Impairment::Limit { bytes: most } if before + bytes > most => {
            breaks("connection closed in the middle of an answer")
        }
        Impairment::Bandwidth { kb_per_s: 0 } => Fate::Never,
        Impairment::Bandwidth { kb_per_s } => Fate::Later(at_rate(bytes, kb_per_s)),
        Impairment::Slice { bytes: piece, pause } => {
            let pauses = bytes.div_ceil(piece.max(1)).saturating_sub(1);
            Fate::Later(pause.saturating_mul(u32::try_from(pauses).unwrap_or(u32::MAX)))
        }
        Impairment::Limit { .. } | Impairment::DropRequests | Impairment::SlowClose(_) => {
            Fate::Later(Duration::ZERO)
        }
    }
}

/// How long so many bytes take at a rate above 0; a kilobyte a second is a
/// byte a millisecond.
pub(super) fn at_rate(bytes: u64, kb_per_s: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000) / kb_per_s)
}

/// Why the simulator cannot do this to a link, if it cannot.
pub(super) const fn refusal(link: Link, impairment: Impairment) -> Option<&'static str> {
    match (link, impairment) {
        (Link::ReplicaPrimary, Impairment::SlowClose(_)) => {
            Some("the simulated replica has one stream, which does not end")
        }
        _ => None,
    }
}

/// Bytes of an answer.
pub(super) fn bytes(site: Site, answer: &Answer) -> u64 {
    let header = if site == Site::Cache { REDIS_BYTES } else { POSTGRES_BYTES };
    header + answer.as_ref().map_or(0, payload)
}

/// Bytes of an entry of the cache: what Redis needs to keep a key, and its
/// content.
pub(super) fn entry_bytes(held: &Content) -> u64 {
    const KEY_BYTES: u64 = 60;
    KEY_BYTES + content(held)
}

fn payload(response: &Response) -> u64 {
    const NUMBER: u64 = 8;
    match response {
        Response::Row { row, .. } => row.as_ref().map_or(0, row_bytes),
        Response::Pair(rows) => rows.iter().flatten().map(row_bytes).sum(),
        Response::WrittenPair { .. } => NUMBER * 2,
        Response::Loaded { keys, .. } => NUMBER * keys.len() as u64,
        Response::Contents(held) => held.iter().flatten().map(content).sum(),
        Response::Content(held) => held.as_ref().map_or(0, content),
        Response::Changes(changes) => NUMBER * 2 * changes.len() as u64,
        Response::Invalidated(stale) => NUMBER * stale.len() as u64,
        Response::Written { .. } | Response::Lsn(_) | Response::Expiry(_) => NUMBER,
        Response::Refused | Response::Done => 0,
    }
}

fn content(held: &Content) -> u64 {
    match held {
        Content::Row { value, .. } => 8 + value_bytes(value),
        Content::Marker => 1,
        Content::Tombstone(_) | Content::Number(_) => 8,
    }
}

fn row_bytes(row: &Row) -> u64 {
    8 + value_bytes(&row.value)
}

fn value_bytes(value: &Value) -> u64 {
    value.to_string().len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(impairment: Impairment, bytes: u64) -> Duration {
        match fate(impairment, Site::Cache, bytes, 0) {
            Fate::Later(by) => by,
            Fate::Never | Fate::Breaks(_) => panic!("it was to come"),
        }
    }

    #[test]
    fn long_answers_take_longer() {
        assert_eq!(later(Impairment::Bandwidth { kb_per_s: 5 }, 500), Duration::from_millis(100));
        let sliced = Impairment::Slice { bytes: 4, pause: Duration::from_millis(5) };
        // Three pieces, two pauses.
        assert_eq!(later(sliced, 12), Duration::from_millis(10));
        assert_eq!(later(sliced, 4), Duration::ZERO);
    }

    #[test]
    fn a_limit_counts_the_whole_connection() {
        let limit = Impairment::Limit { bytes: 100 };
        assert!(matches!(fate(limit, Site::Cache, 60, 40), Fate::Later(_)));
        assert!(matches!(fate(limit, Site::Cache, 60, 41), Fate::Breaks(_)));
    }

    #[test]
    fn a_long_value_makes_a_long_answer() {
        let row = |text: &str| Row { value: Value::from(text), version: 1 };
        let of = |row| bytes(Site::Primary, &Ok(Response::Row { row: Some(row), lsn: None }));
        assert_eq!(of(row(&"x".repeat(1_000))) - of(row("x")), 999);
    }
}
