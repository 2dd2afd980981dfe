//! How a real replica is stopped between two commits.
//!
//! A replica that has received both replays both: nothing stops it in between.
//! So it must not receive the later one before its line: as soon as the commit
//! that a line `replay replica to` asks for is made, and another is still to
//! come before that line, the link is stalled. What the replica has received by
//! then it replays at the line.

use quarrel_checkers::{Key, Lsn};
use quarrel_strategy::{
    cluster::{Control, Impairment, Link},
    stores::{Request, Response},
};
use tokio::time::{sleep, timeout};

use super::{
    Line, LineEvent, RaceError, StoreEvent,
    force::{Forcing, LineOutcome},
    held::{Hold, LIMIT, LOOK_EVERY, Replay},
};

/// Whether the log reaches the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Flows,
    /// It has received the log up to here.
    Stalled(Lsn),
}

impl Forcing<'_> {
    /// After a commit at `position` of the race: stalls the link if a line to
    /// come stops the replica here.
    pub(super) async fn stop_before_the_next(
        &mut self,
        position: usize,
        line: usize,
    ) -> Result<(), RaceError> {
        let holds = self.replica == Replay::Paused && self.hold == Hold::Pause;
        if !holds || self.stream != Stream::Flows {
            return Ok(());
        }
        let Some((key, version)) = self.next_stop(position) else { return Ok(()) };
        if !self.direct.is_newest(line, key, version).await? {
            return Ok(());
        }
        let Response::Lsn(written) = self.direct.ask(line, Request::PrimaryLsn).await? else {
            return Ok(());
        };
        let received = timeout(LIMIT, self.until_received(written)).await;
        let failed = |what: String| RaceError::Failed { line, what };
        received
            .map_err(|_| failed(format!("the replica did not receive {written} in {LIMIT:?}")))?
            .map_err(failed)?;
        let impairment = Impairment::Bandwidth { kb_per_s: 0 };
        self.control(line, Control::Impair { link: Link::ReplicaPrimary, impairment }).await?;
        self.stream = Stream::Stalled(written);
        Ok(())
    }

    /// The next line that stops the replica between two commits: what it shows
    /// there. None if nothing is committed before it, or if the replica catches
    /// up before.
    fn next_stop(&self, position: usize) -> Option<(Key, u64)> {
        let mut commits = false;
        for line in self.race.flat().skip(position + 1) {
            match &line.what {
                LineEvent::Event(StoreEvent::ReplayTo(key, version)) => {
                    return commits.then_some((*key, *version));
                }
                LineEvent::Event(
                    StoreEvent::ResumeReplica | StoreEvent::ReplayReplica | StoreEvent::Failover,
                ) => {
                    return None;
                }
                what => commits |= what.commits(),
            }
        }
        None
    }

    /// The replica replays up to a version of a row and stops again.
    pub(super) async fn replay_to(
        &mut self,
        position: usize,
        at: &Line,
        key: Key,
        version: u64,
    ) -> Result<LineOutcome, RaceError> {
        let line = at.number;
        match self.stream {
            Stream::Stalled(received) => {
                self.control(line, Control::ResumeReplay).await?;
                self.until_replayed(line, received).await?;
                self.control(line, Control::PauseReplay).await?;
                self.flow(line).await?;
            }
            Stream::Flows if self.replica == Replay::Paused => {
                self.go_on(line).await?;
                self.stand_still(line).await?;
            }
            // It shows every commit as it is.
            Stream::Flows => {}
        }
        let real = self.direct.real(key);
        let shown = match self.direct.ask(line, Request::ReplicaRead(real)).await? {
            Response::Row { row, .. } => row.map_or(0, |row| row.version),
            _ => 0,
        };
        if shown > version && self.replica == Replay::Paused {
            return Err(RaceError::Unsupported {
                line,
                what: format!(
                    "a real replica cannot stop at v{version} of key {key} here: it has received \
                     v{shown}, as every commit comes through at the line before that lets it replay"
                ),
                advice: "let that line name the newest version, move this one before the next \
                         UPDATE, or use --cluster sim"
                    .to_owned(),
            });
        }
        self.stop_before_the_next(position, line).await?;
        if shown < version {
            let found = format!("the replica shows v{shown}, and there is no more");
            return Ok(Err(at.differs(at.what.to_string(), found)));
        }
        Ok(Ok(None))
    }

    /// The log reaches the replica again.
    pub(super) async fn flow(&mut self, line: usize) -> Result<(), RaceError> {
        if self.stream != Stream::Flows {
            self.control(line, Control::Restore(Link::ReplicaPrimary)).await?;
            self.stream = Stream::Flows;
        }
        Ok(())
    }

    async fn until_received(&self, written: Lsn) -> Result<(), String> {
        while self.cluster.received().await? < written {
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn until_replayed(&mut self, line: usize, received: Lsn) -> Result<(), RaceError> {
        let looks = LIMIT.as_millis() / LOOK_EVERY.as_millis().max(1);
        for _ in 0..looks {
            let replayed = self.direct.ask(line, Request::ReplicaLsn).await?;
            if matches!(replayed, Response::Lsn(replayed) if replayed >= received) {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
        let what = format!("the replica did not replay {received} within {LIMIT:?}");
        Err(RaceError::Failed { line, what })
    }
}
