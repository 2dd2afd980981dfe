//! The event log: what happened on the links, with monotonic time stamps.

use crate::link::lock;
use crate::toxic::Stream;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Events kept; older ones are forgotten, which their reader can tell.
const KEPT: usize = 65_536;
/// What they may take, in bytes: one event may name thousands of keys.
const KEPT_BYTES: usize = 16 << 20;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProxyEvent {
    /// Counted from 1 without gaps.
    pub seq: u64,
    /// Nanoseconds of the monotonic clock since the fault proxy started.
    pub at_ns: u64,
    /// The proxy's name.
    pub proxy: Arc<str>,
    /// The connection's ordinal in its proxy, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub happening: ProxyEventKind,
}

/// What can happen; in JSON, the field `event` tells which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProxyEventKind {
    /// A client's connection was accepted.
    Accepted {
        /// The client's address.
        client: String,
    },
    /// The server accepted the connection.
    Dialled,
    /// The server could not be reached; the client's connection is closed.
    DialFailed {
        /// The operating system's reason.
        reason: String,
    },
    /// One side and the proxy could not agree on TLS; the connection is closed.
    TlsFailed {
        /// `client` or `server`.
        side: &'static str,
        /// Why.
        reason: String,
    },
    /// The connection is over.
    Closed {
        /// In which way.
        how: &'static str,
    },
    /// The proxy listens.
    ProxyUp {
        /// The bound address.
        listen: String,
    },
    /// The proxy stopped listening and closed its connections.
    ProxyDown,
    /// A toxic was added.
    ToxicAdded {
        /// Its name.
        toxic: Arc<str>,
    },
    /// A toxic was changed.
    ToxicChanged {
        /// Its name.
        toxic: Arc<str>,
    },
    /// A toxic was removed.
    ToxicRemoved {
        /// Its name.
        toxic: Arc<str>,
    },
    /// A direction was held.
    Held {
        /// The direction.
        stream: Stream,
    },
    /// A held direction was released, or a part of it.
    Released {
        /// The direction.
        stream: Stream,
    },
    /// A rule acted on a message.
    RuleFired {
        /// The rule's id.
        rule: u64,
        /// What it did.
        action: &'static str,
        /// The request's command.
        command: String,
        /// The request's text, cut short.
        text: String,
    },
    /// A rule made a message wait.
    MessageHeld {
        /// What to release.
        held: u64,
        /// The rule's id.
        rule: u64,
    },
    /// A held message was released.
    MessageReleased {
        /// The id it was held under.
        held: u64,
    },
    /// The messages of a connection cannot be told apart any more; its bytes
    /// are still forwarded.
    FramingLost {
        /// Why.
        reason: String,
    },
    /// A request was seen (only where messages are logged).
    Request {
        /// Its command.
        command: String,
        /// Its keys or parameters.
        keys: Vec<String>,
        /// Its text, cut short.
        text: String,
        /// The text of the script that it names by a digest, cut short, if it
        /// was seen before.
        #[serde(skip_serializing_if = "Option::is_none")]
        script: Option<String>,
    },
    /// A script was named by a digest of which no text was seen: rules do not
    /// know what is in it. Told once for each digest.
    ScriptUnknown {
        /// SHA-1, in hexadecimal.
        digest: String,
    },
    /// A reply was seen whole (only where messages are logged).
    Reply {
        /// The ordinal of its request in the connection, from 1.
        request: u64,
        /// The request's command.
        command: String,
        /// What it says: the first line of RESP, the tag of Postgres.
        summary: String,
    },
}

