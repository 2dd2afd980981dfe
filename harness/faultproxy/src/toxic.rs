//! Toxics: what can be done to the bytes of one direction of a proxy.

use crate::error::Error;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// A direction through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

impl Stream {
    /// Both directions, in the order in which the API lists toxics.
    pub const BOTH: [Self; 2] = [Self::Upstream, Self::Downstream];

    /// Parses a direction, in any case.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidStream`] for any other word.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.eq_ignore_ascii_case("upstream") {
            Ok(Self::Upstream)
        } else if text.eq_ignore_ascii_case("downstream") {
            Ok(Self::Downstream)
        } else {
            Err(Error::InvalidStream)
        }
    }

    /// The direction's name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Upstream => 0,
            Self::Downstream => 1,
        }
    }
}

/// What a toxic does. Numbers are the API's: negative ones act as zero where
/// they are allowed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToxicKind {
    /// Every byte leaves `latency_ms` after it arrived, give or take a jitter
    /// drawn uniformly from `-jitter_ms..=jitter_ms` for each chunk. Chunks
    /// never overtake each other.
    Latency {
        /// Delay in milliseconds.
        latency_ms: i64,
        /// Largest deviation from it, in milliseconds.
        jitter_ms: i64,
    },
    /// At most `rate_kb_s` kilobytes (of 1000 bytes) a second; 0 stalls the
    /// direction without losing a byte.
    Bandwidth {
        /// Kilobytes a second.
        rate_kb_s: i64,
    },
    /// Delays the end of the stream.
    SlowClose {
        /// Delay in milliseconds.
        delay_ms: i64,
    },
    /// Drops all data, and closes the connection when none came for
    /// `timeout_ms`; 0 never closes. Removing it closes the connections it
    /// was on, as their streams have lost bytes.
    Timeout {
        /// Idle time in milliseconds.
        timeout_ms: i64,
    },
    /// Resets (RST) both sides of the connection: one that was open when the
    /// toxic came, `timeout_ms` after it came; a newer one, `timeout_ms` after
    /// the first data in this direction, which is not forwarded.
    ResetPeer {
        /// Time to the reset in milliseconds.
        timeout_ms: i64,
    },
    /// Cuts the stream into pieces sent one by one.
    Slicer {
        /// Mean size of a piece in bytes, at least 1.
        average_size: i64,
        /// Largest deviation from it, in bytes, less than `average_size`.
        size_variation: i64,
        /// Pause after each piece in microseconds.
        delay_us: i64,
    },
    /// Closes the connection after this many bytes.
    LimitData {
        /// Bytes let through.
        bytes: i64,
    },
    /// A connection reaches its server so much later, give or take a jitter
    /// drawn uniformly from `-jitter_ms..=jitter_ms` for each connection, in
    /// whichever direction the toxic sits. Clients do not see it at once: what
    /// accepts them is the kernel, and what they send waits.
    SlowOpen {
        /// Delay in milliseconds.
        delay_ms: i64,
        /// Largest deviation from it, in milliseconds.
        jitter_ms: i64,
    },
    /// Flips one bit in each run of `one_in` bytes; which one, the seed draws.
    Corrupt {
        /// Length of a run in bytes, at least 1.
        one_in: i64,
    },
    /// Does nothing.
    Noop,
}

/// Longer times are refused: nobody waits for them, and nanoseconds beyond
/// them would overflow.
const LONGEST_MS: i64 = 365 * 24 * 3600 * 1000;

