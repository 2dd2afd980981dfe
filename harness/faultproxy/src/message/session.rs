//! What the two directions of one connection know of each other.

use super::Command;
use super::group::{Counted, Expects, Sync, Transaction};
use super::wal::Replication;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// Requests that may wait for their replies; a client that pipelines more is
/// beyond what rules can follow.
const MOST_PENDING: usize = 100_000;

/// Statements whose parameters' types are remembered.
const MOST_DESCRIBED: usize = 10_000;

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
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Counted from 1 in its connection.
    pub(crate) ordinal: u64,
    /// Its id for those who attend, if any did.
    pub(crate) id: Option<u64>,
    pub(crate) command: Command,
    pub(crate) expects: Expects,
    pub(crate) handshake: bool,
    /// Postgres: how many COPYs from the client had ended before it.
    pub(crate) copies: u64,
    /// What a rule wants done with the reply, and the rule's id.
    pub(crate) reply: Option<(u64, crate::rule::ReplyAction)>,
}

#[derive(Debug)]
pub(crate) struct Session {
    framing: Framing,
    pub(crate) pending: VecDeque<Pending>,
    requests: u64,
    /// Requests that an error before them made the server skip.
    pub(crate) skipped: Vec<Pending>,
    /// Postgres: the server skips everything up to the next Sync.
    skipping: bool,
    /// Postgres: COPYs from the client that have ended.
    copies: u64,
    /// Postgres: a COPY from the client runs by the extended protocol, and so
    /// many had ended before it. Until it ends, the server ignores Syncs.
    copying: Option<u64>,
    /// Postgres: the state of the transaction when the last reply ended.
    pub(crate) transaction: Option<Transaction>,
    /// Postgres: statements whose parameters' types the server was asked for …
    describing: VecDeque<String>,
    /// … and those that it has told.
    described: BTreeMap<String, Vec<u32>>,
    /// Postgres: encryption was asked for and the one-byte answer is due.
    pub(crate) encryption_asked: Option<Encryption>,
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
            skipped: Vec::new(),
            skipping: false,
            copies: 0,
            copying: None,
            transaction: None,
            describing: VecDeque::new(),
            described: BTreeMap::new(),
            encryption_asked: None,
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

    /// Numbers a request.
    pub(crate) const fn number(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    /// Takes note of a request that goes to the server now.
    pub(crate) fn ask(&mut self, mut pending: Pending) {
        if matches!(self.framing, Framing::Lost(_)) {
            return;
        }
        if self.pending.len() >= MOST_PENDING {
            self.lose("too many requests without a reply");
            return;
        }
        pending.copies = self.copies;
        if pending.expects == Expects::Nothing {
            return;
        }
        if self.copying == Some(pending.copies) {
            return self.ignored_by_copy(&pending);
        }
        self.pending.push_back(pending);
    }

    /// The client asks for the types of a statement's parameters.
    pub(crate) fn describe(&mut self, statement: String) {
        if self.describing.len() < MOST_PENDING {
            self.described.remove(&statement);
            self.describing.push_back(statement);
        }
    }

    /// The server tells them.
    pub(crate) fn tell_types(&mut self, types: Vec<u32>) {
        if let Some(statement) = self.describing.pop_front()
            && self.described.len() < MOST_DESCRIBED
        {
            self.described.insert(statement, types);
        }
    }

    pub(crate) fn described(&self, statement: &str) -> Option<&[u32]> {
        self.described.get(statement).map(Vec::as_slice)
    }

    /// A COPY from the client has ended, and what follows counts again.
    pub(crate) const fn end_copy(&mut self) {
        self.copies += 1;
    }

    /// The server asks for the data of a COPY, by the extended protocol. It
    /// ignores the Sync of that request, and those behind it.
    pub(crate) fn begin_copy(&mut self) {
        let Some(front) = self.pending.front_mut() else {
            return;
        };
        if let Expects::Counted(counted) = &mut front.expects {
            counted.sync = Sync::No;
        }
        let copies = front.copies;
        self.copying = Some(copies);
        let behind = self.pending.iter().skip(1).position(|one| one.copies > copies);
        let sent_during = behind.unwrap_or(self.pending.len() - 1);
        let ignored: Vec<_> = self.pending.drain(1..=sent_during).collect();
        for pending in &ignored {
            self.ignored_by_copy(pending);
        }
    }

    fn ignored_by_copy(&mut self, pending: &Pending) {
        if !matches!(pending.expects, Expects::Counted(Counted { total: Some(0), .. })) {
            self.lose("a request was sent while a COPY ran");
        }
    }

    /// How a request of which only the first part went to the server ends.
    pub(crate) fn close(&mut self, ordinal: u64, expects: Expects) {
        let mut pending = self.pending.iter_mut().rev();
        let pending = pending.find(|pending| pending.ordinal == ordinal);
        if let (Some(Expects::Counted(counted)), Expects::Counted(end)) =
            (pending.map(|pending| &mut pending.expects), expects)
        {
            (counted.total, counted.sync) = (end.total, end.sync);
        }
    }

    /// What is wanted done with the reply to a request that was sent.
    pub(crate) fn set_reply(&mut self, ordinal: u64, reply: (u64, crate::rule::ReplyAction)) {
        let mut pending = self.pending.iter_mut().rev();
        if let Some(pending) = pending.find(|pending| pending.ordinal == ordinal) {
            pending.reply = Some(reply);
        }
    }

    fn counted(&mut self) -> Option<&mut Counted> {
        match self.pending.front_mut().map(|front| &mut front.expects) {
            Some(Expects::Counted(counted)) => Some(counted),
            _ => None,
        }
    }

    /// A message of the server that completes one of the client's: true if the
    /// reply ends with it.
    pub(crate) fn complete_one(&mut self) -> bool {
        self.copying = None;
        let Some(counted) = self.counted() else { return false };
        counted.done += 1;
        counted.is_done() && counted.sync == Sync::No
    }

    /// An error of the server: true if the reply ends with it.
    pub(crate) fn fail(&mut self) -> bool {
        self.copying = None;
        let Some(counted) = self.counted() else { return false };
        counted.failed = true;
        let ends = counted.is_done() && counted.sync == Sync::No;
        self.skipping = ends;
        ends
    }

    /// After an error, everything before the next Sync gets no reply.
    pub(crate) fn skip(&mut self) {
        if let Some(counted) = self.counted()
            && counted.failed
            && counted.is_done()
            && counted.sync == Sync::No
        {
            // It failed while it was still being sent, and ended with a Flush.
            self.skipped.extend(self.pending.pop_front());
            self.skipping = true;
        }
        while self.skipping && !self.pending.is_empty() {
            match self.counted() {
                Some(counted) if counted.sync == Sync::Yes => {
                    counted.failed = true;
                    self.skipping = false;
                }
                _ => self.skipped.extend(self.pending.pop_front()),
            }
        }
    }

    /// The server is ready for more, in this state.
    pub(crate) fn ready(&mut self, transaction: Option<Transaction>) {
        self.copying = None;
        self.skipping = false;
        self.transaction = transaction;
        self.resume();
    }
}
