//! What a controller is told.

use super::rows::{self, StatementOutcome};
use super::value::WireValue;
use crate::address::ClientAddress;
use crate::message::{Ends, GroupMessage, Strength, TransactionStatus};
use bytes::Bytes;
use std::sync::Arc;

/// One thing that a controller is told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Notice {
    /// Counted from 1 over everything that this attention is told, in the
    /// order in which it happened; what was missed is counted as well.
    pub seq: u64,
    /// Nanoseconds of the monotonic clock since [`FaultProxy::epoch`].
    ///
    /// [`FaultProxy::epoch`]: crate::FaultProxy::epoch
    pub at_ns: u64,
    /// The proxy's name.
    pub proxy: Arc<str>,
    /// The connection's ordinal in its proxy, from 1.
    pub connection: u64,
    /// What it is.
    pub what: NoticeKind,
}

/// What a controller can be told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A client connected.
    Opened {
        /// The client's address.
        client: ClientAddress,
    },
    /// The connection is over. Its messages that still waited are gone, and
    /// cannot be decided any more.
    Closed {
        /// In which way.
        how: &'static str,
        /// The ids of the messages that waited.
        undecided: Vec<u64>,
    },
    /// One side has ended its stream. Messages from it that wait may still be
    /// forwarded, or dropped, as late messages that nobody asked for.
    Gone {
        /// Which side.
        side: Peer,
        /// In which way.
        how: StreamEnd,
        /// The ids of its messages that wait, in their order.
        waiting: Vec<u64>,
    },
    /// Messages of this connection cannot be told apart any more. Its bytes
    /// are forwarded, and nothing is held.
    FramingLost {
        /// Why.
        reason: &'static str,
    },
    /// A client asks for something.
    Request(WireRequest),
    /// A server answers a request.
    Reply(WireReply),
    /// A server says something that is not the answer to a request.
    Push(Push),
    /// So many notices were left out here, because nobody took those before
    /// them.
    Missed {
        /// How many.
        notices: u64,
    },
}

/// A side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The one that connected.
    Client,
    /// The one that was connected to.
    Server,
}

/// How a side ended its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// In order (FIN). It may still read, though few programs do.
    Fin,
    /// It reset the connection, and reads no more.
    Rst,
}

/// Whether a message waits for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// It goes on by itself.
    No,
    /// Until [`Attention::decide`](super::Attention::decide) says what becomes
    /// of it. What follows it in its direction waits behind it.
    Yes,
}

/// A request, as a client sent it.
///
/// Of Redis, one command. Of Postgres, a simple query, or the messages of the
/// extended protocol up to and including a Sync or a Flush.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WireRequest {
    /// Unique in its fault proxy.
    pub id: u64,
    /// Counted from 1 in its connection; its reply names it.
    pub ordinal: u64,
    /// Whether it waits to be decided.
    pub waits: Waits,
    /// It came in one read together with the request before it: as far as can
    /// be told, the client wrote both at once, and could not know the reply
    /// to the first when it sent this one.
    pub with_previous: bool,
    /// It only sets up the connection: the start-up of Postgres, HELLO, AUTH.
    /// Such ones never wait.
    pub handshake: bool,
    /// Bytes on the wire, as far as they had come.
    pub size: usize,
    /// The name of the command, in upper case; of a group of Postgres, that of
    /// its strongest statement: a group of BEGIN and UPDATE is an `UPDATE`.
    /// A group without statements is named by what it does: `PARSE`, `BIND`,
    /// `DESCRIBE`, `CLOSE`, `SYNC`, `FLUSH`; an empty query is `EMPTY`.
    pub name: String,
    /// All statements as text, with `; ` between them. Passwords are hidden.
    pub text: String,
    /// Whether the text was cut to [`Attend::text_cap`](super::Attend).
    pub text_cut: bool,
    /// Keys of a Redis command; parameters and literals of SQL. Binary
    /// parameters are read by their types; one whose type is not known, and
    /// that can be read in two ways, stands there twice.
    pub keys: Vec<String>,
    /// The statements in it, in order: of Redis, always one.
    pub statements: Vec<Statement>,
    /// What only this protocol has.
    pub detail: Detail,
    /// Its bytes, up to [`Attend::raw_cap`](super::Attend): what to search for
    /// a value inside of a pickle. Empty where a password is in it.
    pub raw: Bytes,
}

/// One statement, or one command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statement {
    /// Its name in upper case.
    pub name: String,
    /// Its text, cut as that of the request.
    pub text: String,
    /// Its keys, as [`WireRequest::keys`].
    pub keys: Vec<String>,
    /// How much it can change; of Redis it is not told.
    pub strength: Strength,
    /// The text of the script that an `EVALSHA` names, if it was seen before in
    /// an `EVAL` or a `SCRIPT LOAD` on any connection of the fault proxy.
    pub script: Option<Arc<str>>,
}

