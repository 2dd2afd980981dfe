//! What the two directions of one connection know of each other.

use super::Command;
use super::group::{Counted, Expects, Sync, TransactionStatus};
use super::statements::Statements;
use super::subscriptions::Subscriptions;
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
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Counted from 1 in its connection.
    pub(crate) ordinal: u64,
    /// Its id for those who attend, if any did.
    pub(crate) id: Option<u64>,
    pub(crate) command: Command,
    pub(crate) expects: Expects,
    pub(crate) handshake: bool,
    /// So many requests in a row of which nobody asked what they say; 0 is 1.
    pub(crate) run: u32,
    /// Postgres: how many COPYs from the client had ended before it.
    pub(crate) copies: u64,
    /// What a rule wants done with the reply, and the rule's id.
    pub(crate) reply: Option<(u64, crate::rule::ReplyAction)>,
}

#[derive(Debug)]
pub(crate) struct Session {
    framing: Framing,
    /// Why following was given up, until somebody has told of it.
    pub(crate) untold: Option<&'static str>,
    /// Whether anybody asks what messages say: a rule, a log, one who attends.
    pub(crate) wanted: bool,
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
    pub(crate) transaction: Option<TransactionStatus>,
    /// Postgres: its prepared statements.
    pub(crate) statements: Statements,
    /// Redis: what it is subscribed to.
    pub(crate) subscriptions: Subscriptions,
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
    pub(crate) fn new() -> Self {
        Self {
            framing: Framing::Followed,
            untold: None,
            wanted: true,
            pending: VecDeque::new(),
            requests: 0,
            skipped: Vec::new(),
            skipping: false,
            copies: 0,
            copying: None,
            transaction: None,
            statements: Statements::default(),
            subscriptions: Subscriptions::default(),
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

    /// The same, where nobody can tell of it.
    fn lose_later(&mut self, reason: &'static str) {
        if self.lose(reason) {
            self.untold = Some(reason);
        }
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

    /// Numbers so many requests in a row; the ordinal of the first.
    pub(crate) const fn number(&mut self, run: u32) -> u64 {
        let first = self.requests + 1;
        self.requests += if run > 1 { run as u64 } else { 1 };
        first
    }

    /// The ordinal that the next request will have.
    pub(crate) const fn upcoming(&self) -> u64 {
        self.requests + 1
    }

    /// The first requests that wait for their replies have them; the last one
    /// of them, if it stood for itself.
    pub(crate) fn answered(&mut self, run: u32) -> Option<Pending> {
        let front = self.pending.front_mut()?;
        let answered = run.max(1);
        if front.run > answered {
            front.run -= answered;
            front.ordinal += u64::from(answered);
            return None;
        }
        let answered = self.pending.pop_front()?;
        self.statements.settle(answered.ordinal);
        Some(answered)
    }

    /// How many replies of which nobody asks what they say are to come next.
    pub(crate) fn plain_replies(&self) -> u32 {
        let front = self.pending.front().filter(|front| {
            front.expects == Expects::Value
                && front.reply.is_none()
                && front.command.name.is_empty()
        });
        match front {
            Some(front) if !self.wanted && !self.subscriptions.is_subscribed() => front.run.max(1),
            _ => 0,
        }
    }

    /// This request will not go to the server, or not as a whole.
    pub(crate) fn dropped(&mut self, ordinal: u64) {
        self.statements.take_back(ordinal);
    }

    /// Of the first request that waits, the rest does not count.
    fn fail_front(&mut self) {
        if let Some(front) = self.pending.front() {
            self.statements.take_back(front.ordinal);
        }
    }

    /// Takes note of a request that goes to the server now.
    pub(crate) fn ask(&mut self, mut pending: Pending) {
        if matches!(self.framing, Framing::Lost(_)) {
            return;
        }
        if self.pending.len() >= MOST_PENDING {
            self.lose_later("too many requests without a reply");
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
            self.lose_later("a request was sent while a COPY ran");
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
        self.fail_front();
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
            self.fail_front();
            match self.counted() {
                Some(counted) if counted.sync == Sync::Yes => {
                    counted.failed = true;
                    self.skipping = false;
                }
                // Its end, which may be a Sync, is still to come.
                Some(Counted { total: None, failed, .. }) => {
                    *failed = true;
                    return;
                }
                _ => self.skipped.extend(self.pending.pop_front()),
            }
        }
    }

    /// The server is ready for more, in this state.
    pub(crate) fn ready(&mut self, transaction: Option<TransactionStatus>) {
        self.copying = None;
        self.skipping = false;
        self.transaction = transaction;
        self.resume();
    }
}
