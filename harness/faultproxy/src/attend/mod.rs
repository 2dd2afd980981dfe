//! Attending a proxy: a controller reads every message, and may have each one
//! wait until it decides what becomes of it.
//!
//! [`FaultProxy::attend`](crate::FaultProxy::attend) shows how to begin.

mod desk;
mod notice;
mod rows;
mod value;

pub(crate) use desk::{Desk, Ticket};
pub use notice::{
    Detail, Notice, NoticeKind, Peer, Push, Statement, StreamEnd, Waits, WireReply, WireRequest,
};
#[cfg(test)]
pub(crate) use rows::outcomes;
pub use rows::{Column, SqlError, StatementOutcome};
pub use value::WireValue;

use crate::control::Uncovered;
use crate::error::Error;
use crate::link::Link;
use crate::registry::Registry;
use crate::toxic::Stream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a controller attends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attend {
    /// Whether each request waits for a decision.
    pub requests: Waits,
    /// Whether each reply waits for a decision.
    pub replies: Waits,
    /// Whether each push (a message of a channel, an invalidation, a
    /// notification) waits for a decision.
    pub pushes: Waits,
    /// The most bytes of a text that are told; at most 64 KiB.
    pub text_cap: usize,
    /// The most bytes of a message's raw form that are told.
    pub raw_cap: usize,
    /// How many bytes of notices may wait to be taken. When that is full,
    /// connections wait if anything is held, and else notices are left out,
    /// counted by [`NoticeKind::Missed`].
    pub capacity: usize,
}

impl Attend {
    /// Nothing waits: messages are told of and go on.
    #[must_use]
    pub const fn watching() -> Self {
        Self {
            requests: Waits::No,
            replies: Waits::No,
            pushes: Waits::No,
            text_cap: 4 << 10,
            raw_cap: 64 << 10,
            capacity: 8 << 20,
        }
    }

    /// Requests wait.
    #[must_use]
    pub const fn holding_requests() -> Self {
        Self { requests: Waits::Yes, ..Self::watching() }
    }

    /// Requests, replies and pushes wait.
    #[must_use]
    pub const fn holding_all() -> Self {
        Self { replies: Waits::Yes, pushes: Waits::Yes, ..Self::holding_requests() }
    }

    pub(crate) fn holds_anything(&self) -> bool {
        [self.requests, self.replies, self.pushes].contains(&Waits::Yes)
    }
}

/// What becomes of a message that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// It goes on.
    Forward,
    /// It goes on after this time.
    Delay(Duration),
    /// It is left out. A request is then never answered; the client waits for
    /// the answer to a reply that is left out.
    Drop,
    /// Requests only: it goes on, and its reply is left out.
    DropReply,
    /// The connection is reset in its place: a request surely did not run, a
    /// reply surely did not arrive.
    ResetBefore,
    /// Of a request: it goes on, and the connection is reset in place of its
    /// reply: it surely ran, and the client cannot know. Of a reply: it is
    /// delivered, and then the connection is reset.
    ResetAfter,
}

impl Decision {
    fn fits(self, stream: Stream) -> Result<(), Error> {
        match (self, stream) {
            (Self::DropReply, Stream::Downstream) => {
                Err(Error::Refused("a reply has no reply: drop it instead".into()))
            }
            _ => Ok(()),
        }
    }
}

/// The attention of one controller to any number of proxies: their messages in
/// one order, and the decisions on those that wait. Dropping it lets
/// everything that waits go on, in order.
///
/// All methods take `&self`; one thread may read while others decide.
#[derive(Debug)]
pub struct Attention {
    desk: Arc<Desk>,
    registry: Arc<Registry>,
    links: Mutex<Vec<Arc<Link>>>,
}

impl Attention {
    pub(crate) fn new(registry: &Arc<Registry>, options: Attend) -> Self {
        let epoch = registry.core.events.start();
        Self {
            desk: Arc::new(Desk::new(options, epoch)),
            registry: Arc::clone(registry),
            links: Mutex::default(),
        }
    }

    /// How many bytes of notices may wait to be taken.
    pub(crate) fn capacity(&self) -> usize {
        self.desk.options.capacity
    }

    /// Attends one more proxy: connections from now on, and what is told apart
    /// from now on of those that are open. Which of these cannot be followed
    /// is the answer.
    ///
    /// # Errors
    ///
    /// The proxy is unknown, was given no protocol, or somebody else attends
    /// it.
    pub fn add(&self, proxy: &str) -> Result<Vec<Uncovered>, Error> {
        let proxy = self.registry.proxy(proxy)?;
        let uncovered = proxy.attend(&self.desk)?;
        crate::link::lock(&self.links).push(Arc::clone(&proxy.link));
        Ok(uncovered)
    }

    /// The next notice. Cancelling this future loses none.
    pub async fn next(&self) -> Notice {
        self.desk.next().await
    }

    /// The next notice, if one comes within this time; blocks the thread.
    #[must_use]
    pub fn next_within(&self, time: Duration) -> Option<Notice> {
        self.desk.next_within(time)
    }

    /// The next notice, if one is there.
    #[must_use]
    pub fn try_next(&self) -> Option<Notice> {
        self.desk.try_next()
    }

    /// Decides what becomes of a message that waits. A message passes when it
    /// is decided and all those before it in its direction have passed, so
    /// decisions may be made in any order.
    ///
    /// # Errors
    ///
    /// [`Error::HeldNotFound`]: nothing waits under this id, as it was decided
    /// or its connection is over; [`Error::Refused`]: the decision makes no
    /// sense for a reply.
    pub fn decide(&self, id: u64, decision: Decision) -> Result<(), Error> {
        self.desk.decide(id, decision)
    }

    /// The ids of all messages that wait, oldest first.
    #[must_use]
    pub fn waiting(&self) -> Vec<u64> {
        self.desk.waiting()
    }
}

impl Drop for Attention {
    fn drop(&mut self) {
        for link in std::mem::take(&mut *crate::link::lock(&self.links)) {
            link.leave(&self.desk);
        }
        self.desk.detach();
    }
}
