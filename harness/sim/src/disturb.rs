use quarrel_checkers::{Key, Kind, Op, Value, Version};
use quarrel_strategy::{
    stores::Item,
    strategy::{Action, OPERATOR},
};

use super::{
    Disturbance, Following, Happened, OperationEnding, Reaction, Simulation, Stuck, World,
    client::{ClientProgress, Task},
};

/// What happens to messages on their way to clients with near caches.
fn disturb_messages(world: &mut World, disturbance: &Disturbance) {
    match disturbance {
        Disturbance::HoldMessages => world.cache.mail().hold(),
        Disturbance::ReleaseMessages => world.cache.mail().release(),
        Disturbance::LoseMessages => world.cache.hang_up_all(),
        Disturbance::ReorderMessages => world.cache.mail().reverse(),
        _ => {}
    }
}

impl Simulation {
    pub(super) fn disturb(&mut self, disturbance: &Disturbance) -> Result<Happened, Stuck> {
        let world = &mut self.world;
        let done = match disturbance {
            Disturbance::PauseReplica => {
                self.following = Following::WhenTold;
                true
            }
            Disturbance::ResumeReplica => {
                self.following = Following::AtOnce;
                world.catch_up();
                true
            }
            Disturbance::CatchUp => {
                world.catch_up();
                true
            }
            Disturbance::ReplayTo { key, version } => {
                let shown = |world: &World| {
                    world.replica_row(*key).is_some_and(|row| row.version >= *version)
                };
                while !shown(world) && world.replay() {}
                shown(world)
            }
            Disturbance::PauseAcknowledgements => {
                world.hold_acknowledgements();
                true
            }
            Disturbance::ResumeAcknowledgements => {
                world.release_acknowledgements();
                true
            }
            Disturbance::HoldMessages
            | Disturbance::ReleaseMessages
            | Disturbance::LoseMessages
            | Disturbance::ReorderMessages => {
                disturb_messages(world, disturbance);
                true
            }
            Disturbance::WipeCache => {
                world.cache.wipe(world.now);
                true
            }
            Disturbance::SaveCache => {
                world.cache.save();
                true
            }
            Disturbance::RestoreCache => {
                world.cache.restore();
                true
            }
            Disturbance::Evict(item) => world.evict(item),
            Disturbance::Expire(item) => self.expire(item),
            Disturbance::ManualUpdate { key, value } => {
                return self.manual_update(*key, value.clone());
            }
            Disturbance::FailOver => {
                world.fail_over();
                true
            }
            Disturbance::Wait(duration) => {
                self.pass(*duration);
                true
            }
        };
        Ok(if done { Happened::Other } else { Happened::Impossible })
    }

    fn expire(&mut self, item: &Item) -> bool {
        let now = self.world.now;
        let Some(Some(_)) = self.world.cache.ttl(item, now) else { return false };
        let entry = self.world.cache.entries(now).find(|(found, _)| *found == item);
        let Some(at) = entry.and_then(|(_, entry)| entry.expires) else { return false };
        self.move_clock_to(at);
        true
    }

    /// The operator's change, as the strategy makes it, with nobody between
    /// its steps.
    fn manual_update(&mut self, key: Key, value: Value) -> Result<Happened, Stuck> {
        let op = Op::write(key, value.clone());
        let operation = self.logical.begin(usize::MAX, OPERATOR, Action::Write(key, value.clone()));
        let mut operator = self.client(OPERATOR, self.clock_of_now());
        let mut progress = operator.start(Task::Manual(key, value));
        loop {
            progress = match progress {
                ClientProgress::Calls(request) => match self.world.apply(&request) {
                    Reaction::Answer(answer) => operator.answer(answer),
                    Reaction::Waits(_) => {
                        if let Some(recorder) = &self.setting.recorder {
                            let why = "the row is locked".to_owned();
                            recorder.complete(OPERATOR, Kind::Info, op, Some(why));
                        }
                        self.logical.end(operation, OperationEnding::Unknown);
                        return Ok(Happened::Impossible);
                    }
                },
                ClientProgress::Stuck => return Err(Stuck::Waits),
                ClientProgress::Ended(_) => break,
            };
        }
        let (timeline, number) = (self.world.timeline(), self.world.primary.version(key));
        self.logical.end(operation, OperationEnding::Written(Version { timeline, number }));
        Ok(Happened::Other)
    }
}
