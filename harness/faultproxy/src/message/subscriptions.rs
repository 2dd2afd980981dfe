//! Which values of Redis answer a request, where there are subscriptions:
//! <https://redis.io/docs/latest/develop/interact/pubsub/>.

use super::group::Expects;
use super::{LONGEST_TEXT, Lost, Place, Session, text};
use crate::attend::WireValue;
use bytes::Bytes;
use std::collections::BTreeSet;

/// Channels whose names are remembered, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// What a client is subscribed to.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// Channels, patterns, channels of a shard.
    names: [BTreeSet<Bytes>; 3],
    bytes: usize,
    /// Version 3 of RESP is spoken, in which what was not asked for has a type
    /// of its own.
    resp3: bool,
}

/// Commands that are answered with one value for each name they give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verb {
    /// Which of the three kinds of names.
    kind: usize,
    adds: bool,
}

impl Verb {
    pub(crate) fn named(word: &[u8]) -> Option<Self> {
        let (kind, adds) = match word.to_ascii_uppercase().as_slice() {
            b"SUBSCRIBE" => (0, true),
            b"PSUBSCRIBE" => (1, true),
            b"SSUBSCRIBE" => (2, true),
            b"UNSUBSCRIBE" => (0, false),
            b"PUNSUBSCRIBE" => (1, false),
            b"SUNSUBSCRIBE" => (2, false),
            _ => return None,
        };
        Some(Self { kind, adds })
    }
}

/// The values that answer a command about subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Confirmations {
    pub(crate) verb: Verb,
    /// How many are to come; None: one for each subscription there is.
    pub(crate) left: Option<usize>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// It belongs to the reply to the first request that waits for one.
    Reply(Place),
    /// It is no reply; its kind.
    Push(String),
}

impl Subscriptions {
    fn note(&mut self, verb: Verb, name: Bytes) -> Result<(), Lost> {
        let names = &mut self.names[verb.kind];
        if !verb.adds {
            if names.remove(&name) {
                self.bytes -= name.len();
            }
        } else if !names.contains(&name) {
            self.bytes += name.len();
            // A copy, as a slice would keep all that was read with it.
            names.insert(Bytes::copy_from_slice(&name));
        }
        if self.bytes > MOST_BYTES {
            return Err(Lost("more subscriptions than can be remembered"));
        }
        Ok(())
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        self.names.iter().any(|names| !names.is_empty())
    }
}

/// Finds out what a value is, by its first bytes.
pub(crate) fn role(kind: Option<u8>, data: &[u8], session: &mut Session) -> Result<Role, Lost> {
    let front = session.pending.front_mut();
    let subscribing =
        front.as_ref().is_some_and(|front| matches!(front.expects, Expects::Confirmations(_)));
    let subscriptions = &mut session.subscriptions;
    let in_band = kind == Some(b'*')
        && !subscriptions.resp3
        && (subscriptions.is_subscribed() || subscribing);
    if kind != Some(b'>') && !in_band {
        if let Some(front) = &front {
            match front.command.name.as_str() {
                "HELLO" if kind != Some(b'-') => subscriptions.resp3 = kind == Some(b'%'),
                "RESET" => *subscriptions = Subscriptions::default(),
                _ => {}
            }
        }
        if subscribing && kind != Some(b'-') {
            return Err(Lost("a subscription within a transaction"));
        }
        return Ok(Role::Reply(Place::Last));
    }
    let head = Bytes::copy_from_slice(&data[..data.len().min(LONGEST_TEXT)]);
    let elements = match WireValue::parse(&head) {
        Some(WireValue::Array(elements)) => elements,
        _ => Vec::new(),
    };
    let word = elements.first().and_then(WireValue::bytes).unwrap_or_default();
    let Some(verb) = Verb::named(word) else {
        let is_message = matches!(word, b"message" | b"pmessage" | b"smessage");
        return if kind == Some(b'>') || is_message {
            Ok(Role::Push(text(word)))
        } else {
            Ok(Role::Reply(Place::Last))
        };
    };
    let name = match elements.get(1) {
        Some(WireValue::Bulk(name)) => Some(name.clone()),
        _ => None,
    };
    let there = subscriptions.names[verb.kind].len();
    if let Some(name) = name {
        subscriptions.note(verb, name)?;
    }
    match front.map(|front| &mut front.expects) {
        Some(Expects::Confirmations(waits)) if waits.verb == verb => {
            let left = waits.left.unwrap_or(there).max(1) - 1;
            waits.left = Some(left);
            Ok(Role::Reply(if left == 0 { Place::Last } else { Place::Inside }))
        }
        // A server takes a subscription back, say, as its slot has moved.
        _ => Ok(Role::Push(text(word))),
    }
}
