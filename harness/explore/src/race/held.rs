//! How a replica is held back on real servers, let go, and promoted.

use std::time::Duration;

use quarrel_checkers::{Key, Value};
use quarrel_run::faults::{caught_up, recovered};
use quarrel_strategy::{
    cluster::{Control, Fencing, Impairment, Link},
    stores::{Durability, Request},
};

use super::{LineEvent, Race, RaceError, StoreEvent, actors::State, force::Forcing, stops::Stream};

/// The longest wait for a replica.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// Between two looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A row that no race is about.
const SPARE: Key = Key(i64::MAX.unsigned_abs());

/// What the replica does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Replay {
    Runs,
    Paused,
    /// It is the primary now.
    Promoted,
}

/// Whether the primary hears what the replica has applied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Acks {
    Flow,
    Held,
}

/// What keeps the replica back. Both show the same to clients.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// It receives the log and does not replay it.
    Pause,
    /// It does not receive the log. Promotion replays everything that was
    /// received, so this is how a failover loses a write.
    Cut,
}

impl Hold {
    pub(super) fn of(race: &Race) -> Self {
        let fails_over =
            race.flat().any(|line| line.what == LineEvent::Event(StoreEvent::Failover));
        if fails_over { Self::Cut } else { Self::Pause }
    }
}

impl Forcing<'_> {
    pub(super) async fn stand_still(&mut self, line: usize) -> Result<(), RaceError> {
        if self.replica == Replay::Promoted {
            return Ok(());
        }
        self.control(
            line,
            match self.hold {
                Hold::Pause => Control::PauseReplay,
                Hold::Cut => Control::Cut(Link::ReplicaPrimary),
            },
        )
        .await?;
        self.replica = Replay::Paused;
        Ok(())
    }

    pub(super) async fn go_on(&mut self, line: usize) -> Result<(), RaceError> {
        if self.replica == Replay::Promoted {
            return Ok(());
        }
        self.flow(line).await?;
        self.control(
            line,
            match self.hold {
                Hold::Pause => Control::ResumeReplay,
                Hold::Cut => Control::Restore(Link::ReplicaPrimary),
            },
        )
        .await?;
        self.replica = Replay::Runs;
        self.follow(line).await?;
        self.settle(line).await
    }

    /// The log still reaches the replica; what it says of it vanishes.
    pub(super) async fn hold_acks(&mut self, line: usize) -> Result<(), RaceError> {
        let (link, impairment) = (Link::ReplicaPrimary, Impairment::DropRequests);
        self.control(line, Control::Impair { link, impairment }).await?;
        self.acks = Acks::Held;
        Ok(())
    }

    pub(super) async fn release_acks(&mut self, line: usize) -> Result<(), RaceError> {
        self.control(line, Control::Restore(Link::ReplicaPrimary)).await?;
        self.acks = Acks::Flow;
        // What vanished is not said again by itself: only news makes the
        // replica speak.
        let (value, durability) = (Value::Int(0), Durability::Local);
        self.direct.ask(line, Request::PrimaryWrite { key: SPARE, value, durability }).await?;
        self.follow(line).await?;
        self.settle(line).await
    }

    /// The replica becomes the primary; the old one is stopped.
    pub(super) async fn fail_over(&mut self, line: usize) -> Result<(), RaceError> {
        if self.replica == Replay::Promoted {
            return Ok(());
        }
        self.control(line, Control::Promote(Fencing::Fenced)).await?;
        self.control(line, Control::Switch).await?;
        self.replica = Replay::Promoted;
        // Clients find the new primary at the old address. That their
        // connections broke is not what the race is about.
        self.direct.reconnect(self.cluster);
        // Nothing happened to the cache, nor to who listens to it.
        for stores in self.actors.values_mut().filter_map(|actor| actor.stores.as_mut()) {
            stores.renew_databases();
        }
        Ok(())
    }

    /// The cluster as it was before the race.
    pub(super) async fn undo_holds(&mut self) {
        // What fails here shows in the next race's first line.
        if self.replica == Replay::Promoted {
            drop(self.cluster.apply(&Control::Rejoin).await);
            drop(tokio::time::timeout(LIMIT, recovered(self.cluster)).await);
            self.direct.reconnect(self.cluster);
        } else if self.replica == Replay::Paused && self.hold == Hold::Pause {
            drop(self.cluster.apply(&Control::ResumeReplay).await);
        }
        let is_cut = self.replica == Replay::Paused && self.hold == Hold::Cut;
        if self.acks == Acks::Held || is_cut || self.stream != Stream::Flows {
            drop(self.cluster.apply(&Control::Restore(Link::ReplicaPrimary)).await);
        }
    }

    /// Waits until the replica shows every commit, unless it is held back.
    pub(super) async fn follow(&self, line: usize) -> Result<(), RaceError> {
        if self.replica != Replay::Runs {
            return Ok(());
        }
        let caught_up = tokio::time::timeout(LIMIT, caught_up(self.cluster)).await;
        let failed = |what: String| RaceError::Failed { line, what };
        caught_up
            .map_err(|_| failed(format!("the replica did not catch up within {LIMIT:?}")))?
            .map(drop)
            .map_err(|error| failed(error.to_string()))
    }

    /// Waits until the calls that waited for the replica have been answered,
    /// unless they must go on waiting.
    async fn settle(&self, line: usize) -> Result<(), RaceError> {
        if self.replica == Replay::Paused || self.acks == Acks::Held {
            return Ok(());
        }
        let answered = || {
            self.actors.values().all(|actor| match &actor.state {
                State::Waits(call) => call.is_finished(),
                _ => true,
            })
        };
        let all = async {
            while !answered() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(LIMIT, all).await.map_err(|_| RaceError::Failed {
            line,
            what: format!("a commit still waited {LIMIT:?} after the replica had applied it"),
        })
    }

    /// Whether a commit with `remote_apply` has to wait.
    pub(super) fn commits_wait(&self) -> bool {
        self.replica == Replay::Paused || self.acks == Acks::Held
    }
}
