use quarrel_checkers::{Key, Version};
use quarrel_sim::{OperationEnding, Task};
use quarrel_strategy::{
    cluster::Control,
    stores::Request,
    strategy::{Action, OPERATOR, Outcome},
};

use super::{
    Line, RaceError, StoreEvent,
    claims::{Ends, is_true_in_the_end},
    force::{Forcing, LineOutcome},
    letterbox::Messages,
};

/// What happens in a forced race and is nobody's step.
impl Forcing<'_> {
    pub(super) async fn event(
        &mut self,
        position: usize,
        line: &Line,
        event: &StoreEvent,
    ) -> Result<LineOutcome, RaceError> {
        let number = line.number;
        match event {
            StoreEvent::PauseReplica => {
                self.follow(number).await?;
                self.stand_still(number).await?;
            }
            StoreEvent::ResumeReplica => self.go_on(number).await?,
            StoreEvent::ReplayTo(key, version) => {
                return self.replay_to(position, line, *key, *version).await;
            }
            StoreEvent::ReplayReplica => {
                self.go_on(number).await?;
                self.stand_still(number).await?;
            }
            StoreEvent::ManualUpdate(key, value) => {
                self.room(line)?;
                let key = self.direct.real(*key);
                let place =
                    self.logical.begin(usize::MAX, OPERATOR, Action::Write(key, value.clone()));
                self.aside(Task::Manual(key, value.clone())).await?;
                let failed = |what| RaceError::Failed { line: number, what };
                let timeline = self.cluster.timeline().await.map_err(failed)?;
                let timeline = u32::try_from(timeline).unwrap_or(u32::MAX);
                let version = self.direct.version(number, key).await?;
                self.logical
                    .end(place, OperationEnding::Written(Version { timeline, number: version }));
                self.follow(number).await?;
            }
            StoreEvent::HoldMessages => self.messages = Messages::Held,
            StoreEvent::ReleaseMessages => self.messages = Messages::Arrive,
            StoreEvent::LoseMessages => self.lose_messages(),
            StoreEvent::ReorderMessages => self.reorder_messages(number).await?,
            StoreEvent::WipeCache => {
                self.direct.wipe(number).await?;
                self.forget_by_tracking();
            }
            StoreEvent::SaveCache => self.direct.save(number).await?,
            StoreEvent::RestoreCache => {
                self.direct.restore(number).await?;
                // A server that starts again knows nobody.
                self.lose_messages();
            }
            StoreEvent::Evict(object) | StoreEvent::Expire(object) => {
                let Some(item) = self.direct.item(object) else {
                    return Ok(Err(line.differs(event.to_string(), "the cache does not hold it")));
                };
                match event {
                    StoreEvent::Evict(_) => {
                        self.direct.ask(number, Request::CacheDel(item)).await.map(drop)?
                    }
                    _ => self.direct.expire(number, item).await?,
                }
            }
            StoreEvent::PauseAcks => self.hold_acks(number).await?,
            StoreEvent::ResumeAcks => self.release_acks(number).await?,
            StoreEvent::Failover => self.fail_over(number).await?,
        }
        Ok(Ok(None))
    }

    pub(super) async fn control(&self, line: usize, control: Control) -> Result<(), RaceError> {
        self.cluster.supports(&control).map_err(|unsupported| RaceError::Unsupported {
            line,
            what: format!("{}: {}", unsupported.control, unsupported.why),
            advice: unsupported.advice,
        })?;
        let done = self.cluster.apply(&control).await;
        done.map_err(|error| RaceError::Failed { line, what: error.to_string() })
    }

    /// What is true in the end.
    pub(super) async fn ends(&mut self) -> Result<Ends, RaceError> {
        let mut ends = Ends::default();
        let keys: Vec<Key> = self.race.keys.iter().map(|setup| setup.key).collect();
        for key in keys {
            let key = self.direct.real(key);
            let row = match self.aside(Task::Operation(Action::Read(key))).await? {
                Some(Outcome::Read(row)) => row,
                _ => None,
            };
            let primary = self.direct.row(0, key).await?;
            let (read, primary) = (row.as_ref(), primary.as_ref());
            ends.push(|claim| is_true_in_the_end(claim, &self.logical, key, read, primary));
        }
        Ok(ends)
    }
}
