//! Between the connections and a controller: notices one way, decisions back.

use super::notice::{Notice, NoticeKind};
use super::{Attend, Decision};
use crate::error::Error;
use crate::link::connection::Connection;
use crate::link::lock;
use crate::toxic::Stream;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A message that waits, or waited, for a decision. All its pieces share it.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) id: u64,
    decision: Mutex<Option<(Decision, Instant)>>,
}

impl Ticket {
    /// What was decided, and when.
    pub(crate) fn decision(&self) -> Option<(Decision, Instant)> {
        *lock(&self.decision)
    }

    /// Decides, unless that was done before.
    fn decide(&self, decision: Decision) {
        lock(&self.decision).get_or_insert((decision, Instant::now()));
    }
}

/// What waits under an id.
#[derive(Debug)]
struct Waiting {
    ticket: Arc<Ticket>,
    connection: Arc<Connection>,
    stream: Stream,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) options: Attend,
    epoch: Instant,
    state: Mutex<State>,
    arrived: Condvar,
    arrived_async: Notify,
}

#[derive(Debug, Default)]
struct State {
    notices: VecDeque<Notice>,
    /// What they weigh.
    bytes: usize,
    seq: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Connections that wait for room here.
    stalled: Vec<(Weak<Connection>, Stream)>,
    detached: bool,
}

impl Desk {
    pub(crate) fn new(options: Attend, epoch: Instant) -> Self {
        Self {
            options,
            epoch,
            state: Mutex::default(),
            arrived: Condvar::new(),
            arrived_async: Notify::new(),
        }
    }

    /// Tells the controller. Where nobody takes notices, a desk that holds
    /// nothing leaves them out; others make connections wait, see
    /// [`Desk::has_room`].
    pub(crate) fn tell(&self, proxy: &Arc<str>, connection: u64, what: NoticeKind) {
        let mut state = lock(&self.state);
        if !state.detached {
            self.add(&mut state, proxy, connection, what);
        }
    }

    fn add(&self, state: &mut State, proxy: &Arc<str>, connection: u64, what: NoticeKind) {
        state.seq += 1;
        // Stamped under the lock, so that time and order agree.
        let at_ns = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut notice =
            Notice { seq: state.seq, at_ns, proxy: Arc::clone(proxy), connection, what };
        let weight = notice.weight();
        let limit = match (&notice.what, self.options.holds_anything()) {
            // Its connection found room for it.
            (NoticeKind::Request(_) | NoticeKind::Reply(_) | NoticeKind::Push(_), true) => {
                usize::MAX
            }
            (_, true) => self.options.capacity.saturating_mul(2),
            (_, false) => self.options.capacity,
        };
        if state.bytes.saturating_add(weight) > limit {
            if let Some(Notice { what: NoticeKind::Missed { notices }, .. }) =
                state.notices.back_mut()
            {
                *notices += 1;
                return;
            }
            notice.what = NoticeKind::Missed { notices: 1 };
        }
        state.bytes += notice.weight();
        state.notices.push_back(notice);
        // Whoever takes notices takes all there are before he waits: where one
        // was there already, he has been woken, and waking costs a connection
        // more than the rest of this.
        if state.notices.len() == 1 {
            self.arrived.notify_one();
            self.arrived_async.notify_one();
        }
    }

    /// A ticket for a message that waits, which must be told of next; None if
    /// the controller has just gone.
    pub(crate) fn ask(
        &self,
        connection: &Arc<Connection>,
        stream: Stream,
        id: u64,
    ) -> Option<Arc<Ticket>> {
        let mut state = lock(&self.state);
        if state.detached {
            return None;
        }
        let ticket = Arc::new(Ticket { id, decision: Mutex::new(None) });
        let waiting =
            Waiting { ticket: Arc::clone(&ticket), connection: Arc::clone(connection), stream };
        state.waiting.insert(id, waiting);
        Some(ticket)
    }

    /// Whether there is room for more notices. If not, and messages wait for
    /// decisions, the connection is woken when there is.
    pub(crate) fn has_room(&self, connection: &Arc<Connection>, stream: Stream) -> bool {
        let mut state = lock(&self.state);
        if !self.options.holds_anything() || state.detached || state.bytes < self.options.capacity {
            return true;
        }
        state.stalled.push((Arc::downgrade(connection), stream));
        false
    }

    /// Which of these messages still wait.
    pub(crate) fn decide(&self, id: u64, decision: Decision) -> Result<(), Error> {
        let waiting = {
            let mut state = lock(&self.state);
            let Some(waiting) = state.waiting.get(&id) else {
                return Err(Error::HeldNotFound);
            };
            decision.fits(waiting.stream)?;
            state.waiting.remove(&id).expect("it was just found")
        };
        waiting.ticket.decide(decision);
        waiting.connection.wake(waiting.stream);
        Ok(())
    }

    pub(crate) fn waiting(&self) -> Vec<u64> {
        lock(&self.state).waiting.keys().copied().collect()
    }

    /// A connection is over.
    pub(crate) fn close(&self, proxy: &Arc<str>, connection: &Arc<Connection>, how: &'static str) {
        let mut state = lock(&self.state);
        let mut undecided = Vec::new();
        state.waiting.retain(|id, waiting| {
            let stays = !Arc::ptr_eq(&waiting.connection, connection);
            if !stays {
                undecided.push(*id);
            }
            stays
        });
        if !state.detached {
            let what = NoticeKind::Closed { how, undecided };
            self.add(&mut state, proxy, connection.ordinal, what);
        }
    }

    /// The controller goes: everything that waits goes on.
    pub(crate) fn detach(&self) {
        let (waiting, stalled) = {
            let mut state = lock(&self.state);
            state.detached = true;
            state.notices.clear();
            state.bytes = 0;
            (std::mem::take(&mut state.waiting), std::mem::take(&mut state.stalled))
        };
        for waiting in waiting.values() {
            waiting.ticket.decide(Decision::Forward);
        }
        for waiting in waiting.into_values() {
            waiting.connection.wake(waiting.stream);
        }
        wake(stalled);
        self.arrived.notify_all();
        self.arrived_async.notify_waiters();
    }

    fn take(&self, state: &mut State) -> (Option<Notice>, Vec<(Weak<Connection>, Stream)>) {
        let notice = state.notices.pop_front();
        state.bytes -= notice.as_ref().map_or(0, Notice::weight);
        let stalled = if state.bytes <= self.options.capacity / 2 {
            std::mem::take(&mut state.stalled)
        } else {
            Vec::new()
        };
        (notice, stalled)
    }

    pub(crate) fn try_next(&self) -> Option<Notice> {
        let (notice, stalled) = self.take(&mut lock(&self.state));
        wake(stalled);
        notice
    }

    pub(crate) async fn next(&self) -> Notice {
        loop {
            let arrived = self.arrived_async.notified();
            if let Some(notice) = self.try_next() {
                return notice;
            }
            arrived.await;
        }
    }

    pub(crate) fn next_within(&self, time: Duration) -> Option<Notice> {
        let deadline = Instant::now().checked_add(time);
        let mut state = lock(&self.state);
        while state.notices.is_empty() {
            let left = deadline.map_or(Duration::from_secs(3600), |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return None;
            }
            state =
                self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let (notice, stalled) = self.take(&mut state);
        drop(state);
        wake(stalled);
        notice
    }
}

fn wake(stalled: Vec<(Weak<Connection>, Stream)>) {
    for (connection, stream) in stalled {
        if let Some(connection) = connection.upgrade() {
            connection.wake(stream);
        }
    }
}