/// What only requests of one protocol have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// Of Redis.
    Redis,
    /// Of Postgres.
    Postgres {
        /// What the group consists of, in order.
        steps: Vec<GroupMessage>,
        /// What ends it.
        ends: Ends,
        /// The most that any statement in it can do.
        strongest: Strength,
        /// The most that statements of earlier groups did since the last Sync,
        /// if this request has a Sync: outside of a transaction block it is
        /// this Sync that commits them.
        settles: Option<Strength>,
        /// The state of the transaction when the last reply ended; None before
        /// the first one.
        transaction: Option<TransactionStatus>,
    },
}

/// A reply.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WireReply {
    /// Unique in its fault proxy.
    pub id: u64,
    /// The ordinal of its request in the connection.
    pub request: u64,
    /// The id of its request; None if nobody attended when it was sent.
    pub request_id: Option<u64>,
    /// Whether it waits to be decided.
    pub waits: Waits,
    /// Whether it is the whole reply. One that is too long to wait for is told
    /// of before its end; so is one that asks the client for data (COPY). The
    /// rest of the former goes the same way as this; after a COPY there is
    /// another reply to the same request.
    pub complete: bool,
    /// The request never ran, and has no bytes of an answer: an error before
    /// it made the server skip everything up to the next Sync.
    pub skipped: bool,
    /// It only answers what set up the connection, and never waits.
    pub handshake: bool,
    /// Bytes on the wire, as far as they had come.
    pub size: usize,
    /// What it says in a word: the first line of RESP, the tag of Postgres.
    pub summary: String,
    /// The code of the (first) error: SQLSTATE, or the first word of RESP's.
    pub error: Option<String>,
    /// The state of the transaction, where a ReadyForQuery ends it.
    pub transaction: Option<TransactionStatus>,
    /// Its bytes, up to [`Attend::raw_cap`](super::Attend).
    pub raw: Bytes,
}

impl WireReply {
    /// The value, of Redis, as far as [`WireReply::raw`] has it.
    #[must_use]
    pub fn value(&self) -> Option<WireValue> {
        WireValue::parse(&self.raw)
    }

    /// Rows, tags and errors, of Postgres, as far as [`WireReply::raw`] has them.
    #[must_use]
    pub fn outcomes(&self) -> Vec<StatementOutcome> {
        rows::outcomes(&self.raw)
    }
}

/// What a server says unasked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Push {
    /// Unique in its fault proxy.
    pub id: u64,
    /// Whether it waits to be decided.
    pub waits: Waits,
    /// What kind it is, as the protocol calls it: `message`, `pmessage`,
    /// `smessage`, `invalidate`; of Postgres `notification` or `error`.
    pub kind: String,
    /// Bytes on the wire, as far as they had come.
    pub size: usize,
    /// Its bytes, up to [`Attend::raw_cap`](super::Attend).
    pub raw: Bytes,
}

impl Push {
    /// The value, of Redis, as far as [`Push::raw`] has it.
    #[must_use]
    pub fn value(&self) -> Option<WireValue> {
        WireValue::parse(&self.raw)
    }

    /// Channel and payload of a notification of Postgres.
    #[must_use]
    pub fn notification(&self) -> Option<(String, String)> {
        rows::notification(&self.raw)
    }
}

impl Notice {
    /// About as many bytes as it takes in memory.
    pub(super) fn weight(&self) -> usize {
        let texts = |texts: &[String]| texts.iter().map(|text| text.len() + 24).sum::<usize>();
        let inner = match &self.what {
            NoticeKind::Request(request) => {
                let statements = request.statements.iter();
                let statements = statements
                    .map(|one| size_of::<Statement>() + one.text.len() + texts(&one.keys))
                    .sum::<usize>();
                let steps = match &request.detail {
                    Detail::Postgres { steps, .. } => steps.iter().map(GroupMessage::weight).sum(),
                    Detail::Redis => 0,
                };
                request.text.len() + texts(&request.keys) + request.raw.len() + statements + steps
            }
            NoticeKind::Reply(reply) => reply.raw.len() + reply.summary.len(),
            NoticeKind::Push(push) => push.raw.len(),
            NoticeKind::Closed { undecided: ids, .. } | NoticeKind::Gone { waiting: ids, .. } => {
                8 * ids.len()
            }
            NoticeKind::Opened { .. }
            | NoticeKind::FramingLost { .. }
            | NoticeKind::Missed { .. } => 0,
        };
        size_of::<Self>() + inner
    }
}