impl ToxicKind {
    /// The kind of this name, with all attributes zero.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidToxicType`] for an unknown name.
    pub fn named(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "latency" => Self::Latency { latency_ms: 0, jitter_ms: 0 },
            "bandwidth" => Self::Bandwidth { rate_kb_s: 0 },
            "slow_close" => Self::SlowClose { delay_ms: 0 },
            "timeout" => Self::Timeout { timeout_ms: 0 },
            "reset_peer" => Self::ResetPeer { timeout_ms: 0 },
            "slicer" => Self::Slicer { average_size: 0, size_variation: 0, delay_us: 0 },
            "limit_data" => Self::LimitData { bytes: 0 },
            "slow_open" => Self::SlowOpen { delay_ms: 0, jitter_ms: 0 },
            "corrupt" => Self::Corrupt { one_in: 0 },
            "noop" => Self::Noop,
            _ => return Err(Error::InvalidToxicType),
        })
    }

    /// The kind's name in the API.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::SlowClose { .. } => "slow_close",
            Self::Timeout { .. } => "timeout",
            Self::ResetPeer { .. } => "reset_peer",
            Self::Slicer { .. } => "slicer",
            Self::LimitData { .. } => "limit_data",
            Self::SlowOpen { .. } => "slow_open",
            Self::Corrupt { .. } => "corrupt",
            Self::Noop => "noop",
        }
    }

    /// The attributes by their names in the API, in its order.
    #[must_use]
    pub fn attributes(mut self) -> Vec<(&'static str, i64)> {
        self.attributes_mut().into_iter().map(|(name, value)| (name, *value)).collect()
    }

    fn attributes_mut(&mut self) -> Vec<(&'static str, &mut i64)> {
        match self {
            Self::Latency { latency_ms, jitter_ms } => {
                vec![("latency", latency_ms), ("jitter", jitter_ms)]
            }
            Self::Bandwidth { rate_kb_s } => vec![("rate", rate_kb_s)],
            Self::SlowClose { delay_ms } => vec![("delay", delay_ms)],
            Self::Timeout { timeout_ms } | Self::ResetPeer { timeout_ms } => {
                vec![("timeout", timeout_ms)]
            }
            Self::Slicer { average_size, size_variation, delay_us } => vec![
                ("average_size", average_size),
                ("size_variation", size_variation),
                ("delay", delay_us),
            ],
            Self::LimitData { bytes } => vec![("bytes", bytes)],
            Self::SlowOpen { delay_ms, jitter_ms } => {
                vec![("delay", delay_ms), ("jitter", jitter_ms)]
            }
            Self::Corrupt { one_in } => vec![("one_in", one_in)],
            Self::Noop => vec![],
        }
    }

    /// Merges attributes given as JSON: absent and null ones stay, unknown
    /// ones are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::BadBody`] when one is not an integer, and what
    /// [`ToxicKind::validate`] refuses.
    pub fn merge(mut self, given: &Map<String, Value>) -> Result<Self, Error> {
        let kind = self.name();
        for (name, slot) in self.attributes_mut() {
            let found = given.get(name).or_else(|| {
                given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
            });
            match found {
                None | Some(Value::Null) => {}
                Some(value) => {
                    *slot = value.as_i64().ok_or_else(|| {
                        Error::BadBody(format!(
                            "attributes.{name} of {kind} must be an integer of 64 bits, not {value}"
                        ))
                    })?;
                }
            }
        }
        self.validate()?;
        Ok(self)
    }

    /// Refuses what no link could obey.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAttribute`]: a negative rate or limit, pieces of no
    /// size, a variation as large as the size itself, one byte of none to be
    /// corrupted, or times beyond a year.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |name, value, reason| Err(Error::InvalidAttribute { name, value, reason });
        let within = |name, value: i64, longest: i64| {
            if value > longest { refuse(name, value, "is longer than a year") } else { Ok(()) }
        };
        match *self {
            Self::Latency { latency_ms, jitter_ms } => {
                within("latency", latency_ms, LONGEST_MS)?;
                within("jitter", jitter_ms, LONGEST_MS)
            }
            Self::Bandwidth { rate_kb_s } if rate_kb_s < 0 => {
                refuse("rate", rate_kb_s, "is negative; 0 stalls")
            }
            Self::SlowClose { delay_ms } => within("delay", delay_ms, LONGEST_MS),
            Self::SlowOpen { delay_ms, jitter_ms } => {
                within("delay", delay_ms, LONGEST_MS)?;
                within("jitter", jitter_ms, LONGEST_MS)
            }
            Self::Corrupt { one_in } if one_in < 1 => {
                refuse("one_in", one_in, "must be at least 1")
            }
            Self::Timeout { timeout_ms } | Self::ResetPeer { timeout_ms } => {
                within("timeout", timeout_ms, LONGEST_MS)
            }
            Self::Slicer { average_size, size_variation, delay_us } => {
                if average_size < 1 {
                    return refuse("average_size", average_size, "must be at least 1");
                }
                if size_variation < 0 || size_variation >= average_size {
                    let reason = "must be at least 0 and less than average_size";
                    return refuse("size_variation", size_variation, reason);
                }
                within("delay", delay_us, LONGEST_MS * 1000)
            }
            Self::LimitData { bytes } if bytes < 0 => refuse("bytes", bytes, "is negative"),
            Self::Bandwidth { .. } | Self::LimitData { .. } | Self::Corrupt { .. } | Self::Noop => {
                Ok(())
            }
        }
    }
}

