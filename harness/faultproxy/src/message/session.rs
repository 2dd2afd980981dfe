//! What the two directions of one connection know of each other.

use super::Command;
use super::wal::Replication;
use serde::Serialize;
use std::collections::VecDeque;

/// Requests that may wait for their replies; a client that pipelines more is
/// beyond what rules can follow.
const MOST_PENDING: usize = 100_000;

/// Why rules do not apply to a replication stream.
pub(crate) const REPLICATES: &str = "the connection replicates";

/// How far the messages of a connection can be followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "framing", content = "reason", rename_all = "snake_case")]
pub enum Framing {
    /// The proxy was given no protocol when the connection was opened.
    None,
    /// Messages are told apart and rules apply.
    Followed,
    /// Rules do not apply for now: a COPY runs, or the connection replicates.
    Suspended(&'static str),
    /// Messages cannot be told apart any more; bytes are still forwarded.
    Lost(&'static str),
}

/// A request whose reply has not ended.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Counted from 1 in its connection.
    pub(crate) ordinal: u64,
    pub(crate) command: Command,
    /// What a rule wants done with the reply, and the rule's id.
    pub(crate) reply: Option<(u64, crate::rule::ReplyAction)>,
}

#[derive(Debug)]
pub(crate) struct Session {
    framing: Framing,
    pub(crate) pending: VecDeque<Pending>,
    requests: u64,
    /// Postgres: encryption was asked for and the one-byte answer is due.
    pub(crate) encryption_asked: Option<Encryption>,
    /// Postgres: the last request came by the extended protocol.
    pub(crate) extended: bool,
    /// Postgres: what the stream carries once it replicates.
    pub(crate) replication: Replication,
}

/// What a Postgres client may ask for before it says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    Tls,
    Gss,
}

impl Session {
    pub(crate) const fn new() -> Self {
        Self {
            framing: Framing::Followed,
            pending: VecDeque::new(),
            requests: 0,
            encryption_asked: None,
            extended: false,
            replication: Replication::Physical,
        }
    }

    pub(crate) const fn framing(&self) -> &Framing {
        &self.framing
    }

    /// Gives up following; the first reason stays. True: it is news.
    pub(crate) fn lose(&mut self, reason: &'static str) -> bool {
        if matches!(self.framing, Framing::Lost(_)) {
            return false;
        }
        self.framing = Framing::Lost(reason);
        self.pending.clear();
        true
    }

    pub(crate) fn suspend(&mut self, reason: &'static str) {
        if self.framing == Framing::Followed {
            self.framing = Framing::Suspended(reason);
        }
    }

    pub(crate) fn resume(&mut self) {
        if matches!(self.framing, Framing::Suspended(_)) {
            self.framing = Framing::Followed;
        }
    }

    /// Takes note of a request that a reply will answer; its ordinal.
    pub(crate) fn ask(&mut self, command: Command) -> u64 {
        self.requests += 1;
        if self.pending.len() >= MOST_PENDING {
            self.lose("too many requests without a reply");
            return self.requests;
        }
        self.pending.push_back(Pending { ordinal: self.requests, command, reply: None });
        self.requests
    }
}
