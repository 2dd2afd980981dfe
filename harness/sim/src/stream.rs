//! The log on its way from the primary to the replica.

use std::time::Duration;

use quarrel_checkers::{Lsn, Site, Time};
use quarrel_strategy::cluster::{Impairment, Link};

use super::{
    impair::{self, Fate},
    network::{Network, What},
    slot::CallState,
};

/// What a commit takes to the replica and to be replayed there, on average.
const STREAMING: Duration = Duration::from_micros(400);

#[derive(Clone, Copy)]
pub(super) struct Streamed {
    committed: Time,
    /// When it is there; none while the link does not carry it.
    received: Option<Time>,
}

impl Network {
    pub(super) fn stream(&mut self) {
        let committed = self.clock.now();
        self.streaming.push_back(Streamed { committed, received: None });
        self.carry();
    }

    /// Sends on their way the commits that the link to the replica carries,
    /// and plans when the replica looks at them.
    pub(super) fn carry(&mut self) {
        if self.conditions.streams() {
            let now = self.clock.now();
            let mut last = Time::ZERO;
            for at in 0..self.streaming.len() {
                if self.streaming[at].received.is_none() {
                    if !self.stream_has_room() {
                        break;
                    }
                    let takes = self.about(STREAMING) + self.extra(Some(Link::ReplicaPrimary));
                    // One stream: nothing overtakes, and what takes its time
                    // keeps the rest waiting.
                    let begins = (now + takes).max(last);
                    self.streaming[at].received = Some(begins + self.commit_takes());
                }
                last = self.streaming[at].received.unwrap_or(last);
            }
        }
        self.plan_replay();
    }

    /// Whether the stream may carry one more commit. The replica asks for a
    /// whole segment of the log again after each break, so that a limit once
    /// reached is reached again before anything new.
    fn stream_has_room(&mut self) -> bool {
        let Some(Impairment::Limit { bytes }) = self.conditions.impairment(Link::ReplicaPrimary)
        else {
            return true;
        };
        self.streamed_bytes += impair::COMMIT_BYTES;
        self.streamed_bytes <= bytes
    }

    /// What happens to the stream is another thing from now on.
    pub(super) fn impair_stream(&mut self, impairment: Impairment) {
        self.streamed_bytes = 0;
        if impairment == Impairment::DropRequests {
            self.world.hold_acknowledgements();
        }
        // What is under way is under way by the new rules.
        self.stop_streaming();
        self.carry();
    }

    /// The stream is as it was before anything happened to it.
    pub(super) fn mend_stream(&mut self) {
        self.world.release_acknowledgements();
        self.end_waits();
        self.stop_streaming();
    }

    /// How long a commit occupies the stream to the replica.
    fn commit_takes(&self) -> Duration {
        let impairment = self.conditions.impairment(Link::ReplicaPrimary);
        match impairment.map(|how| impair::fate(how, Site::Replica, impair::COMMIT_BYTES, 0)) {
            Some(Fate::Later(by)) => by,
            // Where nothing flows nothing is sent.
            Some(Fate::Never | Fate::Breaks(_)) | None => Duration::ZERO,
        }
    }

    /// The replica replays all that reached it, whatever it was told to wait
    /// for, as a promotion does.
    pub(super) fn replay_received(&mut self) {
        let now = self.clock.now();
        let here = |streamed: &Streamed| streamed.received.is_some_and(|at| at <= now);
        while self.streaming.front().is_some_and(here) {
            self.streaming.pop_front();
            self.world.replay();
        }
    }

    /// Up to where the replica has received the log.
    pub(super) fn received(&self) -> Lsn {
        let now = self.clock.now();
        let here = |streamed: &&Streamed| streamed.received.is_some_and(|at| at <= now);
        let commits = self.streaming.iter().take_while(here).count();
        let mut ends: Vec<Lsn> = self.world.primary.unreplayed.iter().map(|c| c.end).collect();
        // Changes of one transaction end, and arrive, as one.
        ends.dedup();
        let last = commits.checked_sub(1).and_then(|last| ends.get(last));
        last.copied().unwrap_or_else(|| self.world.replica.replayed())
    }

    /// The promoted replica is the primary now; what never reached it is lost.
    pub(super) fn fail_over(&mut self) {
        self.streaming.clear();
        self.world.fail_over();
    }

    /// What had not reached the replica when its link was cut is sent again
    /// later.
    pub(super) fn stop_streaming(&mut self) {
        let now = self.clock.now();
        for streamed in &mut self.streaming {
            if streamed.received.is_some_and(|received| received > now) {
                streamed.received = None;
            }
        }
    }

    pub(super) fn plan_replay(&mut self) {
        if let Some(due) = self.next_replay() {
            self.plan(due.max(self.clock.now()), What::Replay);
        }
    }

    fn next_replay(&self) -> Option<Time> {
        let first = self.streaming.front()?;
        let delay = self.conditions.replay_delay()?;
        first.received.map(|received| received.max(first.committed + delay))
    }

    pub(super) fn replay(&mut self) {
        let now = self.clock.now();
        while self.next_replay().is_some_and(|due| due <= now) {
            self.streaming.pop_front();
            self.world.replay();
        }
        self.plan_replay();
        self.end_waits();
    }

    fn end_waits(&mut self) {
        for slot in 0..self.slots.len() {
            if matches!(&self.slots[slot].state, CallState::Waits(_, wait) if self.world.ready(wait))
            {
                self.end_wait(slot);
            }
        }
    }
}
