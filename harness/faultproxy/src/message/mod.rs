//! Messages inside the byte streams: RESP (Redis) and the Postgres protocol.
//!
//! A scanner cuts a stream into [`Part`]s at the borders of its messages and
//! says which commands they carry. It never holds back more than
//! [`LARGEST_HEAD`] bytes: a longer message is judged by its head, and its
//! rest follows piece by piece.

mod backend;
mod follow;
mod frontend;
#[cfg(test)]
mod fuzz;
mod group;
mod keys;
pub(crate) mod lexer;
mod plain;
#[cfg(test)]
mod random_tests;
mod reader;
#[cfg(test)]
mod reference_tests;
mod resp;
mod session;
mod sought;
mod sql;
mod statements;
mod subscriptions;
#[cfg(test)]
mod tests;
pub(crate) mod wal;

pub(crate) use backend::Backend;
pub(crate) use follow::Rest;
pub(crate) use frontend::Frontend;
pub(crate) use group::{Counted, Expects, Group, Sync};
pub use group::{Ends, GroupMessage, Parameter, Strength, TransactionStatus};
pub(crate) use resp::{RespReplies, RespRequests};
pub use session::Framing;
pub(crate) use session::{Pending, REPLICATES, Session};
pub(crate) use sought::Sought;

use bytes::Bytes;
use serde::Serialize;
use wal::Wal;

/// Bytes of one message that may wait for the rest of it. A WAL message of a
/// walsender has at most 128 KiB and must fit whole.
pub(crate) const LARGEST_HEAD: usize = 256 << 10;

/// A protocol whose messages can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Protocol {
    /// RESP2 and RESP3, as spoken by Redis.
    Redis,
    /// Version 3 of the Postgres protocol, including replication.
    Postgres,
}

impl Protocol {
    /// The protocol of this name in the API.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "redis" => Some(Self::Redis),
            "postgres" => Some(Self::Postgres),
            _ => None,
        }
    }
}

/// A command as rules see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Command {
    /// In upper case: `DEL`, `CONFIG SET`, `UPDATE`.
    pub(crate) name: String,
    /// The keys of a Redis command; the parameters of a SQL statement, or the
    /// literals in its text.
    pub(crate) keys: Vec<String>,
    /// The command as a person would write it, cut short.
    pub(crate) text: String,
    /// How much it can change; known of SQL only.
    pub(crate) strength: Strength,
    /// A password was in it, which its text does not show, or may be in its
    /// parameters.
    pub(crate) secret: bool,
    /// The script of Redis that it brings or names.
    pub(crate) script: Option<Script>,
}

/// A script of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Script {
    /// The command has its text.
    Given(Bytes),
    /// The command has only its digest, in lower case.
    Digest(String),
    /// The same, and this is the text.
    Known(std::sync::Arc<str>),
}

/// The most of a command's text that is kept.
const LONGEST_TEXT: usize = 64 << 10;

impl Command {
    /// Whether this is the command a rule names: whole, or its first word.
    pub(crate) fn is(&self, name: &str) -> bool {
        let first = self.first_word();
        self.name.eq_ignore_ascii_case(name) || first.eq_ignore_ascii_case(name)
    }

    fn first_word(&self) -> &str {
        self.name.split(' ').next().unwrap_or_default()
    }

    /// Whether this stands in its text, or in that of the script it runs.
    pub(crate) fn contains(&self, part: &str) -> bool {
        self.text.contains(part) || self.script_text().is_some_and(|text| text.contains(part))
    }