impl ProxyEvent {
    /// About as many bytes as it takes in memory.
    fn weight(&self) -> usize {
        let inner = match &self.happening {
            ProxyEventKind::Request { command, keys, text, script } => {
                let keys = keys.iter().map(|key| key.capacity() + size_of::<String>());
                let script = script.as_ref().map_or(0, String::capacity);
                command.capacity() + text.capacity() + keys.sum::<usize>() + script
            }
            ProxyEventKind::RuleFired { command, text, .. } => command.capacity() + text.capacity(),
            ProxyEventKind::Reply { command, summary, .. } => {
                command.capacity() + summary.capacity()
            }
            ProxyEventKind::Accepted { client: text }
            | ProxyEventKind::DialFailed { reason: text }
            | ProxyEventKind::TlsFailed { reason: text, .. }
            | ProxyEventKind::FramingLost { reason: text }
            | ProxyEventKind::ScriptUnknown { digest: text }
            | ProxyEventKind::ProxyUp { listen: text } => text.capacity(),
            _ => 0,
        };
        size_of::<Self>() + inner
    }
}

/// The newest events, in order.
#[derive(Debug)]
pub(crate) struct EventLog {
    start: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<ProxyEvent>,
    bytes: usize,
    next: u64,
}

/// A part of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventPage {
    /// Events with `seq > since`, oldest first.
    pub events: Vec<ProxyEvent>,
    /// What to ask `since` for next time.
    pub next: u64,
    /// How many events asked for were already forgotten.
    pub forgotten: u64,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), state: Mutex::default() }
    }

    /// The time that `at_ns` counts from.
    pub(crate) const fn start(&self) -> Instant {
        self.start
    }

    pub(crate) fn record(
        &self,
        proxy: &Arc<str>,
        connection: Option<u64>,
        happening: ProxyEventKind,
    ) {
        let mut state = lock(&self.state);
        // Stamped under the lock, so that time and order agree.
        let at_ns = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        state.next += 1;
        let event =
            ProxyEvent { seq: state.next, at_ns, proxy: Arc::clone(proxy), connection, happening };
        state.bytes += event.weight();
        state.events.push_back(event);
        while state.events.len() > KEPT || state.bytes > KEPT_BYTES && state.events.len() > 1 {
            let oldest = state.events.pop_front();
            state.bytes -= oldest.as_ref().map_or(0, ProxyEvent::weight);
        }
    }

    /// Up to `limit` events after number `since`.
    pub(crate) fn since(&self, since: u64, limit: usize) -> EventPage {
        let state = lock(&self.state);
        let first = state.events.front().map_or(state.next + 1, |event| event.seq);
        let skip = usize::try_from((since + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let events: Vec<_> = state.events.iter().skip(skip).take(limit).cloned().collect();
        EventPage {
            next: events.last().map_or(since.min(state.next), |event| event.seq),
            forgotten: first.saturating_sub(since + 1),
            events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let log = EventLog::new();
        let proxy: Arc<str> = "p".into();
        for _ in 0..2_000 {
            let keys = vec!["k".repeat(1_000); 64];
            let (command, text) = ("DEL".to_owned(), String::new());
            log.record(&proxy, None, ProxyEventKind::Request { command, keys, text, script: None });
        }
        let state = lock(&log.state);
        assert!(state.bytes <= KEPT_BYTES && state.events.len() < 300, "{}", state.bytes);
        let weights: usize = state.events.iter().map(ProxyEvent::weight).sum();
        assert_eq!(state.bytes, weights);
    }

    #[test]
    fn a_reader_can_tell_what_it_missed() {
        let log = EventLog::new();
        let proxy: Arc<str> = "p".into();
        for _ in 0..KEPT + 5 {
            log.record(&proxy, None, ProxyEventKind::ProxyDown);
        }
        let page = log.since(0, 10);
        assert_eq!(page.forgotten, 5);
        assert_eq!(page.events[0].seq, 6);
        assert_eq!(page.next, 15);
        let page = log.since(page.next, usize::MAX);
        assert_eq!(page.forgotten, 0);
        assert_eq!(page.next, KEPT as u64 + 5);
        assert_eq!(log.since(page.next, 10).events, []);
    }
}