/// Milliseconds of the API as a duration; negative ones are none.
pub(crate) fn millis(value: i64) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

/// One toxic of a proxy.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Toxic {
    /// Unique in its proxy, over both directions.
    pub name: Arc<str>,
    /// The direction it sits in.
    pub stream: Stream,
    /// The direction as the client spelled it, which the API answers back.
    pub(crate) stream_text: String,
    /// The share of connections it applies to, drawn once per connection;
    /// 1 and more are all, 0 and less are none.
    pub toxicity: f64,
    /// What it does.
    pub kind: ToxicKind,
    /// Tells a toxic from one of the same name that was removed before.
    pub(crate) id: u64,
}

/// A toxic to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewToxic {
    /// Unique in its proxy; by default `type_stream`.
    pub name: Option<String>,
    /// The direction as spelled by the client.
    pub(crate) stream_text: String,
    /// The direction it sits in.
    pub stream: Stream,
    /// The share of connections it applies to.
    pub toxicity: f64,
    /// What it does.
    pub kind: ToxicKind,
}

impl NewToxic {
    /// A toxic for all connections, with the default name.
    #[must_use]
    pub fn new(kind: ToxicKind, stream: Stream) -> Self {
        Self { name: None, stream_text: stream.name().to_owned(), stream, toxicity: 1.0, kind }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same for a share of the connections.
    #[must_use]
    pub const fn with_toxicity(mut self, toxicity: f64) -> Self {
        self.toxicity = toxicity;
        self
    }

    /// The name it will have.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("{}_{}", self.kind.name(), self.stream_text))
    }
}

impl Serialize for Toxic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Attributes<'a>(&'a ToxicKind);
        impl Serialize for Attributes<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.attributes())
            }
        }
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("attributes", &Attributes(&self.kind))?;
        map.serialize_entry("name", &*self.name)?;
        map.serialize_entry("type", self.kind.name())?;
        map.serialize_entry("stream", &self.stream_text)?;
        // Go writes a whole float without its point.
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        if self.toxicity.fract() == 0.0 && self.toxicity.abs() < 1e15 {
            map.serialize_entry("toxicity", &(self.toxicity as i64))?;
        } else {
            map.serialize_entry("toxicity", &self.toxicity)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(kind: &str, attributes: &Value) -> Result<ToxicKind, Error> {
        let map = attributes.as_object().expect("an object");
        ToxicKind::named(kind).expect("a known type").merge(map)
    }

    #[test]
    fn refuses_what_crashes_toxiproxy() {
        for (kind, attributes) in [
            ("bandwidth", serde_json::json!({"rate": -1})),
            ("slicer", serde_json::json!({})),
            ("slicer", serde_json::json!({"average_size": 10, "size_variation": 100})),
            ("limit_data", serde_json::json!({"bytes": -1})),
            ("latency", serde_json::json!({"latency": 1, "jitter": i64::MAX})),
            ("timeout", serde_json::json!({"timeout": i64::MAX})),
            ("slow_open", serde_json::json!({"delay": i64::MAX})),
            ("corrupt", serde_json::json!({})),
            ("corrupt", serde_json::json!({"one_in": -1})),
        ] {
            let error = merged(kind, &attributes).expect_err("hostile");
            assert_eq!(error.status(), 400, "{kind} {attributes}: {error}");
        }
    }

    #[test]
    fn merging_keeps_what_is_not_given() {
        let first = merged("latency", &serde_json::json!({"latency": 10})).expect("fine");
        let map = serde_json::json!({"JITTER": 3, "foo": "bar"});
        let second = first.merge(map.as_object().expect("an object"));
        assert_eq!(second, Ok(ToxicKind::Latency { latency_ms: 10, jitter_ms: 3 }));
    }
}