    /// The text of the script that it names by a digest, where that is known.
    pub(crate) fn script_text(&self) -> Option<&std::sync::Arc<str>> {
        match &self.script {
            Some(Script::Known(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.keys.iter().any(|other| other == key)
    }
}

/// Text for people from bytes, cut to [`LONGEST_TEXT`].
pub(crate) fn text(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(LONGEST_TEXT)];
    String::from_utf8_lossy(cut).into_owned()
}

/// The front of a text, at most `most` bytes of it.
pub(crate) fn front(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A piece of a stream.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) data: Bytes,
    /// Where it stands in the request or reply it belongs to.
    pub(crate) place: Place,
    /// Requests only: the commands whose last needed byte is in here.
    pub(crate) commands: Vec<Command>,
    /// Requests only, in their first part: what more there is to say.
    pub(crate) group: Option<Group>,
    /// Requests only, in their first part: how the reply will end.
    pub(crate) expects: Expects,
    /// As many whole requests, or replies, are in here of which nobody asks
    /// what they say; 0 is 1.
    pub(crate) run: u32,
    /// Requests only: how many messages of it so far the server will confirm.
    pub(crate) confirmable: u32,
    /// Only sets up the connection.
    pub(crate) handshake: bool,
    /// Requests only: asks for encryption.
    pub(crate) asks_encryption: bool,
    /// Between replies: said unasked, and this is its kind.
    pub(crate) push: Option<String>,
    /// Between replies: more of what was said unasked.
    pub(crate) continues: bool,
    /// Replies only: the client must send data before the rest can come.
    pub(crate) awaits_client: bool,
    /// Replies only, where the reply ends: what it said, in a word.
    pub(crate) summary: Option<String>,
    /// Replies only, where the reply ends: the code of its first error.
    pub(crate) error: Option<String>,
    /// Replies only, where the reply ends: the state of the transaction.
    pub(crate) transaction: Option<TransactionStatus>,
    /// Replication only: the WAL in here.
    pub(crate) wal: Option<Wal>,
}

/// Whether bytes begin a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    /// They do.
    Between,
    /// They belong to one that has begun.
    Within,
}

/// Where a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Place {
    /// Outside of any request or reply: a notice, a password, copied data.
    #[default]
    Between,
    /// In one that has other parts behind it.
    Inside,
    /// The last one.
    Last,
}

/// The stream does not (or no longer) follow the protocol as far as it can be
/// followed; the reason is for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost(pub(crate) &'static str);

/// One direction's scanner.
#[derive(Debug)]
pub(crate) enum Scanner {
    RespRequests(RespRequests),
    RespReplies(RespReplies),
    Frontend(Frontend),
    Backend(Backend),
}

impl Scanner {
    pub(crate) fn new(protocol: Protocol, stream: crate::toxic::Stream) -> Self {
        use crate::toxic::Stream::{Downstream, Upstream};
        match (protocol, stream) {
            (Protocol::Redis, Upstream) => Self::RespRequests(RespRequests::default()),
            (Protocol::Redis, Downstream) => Self::RespReplies(RespReplies::default()),
            (Protocol::Postgres, Upstream) => Self::Frontend(Frontend::default()),
            (Protocol::Postgres, Downstream) => Self::Backend(Backend::default()),
        }
    }

    pub(crate) fn feed(&mut self, data: &[u8]) {
        match self {
            Self::RespRequests(scanner) => scanner.feed(data),
            Self::RespReplies(scanner) => scanner.feed(data),
            Self::Frontend(scanner) => scanner.feed(data),
            Self::Backend(scanner) => scanner.feed(data),
        }
    }

    /// The next part; None until more bytes come.
    pub(crate) fn next(&mut self, session: &mut Session) -> Result<Option<Part>, Lost> {
        match self {
            Self::RespRequests(scanner) => scanner.next(session),
            Self::RespReplies(scanner) => scanner.next(session),
            Self::Frontend(scanner) => scanner.next(session),
            Self::Backend(scanner) => scanner.next(session),
        }
    }

    /// Whether a request waits for more messages that need not come.
    pub(crate) fn is_pausing(&self) -> bool {
        matches!(self, Self::Frontend(scanner) if scanner.is_pausing())
    }

    /// Hands out what there is of such a request.
    pub(crate) fn cut_short(&mut self) -> Option<Part> {
        match self {
            Self::Frontend(scanner) => scanner.cut_short(),
            _ => None,
        }
    }

    fn rest(&mut self) -> &mut bytes::BytesMut {
        match self {
            Self::RespRequests(scanner) => scanner.rest(),
            Self::RespReplies(scanner) => scanner.rest(),
            Self::Frontend(scanner) => scanner.rest(),
            Self::Backend(scanner) => scanner.rest(),
        }
    }

    /// The bytes that wait for the rest of their message.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        self.rest().split().freeze()
    }
}
